"""Which files of a data set of the Hugging Face hub hold the rows of a configuration and a split.

Configurations and splits have the names that the hub's pages show: those of the front matter of README.md, or else
those that follow from the names of the files. Nothing here reads a file of rows or asks the hub.

Which files make up a split is part of a run's inputs without being part of their keys. So a change here that chooses
other files raises the versions of the stages that import questions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from storage.errors import InputError

DEFAULT = "default"
"""Configuration of a data set that has only one."""
_FORMS = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "table",
    ".tsv": "table",
    ".arrow": "arrow",
}
"""Endings of files that can be read, the preferred ones first, and their form."""
_NO_ROWS = ("config.json", "dataset_info", "dataset_dict.json", "state.json", "readme", "license")
"""How the names of files begin that describe a data set."""
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Split -> words for it in the names of files and folders, as the package datasets knows them."""
_SEPARATOR = r"[-._ 0-9]"
_WORD = {
    split: re.compile(rf"(?:^|.*{_SEPARATOR})(?:{'|'.join(words)})(?:{_SEPARATOR}.*)?$", re.DOTALL)
    for split, words in _KEYWORDS.items()
}
_SHARD = re.compile(r"(?:^|/)(?P<split>\w+(?:\.\w+)*)-(?P<number>\d{5})-of-(?P<count>\d{5})[^/]*$")
"""A part of a split: `data/test-00000-of-00002.parquet`."""
_MAX_FRONT_MATTER = 2_000_000
_MAX_DEPTH = 50
_MAX_LISTED = 1_000
"""Characters of the names that an error lists."""

Splits = Mapping[str, tuple[str, ...]]
"""Name of a split -> its files, in the order of their rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The files of one split."""

    config: str
    split: str
    files: tuple[str, ...]
    """Names in the repository, in the order of their rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Configurations and splits of a data set."""

    configs: Mapping[str, Splits]
    """Name of a configuration -> its splits that have files."""
    default: str | None = None
    """Configuration that is taken if none is chosen; None if there are several and none of them is marked."""
    files: tuple[str, ...] = ()
    """Files that may be named as a split, `hard` for `hard.jsonl`; none if README.md names the splits."""

    def choose(self, config: str | None, split: str | None, label: str) -> Selection:
        """Return the files of a configuration and a split. Either may be None if there is only one.

        Raises InputError, which begins with `label` and lists the known names, if a name is unknown or has to be
        chosen.
        """
        if config is None:
            config = self.default
            if config is None:
                raise InputError(f"{label} has several configurations; set `config` to one of {listed(self.configs)}")
        splits = self.configs.get(config)
        if splits is None:
            raise InputError(f"{label} has no configuration {config!r}{_hint(config, self.configs)}")
        name = f"{label}, configuration {config}," if len(self.configs) > 1 else label
        if split is None:
            if len(splits) > 1:
                raise InputError(f"{name} has several splits; set `split` to one of {listed(splits)}")
            (split,) = splits
        files = splits.get(split) or self._called(split, config)
        if not files:
            raise InputError(f"{name} has no split {split!r}{_hint(split, splits)}")
        return Selection(config=config, split=split, files=files)

    def _called(self, split: str, config: str) -> tuple[str, ...]:
        """Return the files of a configuration whose name is that of a split, without the ending."""
        inside = (name for name in self.files if config in (DEFAULT, _folder_of(name)))
        return tuple(name for name in inside if PurePosixPath(name).name.split(".")[0] == split)


def own_layout(names: Iterable[str], readme: str | None, label: str) -> Layout:
    """Return the configurations and splits that the files of a repository make up; none if no file can be read.

    Args:
        names: names of all files of the repository.
        readme: text of README.md, whose front matter may name the files of each configuration and split.
        label: the data set, for errors.

    Raises InputError if the front matter is no YAML.
    """
    files = sorted(name for name in names if _is_safe(name) and not _is_hidden(name))
    configs: dict[str, Splits] = {}
    default = None
    for settings in _configs_in(readme, label):
        config = str(settings.get("config_name") or DEFAULT)
        splits = _stated_splits(settings, files)
        if splits:
            configs[config] = splits
        if splits and settings.get("default") is True:
            default = config
    return _with_default(configs, default) if configs else _inferred_layout(files)


