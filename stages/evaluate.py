"""Stage 6: grade the policy on evaluation sets, one greedy response and k sampled ones per problem.

From one sampling pass: `pass1_sampled` (mean accuracy of a single sample, also known as avg@k) and `maj_k` (accuracy of
the majority answer). Every graded response is kept. Departs from the authors' release: a grading that fails counts as
wrong and is listed, it does not leave the denominator. How far a majority can be trusted is measured by its share.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from stages import schemas
from stages.answers.kinds import AnswerConfig, AnswerKind
from stages.answers.reading import MAX_ANSWER
from stages.answers.voting import Ballot, Comparer, Graded, grade, vote
from stages.contract import Inputs, Metrics, Stage, Work
from stages.engines.base import Batch, Completion, Responses, SamplingParams
from stages.sample_responses import AnswerPrompt
from stages.settings import Settings, StopStrings
from storage.fingerprint import derive_seed

BOOTSTRAP_DRAWS = 2_000


class EvaluateSettings(Settings):
    """Protocol of an evaluation. Defaults are the published ones."""

    samples: NonNegativeInt = Field(16, description="Sampled responses per problem (k); 0 for greedy only.")
    prompt: AnswerPrompt = AnswerPrompt(template="{question}\n")
    temperature: PositiveFloat = 1.0
    top_p: PositiveFloat = Field(0.95, le=1)
    max_tokens: PositiveInt = 1_024
    stop: StopStrings = ()


class EvaluateConfig(EvaluateSettings):
    """`EvaluateSettings` with what the rest of the run fixes."""

    answers: dict[str, AnswerConfig]
    """What counts as an answer, by benchmark."""


def evaluate(config: EvaluateConfig, inputs: Inputs, work: Work) -> Metrics:
    kinds = {benchmark: answers.load() for benchmark, answers in config.answers.items()}
    engine = work.resources.engine()
    engine.load(inputs.folder("policy"), inputs.identity("policy"))
    problems = inputs.table("problems").to_dicts()
    greedy = SamplingParams(temperature=0.0, max_tokens=config.max_tokens, stop=config.stop)
    sampled = replace(greedy, temperature=config.temperature, top_p=config.top_p)
    shards = list(work.shards("grades", len(problems)))

    def ask() -> Iterator[_Pass]:
        for part, rows in shards:
            shard = problems[rows.start : rows.stop]
            prompts = [config.prompt.encode(problem["question"], engine) for problem in shard]
            yield _Pass(
                part=part, problems=shard, mode="greedy", prompts=prompts, seeds=[[0] for _ in shard], params=greedy
            )
            if config.samples:
                # The same seeds at every iteration: policies are compared on common random numbers.
                seeds = [[_sample_seed(problem, k, work) for k in range(config.samples)] for problem in shard]
                yield _Pass(part=part, problems=shard, mode="sampled", prompts=prompts, seeds=seeds, params=sampled)

    modes = ("greedy", "sampled") if config.samples else ("greedy",)
    answered: dict[int, dict[str, tuple[_Pass, Responses]]] = defaultdict(dict)
    for asked, responses in engine.generate(ask(), work.counting(shards, len(problems), 1 + config.samples)):
        passes = answered[asked.part]
        passes[asked.mode] = asked, responses
        if len(passes) < len(modes):
            continue
        completed = [  # problem by problem, so that the order of rows does not hang on the shard size
            _Completed(
                problem=problem, mode=mode, completions=passes[mode][1][index], seeds=passes[mode][0].seeds[index]
            )
            for index, problem in enumerate(asked.problems)
            for mode in modes
        ]
        work.write_part("grades", asked.part, _grade(completed, kinds, work.resources.verifier()))
        del answered[asked.part]
    grades = work.parts("grades").to_dicts()
    results = summarise(grades)
    work.write("results", results)
    work.write("reliability", _reliability(grades))
    return {f"eval/{row['benchmark']}/{row['metric']}": row["value"] for row in results}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pass(Batch):
    """One way of answering the problems of a shard."""

    part: int
    problems: Sequence[Mapping[str, Any]]
    mode: str


def _sample_seed(problem: Mapping[str, Any], sample: int, work: Work) -> int:
    return derive_seed(work.context.seed, "evaluate", problem["benchmark"], problem["problem_id"], sample)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Completed:
    problem: Mapping[str, Any]
    mode: str
    completions: Sequence[Completion]
    seeds: Sequence[int]


def _grade(
    completed: Sequence[_Completed], kinds: Mapping[str, AnswerKind], comparer: Comparer
) -> list[dict[str, Any]]:
    """Rows of `grades`; benchmark by benchmark, since each has its kind of answers."""
    graded: dict[int, list[dict[str, Any]]] = {}
    for benchmark, kind in kinds.items():
        places = [place for place, item in enumerate(completed) if item.problem["benchmark"] == benchmark]
        items = [completed[place] for place in places]
        texts = [item.problem["question"] for item in items]
        answers = [
            [kind.extract(completion.text, text) for completion in item.completions]
            for item, text in zip(items, texts, strict=True)
        ]
        votes = vote(
            [Ballot(question=t, answers=given) for t, given in zip(texts, answers, strict=True)], kind, comparer
        )
        flat = [
            Graded(question=text, answer=answer, gold=item.problem["answer"])
            for item, text, given in zip(items, texts, answers, strict=True)
            for answer in given
        ]
        statuses = iter(grade(flat, kind, comparer))
        for place, item, given, result in zip(places, items, answers, votes, strict=True):
            graded[place] = [
                {
                    "benchmark": benchmark,
                    "problem_id": item.problem["problem_id"],
                    "mode": item.mode,
                    "sample_index": index,
                    "seed": seed,
                    "response": completion.text,
                    "response_tokens": len(completion.token_ids),
                    "finish_reason": completion.finish_reason,
                    "answer": answer and answer[:MAX_ANSWER],
                    "answer_class": answer_class,
                    "status": next(statuses),
                }
                for index, (completion, seed, answer, answer_class) in enumerate(
                    zip(item.completions, item.seeds, given, result.class_ids, strict=True)
                )
            ]
    return [row for place in sorted(graded) for row in graded[place]]


def _reliability(grades: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `reliability` of each benchmark's sampled responses; a tie at the top has no majority and is left out."""
    voted: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for (benchmark, mode), problems in _by_problem(grades).items():
        for responses in problems.values() if mode == "sampled" else ():
            top = _top_classes(responses)
            if len(top) == 1:
                ((answer_class, right),) = top.items()
                votes = sum(row["answer_class"] == answer_class for row in responses)
                voted[benchmark].append((votes / len(responses), right))
    return [{"benchmark": benchmark, **row} for benchmark in sorted(voted) for row in reliability(voted[benchmark])]


