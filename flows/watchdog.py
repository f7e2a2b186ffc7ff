"""The watchdog: is the run still healthy, or is the vote teaching the policy to agree with itself on nothing?

Self-rewarded training can collapse: responses shrink to whatever agrees, or a generator repeats one question, while the
rewards look better than ever. The signals here need no label, or a validation set; never a benchmark that is reported.
Most are compared with the run's own start, which is what "normal" means for a model and its questions. A bound that is
breached is told at once; when the iterations in a row that breach it hold 64 questions (one iteration, where it has so
many), the run stops with the name of the last good policy, or goes back to it on a branch with other random numbers.

Everything is judged from committed metrics, so a run that is started again comes to the same verdicts. What
questions, responses and votes of iteration k show is policy k-1's doing; what the update and the evaluation show, k's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl
from pydantic import Field, PositiveFloat, PositiveInt

from stages.benchmarks.statistics import paired_difference
from stages.settings.base import Settings, renamed
from storage.artifact import ArtifactRef
from storage.errors import SerlError
from storage.reader import read_table

Metrics = Mapping[str, float | int | None]
Action = Literal["warn", "stop", "rollback"]

ENOUGH_QUESTIONS = 64
"""Fewer make a mean that chance alone may halve: 16 questions know a mean vote share of 0.5 to within 0.14."""


class Watchdog(Settings):
    """Bounds on a run's health; null switches one off. "Of the start" is the mean of the first iterations that have 64
    questions together."""

    on_breach: Action = Field(
        "stop",
        description="warn: only tell. stop: end the run, naming the last good policy. rollback: go on from that policy "
        "on a branch with other random numbers.",
    )
    max_rollbacks: PositiveInt = Field(3, description="Rollbacks of one run; the next breach stops it.")
    majority_share: PositiveFloat | None = Field(
        0.98,
        description="Highest mean share of the majority. Above, hardly a vote is split: nothing is left to learn from, "
        "or the policy has found an answer that it gives always.",
    )
    agreement: PositiveFloat | None = Field(
        0.7,
        description="Lowest mean share of the majority, as a part of the start's. The vote rewards agreement, so a "
        "healthy run agrees more and more; one that agrees less is being torn apart.",
    )
    answer_diversity: PositiveFloat | None = Field(
        0.4,
        description="Lowest effective number of different majority answers, as a part of the start's. Different "
        "questions have different answers; a policy that says 0 to everything does not.",
    )
    shorter: PositiveFloat | None = Field(
        0.5,
        description="Lowest mean length of responses, as a part of the start's. Working that disappears takes the "
        "reasons for an answer with it; brevity alone seldom halves a text.",
    )
    longer: PositiveFloat | None = Field(
        4.0, description="Highest mean length of responses, as a multiple of the start's: rambling, or a loop."
    )
    truncated: PositiveFloat | None = Field(
        0.3, description="Highest rise of the share of responses cut off at the limit: they end without an answer."
    )
    no_answer: PositiveFloat | None = Field(
        0.2, description="Highest rise of the share of responses without a readable answer: they cannot vote."
    )
    question_diversity: PositiveFloat | None = Field(
        0.5,
        description="Lowest share of distinct word triples in the candidate questions, as a part of the start's: "
        "below, the generator writes the same thing again and again.",
    )
    acceptance: PositiveFloat | None = Field(
        0.25,
        description="Lowest share of candidates that the filter accepts, as a part of the start's. It falls slowly by "
        "itself, as there is more to be similar to.",
    )
    kl: PositiveFloat | None = Field(
        1.0,
        description="Highest KL divergence from the reference, per token, in two iterations in a row: a single token "
        "can raise the estimate of one. At 1 the reference would give a typical token e times less; healthy runs stay "
        "under 0.5.",
    )
    validation_loss: PositiveFloat | None = Field(
        0.03,
        description="Highest loss of accuracy on a benchmark with `validation: true`, from the best policy before; "
        "only where the 95 % interval of the paired difference excludes chance.",
    )
    train_inference_logprob_gap: PositiveFloat | None = renamed("behaviour_gap", default=0.1)
    """Highest mean |log-probability of the trainer - of the engine| over sampled tokens; only warns. Both in bfloat16
    come to about 0.01; 0.1 means other weights, another temperature or a broken kernel."""


class Breach(Settings):
    """A bound that was breached."""

    bound: str
    """Name of the setting."""
    iteration: int
    branch: int
    message: str
    action: Action
    last_good: int | None
    """Iteration of the last policy that was not under suspicion; None where even the starting one is."""


class Collapsed(SerlError):
    """The watchdog stopped the run."""


class Breached(Exception):
    """Ends an iteration that is not to be gone on with. Of its breaches the last decides."""

    def __init__(self, breaches: Sequence[Breach]) -> None:
        super().__init__(breaches[-1].message)
        self.breaches = tuple(breaches)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How one bound is judged."""

    bound: str
    what: str
    value: str
    # Name of the metric.
    compare: Literal["above", "below_part", "above_part", "rise"]
    updated: bool = False
    # Whether it shows at the policy that the iteration ends with, not at the one it started with.
    in_a_row: int = 1
    # How many iterations in a row have to breach it at least.
    written: bool = False
    # Whether it is about the questions that the policy writes, not about its responses.

    @property
    def delay(self) -> int:
        """How many iterations before the one that shows it the last policy free of it was made."""
        return 1 if self.updated else 2

    def evidence(self, metrics: Metrics) -> float:
        """How many questions the metric's value rests on: those written, or those voted on."""
        if self.written:
            return max(metrics.get("generate/candidates") or 0, metrics.get("generate/prompts") or 0)
        return (metrics.get("vote/kept") or 0) + (metrics.get("vote/dropped") or 0)

    def measured(self, metrics: Metrics) -> float | None:
        """The metric's value; None where there is none, or nothing that it rests on."""
        if self.bound == "acceptance" and metrics.get("generate/candidates") == 0:
            return 0.0  # not one question could be read
        return metrics.get(self.value) if self.evidence(metrics) else None

    def breached(self, value: float, start: float | None, bound: float) -> bool:
        """`start`: the mean at the start of the run; None while there is none yet."""
        if self.compare == "above":
            return value > bound
        if start is None:
            return False
        if self.compare == "rise":
            return value > start + bound
        return value < bound * start if self.compare == "below_part" else value > bound * start

    def says(self, value: float, start: float | None, bound: float) -> str:
        measured = f"{self.what} is {value:.3g}"
        if self.compare == "above":
            return f"{measured}, above {bound:g}"
        limits = {"rise": "more than {} above", "below_part": "less than {} times", "above_part": "more than {} times"}
        return f"{measured}, {limits[self.compare].format(f'{bound:g}')} the {start:.3g} of the start"