def converted_layout(names: Iterable[str]) -> Layout:
    """Return the configurations and splits of the hub's conversion to Parquet: CONFIG/SPLIT/0000.parquet.

    A very large split is cut into folders SPLIT-part0, SPLIT-part1 and so on. A folder partial-SPLIT holds only the
    beginning of a split, and is a split of that name.
    """
    configs: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in sorted(filter(_is_safe, names), key=_numbered):
        path = PurePosixPath(name)
        if path.suffix == ".parquet" and len(path.parts) > 2:
            splits = configs.setdefault("/".join(path.parts[:-2]), {})
            split = re.sub(r"-part\d+$", "", path.parts[-2])
            splits[split] = (*splits.get(split, ()), name)
    return _with_default(configs, None)


def is_script(names: Iterable[str], readme: str | None, repository: str, label: str) -> bool:
    """Return whether a script makes the rows of a data set: a program with its name, and no files named in README.md.

    Such programs are never run. Raises InputError if the front matter of README.md is no YAML.
    """
    program = f"{repository.rpartition('/')[2]}.py"
    return program in names and not any("data_files" in settings for settings in _configs_in(readme, label))


def missing_parts(files: Iterable[str]) -> list[str]:
    """Return the parts that are missing from files such as `test-00000-of-00002.parquet`."""
    present: dict[tuple[str, str], set[str]] = {}
    for name in files:
        if match := _SHARD.search(name):
            present.setdefault((name[: match.end("split")], match["count"]), set()).add(match["number"])
    return [
        f"{start}-{number:05d}-of-{count}"
        for (start, count), numbers in present.items()
        for number in range(int(count))
        if f"{number:05d}" not in numbers
    ]


def endings(names: Iterable[str]) -> str:
    """Return the endings of files and how many have each, most frequent first: ".png (12), .pkl (1)"."""
    counts = Counter(PurePosixPath(name).suffix.lower() or PurePosixPath(name).name for name in names)
    return ", ".join(f"{ending} ({count:,})" for ending, count in counts.most_common(6)) or "none"


def has_rows_ending(name: str) -> bool:
    """Return whether a file has the ending of a form that can be read."""
    return _form(name) is not None


def listed(names: Iterable[str]) -> str:
    """Return names as text; a very long list is cut, and the number of the others given."""
    names = list(names)
    shown: list[str] = []
    for name in names:
        if shown and len(", ".join(shown)) + len(name) > _MAX_LISTED:
            return f"{', '.join(shown)} and {len(names) - len(shown)} more"
        shown.append(name[:200])
    return ", ".join(shown)


def _hint(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}? It has {listed(known)}" if close else f"; it has {listed(known)}"


def _with_default(configs: Mapping[str, Splits], default: str | None) -> Layout:
    if default is None:
        default = DEFAULT if DEFAULT in configs else next(iter(configs), None) if len(configs) == 1 else None
    return Layout(configs=configs, default=default)


# What README.md says.


def _configs_in(readme: str | None, label: str) -> list[dict[str, Any]]:
    """Return the list `configs` of the front matter of README.md: YAML between two lines of three hyphens."""
    match = re.match(r"\ufeff?\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", readme or "", re.DOTALL)
    if match is None or "configs" not in match[1]:
        return []
    if len(match[1]) > _MAX_FRONT_MATTER:
        raise InputError(f"{label}: the front matter of its README.md has more than {_MAX_FRONT_MATTER:,} characters")
    try:
        values = _parsed(match[1])
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(
            f"{label}: the front matter of its README.md is not YAML: {' '.join(str(error).split())[:200]}; "
            "download its files and set `path`"
        ) from None
    configs = values.get("configs") if isinstance(values, dict) else None
    return [settings for settings in configs if isinstance(settings, dict)] if isinstance(configs, list) else []


