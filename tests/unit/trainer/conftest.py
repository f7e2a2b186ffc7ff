"""Trainer processes for the tests of a module, which has its files in the fixture `folder`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.trainer.rollouts import SavingTrainer


@pytest.fixture(scope="module")
def trainer(folder: Path) -> Iterator[SavingTrainer]:
    """One process with the default placement of `make_job`, for all tests that leave it alive."""
    with SavingTrainer(folder / "scratch") as process:
        yield process


@pytest.fixture(scope="module")
def fresh(folder: Path) -> Iterator[SavingTrainer]:
    """A process that has not done the previous update, so it loads weights and state from files."""
    with SavingTrainer(folder / "scratch") as process:
        yield process
