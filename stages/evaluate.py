"""Stage 6: grade the policy on evaluation sets, one greedy response and k sampled ones per problem.

From one sampling pass: `pass1_sampled` (mean accuracy of a single sample, also known as avg@k) and `maj_k` (accuracy of
the majority answer). Every graded response is kept. Departs from the authors' release: a grading that fails counts as
wrong and is listed, it does not leave the denominator.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from stages import schemas
from stages.answers.math import extract_math_answer
from stages.answers.verifier import Verifier
from stages.answers.voting import matches, verified_equal, vote
from stages.contract import Inputs, Metrics, Stage, Work
from stages.engines.base import Completion, SamplingParams
from stages.sample_responses import AnswerPrompt
from stages.settings import Settings
from storage.fingerprint import derive_seed

BOOTSTRAP_DRAWS = 2_000


class EvaluateConfig(Settings):
    """Protocol of an evaluation. Defaults are the published ones."""

    samples: NonNegativeInt = Field(16, description="Sampled responses per problem (k); 0 for greedy only.")
    prompt: AnswerPrompt = AnswerPrompt(template="{question}\n")
    temperature: PositiveFloat = 1.0
    top_p: PositiveFloat = Field(0.95, le=1)
    max_tokens: PositiveInt = 1_024
    boxed_only: bool = False


def evaluate(config: EvaluateConfig, inputs: Inputs, work: Work) -> Metrics:
    engine = work.resources.engine()
    engine.load(inputs.folder("policy"), inputs.identity("policy"))
    problems = inputs.table("problems").to_dicts()
    greedy = SamplingParams(temperature=0.0, max_tokens=config.max_tokens)
    sampled = SamplingParams(temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens)
    for part, rows in work.shards("grades", len(problems)):
        shard = problems[rows.start : rows.stop]
        prompts = [config.prompt.encode(problem["question"], engine) for problem in shard]
        # The same seeds at every iteration: policies are compared on common random numbers.
        seeds = [[_sample_seed(problem, k, work) for k in range(config.samples)] for problem in shard]
        first = [[0] for _ in shard]
        passes = [("greedy", engine.generate(prompts, greedy, first, work.progress), first)]
        if config.samples:
            passes.append(("sampled", engine.generate(prompts, sampled, seeds, work.progress), seeds))
        verifier = work.resources.verifier()
        graded = [  # problem by problem, so that the order of rows does not hang on the shard size
            _grade(problem, mode, done[index], all_seeds[index], config, verifier)
            for index, problem in enumerate(shard)
            for mode, done, all_seeds in passes
        ]
        work.write_part("grades", part, [row for rows_of_problem in graded for row in rows_of_problem])
    results = summarise(work.parts("grades").to_dicts())
    work.write("results", results)
    return {f"eval/{row['benchmark']}/{row['metric']}": row["value"] for row in results}


def _sample_seed(problem: Mapping[str, Any], sample: int, work: Work) -> int:
    return derive_seed(work.context.seed, "evaluate", problem["benchmark"], problem["problem_id"], sample)


def _grade(
    problem: Mapping[str, Any],
    mode: str,
    completions: Sequence[Completion],
    seeds: Sequence[int],
    config: EvaluateConfig,
    verifier: Verifier,
) -> list[dict[str, Any]]:
    answers = [extract_math_answer(completion.text, boxed_only=config.boxed_only) for completion in completions]
    statuses = matches(answers, [problem["answer"]] * len(answers), verifier)
    classes = vote(answers, verified_equal(verifier)).class_ids
    return [
        {
            "benchmark": problem["benchmark"],
            "problem_id": problem["problem_id"],
            "mode": mode,
            "sample_index": index,
            "seed": seed,
            "response": completion.text,
            "response_tokens": len(completion.token_ids),
            "finish_reason": completion.finish_reason,
            "answer": answer,
            "answer_class": answer_class,
            "status": status,
        }
        for index, (completion, seed, answer, answer_class, status) in enumerate(
            zip(completions, seeds, answers, classes, statuses, strict=True)
        )
    ]


def summarise(grades: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `results` from rows of `grades`: per benchmark each metric with its 95 % interval over problems."""
    by_problem: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in grades:
        by_problem[row["benchmark"], row["mode"]][row["problem_id"]].append(row)
    rows = []
    for (benchmark, mode), problems in sorted(by_problem.items()):
        samples = max(len(responses) for responses in problems.values())
        metrics = {f"pass1_{mode}": [_accuracy(responses) for responses in problems.values()]}
        if mode == "sampled" and samples > 1:
            metrics["maj_k"] = [_majority_accuracy(responses) for responses in problems.values()]
        metrics[f"no_answer_{mode}"] = [_share(responses, "status", "no_answer") for responses in problems.values()]
        metrics[f"truncated_{mode}"] = [_share(responses, "finish_reason", "length") for responses in problems.values()]
        for metric, values in metrics.items():
            low, high = bootstrap_interval(values)
            rows.append(
                {
                    "benchmark": benchmark,
                    "metric": metric,
                    "value": float(np.mean(values)),
                    "low": low,
                    "high": high,
                    "problems": len(values),
                    "samples": samples,
                }
            )
    return rows


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """Percentile bootstrap of the mean at 95 %, resampling problems; the same for the same values.

    Problems are the unit: the k samples of one problem are not independent of each other.
    """
    data = np.asarray(values, dtype=np.float64)
    draws = np.random.Generator(np.random.Philox(key=0)).integers(0, len(data), size=(BOOTSTRAP_DRAWS, len(data)))
    low, high = np.quantile(data[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _accuracy(responses: Sequence[Mapping[str, Any]]) -> float:
    return _share(responses, "status", "correct")


def _majority_accuracy(responses: Sequence[Mapping[str, Any]]) -> float:
    """Whether the top answer is right; where several tie at the top, the chance that a random one of them is."""
    votes: dict[int, int] = defaultdict(int)
    right: dict[int, bool] = {}
    for row in responses:
        if row["answer_class"] is not None:
            votes[row["answer_class"]] += 1
            right[row["answer_class"]] = right.get(row["answer_class"], False) or row["status"] == "correct"
    top = [answer_class for answer_class, count in votes.items() if count == max(votes.values())]
    return sum(right[answer_class] for answer_class in top) / len(top) if top else 0.0


def _share(responses: Sequence[Mapping[str, Any]], column: str, value: str) -> float:
    return sum(bool(row[column] == value) for row in responses) / len(responses)


EVALUATE = Stage(
    name="evaluate",
    version=1,
    body=evaluate,
    tables={"grades": schemas.GRADES, "results": schemas.RESULTS},
)
