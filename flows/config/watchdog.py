"""Bounds on a run's health, and the reason for each; `flows.watchdog` judges a run by them."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from stages.settings.base import Settings, left_out, renamed

Action = Literal["warn", "stop", "rollback"]


class Watchdog(Settings):
    """Bounds on a run's health; null switches a bound off. "The start" is the mean over the first iterations that have
    64 questions together."""

    on_breach: Action = "stop"
    """warn: only report. stop: end the run, and name the last good policy. rollback: return to that policy and continue
    on a branch with other random numbers."""
    max_rollbacks: PositiveInt = 3
    """Most rollbacks of one run; the next breach stops the run."""
    majority_share: PositiveFloat | None = 0.98
    """Highest mean share of the majority. Above it almost no vote is split: either nothing is left to learn, or the
    policy has found an answer that it always gives."""
    agreement: PositiveFloat | None = 0.7
    """Lowest mean share of the majority, as a fraction of the start. The vote rewards agreement, so the agreement of a
    healthy run rises; falling agreement means that the policy is degrading."""
    answer_diversity: PositiveFloat | None = 0.4
    """Lowest effective number of different majority answers, as a fraction of the start. Different questions have
    different answers; a policy that answers 0 to everything has only one."""
    shorter: PositiveFloat | None = 0.5
    """Lowest mean length of responses, as a fraction of the start. A policy that stops writing its reasoning falls
    below it; a policy that merely becomes concise seldom halves its responses."""
    longer: PositiveFloat | None = 4.0
    """Highest mean length of responses, as a multiple of the start. Above it the policy rambles or repeats itself."""
    truncated: PositiveFloat | None = 0.3
    """Highest rise, from the start, of the share of responses cut off at the token limit: these end without an
    answer."""
    no_answer: PositiveFloat | None = 0.2
    """Highest rise, from the start, of the share of responses without a readable answer: these cannot vote."""
    question_diversity: PositiveFloat | None = 0.5
    """Lowest share of distinct word triples in the candidate questions, as a fraction of the start. Below it the
    generator repeats itself."""
    acceptance: PositiveFloat | None = 0.25
    """Lowest share of candidates that the filter accepts, as a fraction of the start. The share falls slowly in every
    run, because there is more and more to be similar to."""
    few_questions: PositiveFloat | None = left_out(0.1)
    """With `questions_per_update`: lowest share of these questions that iterations reach, in three iterations in a row.
    Below it almost every round is lost; the reasons in the funnel say which setting to change."""
    kl: PositiveFloat | None = 1.0
    """Highest KL divergence from the reference, per token, in two iterations in a row: a single token can raise the
    estimate of one iteration. At 1 a typical token is e times less likely under the reference; healthy runs stay under
    0.5."""
    validation_loss: PositiveFloat | None = 0.03
    """Highest loss of accuracy on a benchmark with `validation: true`, compared with the best earlier policy; counts
    only if the 95 % interval of the paired difference excludes 0."""
    train_inference_logprob_gap: PositiveFloat | None = renamed("behaviour_gap", default=0.1)
    """Highest mean |log-probability of the trainer - log-probability of the engine| over sampled tokens; only warns.
    With both in bfloat16 the gap is about 0.01; 0.1 means other weights, another temperature or a broken kernel."""
