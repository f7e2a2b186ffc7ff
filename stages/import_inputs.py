"""Bringing in what a run starts from: seed questions, a policy folder, voters.

What comes from outside enters by content: keys hold the sha256 of the file or folder, never its path.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.input_files import read_rows
from stages.settings.inputs import ImportPolicy, ImportSeeds, ImportVoters
from storage.errors import InputError
from storage.fingerprint import digest_file, digest_files
from storage.writer import files_under

QUESTION_FIELDS = ("question", "problem")


def import_seeds(config: ImportSeeds, inputs: Inputs, work: Work) -> Metrics:
    work.write("seeds", rows := _questions(config, work, "seed file"))
    return {"seeds/questions": len(rows)}


def import_dataset(config: ImportSeeds, inputs: Inputs, work: Work) -> Metrics:
    work.write("dataset", rows := _questions(config, work, "data set"))
    return {"dataset/questions": len(rows)}


def _questions(config: ImportSeeds, work: Work, what: str) -> list[dict[str, Any]]:
    if config.domain:
        made = arithmetic.problems("seed", config.count or 0, work.seed())
        return [_seed_row({"question": problem.question}) for problem in made]
    return read_seeds(config.path or "", what)


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
IMPORT_DATASET = Stage(name="import_dataset", version=1, body=import_dataset, tables={"dataset": schemas.SEEDS})
IMPORT_POLICY = Stage(name="import_policy", version=1, body=import_policy, folders=("policy",))


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


def read_seeds(path: str, what: str = "seed file") -> list[dict[str, Any]]:
    """Rows of `seeds`, each question once. Raises InputError that names the row that has none."""
    rows = [_seed_row(_with_question(row, f"{what} {path}, {place}")) for place, row in read_rows(path, what)]
    return list({row["question_id"]: row for row in rows}.values())


def _with_question(row: dict[str, Any], where: str) -> dict[str, Any]:
    question = next((row[field] for field in QUESTION_FIELDS if row.get(field)), None)
    if not isinstance(question, str) or not question.strip():
        raise InputError(f"{where}: no question; expected text in one of the fields {', '.join(QUESTION_FIELDS)}")
    return {**row, "question": question.strip()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
