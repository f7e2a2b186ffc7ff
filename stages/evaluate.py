"""Stage 6: grade the policy on evaluation sets, one greedy response and k sampled ones per problem.

Every graded response is kept; `stages.benchmarks.metrics` says what is computed from them. The engine gets all
benchmarks, greedy and sampled, as one stream. Responses are graded while the engine generates more.

Departs from the authors' release: a response whose grading fails counts as wrong and is listed in `failed_grades`. The
release leaves it out of the denominator. A response that was cut off has an answer only if one was closed before the
cut, unless `count_truncated` is set (see `stages.answers.kinds.part_that_counts`).
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

from stages import schemas
from stages.answers.algebra.readings import MAX_ANSWER
from stages.answers.kinds import AnswerKind, answer_of, load_kind
from stages.answers.response.thinking import without_thinking
from stages.answers.voting import AnswerToGrade, Ballot, Comparer, canonical_form, grade, vote
from stages.benchmarks.metrics import FAILED, WHOLE, reliability_rows, summarise
from stages.chat.options import chat_options
from stages.contract import Inputs, Metrics, Stage, Work
from stages.engines.base import Batch, Completion, Engine, SamplingParams, encode_question
from stages.settings.answers import AnswerConfig
from stages.settings.evaluate import EvaluateConfig
from stages.shards import Shards
from storage.fingerprint import derive_seed

_WAITING_PARTS = 2  # parts that may wait to be graded while the engine generates more


def evaluate(config: EvaluateConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `grades`, part by part, then `results`, `reliability` and `failed_grades`."""
    kinds = {benchmark: load_kind(protocol.answers) for benchmark, protocol in config.benchmarks.items()}
    engine = work.resources.engine()
    chat = chat_options(config, config.thinking_marks)
    engine.load(inputs.folder("policy"), inputs.identity("policy"), chat)
    problems = inputs.table("problems").to_dicts()
    examples = _Examples(config, inputs.table("shots").to_dicts() if "shots" in inputs else [], engine)
    samples = [config.samples_of(problem["benchmark"]) for problem in problems]
    shards = work.shards("grades", len(problems))
    completed: dict[int, dict[tuple[int, str], _Completed]] = defaultdict(dict)
    progress = shards.counting([1 + count for count in samples])
    with _Grader(config, kinds, work) as grader:
        passes = _passes(config, problems, samples, shards, examples, work)
        for batch, completions_of_batch in work.responses(engine.generate(passes, progress)):
            completed_part = completed[batch.part]
            for row, completions, seeds in zip(batch.rows, completions_of_batch, batch.seeds, strict=True):
                completed_part[row, batch.mode] = _Completed(
                    problem=problems[row], mode=batch.mode, completions=completions, seeds=seeds
                )
            if len(completed_part) == sum(1 + (samples[row] > 0) for row in shards.ranges[batch.part]):
                del completed[batch.part]
                # Problem by problem, so that the order of rows does not depend on the shard size.
                grader.grade(batch.part, [completed_part[row_and_mode] for row_and_mode in sorted(completed_part)])
    grades = _with_forms(work.parts("grades").to_dicts(), problems, kinds)
    labels = {benchmark: protocol.label for benchmark, protocol in config.benchmarks.items()}
    results = summarise(grades, problems, labels)
    work.write("results", results)
    work.write("reliability", reliability_rows(grades))
    columns = schemas.FAILED_GRADES.names
    work.write("failed_grades", [{name: row[name] for name in columns} for row in grades if row["status"] in FAILED])
    unfinished = Counter(row["benchmark"] for row in grades if without_thinking(row["response"]) is None)
    return {
        **{f"eval/{row['benchmark']}/{row['metric']}": row["value"] for row in results if row["slice"] == WHOLE},
        **{f"eval/{benchmark}/thinking_unfinished": unfinished[benchmark] for benchmark in config.benchmarks},
    }


def _passes(
    config: EvaluateConfig,
    problems: Sequence[Mapping[str, Any]],
    samples: Sequence[int],
    shards: Shards,
    examples: "_Examples",
    work: Work,
) -> Iterator["_Pass"]:
    """Yield the passes over each missing part: one greedy response per problem, then the samples if there are any."""
    greedy = SamplingParams(temperature=0.0, max_tokens=config.max_tokens, stop=config.stop)
    sampled = replace(greedy, temperature=config.temperature, top_p=config.top_p)
    for part, rows in shards:
        prompts = {row: examples.prompt(problems[row]) for row in rows}
        # The same seeds in every iteration: policies are compared on common random numbers.
        sample_seeds = {row: [_sample_seed(problems[row], i, work) for i in range(samples[row])] for row in rows}
        for mode, params, seeds in (
            ("greedy", greedy, {row: [0] for row in rows}),
            ("sampled", sampled, {row: seeds_of_row for row, seeds_of_row in sample_seeds.items() if seeds_of_row}),
        ):
            if seeds:
                yield _Pass(
                    part=part,
                    mode=mode,
                    rows=list(seeds),
                    prompts=[prompts[row] for row in seeds],
                    params=params,
                    seeds=list(seeds.values()),
                )


class _Grader:
    """Grades parts in a separate thread while the engine generates more, and writes them in the order of arrival."""

    def __init__(self, config: EvaluateConfig, kinds: Mapping[str, AnswerKind], work: Work) -> None:
        self._settings = {benchmark: protocol.answers for benchmark, protocol in config.benchmarks.items()}
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
        """Start to grade a part, and write the parts that are graded. Raises what the grading of a part raised."""
        verifier = self._work.resources.verifier()
        self._waiting.append((part, self._pool.submit(_grade, completed, self._kinds, self._settings, verifier)))
        while self._waiting and (self._waiting[0][1].done() or len(self._waiting) > _WAITING_PARTS):
            self._write_oldest()

    def _write_oldest(self) -> None:
        part, rows = self._waiting.popleft()
        self._work.write_part("grades", part, rows.result())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pass(Batch):
    """A request for the greedy or the sampled responses to the problems of a part."""

    part: int
    rows: Sequence[int]
    """Rows of `problems`: all of the part, or those that have samples."""
    mode: str
    """greedy or sampled."""


