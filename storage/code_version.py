"""The version of this software, which manifests record."""

import os
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """Return the package version, with the commit if it is known: `0.1.0+1a2b3c4d`.

    The commit is that of the checkout that runs. A container image has no checkout, so its commit is `$SERL_COMMIT`.
    """
    try:
        released = version("serl")
    except PackageNotFoundError:
        released = "unknown"
    commit = _commit(Path(__file__).resolve().parent.parent)
    return f"{released}+{commit}" if commit else released


def _commit(folder: Path) -> str:
    """Return the commit of a checkout at `folder`, with "-dirty" if it has uncommitted changes; empty if unknown.

    As `git describe` writes it: 8 digits, after the nearest annotated tag if there is one.
    """
    if not (folder / ".git").exists():
        return os.environ.get("SERL_COMMIT", "").strip()
    if shutil.which("git") is None:
        return ""
    git = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=8"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return git.stdout.strip() if git.returncode == 0 else ""
