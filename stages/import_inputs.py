"""Bringing in what a run starts from: seed questions, evaluation problems, a policy folder.

What comes from outside enters by content: keys hold the sha256 of the file or folder, never its path.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, PositiveInt

from stages import schemas
from stages.answers.marks import gold_answer
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.settings import Settings
from storage.commit import files_under
from storage.errors import InputError
from storage.fingerprint import digest_file, digest_files

QUESTION_FIELDS = ("question", "problem")
MAX_ROW_BYTES = 1_000_000


class ImportSeeds(Settings):
    """Seed questions from a file (`path` and `sha256`) or from a built-in domain (`domain` and `count`)."""

    path: str | None = Field(None, exclude=True)
    sha256: str | None = None
    domain: Literal["arithmetic"] | None = None
    count: PositiveInt | None = None


class ProblemSet(Settings):
    """One evaluation set: from a file, the held-out split of a built-in domain, or the seeds that have an answer."""

    name: str
    seeds: bool = False
    path: str | None = Field(None, exclude=True)
    sha256: str | None = None
    domain: Literal["arithmetic"] | None = None
    count: PositiveInt | None = None
    seed: int = 0


class ImportProblems(Settings):
    sets: tuple[ProblemSet, ...]


class ImportVoters(Settings):
    """Models that vote beside the policy, by name."""

    models: dict[str, "ImportPolicy"]


class ImportPolicy(Settings):
    """A local Hugging Face folder; it stays where it is, its files are recorded by digest. With an adapter (peft's
    format), the folder of the two merged is written."""

    path: str = Field(exclude=True)
    sha256: str
    adapter: str | None = Field(None, exclude=True)
    adapter_sha256: str | None = Field(None, exclude_if=lambda found: found is None)


def import_seeds(config: ImportSeeds, inputs: Inputs, work: Work) -> Metrics:
    if config.domain:
        made = arithmetic.problems("seed", config.count or 0, work.seed())
        rows = [_seed_row({"question": problem.question}) for problem in made]
    else:
        rows = _file_seeds(config)
    work.write("seeds", rows)
    return {"seeds/questions": len(rows)}


def import_problems(config: ImportProblems, inputs: Inputs, work: Work) -> Metrics:
    rows: list[dict[str, Any]] = []
    for problem_set in config.sets:
        if problem_set.seeds:
            rows += _seed_problems(problem_set, inputs.table("seeds").to_dicts())
        else:
            rows += _domain_problems(problem_set) if problem_set.domain else _file_problems(problem_set)
    work.write("problems", rows)
    return {"problems/count": len(rows)}


def import_policy(config: ImportPolicy, inputs: Inputs, work: Work) -> Metrics:
    _bring("policy", config, work)
    return {}


def import_voters(config: ImportVoters, inputs: Inputs, work: Work) -> Metrics:
    for name, model in config.models.items():
        _bring(f"voter_{name}", model, work)
    return {}


def _bring(output: str, model: ImportPolicy, work: Work) -> None:
    if model.adapter is None:
        work.import_folder(output, Path(model.path))
        return
    from stages.trainer.adapters import merge_folder

    merge_folder(Path(model.path), Path(model.adapter), work.scratch / output)
    work.write_folder(output, work.scratch / output)


def import_voters_stage(names: Iterable[str]) -> Stage:
    """A stage with one output folder `voter_NAME` for each voter."""
    folders = tuple(f"voter_{name}" for name in names)
    return Stage(name="import_voters", version=1, body=import_voters, folders=folders)


IMPORT_SEEDS = Stage(name="import_seeds", version=1, body=import_seeds, tables={"seeds": schemas.SEEDS})
IMPORT_PROBLEMS = Stage(name="import_problems", version=2, body=import_problems, tables={"problems": schemas.PROBLEMS})
IMPORT_POLICY = Stage(name="import_policy", version=1, body=import_policy, folders=("policy",))


def read_rows(name: str, what: str, *, answered: bool = False) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL or Parquet file, each with a non-empty `question`, and an `answer` if they must be `answered`.

    Raises InputError that names the file and line when it is missing, empty, malformed or a row lacks one of these.
    """
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{what} {name} does not exist; expected a .jsonl or .parquet file")
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{what} {name} ends in {path.suffix or 'nothing'}; expected .jsonl or .parquet")
    empty = True
    for place, row in _parquet_rows(path, what) if path.suffix == ".parquet" else _json_rows(path, what):
        empty = False
        question = next((row[field] for field in QUESTION_FIELDS if row.get(field)), None)
        if not isinstance(question, str) or not question.strip():
            raise InputError(
                f"{what} {name}, {place}: no question; expected text in one of the fields {', '.join(QUESTION_FIELDS)}"
            )
        if answered and row.get("answer") in (None, ""):
            raise InputError(f"{what} {name}, {place}: no answer; expected the field answer")
        yield {**row, "question": question.strip()}
    if empty:
        raise InputError(f"{what} {name} has no rows; expected at least one question")


