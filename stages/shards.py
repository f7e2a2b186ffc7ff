"""The parts of a table that a stage still has to make, in the order in which this process makes them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.contract import Work


class Shards:
    """The missing parts of a table as (number, row range), in the order in which this process does them.

    Iteration checks for each part when its turn comes, since other processes may have written it meanwhile.
    """

    def __init__(self, work: "Work", table: str, ranges: Mapping[int, range]) -> None:
        self.ranges = ranges
        self._work, self._table = work, table
        self._existing: set[int] = set()
        for part in ranges:
            self._exists(part)

    def __iter__(self) -> Iterator[tuple[int, range]]:
        for part, rows in self.ranges.items():
            if not self._exists(part):
                yield part, rows

    @property
    def missing(self) -> bool:
        """Whether any part is missing."""
        return any(not self._exists(part) for part in self.ranges)

    def between(self, start: int, stop: int) -> "Shards":
        """Return the shards of the rows from `start` to `stop`, with rows counted from `start`.

        A part that extends beyond these rows is cut.
        """
        cut = {part: range(max(rows.start, start), min(rows.stop, stop)) for part, rows in self.ranges.items()}
        inside = {part: range(rows.start - start, rows.stop - start) for part, rows in cut.items() if rows}
        return Shards(self._work, self._table, inside)

    def counting(self, each: int | Sequence[int]) -> Callable[[int, int], None]:
        """Return a progress callback for an engine (see `stages.engines.base`) that answers the rows of these parts.

        `each`: number of responses to every row, or one number for each row of the table.
        """
        responses = {
            part: each * len(rows) if isinstance(each, int) else sum(each[rows.start : rows.stop])
            for part, rows in self.ranges.items()
        }
        total = sum(responses.values())
        started = time.monotonic()

        def report(done: int, tokens: int) -> None:
            speed = tokens / max(time.monotonic() - started, 1e-3)
            in_existing_parts = sum(responses[part] for part in self._existing)
            self._work.progress(min(in_existing_parts + done, total), total, f"{speed:,.0f} tokens/s")

        return report

    def _exists(self, part: int) -> bool:
        if self._work.committer.has_part(self._table, part):
            self._existing.add(part)
        return part in self._existing
