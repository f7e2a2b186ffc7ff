"""Which version of this software wrote an artifact."""

import os
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """Package version, with the commit when running from a checkout: `0.1.0+1a2b3c4d`.

    An image has no checkout; `$SERL_COMMIT` says there what it was built from.
    """
    try:
        released = version("serl")
    except PackageNotFoundError:
        released = "unknown"
    commit = _commit(Path(__file__).resolve().parent.parent)
    return f"{released}+{commit}" if commit else released


def _commit(folder: Path) -> str:
    if not (folder / ".git").exists():
        return os.environ.get("SERL_COMMIT", "").strip()
    if shutil.which("git") is None:
        return ""
    git = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=8"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return git.stdout.strip() if git.returncode == 0 else ""
