"""Import a run's evaluation sets: from files, from a built-in domain, or from the seeds that have an answer.

Each set's format says how its rows are read (`stages.benchmarks.read_rows`). Problems that overlap a seed question are
marked, so that results can leave them out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages import schemas
from stages.benchmarks.read_rows import ParsedRow, RowError, parse_row
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.input_files import is_filled, read_rows
from stages.settings.benchmarks import BenchmarkFormat
from stages.settings.inputs import ImportProblems, ProblemSet
from stages.text.contamination import EvaluationOverlap
from storage.errors import InputError


def import_problems(config: ImportProblems, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `problems` and `shots`."""
    seeds = inputs.table("seeds").to_dicts() if "seeds" in inputs else []
    overlap = EvaluationOverlap((("seeds", row["question"]) for row in seeds), config.overlap_words)
    rows = [
        {**row, "seed_overlap": bool(overlap.overlapping_sets(row["question"]))}
        for problem_set in config.sets
        for row in problems_of(problem_set, seeds)
    ]
    work.write("problems", rows)
    work.write("shots", [row for problem_set in config.sets for row in shots_of(problem_set)])
    return {"problems/count": len(rows), "problems/seed_overlap": sum(row["seed_overlap"] for row in rows)}


def problems_of(problem_set: ProblemSet, seeds: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the rows of `problems`, without the column `seed_overlap`.

    `seeds`: rows of the table `seeds`. Raises InputError for a file or row that cannot be used.
    """
    if problem_set.domain:
        return _domain_problems(problem_set)
    problems = _seed_problems(problem_set, seeds) if problem_set.seeds else _read(problem_set, problem_set.path or "")
    return [
        {
            "benchmark": problem_set.name,
            "problem_id": f"{index:05d}",
            **{name: getattr(problem, name) for name in ("question", "answer", "level", "subject", "group")},
        }
        for index, problem in enumerate(problems)
    ]


def shots_of(problem_set: ProblemSet) -> list[dict[str, Any]]:
    """Return the rows of `shots`. Raises InputError for a file or row that cannot be used."""
    if not problem_set.shots_path:
        return []
    return [
        {
            "benchmark": problem_set.name,
            "subject": example.subject,
            "question": example.question,
            "reasoning": example.reasoning or f"The answer is {example.answer}.",
        }
        for example in _read(problem_set, problem_set.shots_path)
    ]


def _read(problem_set: ProblemSet, path: str) -> Iterator[ParsedRow]:
    label = f"benchmark {problem_set.name}"
    for location, row in read_rows(path, label):
        try:
            yield parse_row(row, problem_set.format)
        except RowError as error:
            raise InputError(f"{label} {path}, {location}: {error}") from None


def _seed_problems(problem_set: ProblemSet, seeds: Sequence[Mapping[str, Any]]) -> list[ParsedRow]:
    labelled = [row for row in seeds if is_filled(row["answer"])]
    if not labelled:
        raise InputError(
            f"benchmark {problem_set.name} is made of the seeds that have an answer, and no seed has one; give the "
            "seed file a field `answer` or leave this benchmark out"
        )
    return [parse_row(row, BenchmarkFormat()) for row in labelled]


def _domain_problems(problem_set: ProblemSet) -> list[dict[str, Any]]:
    return [
        {
            "benchmark": problem_set.name,
            "problem_id": f"{index:05d}",
            "question": problem.question,
            "answer": str(problem.answer),
            "level": str(len(problem.chain) - 1),
            "subject": None,
            "group": None,
        }
        for index, problem in enumerate(arithmetic.problems("heldout", problem_set.count or 0, problem_set.seed))
    ]


IMPORT_PROBLEMS = Stage(
    name="import_problems",
    version=4,
    body=import_problems,
    tables={"problems": schemas.PROBLEMS, "shots": schemas.SHOTS},
)
