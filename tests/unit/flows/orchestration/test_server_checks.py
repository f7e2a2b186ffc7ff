"""Commands that need a Prefect server fail within seconds if there is none."""

import socket
from pathlib import Path

import pytest

from tests.commands import serl

COMMANDS = ["run", *(pytest.param(command, marks=pytest.mark.slow) for command in ("submit", "setup-prefect"))]


def arguments(command: str, root: Path) -> list[str]:
    config = ["configs/quickstart.yaml", f"--set=root={root}", "--set=gpu=deployment"]
    return [command, *([] if command == "setup-prefect" else config)]


@pytest.fixture
def silent_url() -> str:
    """Return a URL at which no server answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/api"


@pytest.mark.parametrize("command", COMMANDS)
def test_silent_server_is_named(command: str, silent_url: str, tmp_path: Path) -> None:
    process = serl(*arguments(command, tmp_path), expect=2, PREFECT_API_URL=silent_url)
    (line,) = process.stderr.strip().splitlines()
    assert f"no Prefect server answers at PREFECT_API_URL={silent_url}" in line and "prefect server start" in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_server_setting_is_named(command: str, tmp_path: Path) -> None:
    process = serl(*arguments(command, tmp_path), expect=2)
    (line,) = process.stderr.strip().splitlines()
    assert "PREFECT_API_URL is not set" in line and "export PREFECT_API_URL=" in line
