"""Running the command line in a process of its own, as a user does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

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


def serl(*arguments: str, timeout: float = 540, **env: str) -> subprocess.CompletedProcess[str]:
    """`serl ...` from the repository's root; output is captured."""
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment(**env), capture_output=True, text=True, timeout=timeout, check=False
    )


@contextmanager
def running_serl(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`serl ...` in a process group of its own, which is killed on leaving."""
    command = [sys.executable, "-m", "flows.cli", *arguments]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
