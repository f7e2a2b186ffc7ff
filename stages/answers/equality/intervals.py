"""Unions and intersections of intervals whose ends are numbers or expressions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stages.answers.equality.values import infinity, same_value, term_of


class UnknownOrderError(Exception):
    """Two ends cannot be put in order, because one of them has letters or no value that we can compute."""


@dataclass(frozen=True)
class End:
    """An end of an interval."""

    form: str
    """Its number in canonical form; \\infty or -\\infty if there is none."""
    shift: int = 0
    """0 if the number is a member. If not, 1 for a start and -1 for an end: the members begin or end just there."""

    @cached_property
    def position(self) -> float | None:
        """Value, to 12 digits so that 2\\sqrt{2} and \\sqrt{8} are one; None if it is unknown."""
        if sign := infinity(self.form):
            return sign * math.inf
        term = term_of(self.form)
        return None if term is None or term.has_letter else float(f"{term.real:.12g}")

    @property
    def order_key(self) -> tuple[float, int]:
        """Position and shift, by which ends are put in order. Raises UnknownOrderError."""
        if self.position is None:
            raise UnknownOrderError
        return self.position, self.shift


@dataclass(frozen=True)
class Interval:
    """The numbers from a start to an end; a start and an end at one number are that number alone."""

    start: End
    end: End

    @property
    def is_empty(self) -> bool:
        """Whether there is no number in it, as far as that is known."""
        if self.start.position is None or self.end.position is None:
            return self.start.position == math.inf or self.end.position == -math.inf
        return self.start.order_key > self.end.order_key or math.isinf(self.start.position) > (self.start.position < 0)


def interval(start: str, end: str, *, has_start: bool, has_end: bool) -> Interval:
    """Return an interval. An infinite end is no member, whatever its bracket."""
    return Interval(
        End(start, 0 if has_start and not infinity(start) else 1),
        End(end, 0 if has_end and not infinity(end) else -1),
    )


REALS = interval("-\\infty", "\\infty", has_start=False, has_end=False)


def union(intervals: Sequence[Interval]) -> list[Interval]:
    """Return intervals in order, those that overlap or touch as one. Raises UnknownOrderError."""
    if len(intervals) < 2:
        return list(intervals)
    in_order = sorted(intervals, key=lambda member: member.start.order_key)
    result = in_order[:1]
    for member in in_order[1:]:
        last = result[-1]
        (start, start_shift), (end, end_shift) = member.start.order_key, last.end.order_key
        # (0,1) and [1,2) touch, (0,1) and (1,2) leave 1 out.
        if start < end or (start == end and start_shift - end_shift < 2):
            result[-1] = Interval(last.start, max(last.end, member.end, key=lambda each: each.order_key))
        else:
            result.append(member)
    return result


def intersection(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return the intervals that two unions have in common. Raises UnknownOrderError."""
    pairs = [
        Interval(_innermost(first.start, second.start, 1), _innermost(first.end, second.end, -1))
        for first in left
        for second in right
    ]
    return union([pair for pair in pairs if not pair.is_empty])


def without(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """Return the numbers of one union that are not in another. Raises UnknownOrderError."""
    result = list(left)
    for removed in right:
        before = Interval(REALS.start, End(removed.start.form, removed.start.shift - 1))
        after = Interval(End(removed.end.form, removed.end.shift + 1), REALS.end)
        result = intersection(result, [before, after])
    return result


def _innermost(left: End, right: End, sign: int) -> End:
    """Return the later of two starts (`sign` 1) or the earlier of two ends (`sign` -1)."""
    unbounded = -sign * math.inf
    if left.position == unbounded:
        return right
    if right.position == unbounded:
        return left
    return (max if sign > 0 else min)(left, right, key=lambda end: end.order_key)


def same_intervals(left: Sequence[Interval], right: Sequence[Interval]) -> bool | None:
    """Return whether two unions are equal, None if that is unknown."""
    ends = [[end for member in members for end in (member.start, member.end)] for members in (left, right)]
    if len(ends[0]) != len(ends[1]):
        return None if any(end.position is None for end in (*ends[0], *ends[1])) else False
    pairs = list(zip(*ends, strict=True))
    if any(ours.shift != theirs.shift for ours, theirs in pairs):
        return False
    verdicts = {same_value(ours.form, theirs.form, algebra=True) for ours, theirs in pairs}
    return False if False in verdicts else None if None in verdicts else True
