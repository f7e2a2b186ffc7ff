"""Without a Prefect server, what needs one says so at once."""

import socket
from pathlib import Path

import pytest

from tests.commands import serl

NEED_A_SERVER = ["run", "submit", "setup-prefect"]


def arguments(command: str, root: Path) -> list[str]:
    config = ["configs/quickstart.yaml", f"--set=root={root}", "--set=gpu=deployment"]
    return [command, *([] if command == "setup-prefect" else config)]


@pytest.fixture
def nobody() -> str:
    """The URL of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/api"


@pytest.mark.parametrize("command", NEED_A_SERVER)
def test_a_server_that_does_not_answer(command: str, nobody: str, tmp_path: Path) -> None:
    done = serl(*arguments(command, tmp_path), expect=2, PREFECT_API_URL=nobody)
    (line,) = done.stderr.strip().splitlines()
    assert f"no Prefect server answers at PREFECT_API_URL={nobody}" in line and "prefect server start" in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("command", NEED_A_SERVER)
def test_no_server_at_all(command: str, tmp_path: Path) -> None:
    done = serl(*arguments(command, tmp_path), expect=2)
    (line,) = done.stderr.strip().splitlines()
    assert "PREFECT_API_URL is not set" in line and "export PREFECT_API_URL=" in line