def _json_rows(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if len(line) > MAX_ROW_BYTES:
                raise InputError(f"{what} {path}, line {number}: {len(line)} bytes; expected at most {MAX_ROW_BYTES}")
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
            except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
                raise InputError(
                    f"{what} {path}, line {number}: not JSON ({error}); expected one object per line"
                ) from None
            if not isinstance(row, dict):
                raise InputError(f"{what} {path}, line {number}: found {type(row).__name__}, expected a JSON object")
            yield f"line {number}", row


def _parquet_rows(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{what} {path} is not a Parquet file: {error}") from None
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row


def content_of_file(name: str, what: str) -> str:
    """sha256 of a file; InputError when there is none."""
    if not Path(name).is_file():
        raise InputError(f"{what} {name} does not exist; expected a .jsonl or .parquet file")
    return digest_file(Path(name))


def content_of_policy(name: str) -> str:
    """Identity of a model folder. Raises InputError unless it holds a config, safetensors weights and a tokenizer."""
    folder = Path(name)
    if not folder.is_dir():
        raise InputError(f"policy folder {name} does not exist; expected a local Hugging Face model folder")
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise InputError(f"policy folder {name} has no config.json with *.safetensors; expected a Hugging Face model")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise InputError(
            f"policy folder {name} has no tokenizer (tokenizer.json, tokenizer.model or vocab.json); "
            "save the model's tokenizer into it"
        )
    return digest_files([(file, digest_file(folder / file)) for file in files_under(folder)])


def bring_policy(model: str, adapter: str | None) -> ImportPolicy:
    """How a model folder, with an adapter or without, is brought in. Raises InputError where one is unusable."""
    return ImportPolicy(
        path=model,
        sha256=content_of_policy(model),
        adapter=adapter,
        adapter_sha256=None if adapter is None else _content_of_adapter(adapter),
    )


def _content_of_adapter(name: str) -> str:
    files = ("adapter_config.json", "adapter_model.safetensors")
    if missing := [file for file in files if not (Path(name) / file).is_file()]:
        raise InputError(f"adapter {name} has no {' and no '.join(missing)}; expected a folder that peft has saved")
    return digest_files([(file, digest_file(Path(name) / file)) for file in files])


def _seed_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "question_id": schemas.question_id(row["question"]),
        "question": row["question"],
        **{field: _text(row.get(field)) for field in ("answer", "level", "subject")},
    }


def _file_seeds(config: ImportSeeds) -> list[dict[str, Any]]:
    rows = [_seed_row(row) for row in read_rows(config.path or "", "seed file")]
    return list({row["question_id"]: row for row in rows}.values())


def check_files(seeds: ImportSeeds, problems: ImportProblems) -> None:
    """Read all files once before anything is started. Raises InputError as their stages would."""
    rows = _file_seeds(seeds) if seeds.path else []
    for problem_set in problems.sets:
        if problem_set.seeds:
            _seed_problems(problem_set, rows)
        elif problem_set.path:
            _file_problems(problem_set)


def _file_problems(problem_set: ProblemSet) -> list[dict[str, Any]]:
    rows = read_rows(problem_set.path or "", f"benchmark {problem_set.name}", answered=True)
    return [_problem_row(problem_set, index, row) for index, row in enumerate(rows)]


def _seed_problems(problem_set: ProblemSet, seeds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    labelled = [row for row in seeds if row["answer"]]
    if not labelled:
        raise InputError(
            f"benchmark {problem_set.name} is made of the seeds that have an answer, and no seed has one; give the "
            "seed file a field `answer` or leave this benchmark out"
        )
    return [_problem_row(problem_set, index, row) for index, row in enumerate(labelled)]


def _problem_row(problem_set: ProblemSet, index: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "benchmark": problem_set.name,
        "problem_id": f"{index:05d}",
        "question": row["question"],
        "answer": gold_answer(str(row["answer"])),
        "level": _text(row.get("level")),
        "subject": _text(row.get("subject")),
    }


def _domain_problems(problem_set: ProblemSet) -> list[dict[str, Any]]:
    return [
        {
            "benchmark": problem_set.name,
            "problem_id": f"{index:05d}",
            "question": problem.question,
            "answer": str(problem.answer),
            "level": str(len(problem.chain) - 1),
            "subject": None,
        }
        for index, problem in enumerate(arithmetic.problems("heldout", problem_set.count or 0, problem_set.seed))
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
