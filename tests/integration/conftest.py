"""The Prefect server that several tests share."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import REPOSITORY
from tests.prefect_server import PrefectServer, prefect_server


def watched(attempts: Path) -> dict[str, str]:
    """Environment of processes that may reach this machine alone; where they tried others is noted in `attempts`."""
    return {"PYTHONPATH": str(REPOSITORY / "tests" / "watched_network"), "SERL_TEST_NETWORK_LOG": str(attempts)}


@dataclass(frozen=True)
class SharedServer:
    """With the project's pools, automations and deployments; nobody kills it or changes what it has."""

    prefect: PrefectServer
    attempts: Path
    """Where its processes tried to reach other machines."""

    def start_worker(self) -> None:
        """Start the worker of pool cpu that all tests share, if none has done so."""
        if not self.prefect.online("cpu"):
            self.prefect.worker("cpu")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    folder = tmp_path_factory.mktemp("prefect")
    with prefect_server(folder, **watched(folder / "attempts")) as server:
        server.set_up()
        yield SharedServer(server, folder / "attempts")
