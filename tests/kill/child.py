"""One attempt at a run that tells every step of it: `python -m tests.kill.child CONFIG.json FD`.

A line goes to the pipe FD for each start and end of a stage, each progress callback, and before and after each file
that is created: points spread over a stage's work and over its commits. The wrapping is done here, in this process
only; the software under test has no hooks.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flows.run_loop
import flows.run_state
from flows.config.run import RunConfig
from stages.contract import Context, Result, Stage, run_stage
from stages.settings import Settings
from storage.artifact import ArtifactRef
from storage.store import Store
from tests.kill.events import BETWEEN, Event, Place


class Reporter:
    """Writes events to a pipe; knows which stage runs now."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._place = BETWEEN

    def tell(self, what: str) -> None:
        os.write(self._pipe, Event(self._place, what, time.monotonic()).to_line())

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        self.tell("progress")

    def run_stage(self, stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> Result:
        """`run_stage` with its start and end told."""
        self._place = Place(stage.name, context.iteration)
        self.tell("start")
        result = run_stage(stage, inputs, config, context)
        self.tell("end")
        self._place = BETWEEN
        return result

    def around(self, write: Any) -> Any:
        """A method of `Store` with its calls told."""

        def told(store: Store, path: str, content: Any) -> Any:
            self.tell("before")
            written = write(store, path, content)
            self.tell("after")
            return written

        return told


def main(config: Path, pipe: int) -> None:
    reporter = Reporter(pipe)
    Store.create = reporter.around(Store.create)  # type: ignore[method-assign]
    Store.create_from_file = reporter.around(Store.create_from_file)  # type: ignore[method-assign]
    flows.run_state.run_stage = reporter.run_stage  # type: ignore[attr-defined]
    flows.run_loop.run_locally(RunConfig.model_validate_json(config.read_text()), reporter.progress)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