def _parsed(text: str) -> Any:
    """Return YAML as values. Raises ValueError if it is nested too deeply, for which libyaml has no limit."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"lists and objects are nested more than {_MAX_DEPTH} deep")
    reader = loader(text)
    try:
        return reader.get_single_data()
    finally:
        reader.dispose()


def _stated_splits(settings: Mapping[str, Any], files: Sequence[str]) -> Splits:
    """Return the splits of one entry of `configs`, without those that have no file that can be read."""
    folder = str(settings.get("data_dir") or "").removeprefix("./").strip("/")
    inside = [name for name in files if not folder or name.startswith(f"{folder}/")]
    stated = _patterns(settings.get("data_files"))
    if not stated:
        return _splits(_of_one_form(inside), folder)
    splits: dict[str, tuple[str, ...]] = {}
    for split, patterns in stated:
        full = [f"{folder}/{pattern}" if folder else pattern for pattern in patterns]
        matches = [name for pattern in full for name in _matching(pattern, files)]
        if readable := [name for name in matches if _form(name)]:
            splits[split] = tuple(dict.fromkeys((*splits.get(split, ()), *readable)))
    return splits


def _patterns(data_files: Any) -> list[tuple[str, list[str]]]:
    """Return (split, patterns) of `data_files`, which may be a pattern, a list of them, or name splits."""

    def texts(value: Any) -> list[str]:
        return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str) and text]

    if isinstance(data_files, dict):
        return [(str(split), texts(value)) for split, value in data_files.items()]
    if isinstance(data_files, list) and any(isinstance(entry, dict) for entry in data_files):
        entries = [entry for entry in data_files if isinstance(entry, dict)]
        return [(str(entry.get("split", "train")), texts(entry.get("path"))) for entry in entries]
    return [("train", patterns)] if (patterns := texts(data_files)) else []


def _matching(pattern: str, files: Sequence[str]) -> list[str]:
    """Return the files that a pattern matches: * within a folder, ** through folders; a folder means all it holds."""
    pattern = pattern.removeprefix("./")
    start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    if start == pattern:
        return [name for name in files if name == pattern or name.startswith(f"{pattern.rstrip('/')}/")]
    parts = pattern.split("/")
    return [name for name in files if name.startswith(start) and _is_match(parts, name.split("/"))]


def _is_match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Return whether the parts of a path match the parts of a pattern, in time that grows with the product of both."""
    states = {0}
    """How many parts of the pattern may have been used up."""
    for part in (*path, None):
        for index in range(len(pattern)):
            if index in states and pattern[index] == "**":
                states.add(index + 1)
        if part is None:
            break
        states = {
            index if pattern[index] == "**" else index + 1
            for index in states
            if index < len(pattern) and (pattern[index] == "**" or fnmatchcase(part, pattern[index]))
        }
    return len(pattern) in states


# What the names of files say.


def _inferred_layout(files: Sequence[str]) -> Layout:
    """Return the layout that file names show; a folder that is no split's is a configuration if there are several."""
    files = _of_one_form([name for name in files if _SHARD.search(name)]) or _of_one_form(files)
    if not files:
        return Layout(configs={})
    by_folder: dict[str, list[str]] = {}
    for name in files:
        by_folder.setdefault(_folder_of(name), []).append(name)
    if len(by_folder) == 1:
        return Layout(configs={DEFAULT: _splits(files)}, default=DEFAULT, files=tuple(files))
    root = by_folder.pop("", None)
    folders = {folder: _splits(names, folder) for folder, names in by_folder.items()}
    # The package datasets has one configuration of such a repository, with the files of all folders.
    configs = {**folders, DEFAULT: _splits(root or files)}
    return Layout(configs=configs, default=DEFAULT if root else None, files=tuple(files))


def _splits(files: Sequence[str], folder: str = "") -> Splits:
    """Return the splits that the names of files, or of folders below `folder`, state; "train" if they state none."""
    paths = {name: PurePosixPath(name.removeprefix(folder).lstrip("/").lower()).parts for name in files}
    shards = {name: match["split"] for name in files if (match := _SHARD.search(name))}
    for splits in (
        {split: [n for n in files if shards.get(n) == split] for split in dict.fromkeys(shards.values())},
        {split: [n for n in files if any(map(word.match, paths[n][:-1]))] for split, word in _WORD.items()},
        {split: [n for n in files if word.match(paths[n][-1])] for split, word in _WORD.items()},
        {"train": files},
    ):
        if any(splits.values()):
            return {split: tuple(names) for split, names in splits.items() if names}
    return {}


def _folder_of(name: str) -> str:
    """Return the folder of a file without those called data or as a split."""
    parts = PurePosixPath(name).parts[:-1]
    words = _WORD.values()
    kept = [part for part in parts if part != "data" and not any(word.match(part.lower()) for word in words)]
    return "/".join(kept)


def _of_one_form(files: Sequence[str]) -> list[str]:
    """Return the files of the most frequent form, so that no row comes twice. Of two, the preferred form counts."""
    forms = [form for name in files if (form := _form(name))]
    if not forms:
        return []
    order = list(dict.fromkeys(_FORMS.values()))
    chosen = max(set(forms), key=lambda form: (forms.count(form), -order.index(form)))
    return [name for name in files if _form(name) == chosen]


def _form(name: str) -> str | None:
    """Return the form that a file's ending names; None if it cannot be read or only describes the data set."""
    path = PurePosixPath(name.lower())
    if path.name.startswith(_NO_ROWS):
        return None
    return _FORMS.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)


def _is_safe(name: str) -> bool:
    """Return whether a file's name stays inside its repository."""
    return not name.startswith("/") and "\\" not in name and ".." not in name.split("/")


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) for part in name.split("/"))


def _numbered(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts part10 after part9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
