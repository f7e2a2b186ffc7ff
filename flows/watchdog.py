"""The watchdog judges whether a run is still healthy, or whether the vote only teaches the policy to agree with itself.

Self-rewarded training can collapse: responses shrink to whatever agrees, or a generator repeats one question, while the
rewards rise. The signals here need no label, or only a validation set; a benchmark that is reported is never used. Most
signals are compared with the start of the same run, because what is normal depends on the model and its questions. A
breached bound is reported at once. When the consecutive iterations that breach it hold 64 questions together, the run
acts as `on_breach` says: it stops and names the last good policy, or rolls back to that policy on a branch with other
random numbers. On a significant loss of accuracy on a validation set it acts at once; if iterations lack questions
for their update, after three in a row.

All judgements use committed metrics only, so a resumed run comes to the same judgements. Questions, responses and votes
of iteration k show the state of policy k-1; the update and the evaluation of iteration k show the state of policy k.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from flows.config.watchdog import Action, Watchdog
from stages.benchmarks.statistics import paired_difference
from stages.settings import Settings
from storage.artifact import ArtifactRef
from storage.errors import SerlError
from storage.reader import read_table

Metrics = Mapping[str, float | int | None]

ENOUGH_QUESTIONS = 64
"""Over fewer questions chance alone may breach a bound: over 16, a mean share of 0.5 is known only to within 0.14."""


class Breach(Settings):
    """A bound that was breached."""

    bound: str
    """Name of the setting."""
    iteration: int
    branch: int
    message: str
    action: Action
    last_good: int | None
    """Iteration of the last policy that does not show the problem; None if even the starting policy shows it."""


class Collapsed(SerlError):
    """The watchdog stopped the run."""


class Breached(Exception):
    """Ends an iteration that must not continue. The last of its breaches decides what happens."""

    def __init__(self, breaches: Sequence[Breach]) -> None:
        super().__init__(breaches[-1].message)
        self.breaches = tuple(breaches)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How one bound is judged."""

    bound: str
    """Name of the setting."""
    description: str
    """The measured quantity, in words."""
    metric: str
    """Name of the metric."""
    compare: Literal["above", "below", "below_fraction", "above_multiple", "rise"]
    """above, below: the value is beyond the bound; the others compare the value with the start of the run."""
    after_update: bool = False
    """Whether the metric shows the policy that the iteration ends with, instead of the policy it started with."""
    in_a_row: int = 1
    """Number of consecutive iterations that must breach the bound before the watchdog acts."""
    of_questions: bool = False
    """Whether the metric is about the questions that the policy writes, instead of its responses."""
    is_count: bool = False
    """Whether the metric is no mean, so that each iteration alone is evidence enough."""

    @property
    def delay(self) -> int:
        """Iterations between the last policy without the problem and the iteration that shows the problem."""
        return 1 if self.after_update else 2

    def evidence(self, metrics: Metrics) -> float:
        """Return how many questions the metric is a mean over.

        For metrics of questions: the questions written, but at least one per prompt, so that output without a readable
        question counts too. For other metrics: the questions voted on.
        """
        if self.is_count:
            return ENOUGH_QUESTIONS
        if self.of_questions:
            return max(metrics.get("generate/candidates") or 0, metrics.get("generate/prompts") or 0)
        return (metrics.get("vote/kept") or 0) + (metrics.get("vote/dropped") or 0)

    def measured(self, metrics: Metrics) -> float | None:
        """Return the metric's value; None if it was not measured, or is a mean over no question."""
        if self.bound == "acceptance" and metrics.get("generate/candidates") == 0:
            return 0.0  # no question could be read
        return metrics.get(self.metric) if self.evidence(metrics) else None

    def breached(self, value: float, start: float | None, bound: float) -> bool:
        """Return whether `value` breaches `bound`; `start` is the mean at the start of the run, if known."""
        if self.compare == "above":
            return value > bound
        if self.compare == "below":
            return value < bound
        if start is None:
            return False
        if self.compare == "rise":
            return value > start + bound
        return value < bound * start if self.compare == "below_fraction" else value > bound * start

    def message(self, value: float, start: float | None, bound: float) -> str:
        """Return the breach in words."""
        measured = f"{self.description} is {value:.3g}"
        if self.compare in ("above", "below"):
            return f"{measured}, {self.compare} {bound:g}"
        limits = {
            "rise": "more than {} above",
            "below_fraction": "less than {} times",
            "above_multiple": "more than {} times",
        }
        return f"{measured}, {limits[self.compare].format(f'{bound:g}')} the {start:.3g} of the start"


