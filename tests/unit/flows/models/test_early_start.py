"""vLLM starts as the first thing that a run does, if the first missing stages need it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.models.early_start import start_engine
from flows.rounds.state import Inputs
from flows.run_loop import run_iterations
from flows.run_progress import find_finished
from flows.runners import LocalRunner
from stages.contract import Result, Stage
from stages.settings import Settings
from stages.settings.compute import Compute
from stages.shared_resources import Resources
from storage.artifact import ArtifactRef
from storage.store import Store
from tests.helpers import fake_config, run_here
from tests.tiny_models import make_tiny_policy


class Recorded(Resources):
    """Resources that record what is started."""

    started: list[Path]

    def start_engine(self, folder: Path) -> None:
        self.started.append(folder)

    def trainer(self) -> Any:
        return FakeTrainer()


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Recorded]:
    with Recorded(Compute(scratch=tmp_path), "vllm") as resources:
        resources.started = []
        yield resources


class FakeTrainer:
    def start(self, placement: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("stage", "starts"),
    [
        ("import_seeds", True),
        ("filter_instructions", True),
        ("evaluate", True),
        ("vote_rewards", False),  # then comes the update, which needs the GPU
        ("ppo_update", False),
        ("sample_voters", False),  # of another architecture
        (None, False),
    ],
)
def test_it_starts_if_a_stage_needs_it_soon(
    stage: str | None, starts: bool, resources: Recorded, tmp_path: Path
) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    config = fake_config(tmp_path, engine="transformers", policy={"model": str(folder)})
    start_engine(resources, config, stage, None)
    assert resources.started == [folder] * starts


@pytest.mark.parametrize("engine", ["fake", "transformers", "server"])
def test_other_engines_start_when_needed(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resources, "engine", lambda self: pytest.fail("made"))
    with Resources(Compute(scratch=tmp_path), engine) as resources:
        start_engine(resources, fake_config(tmp_path), "generate_instructions", None)


def test_a_warm_start_makes_the_folder_first(
    resources: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fake_config(tmp_path, engine="transformers", policy={"warm_start": {"steps": 1}})
    start_engine(resources, config, "import_seeds", None)
    assert resources.started == []
    monkeypatch.setattr("flows.models.early_start.read_folder", lambda ref: tmp_path / ref.key)
    ref = ArtifactRef(kind="policy", key="made", uri="u", path="p")
    start_engine(resources, config, "generate_instructions", ref)
    assert resources.started == [tmp_path / "made"]


def test_a_missing_policy_is_left_to_the_stages(resources: Recorded, tmp_path: Path) -> None:
    config = fake_config(tmp_path, engine="transformers", policy={"run": str(tmp_path / "nowhere"), "iteration": 0})
    start_engine(resources, config, "import_policy", None)
    assert resources.started == []


class _Stop(Exception):
    pass


def test_the_loop_starts_it_before_the_first_stage(
    resources: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str | None] = []
    monkeypatch.setattr("flows.run_loop.start_engine", lambda resources, config, missing, newest: begun.append(missing))

    class Stopping(LocalRunner):
        def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
            assert begun == ["import_seeds"]
            raise _Stop

    config = fake_config(tmp_path, iterations=1)
    store = Store(config.uri)
    for is_here in (False, True):
        with pytest.raises(_Stop) if is_here else pytest.raises(AssertionError):
            run_iterations(
                find_finished(config, store),
                store,
                resources,
                finished_target=2,
                make_runner=Stopping,
                trainer_is_here=is_here,
            )
    begun.clear()
    run_here(config)
    assert begun == ["import_seeds"]  # once, not in each iteration
    begun.clear()
    run_here(config)
    assert begun == []  # nothing is missing
