"""Local folders of models and adapters, which settings name by a folder or by a name of the hub.

Only the files that loading needs are downloaded and recorded: no pickles, no code, no other formats.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.hub.cache import cached_listing, has_content, is_digest, is_snapshot, snapshot_folder
from stages.hub.client import HubError, download, find_commit, list_files
from stages.hub.environment import endpoint
from stages.hub.names import Repository, hub_repository
from storage.errors import InputError
from storage.writer import files_under

_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_CONFIGS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_MORE_TEMPLATES = re.compile(r"additional_chat_templates/[^/]+\.jinja")
_OTHER_LAYOUT = ("consolidated", "adapter_")
"""How names of safetensors begin that hold the weights in the maker's own layout, or no weights of the model."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model or adapter in a folder of this machine."""

    folder: Path
    """The folder."""
    repository: str | None = None
    """OWNER/NAME if the folder is the hub's, in the cache of huggingface_hub."""
    commit: str | None = None
    """The commit of the repository that the folder holds."""


def local_model(name: str, commits: Mapping[str, str]) -> LocalModel:
    """Return the folder of a model, which is downloaded if `name` is the hub's and the cache lacks files.

    Args:
        name: a folder, or OWNER/NAME or OWNER/NAME@REVISION of the hub; see `hub_repository`.
        commits: name of the hub, as in settings -> commit. The hub is asked for the commit of another name.

    Raises HubError if the model cannot be downloaded, InputError if it has other files than this software can load.
    """
    return _local(name, commits, _check_model_files, model_files, is_whole_model)


def local_adapter(name: str, commits: Mapping[str, str]) -> LocalModel:
    """Return the folder of an adapter in peft's format, as `local_model` does for models."""
    return _local(name, commits, _check_adapter_files, adapter_files, is_whole_adapter)


def check_content(name: str, commit: str, folder: Path, files: Iterable[str]) -> None:
    """Raise InputError if a file of the hub in the cache differs from what the hub listed at the download.

    Args:
        name: OWNER/NAME.
        commit: the commit.
        folder: the folder of the commit.
        files: relative paths of the files to check.
    """
    repository, names = Repository(name), set(files)
    for file in cached_listing(repository, commit) or ():
        path = folder / file.path
        if file.path in names and is_digest(file.blob) and not has_content(path, file.blob):
            raise InputError(
                f"{path} has been changed: its content is not that of {repository.label}, commit {commit}; delete "
                f"{path.resolve()} and run again, or copy the folder and name the copy"
            )


def model_files(paths: Iterable[str]) -> list[str]:
    """Return those of the files of a repository that a model consists of.

    If there is a `model.safetensors`, that file holds the weights; otherwise all parts do, with their index.
    """
    paths = list(paths)
    weights = [_SINGLE]
    if _SINGLE not in paths:
        parts = [path for path in paths if re.fullmatch(r"[^/]+\.safetensors", path)]
        weights = [_INDEX, *(path for path in parts if not path.startswith(_OTHER_LAYOUT))]
    chosen = {*_CONFIGS, *weights}
    return [path for path in paths if path in chosen or _MORE_TEMPLATES.fullmatch(path)]


def files_of_folder(folder: Path) -> list[str]:
    """Return the files that belong to a model folder, by relative path.

    In the cache of huggingface_hub only those that this software has downloaded: other programs may have added files.
    """
    files = files_under(folder)
    return model_files(files) if is_snapshot(folder) else files


def weight_files(paths: Iterable[str]) -> list[str]:
    """Return those of the files of a model that hold its weights."""
    return [path for path in model_files(paths) if path.endswith(".safetensors")]


def adapter_files(paths: Iterable[str]) -> list[str]:
    """Return those of the files of a repository that an adapter consists of."""
    return [path for path in paths if path in _ADAPTER]


def is_whole_model(folder: Path) -> bool:
    """Return whether a folder has config, tokenizer and all weights, as far as its files tell."""
    if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in _TOKENIZERS):
        return False
    if (folder / _SINGLE).is_file():
        return True
    try:
        parts = set(json.loads((folder / _INDEX).read_text())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(parts) and all((folder / str(part)).is_file() for part in parts)


def is_whole_adapter(folder: Path) -> bool:
    """Return whether a folder has an adapter's files."""
    return all((folder / name).is_file() for name in _ADAPTER)


def commit_of(name: str, commits: Mapping[str, str]) -> str | None:
    """Return the commit of a hub name of a model or adapter; None for a folder. Asks the hub unless `commits` has it.

    Raises HubError if the commit cannot be found out.
    """
    repository = hub_repository(name)
    return None if repository is None else commits.get(name) or find_commit(repository)


def _local(
    name: str,
    commits: Mapping[str, str],
    check: Callable[[Repository, list[str]], None],
    choose: Callable[[Iterable[str]], list[str]],
    is_whole: Callable[[Path], bool],
) -> LocalModel:
    repository, commit = hub_repository(name), commit_of(name, commits)
    if repository is None or commit is None:
        return LocalModel(Path(name))
    folder = snapshot_folder(repository, commit)
    try:
        listing = list_files(repository, commit)
    except HubError as error:
        if error.kind not in ("no connection", "busy") or not is_whole(folder):
            raise
        return LocalModel(folder, repository.name, commit)
    chosen = set(choose(file.path for file in listing))
    check(repository, [file.path for file in listing])
    download(repository, commit, [file for file in listing if file.path in chosen])
    return LocalModel(folder, repository.name, commit)


def _check_model_files(repository: Repository, paths: list[str]) -> None:
    """Raise InputError unless a repository has config, safetensors and a tokenizer."""
    page, files = f"{endpoint()}/{repository.page}", set(model_files(paths))
    if not weight_files(paths):
        if set(_ADAPTER) <= set(paths):
            raise InputError(
                f"{repository.label} is an adapter, not a model; write it under `adapter`, and under `model` the model "
                "that it belongs to"
            )
        others = [path for path in paths if path.endswith((".bin", ".pt", ".pth", ".gguf", ".safetensors", ".onnx"))]
        found = f"found {', '.join(others[:3])}{' and more' if others[3:] else ''}" if others else "found no weights"
        raise InputError(
            f"{repository.label} has no weights as model*.safetensors ({found}); pickles are never loaded; look for a "
            f"branch with safetensors at {page} (and write {repository.name}@BRANCH), or convert it in a folder"
        )
    if "config.json" not in files:
        raise InputError(f"{repository.label} has no config.json, see {page}; expected a model of transformers")
    if not files & set(_TOKENIZERS):
        raise InputError(
            f"{repository.label} has no tokenizer ({', '.join(_TOKENIZERS)}), see {page}; take a repository with one, "
            "or put the model with its tokenizer into a folder"
        )


def _check_adapter_files(repository: Repository, paths: list[str]) -> None:
    """Raise InputError unless a repository has an adapter in peft's format."""
    if missing := [name for name in _ADAPTER if name not in paths]:
        raise InputError(
            f"{repository.label} has no {' and no '.join(missing)}, see {endpoint()}/{repository.page}; expected an "
            "adapter in peft's format"
        )