RULES = (
    Rule(
        bound="majority_share", description="the mean share of the majority", metric="vote/mean_share", compare="above"
    ),
    Rule(
        bound="agreement",
        description="the mean share of the majority",
        metric="vote/mean_share",
        compare="below_fraction",
    ),
    Rule(
        bound="answer_diversity",
        description="the effective number of majority answers",
        metric="vote/effective_answers",
        compare="below_fraction",
    ),
    Rule(
        bound="shorter",
        description="the mean length of responses",
        metric="sample/mean_length",
        compare="below_fraction",
    ),
    Rule(
        bound="longer",
        description="the mean length of responses",
        metric="sample/mean_length",
        compare="above_multiple",
    ),
    Rule(
        bound="truncated",
        description="the share of responses cut off at the limit",
        metric="sample/truncated_share",
        compare="rise",
    ),
    Rule(
        bound="no_answer",
        description="the share of responses without a readable answer",
        metric="vote/unanswered_share",
        compare="rise",
    ),
    Rule(
        bound="question_diversity",
        description="the share of distinct word triples in candidates",
        metric="generate/distinct_3",
        compare="below_fraction",
        of_questions=True,
    ),
    Rule(
        bound="acceptance",
        description="the share of candidates accepted",
        metric="filter/acceptance_rate",
        compare="below_fraction",
        of_questions=True,
    ),
    Rule(
        bound="few_questions",
        description="the share of questions_per_update that was kept",
        metric="rounds/reached",
        compare="below",
        in_a_row=3,
        is_count=True,
    ),
    Rule(
        bound="kl",
        description="KL from the reference",
        metric="train/kl",
        compare="above",
        after_update=True,
        in_a_row=2,
    ),
    Rule(
        bound="train_inference_logprob_gap",
        description="the mean gap between trainer and engine in the sampled tokens' log-probabilities",
        metric="train/behaviour_gap",
        compare="above",
        after_update=True,
    ),
)
ONLY_WARNS = "train_inference_logprob_gap"
"""Bound whose breach never ends an iteration. A gap is no collapse: after a rollback it would be the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedIteration:
    """The metrics of one iteration, and the bounds that it breached."""

    iteration: int
    metrics: Metrics
    breached: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidatedPolicy:
    """A policy's accuracy on a validation set, with the table of grades behind it."""

    iteration: int
    benchmark: str
    accuracy: float
    grades: ArtifactRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The watchdog's memory, which crosses from iteration to iteration."""

    judged: tuple[JudgedIteration, ...] = ()
    validated: tuple[ValidatedPolicy, ...] = ()
    breaches: tuple[Breach, ...] = ()

    def before_update(self, settings: Watchdog, iteration: int, branch: int, metrics: Metrics) -> "Health":
        """Judge questions, responses and votes. Raises Breached if the iteration must not continue."""
        health = replace(self, judged=(*self.judged, JudgedIteration(iteration=iteration, metrics=metrics)))
        return health._judge(settings, branch, [rule for rule in RULES if not rule.after_update])

    def after_update(self, settings: Watchdog, branch: int, metrics: Metrics) -> "Health":
        """Judge the update. Raises Breached if the iteration must not continue."""
        *earlier, last = self.judged
        last = replace(last, metrics={**last.metrics, **metrics})
        health = replace(self, judged=(*earlier, last))
        return health._judge(settings, branch, [rule for rule in RULES if rule.after_update])

    def after_evaluation(
        self, settings: Watchdog, iteration: int, branch: int, benchmarks: Sequence[str], metrics: Metrics,
        grades: ArtifactRef,
    ) -> "Health":  # fmt: skip
        """Judge the accuracy on validation sets (`benchmarks`). Raises Breached if the iteration must not continue."""
        validated, breaches = [], []
        for benchmark in benchmarks:
            names = (f"eval/{benchmark}/pass1_sampled", f"eval/{benchmark}/pass1_greedy")
            accuracy = next(value for name in names if (value := metrics.get(name)) is not None)
            newest = ValidatedPolicy(iteration=iteration, benchmark=benchmark, accuracy=accuracy, grades=grades)
            earlier = [point for point in self.validated if point.benchmark == benchmark]
            best = max(earlier, key=lambda point: point.accuracy, default=newest)
            bound = settings.validation_loss
            if bound is not None and best.accuracy - accuracy > bound and _is_significant_loss(best, newest):
                message = (
                    f"accuracy on {benchmark} is {accuracy:.3f}, after {best.accuracy:.3f} in iteration "
                    f"{best.iteration}, a loss of more than {bound:g} (watchdog.validation_loss)"
                )
                breaches.append(
                    _breach("validation_loss", message, settings.on_breach, iteration, branch, earlier[-1].iteration)
                )
            validated.append(newest)
        return replace(self, validated=(*self.validated, *validated))._record(breaches)

    def rollback_targets(self, iteration: int) -> set[int]:
        """Return the iterations whose policy and trainer state a breach in `iteration` may need again."""
        of_rules = {self._since(rule, iteration) - rule.delay for rule in RULES}
        return of_rules | {point.iteration for point in self.validated[-1:]}

    def _judge(self, settings: Watchdog, branch: int, rules: Sequence[Rule]) -> "Health":
        *earlier, newest = self.judged
        breaches = list(self._breaches(settings, branch, rules))
        newest = replace(newest, breached=newest.breached | {breach.bound for breach in breaches})
        return replace(self, judged=(*earlier, newest))._record(breaches)

    def _record(self, breaches: Sequence[Breach]) -> "Health":
        """Remember warnings. Raises Breached if a breach ends the iteration; the furthest rollback decides."""
        acting = [breach for breach in breaches if breach.action != "warn"]
        if acting:
            furthest = min(acting, key=lambda breach: -1 if breach.last_good is None else breach.last_good)
            warnings = [breach.model_copy(update={"action": "warn"}) for breach in breaches if breach is not furthest]
            raise Breached([*warnings, furthest])
        return replace(self, breaches=(*self.breaches, *breaches))

    def _breaches(self, settings: Watchdog, branch: int, rules: Sequence[Rule]) -> Iterator[Breach]:
        newest = self.judged[-1]
        for rule in rules:
            bound, value = getattr(settings, rule.bound), rule.measured(newest.metrics)
            start = self._start(rule)
            if bound is None or value is None or not rule.breached(value, start, bound):
                continue
            since = self._since(rule, newest.iteration)
            questions = sum(rule.evidence(item.metrics) for item in self.judged if item.iteration >= since)
            enough = questions >= ENOUGH_QUESTIONS and newest.iteration - since + 1 >= rule.in_a_row
            action = settings.on_breach if enough and rule.bound != ONLY_WARNS else "warn"
            message = f"{rule.message(value, start, bound)} (watchdog.{rule.bound})"
            yield _breach(rule.bound, message, action, newest.iteration, branch, since - rule.delay)

    def _start(self, rule: Rule) -> float | None:
        """Return the mean over the first iterations with enough questions together; None until a later one exists."""
        questions, total = 0.0, 0.0
        for item in self.judged[:-1]:
            if (value := rule.measured(item.metrics)) is not None:
                questions += rule.evidence(item.metrics)
                total += value * rule.evidence(item.metrics)
            if questions >= ENOUGH_QUESTIONS:
                return total / questions
        return None

    def _since(self, rule: Rule, iteration: int) -> int:
        """Return the first of the consecutive iterations, up to `iteration`, that breach the rule."""
        since = iteration
        for item in reversed(self.judged):
            if item.iteration == since - 1 and rule.bound in item.breached:
                since = item.iteration
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


def _is_significant_loss(best: ValidatedPolicy, newest: ValidatedPolicy) -> bool:
    """Return whether the 95 % interval of the paired difference (newest - best) lies below zero."""
    before, after = (_accuracy_by_problem(point) for point in (best, newest))
    common = sorted(before.keys() & after.keys())
    _, _, high = paired_difference([before[name] for name in common], [after[name] for name in common])
    return high < 0


def _accuracy_by_problem(point: ValidatedPolicy) -> dict[str, float]:
    """Return the accuracy of each problem's responses: sampled responses if there are any, else the greedy one."""
    grades = read_table(point.grades).filter(pl.col("benchmark") == point.benchmark)
    mode = "sampled" if "sampled" in grades["mode"] else "greedy"
    rows = grades.filter(pl.col("mode") == mode).group_by("problem_id").agg((pl.col("status") == "correct").mean())
    return dict(rows.rows())
