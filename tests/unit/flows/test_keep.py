"""Old weights are let go, a run goes on without them, and what needs them says how to have them back."""

from pathlib import Path

import pytest

from flows.config import Keep, RunConfig
from flows.inline import run_inline
from flows.iteration import Ledger, find_finished
from flows.keep import let_go
from storage.errors import Pruned
from storage.reading import read_folder
from storage.run import Run
from storage.store import Store
from tests.helpers import fake_config, fake_resources


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = fake_config(tmp_path, iterations=5)
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 2})})


def done(config: RunConfig) -> tuple[Ledger, Run]:
    with fake_resources() as resources:
        ledger = run_inline(config, Store(config.uri), resources)
    return ledger, Run(Store(config.uri), ledger.revision())


def kept(run: Run, kind: str) -> list[int]:
    """Iterations whose folder is there."""
    found = []
    for number in range(1, max(run.iterations) + 1):
        try:
            read_folder(run.ref(kind, number))
            found.append(number)
        except Pruned:
            assert not list((Path(run.store.root) / kind / f"iteration={number:04d}").rglob("*.json"))
    return found


def test_the_newest_states_and_the_evaluated_policies_stay(config: RunConfig) -> None:
    _, run = done(config)
    assert kept(run, "trainer_state") == [4, 5]
    assert kept(run, "policy") == [2, 4, 5]
    assert run.policy(0).is_dir()


def test_all_policies_may_stay_and_one_state_is_enough(config: RunConfig) -> None:
    _, run = done(config.model_copy(update={"keep": Keep(trainer_states=1, policies="all")}))
    assert kept(run, "trainer_state") == [5]
    assert kept(run, "policy") == [1, 2, 3, 4, 5]


def test_the_policy_of_an_evaluated_iteration_without_update_stays(config: RunConfig) -> None:
    """Iteration 2 hands on the policy of iteration 1 and is evaluated with it."""
    ledger, run = done(config.model_copy(update={"keep": Keep(policies="all")}))
    del ledger.stages[2]["ppo_update"]
    let_go(Ledger(config, stages=ledger.stages), run.store)
    assert 1 in kept(run, "policy") and 3 not in kept(run, "policy")


def test_a_run_goes_on_from_what_stays(config: RunConfig, tmp_path: Path) -> None:
    done(config)
    longer = config.model_copy(update={"iterations": 7})
    ledger, run = done(longer)
    assert ledger.complete and kept(run, "trainer_state") == [6, 7]
    (tmp_path / "whole").mkdir()
    whole, _ = done(longer.model_copy(update={"root": str(tmp_path / "whole")}))
    assert {n: s for n, s in whole.stages.items() if n > 5} == {n: s for n, s in ledger.stages.items() if n > 5}


def test_what_was_let_go_counts_as_done(config: RunConfig) -> None:
    ledger, run = done(config)
    assert find_finished(config, run.store).complete
    assert let_go(ledger, run.store) == 0


def test_a_kill_between_the_tombstone_and_the_removal(config: RunConfig) -> None:
    """The tombstone was there, so nobody came back for the files."""
    _, run = done(config)
    path = next(file.path for file in run.manifests(1)["ppo_update"].outputs["trainer_state"].files)
    run.store.create(path, b"left behind")
    done(config)
    assert not run.store.exists(path)


def test_whoever_needs_it_is_told_the_way(config: RunConfig) -> None:
    _, run = done(config)
    with pytest.raises(Pruned, match=r"trainer_state of iteration 1 .* was let go \(setting `keep`\); `serl repair"):
        read_folder(run.ref("trainer_state", 1))


def test_the_reference_stays(config: RunConfig) -> None:
    """The next update is held close to it, and a run that goes on must not compute it again."""
    _, run = done(config.model_copy(update={"refresh_reference": 3}))
    assert 3 in kept(run, "policy")
