"""Two processes on one run: with the lease one works and the other says so; without, create-only writes decide."""

from pathlib import Path
from typing import Any

import pytest

from flows.config.run import RunConfig
from flows.run_loop import run_locally
from tests.helpers import fake_config
from tests.kill.check import differences
from tests.racing import racers


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return done(tmp_path_factory.mktemp("undisturbed"))


def done(folder: Path) -> RunConfig:
    config = config_in(folder)
    run_locally(config)
    return config


def config_in(folder: Path, **changes: Any) -> RunConfig:
    folder.mkdir(exist_ok=True)
    return fake_config(folder, iterations=1, **changes)


@pytest.mark.parametrize("pairs", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lease", [True, False], ids=["lease", "no lease"])
def test_pairs_start_the_same_run(tmp_path: Path, undisturbed: RunConfig, lease: bool, pairs: int) -> None:
    both_worked = 0
    with racers(2, lease=lease) as pair:
        for number in range(pairs):
            config = config_in(tmp_path / str(number))
            said = pair.race(config)
            assert "done" in said
            others = [line for line in said if line != "done"]
            assert all("is being worked on by" in line and "its lease is" in line for line in others)
            both_worked += not others
            assert differences(Path(undisturbed.uri), Path(config.uri)) == []
    # With a lease both work where one has done all before the other begins: of many pairs not all.
    assert both_worked < pairs if lease and pairs > 10 else both_worked == pairs or lease
