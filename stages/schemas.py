"""Every table that passes between stages. Names, types and meanings of columns are fixed here only.

Increase a table's version when a column changes: readers recognise older artifacts by their version.
`question_id` is derived from the question's text, so the same question has the same id in every iteration and run.
"""

import hashlib

import pyarrow as pa

from stages.trainer.job import METRIC_COLUMNS
from storage.tables import versioned


def _column(name: str, kind: pa.DataType, *, optional: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=optional)


TEXT, COUNT, REAL, FLAG = pa.string(), pa.int32(), pa.float64(), pa.bool_()
SEED = pa.int64()
# Elements are nullable to Arrow, since Polars cannot say otherwise; no stage writes a null element.
TOKENS, LOGPROBS, TEXTS = pa.list_(pa.int32()), pa.list_(pa.float32()), pa.list_(pa.string())
REALS = pa.list_(pa.float64())

SEEDS = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("answer", TEXT, optional=True),  # decides a reward only with `rewards: verified`
        _column("level", TEXT, optional=True),
        _column("subject", TEXT, optional=True),
    ],
)

PROBLEMS = versioned(
    2,
    [
        _column("benchmark", TEXT),
        _column("problem_id", TEXT),
        _column("question", TEXT),
        _column("answer", TEXT),
        _column("level", TEXT, optional=True),
        _column("subject", TEXT, optional=True),
        _column("group", TEXT, optional=True),  # group that the subject counts in
        _column("seed_overlap", FLAG),  # whether the question shares a run of words with a seed question
    ],
)

# Worked examples that stand before the questions of a benchmark.
SHOTS = versioned(
    1,
    [
        _column("benchmark", TEXT),
        _column("subject", TEXT, optional=True),
        _column("question", TEXT),
        _column("reasoning", TEXT),  # the worked solution, which ends with the answer
    ],
)

# One row per few-shot prompt: what the policy was shown and what it wrote.
GENERATIONS = versioned(
    1,
    [
        _column("prompt_id", COUNT),
        _column("example_ids", TEXTS),
        _column("prompt_ids", TOKENS),
        _column("seed", SEED),
        _column("response", TEXT),
        _column("response_ids", TOKENS),
        _column("finish_reason", TEXT),
    ],
)

# One row per question parsed from a generation.
CANDIDATES = versioned(
    1,
    [
        _column("candidate_id", TEXT),
        _column("prompt_id", COUNT),
        _column("position", COUNT),
        _column("question", TEXT),
    ],
)

ACCEPTED = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("candidate_id", TEXT),
        _column("similarity", REAL),  # highest ROUGE-L F-measure with an earlier question; 0 if drawn
    ],
)

REJECTED = versioned(
    1,
    [
        _column("candidate_id", TEXT),
        _column("question", TEXT),
        _column("reason", TEXT),
        _column("similarity", REAL, optional=True),
        _column("nearest", TEXT, optional=True),  # the known question, or the evaluation set, that it collides with
    ],
)

# One row per seed and evaluation set that overlap. Such seeds are reported, never dropped.
SEED_OVERLAPS = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("benchmark", TEXT),
    ],
)

# Every question accepted in this run; new questions must differ from them.
BANK = pa.schema([_column("question_id", TEXT), _column("question", TEXT), _column("added_in", COUNT)])

# One row per question that was tried first (`filter.answerable`), in the order of `accepted`.
TRIES = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("responses", COUNT),
        _column("answered", COUNT),  # of these, with a readable answer
        _column("agreed", COUNT),  # responses that give the commonest answer
        _column("decision", TEXT),  # "answerable", "unanswerable" (dropped) or "no_responses" (the vote drops it)
    ],
)

# One row per response: questions in the order of `accepted`, responses to one question by sample. `votes` has one row
# per question in the same order, so a reader finds a question's responses by counting rows (see
# `flows.reporting.sample_questions`).
RESPONSES = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("sample_index", COUNT),
        _column("seed", SEED),
        _column("prompt_ids", TOKENS),
        _column("response_ids", TOKENS),  # ends with the end-of-sequence token when finish_reason is "stop"
        _column("behaviour_logprobs", LOGPROBS),  # of the sampled tokens, at the sampling temperature
        _column("finish_reason", TEXT),  # "stop" or "length"
        _column("response", TEXT),
    ],
)

# One row per response of a voter other than the policy. The response votes and is never trained on.
VOTER_RESPONSES = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("voter", TEXT),
        _column("sample_index", COUNT),
        _column("seed", SEED),
        _column("response_tokens", COUNT),
        _column("finish_reason", TEXT),
        _column("response", TEXT),
    ],
)

_ANSWER = [
    _column("question_id", TEXT),
    _column("sample_index", COUNT),
    _column("answer", TEXT, optional=True),  # as extracted; cut to 300 characters if it is too large
    _column("answer_class", COUNT, optional=True),  # 0 is the largest class; null without a readable answer
    _column("status", TEXT),  # one of stages.answers.kinds.AnswerStatus; only "ok" votes and earns
]

