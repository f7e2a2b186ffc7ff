"""The version tells two commits apart, in a checkout and in an image."""

import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from storage import code_version as module
from storage.code_version import code_version

RELEASED = version("serl")


@pytest.fixture(autouse=True)
def _no_cached_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is cached per process; here it is looked up at every call."""
    monkeypatch.setattr(module, "code_version", code_version.__wrapped__)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the software seems to lie."""
    monkeypatch.setattr(module, "__file__", str(tmp_path / "storage" / "code_version.py"))
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    # Without the hooks and settings of the user who runs the tests.
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    return subprocess.run(
        ["git", "-C", str(folder), *author, *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_two_images_of_one_release_differ(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERL_COMMIT", raising=False)
    assert module.code_version() == RELEASED
    monkeypatch.setenv("SERL_COMMIT", "")
    assert module.code_version() == RELEASED
    monkeypatch.setenv("SERL_COMMIT", "1a2b3c4d")
    assert module.code_version() == f"{RELEASED}+1a2b3c4d"
    monkeypatch.setenv("SERL_COMMIT", "5e6f7a8b-dirty\n")
    assert module.code_version() == f"{RELEASED}+5e6f7a8b-dirty"


def test_a_checkout_has_its_own_commit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERL_COMMIT", "1a2b3c4d")
    _git(folder, "init", "--quiet")
    assert module.code_version() == RELEASED  # no commit yet
    (folder / "file").write_text("as committed")
    _git(folder, "add", "file")
    _git(folder, "commit", "--quiet", "--message", "first")
    assert module.code_version() == f"{RELEASED}+{_git(folder, 'rev-parse', '--short=8', 'HEAD')}"
    (folder / "file").write_text("changed since")
    assert re.fullmatch(re.escape(RELEASED) + r"\+[0-9a-f]{8,}-dirty", module.code_version())


def test_a_checkout_without_git_has_the_release_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERL_COMMIT", "1a2b3c4d")
    monkeypatch.setenv("PATH", str(folder))
    (folder / ".git").mkdir()
    assert module.code_version() == RELEASED
