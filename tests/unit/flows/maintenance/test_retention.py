"""Old weights are let go, a run goes on without them, and what needs them says how to have them back."""

from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from flows.config.retention import Keep, KeepBest, KeepPolicies
from flows.config.run import RunConfig
from flows.config.watchdog import Watchdog
from flows.maintenance.retention import best_policies, prune_weights
from flows.plan import resolve
from flows.run_state import RunProgress, find_finished
from storage.errors import Pruned
from storage.reader import read_folder
from storage.run import Run
from storage.store import Store
from tests.helpers import fake_config, fake_resources, run_all


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = fake_config(tmp_path, iterations=5)
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 2})})


def done(config: RunConfig) -> tuple[RunProgress, Run]:
    with fake_resources() as resources:
        ledger = run_all(config, Store(config.uri), resources)
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


def with_policies(config: RunConfig, **rule: Any) -> RunConfig:
    """A watchdog that stops nothing wants nothing kept."""
    keep = Keep(policies=KeepPolicies(**rule))
    return config.model_copy(update={"keep": keep, "watchdog": Watchdog(on_breach="warn")})


def test_the_newest_states_and_policies_stay(config: RunConfig) -> None:
    _, run = done(config)
    assert kept(run, "trainer_state") == [4, 5]
    assert kept(run, "policy") == [4, 5]
    assert run.policy(0).is_dir()


def test_one_state_is_enough(config: RunConfig) -> None:
    _, run = done(config.model_copy(update={"keep": Keep(trainer_states=1)}))
    assert kept(run, "trainer_state") == [5]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"every": 1}, [1, 2, 3, 4, 5]),
        ({"every": 2}, [2, 4, 5]),
        ({"every": None}, [4, 5]),
        ({"every": None, "last": 1}, [5]),
        ({"every": 3, "last": 3}, [3, 4, 5]),
    ],
)
def test_policies_stay_by_rule(config: RunConfig, rule: dict[str, Any], expected: list[int]) -> None:
    _, run = done(with_policies(config, **rule))
    assert kept(run, "policy") == expected


@pytest.mark.parametrize(("on_breach", "states"), [("warn", [5]), ("stop", [5]), ("rollback", [4, 5])])
def test_what_the_watchdog_may_name_or_go_back_to_stays(
    config: RunConfig, on_breach: Literal["warn", "stop", "rollback"], states: list[int]
) -> None:
    keep = Keep(trainer_states=1, policies=KeepPolicies(last=1, every=None))
    _, run = done(config.model_copy(update={"keep": keep, "watchdog": Watchdog(on_breach=on_breach)}))
    assert kept(run, "trainer_state") == states
    assert kept(run, "policy") == (
        [5] if on_breach == "warn" else [4, 5]
    )  # a breach in iteration 6 goes back to 4 or 5


def test_the_policy_of_an_iteration_without_update_stays(config: RunConfig) -> None:
    """Iteration 2 hands on the policy of iteration 1, and is one of every two."""
    ledger, run = done(with_policies(config, every=1))
    del ledger.stages[2]["ppo_update"]
    prune_weights(
        RunProgress(resolve(with_policies(config, every=2)), stages=ledger.stages, states=ledger.states), run.store
    )
    assert 1 in kept(run, "policy") and 3 not in kept(run, "policy")


def test_the_best_by_the_votes_that_follow_stay(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The responses of an iteration come from the policy that the one before ended with."""
    margins = {1: 0.9, 2: 0.3, 3: 0.6, 4: 0.6, 5: 0.2}
    metrics = Run.metrics

    def scripted(run: Run, iteration: int) -> dict[str, float | int | None]:
        return metrics(run, iteration) | ({"vote/mean_margin": margins[iteration]} if iteration else {})

    monkeypatch.setattr(Run, "metrics", scripted)
    best = KeepBest(signal="vote/mean_margin", count=2)
    _, run = done(with_policies(config, last=1, every=None, best=best))
    assert best_policies(run, best) == {0, 2}  # of 2 and 3, equally good, the earlier
    assert kept(run, "policy") == [2, 5]
    assert best_policies(run, KeepBest(signal="vote/mean_margin", count=9)) == {0, 1, 2, 3, 4}  # 5 has no votes yet


def test_the_best_on_a_validation_set_stays(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = config.evaluate.benchmarks[0]
    chosen_by = reported.model_copy(update={"name": "held_back", "validation": True})
    evaluation = config.evaluate.model_copy(update={"benchmarks": (reported, chosen_by), "every": 1})
    best = KeepBest(benchmark="held_back")
    rules = with_policies(config.model_copy(update={"evaluate": evaluation}), last=1, every=None, best=best)
    accuracy = {0: 0.1, 1: 0.2, 2: 0.4, 3: 0.3, 4: 0.1, 5: 0.0}
    table = Run.table

    def scripted(run: Run, name: str, iteration: int | None = None) -> pl.DataFrame:
        found = table(run, name, iteration)
        if name != "results" or iteration is None:
            return found
        # The reported benchmark would choose the last one.
        here = pl.when(benchmark="held_back").then(accuracy[iteration]).otherwise(iteration / 10)
        return found.with_columns(value=here)

    monkeypatch.setattr(Run, "table", scripted)
    _, run = done(rules)
    assert best_policies(run, best) == {2}
    assert kept(run, "policy") == [2, 5]


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
    assert prune_weights(ledger, run.store) == 0


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