# One row per response of the policy: its answer, its class and its reward.
REWARDS = versioned(
    2,
    [
        *_ANSWER,
        _column("reward", REAL),
        _column("trained", FLAG),  # whether the update sees this response if the question is kept
    ],
)

# One row per response of a voter other than the policy.
VOTER_ANSWERS = versioned(1, [*_ANSWER, _column("voter", TEXT)])

# One row per question, in the order of `accepted`: the vote and the decision.
VOTES = versioned(
    2,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("responses", COUNT),  # of the policy
        _column("answered", COUNT),  # of these, with a readable answer
        _column("majority_answer", TEXT, optional=True),  # what most votes of the largest class say
        _column("share", REAL),  # votes for the top answer over all responses, unanswered ones and voters' included
        _column("margin", REAL),  # top share minus the second
        _column("class_answers", TEXTS),  # one answer for each class, the largest class first
        _column("class_shares", REALS),
        _column("mean_reward", REAL),
        _column("decision", TEXT),  # one of stages.vote_metrics.DECISIONS
    ],
)

# Questions kept after the vote, which serve as few-shot examples.
POOL = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("added_in", COUNT),  # iteration
        _column("share", REAL),
    ],
)

# One row per question that the vote of any round kept, in the order of rounds.
CHOSEN = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("question", TEXT),
        _column("candidate_id", TEXT),
        _column("similarity", REAL),
        _column("round", COUNT),
        _column("use", TEXT),  # "update", "carried_over" (the next iteration asks it first) or "left_over"
    ],
)

# One row per question that was ever asked, in the order of the last time (`draw.prefer_uncertain`).
DIFFICULTY = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("iteration", COUNT),  # that asked the question last
        _column("times", COUNT),  # iterations that asked the question
        _column("share", REAL),  # as in the last row of `votes`; 0 if the question was not voted on
        _column("mean_reward", REAL),  # likewise
        _column("decision", TEXT),  # likewise, or "unanswerable" (see `tries`)
    ],
)

# Labels of drawn questions, if the file has them. Only `rewards: verified` reads them.
LABELS = versioned(1, [_column("question_id", TEXT), _column("label", TEXT, optional=True)])

# The vote compared with the labels of a domain that has them. No stage that leads to a policy reads this table.
DIAGNOSTICS = versioned(
    1,
    [
        _column("question_id", TEXT),
        _column("label", TEXT, optional=True),
        _column("majority_correct", FLAG, optional=True),
        _column("responses_correct", REAL, optional=True),
    ],
)

# One row per optimiser step; stages/trainer/job.py explains the columns.
TRAIN_METRICS = versioned(2, [pa.field("step", pa.int64()), *(pa.field(name, pa.float64()) for name in METRIC_COLUMNS)])

# How often the majority answer was right, by its share of the votes (a reliability curve).
RELIABILITY = versioned(
    1,
    [
        _column("benchmark", TEXT),
        _column("share_from", REAL),
        _column("share_to", REAL),  # included
        _column("questions", COUNT),
        _column("mean_share", REAL),
        _column("correct", REAL),  # share of these questions whose majority answer is right
    ],
)

# One row per graded response of an evaluation.
GRADES = versioned(
    2,
    [
        _column("benchmark", TEXT),
        _column("problem_id", TEXT),
        _column("mode", TEXT),  # "greedy" or "sampled"
        _column("sample_index", COUNT),
        _column("seed", SEED),
        _column("response", TEXT),
        _column("response_tokens", COUNT),
        _column("finish_reason", TEXT),
        _column("answer", TEXT, optional=True),
        _column("answer_class", COUNT, optional=True),  # among the problem's responses of this mode
        _column("status", TEXT),  # one of stages.answers.voting.GradeStatus; all but "correct" count as wrong
    ],
)

# Responses whose grading did not finish or raised an exception. All of them count as wrong.
FAILED_GRADES = versioned(
    1,
    [
        _column("benchmark", TEXT),
        _column("problem_id", TEXT),
        _column("mode", TEXT),
        _column("sample_index", COUNT),
        _column("status", TEXT),  # "timed_out", "too_large" or "error"
        _column("answer", TEXT, optional=True),  # or the exception that a custom kind of answers raised
    ],
)

# One row per benchmark, slice and metric, with its 95 % interval.
RESULTS = versioned(
    2,
    [
        _column("benchmark", TEXT),
        _column("slice", TEXT),  # "all", "no_seed_overlap", "level=…", "subject=…" or "group=…"
        _column("metric", TEXT),
        _column("value", REAL),
        _column("low", REAL),
        _column("high", REAL),
        _column("problems", COUNT),
        _column("samples", COUNT),
        _column("prompt", TEXT),  # how the questions were asked
    ],
)


def question_id(question: str) -> str:
    """Return a stable id of a question's text."""
    return "q" + hashlib.sha256(question.encode()).hexdigest()[:16]
