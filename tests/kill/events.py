"""Events that a run reports to its driver."""

from typing import NamedTuple


class StageRun(NamedTuple):
    """A stage of an iteration, in one of its rounds."""

    stage: str
    iteration: int
    round: int = 1


BETWEEN = StageRun("between", 0)
"""Outside of every stage: lease, revisions, pruning of weights."""


class Event(NamedTuple):
    """One event of a run."""

    stage_run: StageRun
    """The stage that was running, or `BETWEEN`."""
    kind: str
    """start, end or progress of a stage; before or after the creation of a file."""
    time: float
    """Seconds of the machine's monotonic clock."""

    def to_line(self) -> bytes:
        """Return the event as a line of the pipe."""
        stage, iteration, number = self.stage_run
        return f"{stage} {iteration} {number} {self.kind} {self.time:.6f}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Event":
        """Return the event of a line, given without its line break."""
        stage, iteration, number, kind, seconds = line.decode().split()
        return cls(StageRun(stage, int(iteration), int(number)), kind, float(seconds))
