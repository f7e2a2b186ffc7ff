"""A user that the system does not know, as in a container with `--user 12345`, gets a home folder and a name."""

import getpass
import os
import pwd
import tempfile
from pathlib import Path

import pytest

from storage import cache, home
from storage.errors import ConfigError
from storage.home import ensure_home


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The environment of an unknown user; the temporary folder is another one."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    names = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME", "SERL_CACHE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return environment


@pytest.mark.parametrize("given", [None, "", "relative", "/proc/no-such"])
def test_a_folder_takes_the_place_of_a_missing_home(
    given: str | None, environment: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if given is not None:
        environment["HOME"] = given
    ensure_home()
    folder = tmp_path / f"serl-home-{os.getuid()}"
    assert Path.home() == folder and folder.stat().st_mode & 0o777 == 0o700
    assert cache.root() == folder / ".cache" / "serl" and getpass.getuser() == f"uid-{os.getuid()}"
    (record,) = caplog.records
    assert f"has no home folder: {folder} takes its place" in record.message
    ensure_home()  # as a child process does
    assert len(caplog.records) == 1


def test_a_home_that_can_be_written_stays(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"HOME": str(tmp_path), "USER": "me"}
    ensure_home()
    assert environment["HOME"] == str(tmp_path) and "LOGNAME" not in environment and not list(tmp_path.iterdir())


def test_a_user_that_the_system_knows_keeps_everything(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home.pwd, "getpwuid", lambda uid: object())
    ensure_home()
    assert "HOME" not in environment


def test_a_folder_that_is_not_this_users_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"serl-home-{os.getuid()}").write_text("")
    with pytest.raises(ConfigError, match=r"has no home folder \(\$HOME is ''\), and .* set HOME to a folder that can"):
        ensure_home()
