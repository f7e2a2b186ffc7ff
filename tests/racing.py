"""Several processes that start the same run at the same moment, again and again."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import flows.run_loop
from flows.config.run import RunConfig
from flows.run_loop import run_locally
from storage.errors import RunBusy
from tests.commands import HANG_SECONDS, REPOSITORY, environment


@dataclass(frozen=True)
class Racers:
    """Running processes that wait for a run to race for."""

    processes: Sequence[subprocess.Popen[str]]

    def race(self, config: RunConfig) -> list[str]:
        """What each said in the end: "done", or whose the run is."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(config.model_dump_json() + "\n")
            process.stdin.flush()
        return [process.stdout.readline().strip() for process in self.processes if process.stdout is not None]


@contextmanager
def racers(count: int, *, lease: bool) -> Iterator[Racers]:
    """`count` processes; without `lease` nothing but create-only writes stands between them."""
    command = [sys.executable, "-m", "tests.racing", *([] if lease else ["--no-lease"])]
    processes = [
        subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **environment()}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        yield Racers(processes)
    finally:
        for process in processes:
            process.communicate(timeout=HANG_SECONDS)


def main() -> None:
    if "--no-lease" in sys.argv:
        flows.run_loop.hold_lease = nullcontext  # type: ignore[assignment]
    for line in sys.stdin:
        try:
            run_locally(RunConfig.model_validate_json(line))
            print("done", flush=True)
        except RunBusy as error:
            print(error, flush=True)


if __name__ == "__main__":
    main()