class _Examples:
    """Puts a benchmark's header and worked examples before its questions, all in the benchmark's prompt template."""

    def __init__(self, config: EvaluateConfig, rows: Sequence[Mapping[str, Any]], engine: Engine) -> None:
        self._config = config
        self._rows = rows
        self._engine = engine
        self._composed: dict[tuple[str, str | None], list[str]] = {}

    def prompt(self, problem: Mapping[str, Any]) -> list[int]:
        """Return the token ids of a prompt.

        The last examples are left out while the prompt is too long, in the end all of them and the header. A prompt
        that is still too long is returned as it is.
        """
        benchmark, subject = problem["benchmark"], problem["subject"]
        prompt = self._config.benchmarks[benchmark].prompt
        if (benchmark, subject) not in self._composed:
            self._composed[benchmark, subject] = self._compose(benchmark, subject)
        texts = self._composed[benchmark, subject]
        for shown in range(len(texts), -1, -1):
            ids = encode_question(self._engine, prompt, problem["question"], "".join(texts[:shown]))
            if len(ids) <= self._config.max_prompt_tokens:
                break
        return ids

    def _compose(self, benchmark: str, subject: str | None) -> list[str]:
        """Return the header and the examples as texts, in order."""
        protocol = self._config.benchmarks[benchmark]
        if protocol.shots is None:
            return []
        rows = [row for row in self._rows if row["benchmark"] == benchmark and row["subject"] == subject]
        rows = rows[: protocol.shots.count]
        as_text = self._engine.as_text
        header = protocol.shots.header.replace("{subject}", as_text(subject or ""))
        questions = [protocol.prompt.template.replace("{question}", as_text(row["question"])).rstrip() for row in rows]
        examples = [
            f"{question} {as_text(row['reasoning'])}\n\n" for question, row in zip(questions, rows, strict=True)
        ]
        return [f"{header}\n", *examples] if header else examples


def _sample_seed(problem: Mapping[str, Any], sample: int, work: Work) -> int:
    return derive_seed(work.context.seed, "evaluate", problem["benchmark"], problem["problem_id"], sample)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Completed:
    """One problem's responses in one mode."""

    problem: Mapping[str, Any]
    mode: str
    completions: Sequence[Completion]
    seeds: Sequence[int]


def _grade(
    completed: Sequence[_Completed],
    kinds: Mapping[str, AnswerKind],
    settings: Mapping[str, AnswerConfig],
    comparer: Comparer,
) -> list[dict[str, Any]]:
    """Return the rows of `grades` in the order of `completed`.

    Benchmarks are graded one after the other, since each has a kind of answers.
    """
    rows: dict[int, list[dict[str, Any]]] = {}
    for benchmark, kind in kinds.items():
        indices = [index for index, item in enumerate(completed) if item.problem["benchmark"] == benchmark]
        items = [completed[index] for index in indices]
        questions = [item.problem["question"] for item in items]
        answers = [
            [
                answer_of(
                    kind,
                    completion.text,
                    question,
                    truncated=completion.finish_reason == "length",
                    settings=settings[benchmark],
                )
                for completion in item.completions
            ]
            for item, question in zip(items, questions, strict=True)
        ]
        ballots = [
            Ballot(question=question, answers=answers_of_item)
            for question, answers_of_item in zip(questions, answers, strict=True)
        ]
        votes = vote(ballots, kind, comparer)
        to_grade = [
            AnswerToGrade(question=question, answer=answer, gold=item.problem["answer"])
            for item, question, answers_of_item in zip(items, questions, answers, strict=True)
            for answer in answers_of_item
        ]
        statuses = iter(grade(to_grade, kind, comparer))
        for index, item, answers_of_item, result in zip(indices, items, answers, votes, strict=True):
            rows[index] = [
                {
                    "benchmark": benchmark,
                    "problem_id": item.problem["problem_id"],
                    "mode": item.mode,
                    "sample_index": sample_index,
                    "seed": seed,
                    "response": completion.text,
                    "response_tokens": len(completion.token_ids),
                    "finish_reason": completion.finish_reason,
                    "answer": answer and answer[:MAX_ANSWER],
                    "answer_class": answer_class,
                    "status": next(statuses),
                }
                for sample_index, (completion, seed, answer, answer_class) in enumerate(
                    zip(item.completions, item.seeds, answers_of_item, result.class_ids, strict=True)
                )
            ]
    return [row for index in sorted(rows) for row in rows[index]]


def _with_forms(
    grades: Sequence[dict[str, Any]], problems: Sequence[Mapping[str, Any]], kinds: Mapping[str, AnswerKind]
) -> list[dict[str, Any]]:
    """Return rows of `grades` with `form`, the canonical form of the answer; None without a readable answer."""
    questions = {(problem["benchmark"], problem["problem_id"]): problem["question"] for problem in problems}
    forms: dict[tuple[str, str, str], str | None] = {}
    for row in grades:
        benchmark, problem, answer = key = row["benchmark"], row["problem_id"], row["answer"]
        if row["answer_class"] is not None and key not in forms:
            forms[key], _ = canonical_form(answer, questions[benchmark, problem], kinds[benchmark])
    return [{**row, "form": forms.get((row["benchmark"], row["problem_id"], row["answer"]))} for row in grades]


EVALUATE = Stage(
    name="evaluate",
    version=6,
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
