"""Running programs in processes of their own: the command line, as a user does, and others."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[1]

HANG_SECONDS = 1200.0
"""What has not ended by then hangs: several times what it takes on a machine that has much else to do."""

CUT = [
    f"--set={setting}"
    for setting in (
        "iterations=2",
        "policy.warm_start.steps=60",
        "policy.warm_start.direct_from_step=50",
        "generate.questions=8",
        "generate.over_generation=4",
        "filter.max_similarity=1.0",
        "filter.rules.min_words=1",
        "vote.min_reward=0.0",
        "answers.boxed_only=false",
        "evaluate.every=2",
        "evaluate.benchmarks=[{name: heldout, domain: arithmetic, count: 12}]",
        "evaluate.protocol.samples=4",
        "compute.shard_rows=8",
        "compute.trainer.threads=1",
    )
]
"""Overrides that make the quickstart small: a policy this short of training knows nothing, but every stage runs."""


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without Prefect's settings, and one thread per process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**inherited, "OMP_NUM_THREADS": "1", **extra}


def run(
    *command: str, expect: int | None = None, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output is captured.

    Fails, showing the output, when the command hangs or ends with another exit code than `expect`.
    """
    with subprocess.Popen(
        command, cwd=cwd, env=environment() if env is None else env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(f"{command} hangs; its output:\n{output}{errors}") from None
    code = process.returncode
    assert expect is None or code == expect, f"{command} ended with {code}; its output:\n{output}{errors}"
    return subprocess.CompletedProcess(command, code, output, errors)


def python(
    *arguments: str, expect: int | None = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python ...` from the repository's root, as `run` does."""
    return run(sys.executable, *arguments, expect=expect, env=env)


def serl(*arguments: str, expect: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `serl ...` from the repository's root, as `run` does."""
    return python("-m", "flows.cli", *arguments, expect=expect, env=environment(**env))


@contextmanager
def running_serl(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`serl ...` in a process group of its own, which is killed on leaving; its output goes to `log`."""
    command = [sys.executable, "-m", "flows.cli", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def kill_with_children(pid: int) -> None:
    """kill -9 a process with all that it started, as when a machine is lost."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
