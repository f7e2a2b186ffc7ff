"""Majority vote over the final answers of one question, and grading against a gold answer.

Departs from the authors' release, whose vote depends on the order in which responses were sampled because equality is
not transitive ("5", "x=5", "y=5"; "50", "50%", "0.5"), lets answerless responses vote, and breaks ties silently. Here
classes do not depend on order, an answerless response never votes but counts in n, and a tie at the top has no
majority.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from stages.answers.math import canonical, decide, gold_answer
from stages.answers.verifier import Verifier

Equal = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """Outcome of the vote on one question."""

    status: Literal["majority", "tie", "no_answer"]
    """Whether one class has strictly more votes than every other; "no_answer" when no response has an answer."""
    majority: str | None
    """Representative answer of the largest class; None without a majority."""
    share: float
    """Votes of the largest class over n."""
    margin: float
    """Votes of the largest class minus those of the second, over n; 0 in a tie."""
    n: int
    """Responses, answered or not."""
    answered: int
    """Responses with an answer."""
    class_ids: tuple[int | None, ...]
    """Class of each response, in their order: 0 is the largest, equals by representative; None without an answer."""


def verified_equal(verifier: Verifier) -> Equal:
    """The `equal` of voting by math-verify; pairs it cannot parse or finish are not equal (see `verifier.counts`)."""
    return lambda pairs: [status == "equal" for status in verifier.equal(pairs)]


def answer_classes(answers: Collection[str], equal: Equal) -> dict[str, int]:
    """Class number of every distinct answer; independent of the order of `answers`.

    Answers of one canonical form are one group. Groups, the most frequent first and equal counts by length and
    spelling, then join the first class with all of whose groups they are equal (complete linkage), so that "5" joins
    "x=5" or "y=5", whichever has more votes, and never chains the two. An answer given twice in `answers` has two
    votes. `equal` is asked in one call, and only for pairs that need algebra.
    """
    groups: dict[str, list[str]] = {}
    for answer in sorted(set(answers)):
        groups.setdefault(canonical(answer), []).append(answer)
    votes = Counter(answers)
    size = {name: sum(votes[answer] for answer in group) for name, group in groups.items()}
    names = sorted(groups, key=lambda name: (-size[name], len(name), name))
    same = _same_groups(names, groups, equal)

    classes: list[list[str]] = []
    for name in names:
        fitting = (members for members in classes if all(frozenset((name, other)) in same for other in members))
        if (found := next(fitting, None)) is not None:
            found.append(name)
        else:
            classes.append([name])
    return {answer: number for number, members in enumerate(classes) for name in members for answer in groups[name]}


def _same_groups(names: Sequence[str], groups: dict[str, list[str]], equal: Equal) -> set[frozenset[str]]:
    """Pairs of different canonical forms that are equal answers."""
    same, asked = set(), []
    for left, right in combinations(sorted(names), 2):
        verdict = decide(left, right)
        if verdict is None:
            asked.append((left, right))
        elif verdict:
            same.add(frozenset((left, right)))
    if asked:
        verdicts = equal([(groups[left][0], groups[right][0]) for left, right in asked])
        same |= {frozenset(pair) for pair, verdict in zip(asked, verdicts, strict=True) if verdict}
    return same


def vote(answers: Sequence[str | None], equal: Equal) -> Vote:
    """Majority vote over the answers of the responses to one question (None: the response has no answer).

    The representative of a class is its answer with the shortest, then alphabetically first canonical form.
    """
    given = [answer for answer in answers if answer is not None]
    classes = answer_classes(given, equal)
    members: dict[int, list[str]] = {}
    for answer, number in classes.items():
        members.setdefault(number, []).append(answer)
    names = {number: min(group, key=_representative_key) for number, group in members.items()}
    counts = Counter(classes[answer] for answer in given)
    ranked = sorted(counts, key=lambda number: (-counts[number], _representative_key(names[number])))
    rank = {number: position for position, number in enumerate(ranked)}

    top, second = ([counts[number] for number in ranked] + [0, 0])[:2]
    status: Literal["majority", "tie", "no_answer"] = (
        "no_answer" if not given else "tie" if top == second else "majority"
    )
    return Vote(
        status=status,
        majority=names[ranked[0]] if status == "majority" else None,
        share=top / len(answers) if answers else 0.0,
        margin=(top - second) / len(answers) if answers else 0.0,
        n=len(answers),
        answered=len(given),
        class_ids=tuple(None if answer is None else rank[classes[answer]] for answer in answers),
    )


def _representative_key(answer: str) -> tuple[int, str, int, str]:
    form = canonical(answer)
    return len(form), form, len(answer), answer


def matches(answers: Sequence[str | None], golds: Sequence[str], verifier: Verifier) -> list[str]:
    """Grade each answer against its gold: correct, wrong, no_answer, timeout or error.

    A gold may be an answer, an answer in a box, or a whole solution with one. Spelling and plain numbers are compared
    here, the rest by math-verify; an answer it cannot parse is wrong.
    """
    grades: list[str] = []
    asked: dict[tuple[str, str], list[int]] = {}
    for row, (answer, gold) in enumerate(zip(answers, golds, strict=True)):
        if answer is None:
            grades.append("no_answer")
            continue
        expected = gold_answer(gold)
        verdict = decide(canonical(answer), canonical(expected))
        grades.append("correct" if verdict else "wrong")
        if verdict is None:
            asked.setdefault((expected, answer), []).append(row)
    named = {"equal": "correct", "timeout": "timeout", "error": "error"}
    for (_, rows), status in zip(asked.items(), verifier.equal(list(asked)), strict=True):
        for row in rows:
            grades[row] = named.get(status, "wrong")
    return grades
