"""Which version of this software wrote an artifact."""

import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """Package version, with the commit when running from a checkout: `0.1.0+1a2b3c4d`."""
    try:
        released = version("serl")
    except PackageNotFoundError:
        released = "unknown"
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return released
    if shutil.which("git") is None:
        return released
    git = subprocess.run(
        ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=8"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"{released}+{git.stdout.strip()}" if git.returncode == 0 else released
