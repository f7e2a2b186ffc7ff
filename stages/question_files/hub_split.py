"""Find and download the files of a split of a data set of the Hugging Face hub.

The files are those of the repository itself. If a script makes the rows, or the repository has no file that can be
read, the hub's conversion to Parquet is taken: the files at its revision refs/convert/parquet.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from stages.hub.cache import RemoteFile, has_content, is_digest, snapshot_folder
from stages.hub.client import HubError, download, find_commit, list_files
from stages.hub.names import Repository, hub_repository, parse_name
from stages.question_files.hub_layout import (
    Layout,
    converted_layout,
    endings,
    has_rows_ending,
    is_script,
    missing_parts,
    own_layout,
)
from stages.settings.inputs import HubSplit
from storage.errors import InputError

CONVERSION = "refs/convert/parquet"
"""Revision at which the hub keeps its conversion of a data set to Parquet."""
_README = "README.md"


def data_set(name: str) -> Repository:
    """Return the data set that OWNER/NAME or OWNER/NAME@REVISION names. Raises InputError for another form."""
    repository = parse_name(name, "dataset")
    if repository is None:
        raise InputError(f"data set {name[:200]!r}: expected OWNER/NAME or OWNER/NAME@REVISION")
    return repository


def is_data_set(text: str) -> bool:
    """Return whether a text means a data set of the hub, not a file or folder of this machine.

    Whatever exists here is no data set, nor is a name with the ending of a file.
    """
    return hub_repository(text, "dataset") is not None and not has_rows_ending(text)


def commit_key(name: str) -> str:
    """Return the name of a data set in `hub_commits`."""
    return f"datasets/{name}"


def data_set_commits(name: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the commit of a data set under its name in `hub_commits`, or of the hub's conversion of it.

    Args:
        name: OWNER/NAME or OWNER/NAME@REVISION.
        known: commits that are decided.

    Raises HubError if the commit is not known and the hub does not answer.
    """
    repository = data_set(name)
    keys = [commit_key(name)]
    if repository.revision == "main":
        keys.append(commit_key(f"{repository.name}@{CONVERSION}"))
    for key in keys:
        if key in known:
            return {key: known[key]}
    commit = find_commit(repository)
    if repository.revision == "main" and _needs_conversion(repository, commit):
        try:
            return {keys[1]: find_commit(_conversion_of(repository))}
        except HubError as error:
            if error.kind != "revision":
                raise
    return {keys[0]: commit}


def find_split(name: str, config: str | None, split: str | None, commits: Mapping[str, str]) -> HubSplit:
    """Return a split of a data set, whose files are downloaded if they are not in the cache.

    Args:
        name: OWNER/NAME or OWNER/NAME@REVISION.
        config: configuration; None if the data set has only one, or marks one as the default.
        split: None if there is only one.
        commits: as `data_set_commits` returns them.

    Raises InputError if there is no such configuration or split, if no file can be read, or if a file in the cache was
    changed, and HubError if a file is missing and the hub does not give it.
    """
    repository = data_set(name)
    commit = commits.get(commit_key(name))
    if commit is None:
        repository = _conversion_of(repository)
        commit = commits[commit_key(f"{repository.name}@{CONVERSION}")]
    selection = _layout(repository, commit).choose(config, split, repository.label)
    by_path = {file.path: file for file in _files(repository, commit)}
    folder = download(repository, commit, [by_path[path] for path in selection.files])
    for path in selection.files:
        _check_content(repository, commit, folder / path, by_path[path].blob)
    return HubSplit(
        repository=repository.name,
        config=selection.config,
        split=selection.split,
        commit=commit,
        folder=str(folder),
        files=selection.files,
    )


def _check_content(repository: Repository, commit: str, path: Path, blob: str) -> None:
    """Raise InputError if a file differs from what the hub listed: its rows would have the identity of others."""
    if is_digest(blob) and not has_content(path, blob):
        raise InputError(
            f"{path} has been changed: its content is not that of {repository.label}, commit {commit}; delete "
            f"{path.resolve()} and run again, or set a copy of the file as `path`"
        )


def _conversion_of(repository: Repository) -> Repository:
    return Repository(repository.name, "dataset", CONVERSION)


def _needs_conversion(repository: Repository, commit: str) -> bool:
    names = tuple(file.path for file in _files(repository, commit))
    readme = _readme(repository, commit)
    if is_script(names, readme, repository.name, repository.label):
        return True
    return not _own_layout(names, readme, repository.label).configs


def _layout(repository: Repository, commit: str) -> Layout:
    """Return the layout of a commit. Raises InputError if no file can be read."""
    names = tuple(file.path for file in _files(repository, commit))
    if repository.revision == CONVERSION:
        layout = converted_layout(names)
    else:
        layout = _own_layout(names, _readme(repository, commit), repository.label)
    if layout.configs:
        return layout
    conversion = f", or the hub's conversion, which {repository.name}@{CONVERSION} names if there is one"
    program = f"{repository.name.rpartition('/')[2]}.py"
    made = f"a program makes its rows ({program}), which is never run; " if program in names else ""
    raise InputError(
        f"{repository.label}: {made}no file of its commit {commit[:12]} can be read as rows; found {endings(names)}; "
        "expected Parquet, JSON lines, JSON, CSV, TSV or Arrow"
        f"{'' if repository.revision == CONVERSION else conversion}"
    )


def _files(repository: Repository, commit: str) -> tuple[RemoteFile, ...]:
    """Return the files of a commit. Without the hub and its list, the files of a whole repository in the cache.

    A download of a whole repository, for instance by an older huggingface_hub, leaves no list, but .gitattributes.
    Another cache may have only some files of a split, which would be other rows under the same identity.

    Raises HubError if there are no such files, and InputError if a part of a split is missing.
    """
    try:
        return _listed(repository, commit)
    except HubError as error:
        folder = snapshot_folder(repository, commit)
        if error.kind not in ("no connection", "busy") or not (folder / ".gitattributes").is_file():
            raise
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        if missing := missing_parts(names):
            raise InputError(f"{error}; {folder} lacks {missing[0]}") from None
        return tuple(RemoteFile(name, path.stat().st_size, "") for name, path in zip(names, paths, strict=True))


_own_layout = lru_cache(maxsize=16)(own_layout)


@lru_cache(maxsize=64)
def _listed(repository: Repository, commit: str) -> tuple[RemoteFile, ...]:
    return tuple(list_files(repository, commit))


def _readme(repository: Repository, commit: str) -> str | None:
    """Return the text of README.md; None if the repository has none."""
    files = [file for file in _files(repository, commit) if file.path == _README]
    if not files:
        return None
    return Path(download(repository, commit, files), _README).read_text(encoding="utf-8", errors="replace")
