"""What a run tells its driver while it works."""

from typing import NamedTuple


class Place(NamedTuple):
    """A stage of an iteration."""

    stage: str
    iteration: int


BETWEEN = Place("between", 0)
"""Outside of every stage: lease, revisions, letting weights go."""


class Event(NamedTuple):
    """One step of a run; `what` is start, end, progress, before or after (a file's creation)."""

    place: Place
    what: str
    time: float
    # Of the machine's monotonic clock.

    def to_line(self) -> bytes:
        return f"{self.place.stage} {self.place.iteration} {self.what} {self.time:.6f}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Event":
        stage, iteration, what, seconds = line.decode().split()
        return cls(Place(stage, int(iteration)), what, float(seconds))
