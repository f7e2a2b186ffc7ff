"""Stage 6: grade the policy on evaluation sets, one greedy response and k sampled ones per problem.

Every graded response is kept; `stages.benchmarks.metrics` says what is computed from them. All benchmarks, greedy and
sampled, reach the engine as one stream, and are graded while it goes on. Departs from the authors' release: a grading
that fails counts as wrong and is listed, it does not leave the denominator.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

from stages import schemas
from stages.answers.kinds import AnswerKind, extract_answer, load_kind
from stages.answers.latex_values import MAX_ANSWER
from stages.answers.voting import Ballot, Comparer, Graded, grade, vote
from stages.benchmarks.metrics import FAILED, WHOLE, reliability_rows, summarise
from stages.contract import Inputs, Metrics, Shards, Stage, Work
from stages.engines.base import Batch, Completion, Engine, SamplingParams, encode_question
from stages.settings.evaluate import EvaluateConfig
from storage.fingerprint import derive_seed

_WAITING_PARTS = 2  # parts that may wait for their grades while the engine goes on


def evaluate(config: EvaluateConfig, inputs: Inputs, work: Work) -> Metrics:
    kinds = {benchmark: load_kind(protocol.answers) for benchmark, protocol in config.benchmarks.items()}
    engine = work.resources.engine()
    engine.load(inputs.folder("policy"), inputs.identity("policy"))
    problems = inputs.table("problems").to_dicts()
    examples = _Examples(config, inputs.table("shots").to_dicts() if "shots" in inputs else [])
    samples = [config.samples_of(problem["benchmark"]) for problem in problems]
    shards = work.shards("grades", len(problems))
    answered: dict[int, dict[tuple[int, str], _Completed]] = defaultdict(dict)
    progress = shards.counting([1 + found for found in samples])
    with _Grader(kinds, work) as grader:
        asked = _ask(config, problems, samples, shards, examples, engine, work)
        for done, responses in engine.generate(asked, progress):
            held = answered[done.part]
            for row, completions, seeds in zip(done.rows, responses, done.seeds, strict=True):
                held[row, done.mode] = _Completed(
                    problem=problems[row], mode=done.mode, completions=completions, seeds=seeds
                )
            if len(held) == sum(1 + (samples[row] > 0) for row in shards.ranges[done.part]):
                del answered[done.part]
                # Problem by problem, so that the order of rows does not hang on the shard size.
                grader.grade(done.part, [held[place] for place in sorted(held)])
    grades = work.parts("grades").to_dicts()
    labels = {benchmark: protocol.label for benchmark, protocol in config.benchmarks.items()}
    results = summarise(grades, problems, labels)
    work.write("results", results)
    work.write("reliability", reliability_rows(grades))
    columns = schemas.FAILED_GRADES.names
    work.write("failed_grades", [{name: row[name] for name in columns} for row in grades if row["status"] in FAILED])
    return {f"eval/{row['benchmark']}/{row['metric']}": row["value"] for row in results if row["slice"] == WHOLE}


def _ask(
    config: EvaluateConfig,
    problems: Sequence[Mapping[str, Any]],
    samples: Sequence[int],
    shards: Shards,
    examples: "_Examples",
    engine: Engine,
    work: Work,
) -> Iterator["_Pass"]:
    """Two passes over each shard: one greedy response a problem, then its samples."""
    greedy = SamplingParams(temperature=0.0, max_tokens=config.max_tokens, stop=config.stop)
    sampled = replace(greedy, temperature=config.temperature, top_p=config.top_p)
    for part, rows in shards:
        prompts = {row: examples.prompt(problems[row], engine) for row in rows}
        # The same seeds at every iteration: policies are compared on common random numbers.
        seeds = {row: [_sample_seed(problems[row], k, work) for k in range(samples[row])] for row in rows}
        for mode, params, wanted in (
            ("greedy", greedy, {row: [0] for row in rows}),
            ("sampled", sampled, {row: found for row, found in seeds.items() if found}),
        ):
            if wanted:
                texts = [prompts[row] for row in wanted]
                yield _Pass(
                    part=part, mode=mode, rows=list(wanted), prompts=texts, params=params, seeds=[*wanted.values()]
                )


class _Grader:
    """Grades parts in a thread of its own, while the engine goes on, and writes them in the order of their coming."""

    def __init__(self, kinds: Mapping[str, AnswerKind], work: Work) -> None:
        self._kinds, self._work = kinds, work
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, Future[list[dict[str, Any]]]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and kind is None:
                self._write_oldest()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def grade(self, part: int, completed: Sequence["_Completed"]) -> None:
        """Raises what the grading of an earlier part raised."""
        verifier = self._work.resources.verifier()
        self._waiting.append((part, self._pool.submit(_grade, completed, self._kinds, verifier)))
        while self._waiting and (self._waiting[0][1].done() or len(self._waiting) > _WAITING_PARTS):
            self._write_oldest()

    def _write_oldest(self) -> None:
        part, rows = self._waiting.popleft()
        self._work.write_part("grades", part, rows.result())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pass(Batch):
    """One way of answering the problems of a shard, or those of them that are asked so."""

    part: int
    rows: Sequence[int]
    mode: str


class _Examples:
    """Puts a benchmark's header and worked examples before its questions, each in the benchmark's own prompt."""

    def __init__(self, config: EvaluateConfig, rows: Sequence[Mapping[str, Any]]) -> None:
        self._config = config
        self._rows = rows
        self._composed: dict[tuple[str, str | None], list[str]] = {}

    def prompt(self, problem: Mapping[str, Any], engine: Engine) -> list[int]:
        """Token ids of a prompt; the last examples are left out where it would be too long."""
        benchmark, subject = problem["benchmark"], problem["subject"]
        prompt = self._config.benchmarks[benchmark].prompt
        if (benchmark, subject) not in self._composed:
            self._composed[benchmark, subject] = self._compose(benchmark, subject)
        texts = self._composed[benchmark, subject]
        for shown in range(len(texts), -1, -1):
            ids = encode_question(engine, prompt, problem["question"], "".join(texts[:shown]))
            if len(ids) <= self._config.max_prompt_tokens:
                break
        return ids

    def _compose(self, benchmark: str, subject: str | None) -> list[str]:
        """The header, then each example."""
        protocol = self._config.benchmarks[benchmark]
        if protocol.shots is None:
            return []
        rows = [row for row in self._rows if row["benchmark"] == benchmark]
        own = [row for row in rows if row["subject"] == subject][: protocol.shots.count]
        header = protocol.shots.header.replace("{subject}", subject or "")
        asked = [protocol.prompt.template.replace("{question}", row["question"]).rstrip() for row in own]
        examples = [f"{question} {row['reasoning']}\n\n" for question, row in zip(asked, own, strict=True)]
        return [f"{header}\n", *examples] if header else examples


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
            [extract_answer(kind, completion.text, text) for completion in item.completions]
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


EVALUATE = Stage(
    name="evaluate",
    version=3,
    body=evaluate,
    tables={
        "grades": schemas.GRADES,
        "results": schemas.RESULTS,
        "reliability": schemas.RELIABILITY,
        "failed_grades": schemas.FAILED_GRADES,
    },
    uses_gpu=True,
    shardable=True,
    size=lambda settings, rows: f"{rows('problems'):,} problems x {1 + settings.samples}",
)
