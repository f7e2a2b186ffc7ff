"""Metrics of graded responses: accuracies with intervals, by slice of a benchmark, and the reliability of votes.

One sampling pass of n responses gives `pass1_sampled` (mean accuracy of one response, also called avg@n), `maj_k`
(accuracy of the majority answer of all n), `maj@k` for smaller k, and `pass_k` and `pass@k` (at least one of k is
right). A response whose grading failed counts as wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from stages.benchmarks.statistics import bootstrap_interval, pass_at_k, wilson_interval

Row = Mapping[str, Any]
Responses = Sequence[Row]
"""Rows of `grades` of one problem and mode, by sample index."""

WHOLE, UNSEEN = "all", "no_seed_overlap"
"""Names of slices: the whole benchmark, and the problems that do not overlap a seed question. Other slices are named
"level=…", "subject=…" and "group=…"."""
FAILED = ("timed_out", "too_large", "error")
"""Statuses of a grading that did not finish."""


def summarise(
    grades: Sequence[Row], problems: Sequence[Row] = (), prompts: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of `results` from rows of `grades` and `problems`.

    Rows of `grades` may have `form`, the canonical form of their answer (see `_stands_for_class`).
    `prompts`: benchmark -> short description of how it was asked.
    """
    slices = {(row["benchmark"], row["problem_id"]): list(_slices(row)) for row in problems}
    rows = []
    for (benchmark, mode), responses in sorted(by_problem(grades).items()):
        by_slice: dict[str, list[Responses]] = {WHOLE: list(responses.values())}
        for problem, responses_to_problem in responses.items():
            for name in slices.get((benchmark, problem), ()):
                by_slice.setdefault(name, []).append(responses_to_problem)
        if len(by_slice.get(UNSEEN, ())) == len(responses):
            del by_slice[UNSEEN]  # equal to the whole benchmark
        for name, problems_of_slice in by_slice.items():
            rows += [
                {"benchmark": benchmark, "slice": name, **row, "prompt": (prompts or {}).get(benchmark, "")}
                for row in _metrics(problems_of_slice, mode)
                if name == WHOLE or row["metric"] in (f"pass1_{mode}", "maj_k")
            ]
    return rows


def by_problem(grades: Sequence[Row]) -> dict[tuple[str, str], dict[str, list[Row]]]:
    """Return (benchmark, mode) -> problem -> its rows."""
    grouped: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in grades:
        grouped[row["benchmark"], row["mode"]][row["problem_id"]].append(row)
    return grouped


def accuracy(responses: Responses) -> float:
    """Return the share of a problem's responses that are right."""
    return _share(responses, "status", "correct")


def _slices(problem: Row) -> Iterator[str]:
    """Yield the slices that a problem belongs to, except the whole benchmark."""
    yield from (f"{name}={problem[name]}" for name in ("level", "subject", "group") if problem[name] is not None)
    if not problem["seed_overlap"]:
        yield UNSEEN


def _metrics(problems: Sequence[Responses], mode: str) -> Iterator[dict[str, Any]]:
    """Yield one row per metric over the problems."""
    samples = len(problems[0])

    def row(metric: str, values: Sequence[float], interval: tuple[float, float] | None = None) -> dict[str, Any]:
        low, high = interval or bootstrap_interval(values)
        value = float(np.mean(values))
        sizes = {"problems": len(values), "samples": samples}
        return {"metric": metric, "value": value, "low": low, "high": high, **sizes}

    def proportion(metric: str, values: Sequence[float]) -> dict[str, Any]:
        return row(metric, values, wilson_interval(float(np.mean(values)), len(values)))

    share_row = proportion if samples == 1 else row
    yield share_row(f"pass1_{mode}", [accuracy(responses) for responses in problems])
    if samples > 1:
        correct = [round(accuracy(responses) * len(responses)) for responses in problems]
        for k in _powers_of_two(samples):
            name = "_k" if k == samples else f"@{k}"
            yield row(f"pass{name}", [pass_at_k(samples, right, k) for right in correct])
            voted = [_majority_accuracy(responses, k) for responses in problems]
            yield (proportion if k == samples else row)(f"maj{name}", voted)
    yield share_row(f"no_answer_{mode}", [_share(responses, "status", "no_answer") for responses in problems])
    yield share_row(f"truncated_{mode}", [_share(responses, "finish_reason", "length") for responses in problems])
    yield share_row(f"failed_{mode}", [sum(_share(r, "status", status) for status in FAILED) for r in problems])
    yield row(f"length_{mode}", [float(np.mean([row["response_tokens"] for row in r])) for r in problems])


