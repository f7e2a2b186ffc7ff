"""Import a run's evaluation sets: from files, from a built-in domain, or from the seeds that have an answer.

Each set's format says how its rows are read (`stages.question_files`). Problems that overlap a seed question are
marked, so that results can leave them out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.question_files.parse import Question
from stages.question_files.read import QuestionFile, read_questions
from stages.question_files.values import is_filled
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
    if problem_set.seeds:
        return _seed_problems(problem_set, seeds)
    return [
        {
            "benchmark": problem_set.name,
            "problem_id": f"{index:05d}",
            **{name: getattr(problem, name) for name in ("question", "answer", "level", "subject", "group")},
        }
        for index, problem in enumerate(problem_file(problem_set).questions)
    ]


def shots_of(problem_set: ProblemSet) -> list[dict[str, Any]]:
    """Return the rows of `shots`. Raises InputError for a file or row that cannot be used."""
    if not problem_set.shots_source:
        return []
    return [
        {
            "benchmark": problem_set.name,
            "subject": example.subject,
            "question": example.question,
            "reasoning": example.reasoning or f"The answer is {example.answer}.",
        }
        for example in _examples(problem_set)
    ]


def problem_file(problem_set: ProblemSet) -> QuestionFile:
    """Return the problems of a set that comes from a file or from the hub.

    Doubles stay, since published results count them. Raises InputError for a file or row that cannot be used.
    """
    return read_questions(
        problem_set.source or "",
        f"benchmark {problem_set.name}",
        problem_set.format,
        sha256=problem_set.sha256,
        on_bad_row=problem_set.on_bad_row,
        needs_answer=True,
        drop_doubles=False,
    )


def _examples(problem_set: ProblemSet) -> tuple[Question, ...]:
    return read_questions(
        problem_set.shots_source or "",
        f"examples of benchmark {problem_set.name}",
        problem_set.format,
        sha256=problem_set.shots_sha256,
        needs_answer=True,
        drop_doubles=False,
    ).questions


def _seed_problems(problem_set: ProblemSet, seeds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    labelled = [row for row in seeds if is_filled(row["answer"])]
    if not labelled:
        raise InputError(
            f"benchmark {problem_set.name} is made of the seeds that have an answer, and no seed has one; give the "
            "seed file a field `answer` or leave this benchmark out"
        )
    return [
        {
            "benchmark": problem_set.name,
            "problem_id": f"{index:05d}",
            **{name: row[name] for name in ("question", "answer", "level", "subject")},
            "group": None,
        }
        for index, row in enumerate(labelled)
    ]


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
    version=5,
    body=import_problems,
    tables={"problems": schemas.PROBLEMS, "shots": schemas.SHOTS},
)
