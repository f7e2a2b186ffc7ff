"""Import a run's inputs: seed questions, a data set, the starting policy, voters.

Inputs are identified by content: keys hold the sha256 of the file or folder, never its path. Models of the Hugging
Face hub are identified by repository and commit.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.hub.models import adapter_files, check_content, files_of_folder, local_adapter, local_model
from stages.hub.names import parse_name
from stages.question_files.read import QuestionFile, read_questions
from stages.settings.inputs import ImportPolicy, ImportSeeds, ImportVoters
from storage.errors import InputError
from storage.fingerprint import digest_file, digest_files
from storage.writer import files_under

SEED_FILE, DATA_SET = "seed file", "data set"
"""What the files are, in errors."""


def import_seeds(config: ImportSeeds, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `seeds`."""
    return _write_questions("seeds", config, work, SEED_FILE)


def import_dataset(config: ImportSeeds, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `dataset`: existing questions to train on."""
    return _write_questions("dataset", config, work, DATA_SET)


def _write_questions(table: str, config: ImportSeeds, work: Work, label: str) -> Metrics:
    if config.domain:
        problems = arithmetic.problems("seed", config.count or 0, work.seed())
        work.write(table, [_seed_row(problem.question) for problem in problems])
        return {f"{table}/questions": len(problems)}
    file = seed_file(config, label)
    work.write(table, rows := seed_rows(file))
    return {
        f"{table}/questions": len(rows),
        f"{table}/skipped_rows": len(file.bad_rows),
        f"{table}/doubles": file.doubles,
    }


def import_policy(config: ImportPolicy, inputs: Inputs, work: Work) -> Metrics:
    """Write the folder `policy`."""
    _import_model("policy", config, work)
    return {}


def import_voters(config: ImportVoters, inputs: Inputs, work: Work) -> Metrics:
    """Write the folder `voter_NAME` of each voter."""
    for name, model in config.models.items():
        _import_model(f"voter_{name}", model, work)
    return {}


def _import_model(output: str, model: ImportPolicy, work: Work) -> None:
    """Record the model folder as output `output`, or write a copy with the adapter merged in."""
    if model.repository and model.commit:
        check_content(model.repository, model.commit, Path(model.path), files_of_folder(Path(model.path)))
    if model.adapter_repository and model.adapter_commit and model.adapter:
        adapter = Path(model.adapter)
        check_content(model.adapter_repository, model.adapter_commit, adapter, adapter_files(files_under(adapter)))
    if model.adapter is None:
        folder = Path(model.path)
        work.import_folder(output, folder, files_of_folder(folder) if model.repository else None)
        return
    from stages.trainer.adapters import merge_folder

    merge_folder(Path(model.path), Path(model.adapter), work.scratch / output)
    work.write_folder(output, work.scratch / output)


def import_voters_stage(names: Iterable[str]) -> Stage:
    """Return a stage with one output folder `voter_NAME` for each voter."""
    folders = tuple(f"voter_{name}" for name in names)
    return Stage(name="import_voters", version=1, body=import_voters, folders=folders)


IMPORT_SEEDS = Stage(name="import_seeds", version=3, body=import_seeds, tables={"seeds": schemas.SEEDS})
IMPORT_DATASET = Stage(name="import_dataset", version=3, body=import_dataset, tables={"dataset": schemas.SEEDS})
IMPORT_POLICY = Stage(name="import_policy", version=1, body=import_policy, folders=("policy",))


def content_of_policy(name: str) -> str:
    """Return the content identity of a model folder.

    Raises InputError unless the folder holds a config, safetensors weights and a tokenizer.
    """
    folder = Path(name)
    if not folder.is_dir():
        raise InputError(
            f"policy folder {name} does not exist; expected a local Hugging Face model folder{_not_the_hubs(name)}"
        )
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise InputError(f"policy folder {name} has no config.json with *.safetensors; expected a Hugging Face model")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise InputError(
            f"policy folder {name} has no tokenizer (tokenizer.json, tokenizer.model or vocab.json); "
            "save the model's tokenizer into it"
        )
    return digest_files([(file, digest_file(folder / file)) for file in files_under(folder)])


def _not_the_hubs(name: str) -> str:
    """Return why the hub is not asked for a name, or how its names look."""
    if parse_name(name) is None:
        return ", or OWNER/NAME of the Hugging Face hub"
    return f" (the hub is not asked for it, because {name.partition('/')[0]} exists here)"


def policy_settings(model: str, adapter: str | None, commits: Mapping[str, str] | None = None) -> ImportPolicy:
    """Return the settings that import a model, with an adapter if one is given; download what is not here.

    Args:
        model: a folder, or a name of the Hugging Face hub.
        adapter: a folder, or a name of the hub; None for no adapter.
        commits: name of the hub -> commit. The hub is asked for the commit of another name.

    Raises InputError if the model or the adapter cannot be used.
    """
    base = local_model(model, commits or {})
    on_top = None if adapter is None else local_adapter(adapter, commits or {})
    return ImportPolicy(
        path=str(base.folder),
        sha256=None if base.repository else content_of_policy(model),
        repository=base.repository,
        commit=base.commit,
        adapter=None if on_top is None else str(on_top.folder),
        adapter_sha256=None if on_top is None or on_top.repository else _content_of_adapter(str(on_top.folder)),
        adapter_repository=None if on_top is None else on_top.repository,
        adapter_commit=None if on_top is None else on_top.commit,
    )


def _content_of_adapter(name: str) -> str:
    files = ("adapter_config.json", "adapter_model.safetensors")
    if missing := [file for file in files if not (Path(name) / file).is_file()]:
        raise InputError(f"adapter {name} has no {' and no '.join(missing)}; expected a folder that peft has saved")
    return digest_files([(file, digest_file(Path(name) / file)) for file in files])


def seed_file(config: ImportSeeds, label: str) -> QuestionFile:
    """Return the questions of a seed file or data set, each once; a label is not needed.

    Raises InputError for a file that cannot be read, and for rows that cannot be used.
    """
    return read_questions(
        config.source or "",
        label,
        config.format,
        sha256=config.sha256,
        on_bad_row=config.on_bad_row,
        needs_answer=False,
        drop_doubles=True,
    )


def seed_rows(file: QuestionFile) -> list[dict[str, Any]]:
    """Return the rows of the table `seeds` or `dataset`."""
    return [_seed_row(row.question, row.answer, row.level, row.subject) for row in file.questions]


def _seed_row(
    question: str, answer: str | None = None, level: str | None = None, subject: str | None = None
) -> dict[str, Any]:
    return {
        "question_id": schemas.question_id(question),
        "question": question,
        "answer": answer,
        "level": level,
        "subject": subject,
    }
