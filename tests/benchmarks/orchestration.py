"""The time that Prefect, starts of processes and reports add to an iteration whose stages take a known time.

    python -m tests.benchmarks.orchestration [--seconds 600]

The fake engine sleeps for each response, so that the responses of an iteration take `--seconds` in all. All other time
from the start of the command to the end of its process counts as overhead, filters, votes and grading included. The
same iteration runs in three ways: by `serl run`, by the stages alone without Prefect (`flows.run_loop`), and by the
deployment `serl/iteration` with its GPU stages on a worker of pool gpu; the server uses PostgreSQL if it is installed.
The last two ways get a tenth of the seconds, because their overhead does not depend on them. The last line is JSON:

share          overhead of `serl run` as a share of its time, for an iteration of `--seconds`
inline_s       overhead of `serl run` in seconds
plain_s        overhead of the stages alone
deployment_s   overhead of the deployment, from the request to Completed
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.config.run import RunConfig
from flows.run_loop import run_locally
from storage.run import open_run
from tests.commands import REPOSITORY, environment
from tests.helpers import fake_config
from tests.prefect_server import POSTGRESQL, SLOW_FAKE, prefect_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="time for all responses of the iteration")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        responses = _responses(_config(folder / "counted"))
        print(f"an iteration of {responses} responses", flush=True)
        inline_s = _overhead("serl run", folder / "inline", responses, seconds)
        plain_s = _overhead("the stages alone", folder / "plain", responses, seconds / 10)
        deployment_s = _deployment(folder, responses, seconds / 10)
    share = inline_s / (inline_s + seconds)
    print(json.dumps({"share": share, "deployment_s": deployment_s, "inline_s": inline_s, "plain_s": plain_s}))


def _config(root: Path, **changes: object) -> RunConfig:
    root.mkdir()
    return fake_config(root, iterations=1, **changes)


def _responses(config: RunConfig) -> int:
    """Return the number of responses that iteration 1 requests."""
    run_locally(config)
    run = open_run(config.uri)
    return config.generate.prompts + run.table("responses", 1).height + run.table("grades", 1).height


def _slowed(responses: int, seconds: float) -> dict[str, str]:
    return {"PYTHONPATH": str(SLOW_FAKE), "SERL_TEST_RESPONSE_SECONDS": str(seconds / responses)}


def _overhead(way: str, root: Path, responses: int, seconds: float) -> float:
    """Return the overhead of iteration 1, in seconds, in a separate process.

    Iteration 0 and Prefect's database exist before the measurement.
    """
    config = _config(root)

    def iterate(number: int, **env: str) -> None:
        file = root / f"{number}.json"
        file.write_text(config.model_copy(update={"iterations": number}).model_dump_json())
        command = {
            "serl run": ["-m", "flows.cli", "run", str(file)],
            "the stages alone": ["-c", _PLAIN, str(file)],
        }[way]
        full_environment = environment(PREFECT_HOME=str(root / "prefect"), **env)
        subprocess.run(
            [sys.executable, *command], cwd=REPOSITORY, env=full_environment, check=True, stdout=subprocess.DEVNULL
        )

    iterate(0)
    started = time.monotonic()
    iterate(1, **_slowed(responses, seconds))
    overhead = time.monotonic() - started - seconds
    print(f"{way}: {overhead:.1f} s on top of {seconds:.0f} s of responses", flush=True)
    return overhead


_PLAIN = """
import sys
from pathlib import Path
from flows.config.run import RunConfig
from flows.run_loop import run_locally
run_locally(RunConfig.model_validate_json(Path(sys.argv[1]).read_text()))
"""


def _deployment(folder: Path, responses: int, seconds: float) -> float:
    """Return the overhead of iteration 1 in the deployment, in seconds, from the request to Completed."""
    config = _config(folder / "deployment", gpu="deployment")
    run_locally(config.model_copy(update={"iterations": 0}))
    (folder / "server").mkdir()
    with prefect_server(folder / "server", **_slowed(responses, seconds)) as server:
        server.set_up()
        server.workers("cpu", "gpu")
        started = time.monotonic()
        server.wait_for(server.submit(config, iterations=1), seconds=seconds + 600)
        overhead = time.monotonic() - started - seconds
    database = "PostgreSQL" if POSTGRESQL else "SQLite"
    print(f"deployment ({database}): {overhead:.1f} s on top of {seconds:.0f} s of responses", flush=True)
    return overhead


if __name__ == "__main__":
    main()