def _powers_of_two(samples: int) -> list[int]:
    """Return 2, 4, 8, … below `samples`, and `samples`."""
    return [*(2**power for power in range(1, samples.bit_length()) if 2**power < samples), samples]


def _majority_accuracy(responses: Responses, k: int) -> float:
    """Return the chance that the most frequent answer of k responses is right, as the mean over disjoint groups of k.

    If several answers have the most votes, a random one of them counts.
    """
    groups = [responses[start : start + k] for start in range(0, max(1, len(responses) - k + 1), k)]
    top_answers = [list(_top_classes(group).values()) for group in groups]
    return sum(sum(top) / len(top) if top else 0.0 for top in top_answers) / len(groups)


def _top_classes(responses: Responses) -> dict[int, bool]:
    """Return class -> whether its answer is right, for all classes with the most votes; empty without any answer.

    The answer that stands for the class is graded. Another member may be right though that answer is wrong: 50% is
    equal to 50 and to 0.5, but a vote for 50 is no vote for 0.5.
    """
    members: dict[int, list[Row]] = defaultdict(list)
    for row in responses:
        if row["answer_class"] is not None:
            members[row["answer_class"]].append(row)
    most = max(map(len, members.values()), default=0)
    return {
        answer_class: bool(_stands_for_class(rows)["status"] == "correct")
        for answer_class, rows in members.items()
        if len(rows) == most
    }


def _stands_for_class(rows: Sequence[Row]) -> Row:
    """Return the row whose answer stands for the class, as in `stages.answers.voting.AnswerClass`.

    That is one with the most frequent form; of several forms, the shortest. The form of a row without `form` is its
    answer.
    """
    forms = [row.get("form") or row.get("answer") or "" for row in rows]
    counts = Counter(forms)
    form = min(counts, key=lambda form: (-counts[form], len(form), form))
    return min(
        (row for row, form_of_row in zip(rows, forms, strict=True) if form_of_row == form),
        key=lambda row: (len(row.get("answer") or ""), row.get("answer") or ""),
    )


def _share(responses: Responses, column: str, value: str) -> float:
    return sum(bool(row[column] == value) for row in responses) / len(responses)


def reliability_rows(grades: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of `reliability` of each benchmark's sampled responses, without ties, which have no majority."""
    voted: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for (benchmark, mode), problems in by_problem(grades).items():
        for responses in problems.values() if mode == "sampled" else ():
            top = _top_classes(responses)
            if len(top) == 1:
                ((answer_class, right),) = top.items()
                votes = sum(row["answer_class"] == answer_class for row in responses)
                voted[benchmark].append((votes / len(responses), right))
    return [{"benchmark": benchmark, **row} for benchmark in sorted(voted) for row in reliability(voted[benchmark])]


def reliability(voted: Sequence[tuple[float, bool]]) -> list[dict[str, Any]]:
    """Return how often a majority was right, by its share of the votes: a row for each fifth of the shares that occurs.

    `voted`: the majority's share and whether it is right, one pair per question. A reliable vote is right more often
    when more responses agree. If a large majority is often wrong, the update teaches the policy its own errors.
    """
    rows = []
    for fifth in range(5):
        # The shares 0.2 and 0.8 are the limits of the published gate; each counts in the fifth below it.
        in_fifth = [(share, right) for share, right in voted if ceil(round(share * 5, 9)) - 1 == fifth]
        if in_fifth:
            rows.append(
                {
                    "share_from": fifth / 5,
                    "share_to": (fifth + 1) / 5,
                    "questions": len(in_fifth),
                    "mean_share": float(np.mean([share for share, _ in in_fifth])),
                    "correct": float(np.mean([right for _, right in in_fifth])),
                }
            )
    return rows