def reliability(voted: Sequence[tuple[float, bool]]) -> list[dict[str, Any]]:
    """How often a majority was right, by its share: one row for each fifth of the shares that occurs.

    `voted`: the majority's share and whether it is right, one pair per question. A reliable vote is right more often
    where more agree; where a large majority is often wrong, the policy is being taught its own errors.
    """
    rows = []
    for fifth in range(5):
        # The shares 0.2 and 0.8 are the ends of the published gate; each belongs to the fifth below it.
        held = [(share, right) for share, right in voted if ceil(round(share * 5, 9)) - 1 == fifth]
        if held:
            rows.append(
                {
                    "share_from": fifth / 5,
                    "share_to": (fifth + 1) / 5,
                    "questions": len(held),
                    "mean_share": float(np.mean([share for share, _ in held])),
                    "correct": float(np.mean([right for _, right in held])),
                }
            )
    return rows


def summarise(grades: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `results` from rows of `grades`: per benchmark each metric with its 95 % interval over problems."""
    rows = []
    for (benchmark, mode), problems in sorted(_by_problem(grades).items()):
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


def _by_problem(
    grades: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]]:
    """(benchmark, mode) -> problem -> its rows."""
    found: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in grades:
        found[row["benchmark"], row["mode"]][row["problem_id"]].append(row)
    return found


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
    top = _top_classes(responses)
    return sum(top.values()) / len(top) if top else 0.0


def _top_classes(responses: Sequence[Mapping[str, Any]]) -> dict[int, bool]:
    """The class with most votes, or all that tie for it -> whether its answer is right; empty without any answer."""
    votes: dict[int, int] = defaultdict(int)
    right: dict[int, bool] = {}
    for row in responses:
        if row["answer_class"] is not None:
            votes[row["answer_class"]] += 1
            right[row["answer_class"]] = right.get(row["answer_class"], False) or row["status"] == "correct"
    return {answer_class: right[answer_class] for answer_class, n in votes.items() if n == max(votes.values())}


def _share(responses: Sequence[Mapping[str, Any]], column: str, value: str) -> float:
    return sum(bool(row[column] == value) for row in responses) / len(responses)


EVALUATE = Stage(
    name="evaluate",
    version=2,
    body=evaluate,
    tables={"grades": schemas.GRADES, "results": schemas.RESULTS, "reliability": schemas.RELIABILITY},
)
