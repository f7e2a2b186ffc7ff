"""A Prefect server on loopback, with workers, for tests and benchmarks: everything is a process that can be killed.

The server is on PostgreSQL where its programs are there. On SQLite, Prefect loses events when several clients write at
once ("database is locked"), and with them what its automations wait for.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import psutil

from flows.config.run import RunConfig
from tests.commands import HANG_SECONDS, REPOSITORY, environment, kill_with_children, run

SLOW_FAKE = REPOSITORY / "tests" / "slow_fake"
POSTGRESQL = next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
"""Where its programs are."""

Found = TypeVar("Found")


def as_parameter(config: RunConfig) -> dict[str, Any]:
    """A run's settings as the deployments take them."""
    return config.model_dump(mode="json", by_alias=False)


class PrefectServer:
    """Commands and questions to a server; `env` is that of its clients."""

    def __init__(self, folder: Path, database: str | None, env: Mapping[str, str]) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.env = environment(
            PREFECT_HOME=str(folder / "prefect"),
            PREFECT_API_URL=f"{self.url}/api",
            **({"PREFECT_SERVER_DATABASE_CONNECTION_URL": database} if database else {}),
            **env,
        )
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.start("server", "start", "--host", "127.0.0.1", "--port", str(port))

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """`prefect ...` in the background, in a session of its own; its output goes to a log in the folder."""
        with (self._folder / f"{len(self._processes)}-{arguments[0]}.log").open("wb") as log:
            command = [sys.executable, "-m", "prefect", *arguments]
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env={**self.env, **env}, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)
        return process

    def worker(self, pool: str, **env: str) -> subprocess.Popen[bytes]:
        """A worker of a pool as the README starts it, once the server has heard of it."""
        return self.workers(pool, **env)[0]

    def workers(self, *pools: str, **env: str) -> list[subprocess.Popen[bytes]]:
        """A worker of each of these pools, started together.

        One of pool cpu has no limit: Prefect's worker ends with "this borrower is already holding one of this
        CapacityLimiter's tokens" when a flow run is started again before it has let go of that run's slot.
        """
        # By name: one that a test killed counts as online for a while, and then no more.
        workers = {}
        for pool in pools:
            name = f"{pool} {len(self._processes)}"
            limit = ["--limit", "1"] if pool == "gpu" else []
            workers[name] = self.start("worker", "start", "--pool", pool, "--name", name, *limit, **env)
        wait_until(lambda: workers.keys() <= {name for pool in set(pools) for name in self.online(pool)})
        return list(workers.values())

    def online(self, pool: str) -> set[str]:
        """Names of the workers of a pool that the server takes for online."""
        workers = self.ask(f"work_pools/{pool}/workers/filter", {})
        return {worker["name"] for worker in workers if worker["status"] == "ONLINE"}

    def call(self, *command: str, expect: int = 0) -> str:
        """`python -m ...`, which has to end with this exit code; its output, errors included."""
        done = run(sys.executable, "-m", *command, expect=expect, env=self.env)
        return done.stdout + done.stderr

    def set_up(self) -> None:
        """Pools, automations and deployments, as the README has them made."""
        self.call("flows.cli", "setup-prefect")
        self.call("prefect", "--no-prompt", "deploy", "--all")

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """GET, or POST where there is a body and no other method is named."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def submit(self, config: RunConfig, iterations: int) -> str:
        """Start the deployment `serl/iteration`; the flow run's id."""
        parameters = {"config": as_parameter(config), "iterations": iterations}
        return self.start_deployment("serl/iteration", parameters)

    def start_deployment(self, name: str, parameters: Mapping[str, Any]) -> str:
        """A flow run of a deployment; its id."""
        deployment = self.ask(f"deployments/name/{name}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask(f"deployments/{deployment['id']}/create_flow_run", body)["id"])

    def change_defaults(self, deployment: str, parameters: Mapping[str, Any]) -> None:
        """Have a deployment's form, and runs that are started without parameters, begin with these."""
        found = self.ask(f"deployments/name/{deployment}")
        self.ask(f"deployments/{found['id']}", {"parameters": parameters}, method="PATCH")

    def flow_run(self, run: str) -> dict[str, Any]:
        found = self.ask(f"flow_runs/{run}")
        assert isinstance(found, dict)
        return found

    def task_runs(self, run: str) -> list[tuple[str, str]]:
        """Name and state of every task of a flow run."""
        found = self.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return [(task["name"], task["state_name"]) for task in found]

    def gpu_runs(self, config: RunConfig) -> list[dict[str, Any]]:
        """The flow runs of pool gpu that serve a run, oldest first."""
        tagged = {"flow_runs": {"tags": {"all_": [f"serl: {config.uri}"]}}, "sort": "EXPECTED_START_TIME_ASC"}
        found = self.ask("flow_runs/filter", tagged)
        assert isinstance(found, list)
        return found

    def wait_for(self, run: str, state: str = "COMPLETED", seconds: float = HANG_SECONDS) -> dict[str, Any]:
        """The flow run, once its state is of this type; any other end is an error."""
        ends = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

        def reached() -> dict[str, Any] | None:
            found = self.flow_run(run)
            kind = found["state_type"]
            assert kind not in ends - {state, "CRASHED"}, found["state"]
            return found if kind == state else None

        return wait_until(reached, seconds)

    def stop(self) -> None:
        for process in reversed(self._processes):
            kill_with_children(process.pid)
            process.wait()


@contextmanager
def prefect_server(folder: Path, **env: str) -> Iterator[PrefectServer]:
    """A server that answers; it and all workers are killed at the end, with what they started."""
    with _postgresql() if POSTGRESQL else nullcontext() as database:
        server = PrefectServer(folder, database, env)
        try:
            wait_until(lambda: server.ask("health"))
            yield server
        finally:
            server.stop()


@contextmanager
def _postgresql() -> Iterator[str]:
    """The URL of a database of its own, empty at first and gone in the end."""
    assert POSTGRESQL is not None
    # It refuses to run as root, and in a folder that is another's.
    user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else os.geteuid()
    folder = Path(tempfile.mkdtemp(prefix="serl-postgresql-"))
    os.chown(folder, user, -1)
    port, data = _free_port(), folder / "data"

    def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (folder / f"{program}.log").open("wb") as log:
            command = [str(POSTGRESQL / program), "-D", str(data), *arguments]
            return subprocess.Popen(command, cwd=folder, user=user, stdout=log, stderr=log)

    try:
        made = start("initdb", "--username=serl", "--auth=trust", "--no-sync").wait()
        assert made == 0, (folder / "initdb.log").read_text()
        server = start("postgres", "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F")
        try:
            wait_until(lambda: _listens(port))
            yield f"postgresql+asyncpg://serl@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()
    finally:
        shutil.rmtree(folder)


def wait_until(look: Callable[[], Found | None], seconds: float = HANG_SECONDS) -> Found:
    """What `look` returns, once it is true; an error of the network counts as nothing."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := look():
                return found
        assert time.monotonic() < deadline, f"nothing came of it for {seconds:.0f} s"
        time.sleep(0.25)


def processes_of(run: str) -> list[psutil.Process]:
    """The processes of a flow run that a worker started, those that they started included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill(run: str) -> None:
    """kill -9 the process that the worker started for a flow run."""
    first = min(processes_of(run), key=lambda process: process.create_time())
    os.kill(first.pid, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
