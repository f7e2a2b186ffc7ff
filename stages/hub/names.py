"""Names of hub repositories, and the rule that tells them from folders."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["model", "dataset"]

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./+-]*[A-Za-z0-9_+-])?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the hub, at the revision that a name asks for."""

    name: str
    """OWNER/NAME."""
    kind: Kind = "model"
    revision: str = "main"
    """Branch, tag or commit."""

    @property
    def label(self) -> str:
        """The repository in messages, such as `model Qwen/Qwen2.5-0.5B@v2`."""
        kind = "data set" if self.kind == "dataset" else "model"
        return f"{kind} {self.name}" + ("" if self.revision == "main" else f"@{self.revision}")

    @property
    def page(self) -> str:
        """The path of the repository's page, below the hub's address."""
        return f"datasets/{self.name}" if self.kind == "dataset" else self.name

    @property
    def folder_name(self) -> str:
        """The name of the repository's folder in the cache of huggingface_hub."""
        return f"{self.kind}s--{self.name.replace('/', '--')}"


def parse_name(text: str, kind: Kind = "model") -> Repository | None:
    """Return the repository that OWNER/NAME or OWNER/NAME@REVISION names; None if the text has another form."""
    name, at, revision = text.partition("@")
    owner, slash, last = name.partition("/")
    if not (slash and _OWNER.fullmatch(owner) and _NAME.fullmatch(last)):
        return None
    if "--" in name or ".." in name or name.endswith(".git"):
        return None
    if at and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
        return None
    return Repository(name, kind, revision or "main")


def hub_repository(text: str, kind: Kind = "model") -> Repository | None:
    """Return the hub repository that a setting names; None if the setting means a file or folder of this machine.

    Whatever exists here wins. A name whose first part is a folder here is a path, too: `models/Qwen` with a folder
    `models` is a mistyped path and no request to the hub.
    """
    repository = parse_name(text, kind)
    if repository is None or Path(text).exists() or Path(text.partition("/")[0]).exists():
        return None
    return repository


def is_commit(revision: str) -> bool:
    """Return whether a revision is a commit in full (40 hex digits)."""
    return _COMMIT.fullmatch(revision) is not None
