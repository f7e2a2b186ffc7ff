"""One attempt at a run that reports every event: `python -m tests.kill.child CONFIG.json FD`.

The pipe FD receives a line for the start and end of each stage, for each progress callback, and before and after each
file is created. These points are spread over a stage's work and its commits. Functions are wrapped here, in this
process only; the software under test has no hooks.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flows.run_loop
import flows.runners
from flows.config.run import RunConfig
from stages.contract import Context, Result, Stage, run_stage
from stages.settings import Settings
from storage.artifact import ArtifactRef
from storage.store import Store
from tests.kill.events import BETWEEN, Event, StageRun


class Reporter:
    """Writes events to a pipe, with the stage that is running."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._running = BETWEEN

    def report(self, kind: str) -> None:
        """Write an event of this kind."""
        os.write(self._pipe, Event(self._running, kind, time.monotonic()).to_line())

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Report a progress callback."""
        self.report("progress")

    def run_stage(self, stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> Result:
        """Run a stage and report its start and end."""
        self._running = StageRun(stage.name, context.iteration, context.round)
        self.report("start")
        result = run_stage(stage, inputs, config, context)
        self.report("end")
        self._running = BETWEEN
        return result

    def reporting(self, write: Any) -> Any:
        """Return a method of `Store` that reports before and after each call."""

        def reporting_write(store: Store, path: str, content: Any) -> Any:
            self.report("before")
            result = write(store, path, content)
            self.report("after")
            return result

        return reporting_write


def main(config: Path, pipe: int) -> None:
    reporter = Reporter(pipe)
    Store.create = reporter.reporting(Store.create)  # type: ignore[method-assign]
    Store.create_from_file = reporter.reporting(Store.create_from_file)  # type: ignore[method-assign]
    flows.runners.run_stage = reporter.run_stage  # type: ignore[attr-defined]
    flows.run_loop.run_locally(RunConfig.model_validate_json(config.read_text()), reporter.progress)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