RULES = (
    Rule(bound="majority_share", what="the mean share of the majority", value="vote/mean_share", compare="above"),
    Rule(bound="agreement", what="the mean share of the majority", value="vote/mean_share", compare="below_part"),
    Rule(
        bound="answer_diversity",
        what="the effective number of majority answers",
        value="vote/effective_answers",
        compare="below_part",
    ),
    Rule(bound="shorter", what="the mean length of responses", value="sample/mean_length", compare="below_part"),
    Rule(bound="longer", what="the mean length of responses", value="sample/mean_length", compare="above_part"),
    Rule(
        bound="truncated",
        what="the share of responses cut off at the limit",
        value="sample/truncated_share",
        compare="rise",
    ),
    Rule(
        bound="no_answer",
        what="the share of responses without a readable answer",
        value="vote/unanswered_share",
        compare="rise",
    ),
    Rule(
        bound="question_diversity",
        what="the share of distinct word triples in candidates",
        value="generate/distinct_3",
        compare="below_part",
        written=True,
    ),
    Rule(
        bound="acceptance",
        what="the share of candidates accepted",
        value="filter/acceptance_rate",
        compare="below_part",
        written=True,
    ),
    Rule(bound="kl", what="KL from the reference", value="train/kl", compare="above", updated=True, in_a_row=2),
    Rule(
        bound="train_inference_logprob_gap",
        what="the mean gap between trainer and engine in the sampled tokens' log-probabilities",
        value="train/behaviour_gap",
        compare="above",
        updated=True,
    ),
)
ONLY_WARNS = "train_inference_logprob_gap"  # nothing has collapsed: going back would meet the same gap


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one iteration has shown."""

    iteration: int
    metrics: Metrics
    breached: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Validated:
    """A policy's accuracy on the validation set, with the grades it comes from."""

    iteration: int
    benchmark: str
    accuracy: float
    grades: ArtifactRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The watchdog's memory, which crosses from iteration to iteration."""

    seen: tuple[Seen, ...] = ()
    validated: tuple[Validated, ...] = ()
    breaches: tuple[Breach, ...] = ()

    def before_update(self, settings: Watchdog, iteration: int, branch: int, metrics: Metrics) -> "Health":
        """Judge questions, responses and votes. Raises Breached when the iteration is not to be gone on with."""
        new = Seen(iteration=iteration, metrics=metrics)
        health = replace(self, seen=(*self.seen, new))
        return health._judged(settings, branch, [rule for rule in RULES if not rule.updated])

    def after_update(self, settings: Watchdog, branch: int, metrics: Metrics) -> "Health":
        """Judge the update. Raises Breached."""
        *others, last = self.seen
        last = replace(last, metrics={**last.metrics, **metrics})
        health = replace(self, seen=(*others, last))
        return health._judged(settings, branch, [rule for rule in RULES if rule.updated])

    def after_evaluation(
        self, settings: Watchdog, iteration: int, branch: int, benchmarks: Sequence[str], metrics: Metrics,
        grades: ArtifactRef,
    ) -> "Health":  # fmt: skip
        """Judge the accuracy on validation sets. Raises Breached."""
        new, found = [], []
        for benchmark in benchmarks:
            names = (f"eval/{benchmark}/pass1_sampled", f"eval/{benchmark}/pass1_greedy")
            accuracy = next(value for name in names if (value := metrics.get(name)) is not None)
            now = Validated(iteration=iteration, benchmark=benchmark, accuracy=accuracy, grades=grades)
            earlier = [point for point in self.validated if point.benchmark == benchmark]
            best = max(earlier, key=lambda point: point.accuracy, default=now)
            bound = settings.validation_loss
            if bound is not None and best.accuracy - accuracy > bound and _is_no_chance(best, now):
                message = (
                    f"accuracy on {benchmark} is {accuracy:.3f}, after {best.accuracy:.3f} in iteration "
                    f"{best.iteration}, a loss of more than {bound:g} (watchdog.validation_loss)"
                )
                found.append(
                    _breach("validation_loss", message, settings.on_breach, iteration, branch, earlier[-1].iteration)
                )
            new.append(now)
        return replace(self, validated=(*self.validated, *new))._told(found)

    def rollback_targets(self, iteration: int) -> set[int]:
        """Iterations whose policy and trainer state a breach in `iteration` may need again."""
        of_rules = {self._since(rule, iteration) - rule.delay for rule in RULES}
        return of_rules | {point.iteration for point in self.validated[-1:]}

    def _judged(self, settings: Watchdog, branch: int, rules: Sequence[Rule]) -> "Health":
        *others, now = self.seen
        found = list(self._breaches(settings, branch, rules))
        marked = replace(now, breached=now.breached | {breach.bound for breach in found})
        return replace(self, seen=(*others, marked))._told(found)

    def _told(self, found: Sequence[Breach]) -> "Health":
        acting = [breach for breach in found if breach.action != "warn"]
        if acting:
            furthest = min(acting, key=lambda breach: -1 if breach.last_good is None else breach.last_good)
            others = [breach.model_copy(update={"action": "warn"}) for breach in found if breach is not furthest]
            raise Breached([*others, furthest])
        return replace(self, breaches=(*self.breaches, *found))

    def _breaches(self, settings: Watchdog, branch: int, rules: Sequence[Rule]) -> Iterator[Breach]:
        now = self.seen[-1]
        for rule in rules:
            bound, value = getattr(settings, rule.bound), rule.measured(now.metrics)
            start = self._start(rule)
            if bound is None or value is None or not rule.breached(value, start, bound):
                continue
            since = self._since(rule, now.iteration)
            held = sum(rule.evidence(seen.metrics) for seen in self.seen if seen.iteration >= since)
            enough = held >= ENOUGH_QUESTIONS and now.iteration - since + 1 >= rule.in_a_row
            decided = enough and rule.bound != ONLY_WARNS
            last_good = since - rule.delay
            message = f"{rule.says(value, start, bound)} (watchdog.{rule.bound})"
            yield _breach(
                rule.bound, message, settings.on_breach if decided else "warn", now.iteration, branch, last_good
            )

    def _start(self, rule: Rule) -> float | None:
        """Mean over the first iterations with enough questions together; None until a later one can be compared."""
        questions, total = 0.0, 0.0
        for seen in self.seen[:-1]:
            if (value := rule.measured(seen.metrics)) is not None:
                questions += rule.evidence(seen.metrics)
                total += value * rule.evidence(seen.metrics)
            if questions >= ENOUGH_QUESTIONS:
                return total / questions
        return None

    def _since(self, rule: Rule, iteration: int) -> int:
        """The first of the iterations in a row, up to `iteration`, that breach the rule."""
        since = iteration
        for seen in reversed(self.seen):
            if seen.iteration == since - 1 and rule.bound in seen.breached:
                since = seen.iteration
        return since


def _breach(bound: str, message: str, action: Action, iteration: int, branch: int, last_good: int) -> Breach:
    return Breach(
        bound=bound,
        iteration=iteration,
        branch=branch,
        message=message,
        action=action,
        last_good=last_good if last_good >= 0 else None,
    )


def _is_no_chance(best: Validated, now: Validated) -> bool:
    """Whether the 95 % interval of the paired loss excludes zero."""
    before, after = (_by_problem(point) for point in (best, now))
    common = sorted(before.keys() & after.keys())
    _, _, high = paired_difference([before[name] for name in common], [after[name] for name in common])
    return high < 0


def _by_problem(point: Validated) -> dict[str, float]:
    """Accuracy of each problem's responses, sampled where there are any."""
    grades = read_table(point.grades).filter(pl.col("benchmark") == point.benchmark)
    mode = "sampled" if "sampled" in grades["mode"] else "greedy"
    rows = grades.filter(pl.col("mode") == mode).group_by("problem_id").agg((pl.col("status") == "correct").mean())
    return dict(rows.rows())
