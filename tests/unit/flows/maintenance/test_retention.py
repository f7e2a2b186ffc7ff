"""Retention: old weights are pruned, the run continues without them, and an error says how to get them back."""

from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from flows.config.retention import Keep, KeepBest, KeepPolicies
from flows.config.run import RunConfig
from flows.config.watchdog import Watchdog
from flows.maintenance.retention import best_policies, prune_weights
from flows.run_loop import run_all
from flows.run_progress import RunProgress, find_finished
from flows.stage_settings import resolve
from storage.errors import Pruned
from storage.reader import read_folder
from storage.run import Run
from storage.store import Store
from tests.helpers import fake_config, fake_resources


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = fake_config(tmp_path, iterations=5)
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"every": 2})})


def run_to_end(config: RunConfig) -> tuple[RunProgress, Run]:
    with fake_resources() as resources:
        progress = run_all(config, Store(config.uri), resources)
    return progress, Run(Store(config.uri), progress.revision())


def kept(run: Run, kind: str) -> list[int]:
    """Return the iterations whose folder exists."""
    numbers = []
    for number in range(1, max(run.iterations) + 1):
        try:
            read_folder(run.ref(kind, number))
            numbers.append(number)
        except Pruned:
            assert not list((Path(run.store.root) / kind / f"iteration={number:04d}").rglob("*.json"))
    return numbers


def with_policies(config: RunConfig, **rule: Any) -> RunConfig:
    """Return the config with a rule for policies, and a watchdog that only warns and so needs no weights."""
    keep = Keep(policies=KeepPolicies(**rule))
    return config.model_copy(update={"keep": keep, "watchdog": Watchdog(on_breach="warn")})


def test_newest_states_and_policies_are_kept(config: RunConfig) -> None:
    _, run = run_to_end(config)
    assert kept(run, "trainer_state") == [4, 5]
    assert kept(run, "policy") == [4, 5]
    assert run.policy(0).is_dir()


def test_one_trainer_state_can_be_kept(config: RunConfig) -> None:
    _, run = run_to_end(config.model_copy(update={"keep": Keep(trainer_states=1)}))
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
def test_policies_are_kept_by_rule(config: RunConfig, rule: dict[str, Any], expected: list[int]) -> None:
    _, run = run_to_end(with_policies(config, **rule))
    assert kept(run, "policy") == expected


@pytest.mark.parametrize(("on_breach", "states"), [("warn", [5]), ("stop", [5]), ("rollback", [4, 5])])
def test_rollback_targets_are_kept(
    config: RunConfig, on_breach: Literal["warn", "stop", "rollback"], states: list[int]
) -> None:
    keep = Keep(trainer_states=1, policies=KeepPolicies(last=1, every=None))
    _, run = run_to_end(config.model_copy(update={"keep": keep, "watchdog": Watchdog(on_breach=on_breach)}))
    assert kept(run, "trainer_state") == states
    # A breach in iteration 6 goes back to 4 or 5.
    assert kept(run, "policy") == ([5] if on_breach == "warn" else [4, 5])


def test_policy_of_an_iteration_without_update_is_kept(config: RunConfig) -> None:
    """Iteration 2 keeps the policy of iteration 1, so `every: 2` keeps that policy."""
    progress, run = run_to_end(with_policies(config, every=1))
    del progress.stages[2]["ppo_update"]
    prune_weights(
        RunProgress(resolve(with_policies(config, every=2)), stages=progress.stages, states=progress.states), run.store
    )
    assert 1 in kept(run, "policy") and 3 not in kept(run, "policy")


def test_best_policies_by_later_votes_are_kept(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The responses of an iteration come from the policy of the iteration before."""
    margins = {1: 0.9, 2: 0.3, 3: 0.6, 4: 0.6, 5: 0.2}
    metrics = Run.metrics

    def metrics_with_margins(run: Run, iteration: int) -> dict[str, float | int | None]:
        return metrics(run, iteration) | ({"vote/mean_margin": margins[iteration]} if iteration else {})

    monkeypatch.setattr(Run, "metrics", metrics_with_margins)
    best = KeepBest(signal="vote/mean_margin", count=2)
    _, run = run_to_end(with_policies(config, last=1, every=None, best=best))
    assert best_policies(run, best) == {0, 2}  # of 2 and 3, equally good, the earlier
    assert kept(run, "policy") == [2, 5]
    assert best_policies(run, KeepBest(signal="vote/mean_margin", count=9)) == {0, 1, 2, 3, 4}  # 5 has no votes yet


def test_best_policy_on_a_validation_set_is_kept(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = config.evaluate.benchmarks[0]
    validation = reported.model_copy(update={"name": "held_back", "validation": True})
    evaluation = config.evaluate.model_copy(update={"benchmarks": (reported, validation), "every": 1})
    best = KeepBest(benchmark="held_back")
    config = with_policies(config.model_copy(update={"evaluate": evaluation}), last=1, every=None, best=best)
    accuracy = {0: 0.1, 1: 0.2, 2: 0.4, 3: 0.3, 4: 0.1, 5: 0.0}
    table = Run.table

    def table_with_accuracies(run: Run, name: str, iteration: int | None = None) -> pl.DataFrame:
        frame = table(run, name, iteration)
        if name != "results" or iteration is None:
            return frame
        # By the reported benchmark the last policy would be the best.
        value = pl.when(benchmark="held_back").then(accuracy[iteration]).otherwise(iteration / 10)
        return frame.with_columns(value=value)

    monkeypatch.setattr(Run, "table", table_with_accuracies)
    _, run = run_to_end(config)
    assert best_policies(run, best) == {2}
    assert kept(run, "policy") == [2, 5]


def test_run_resumes_from_the_kept_weights(config: RunConfig, tmp_path: Path) -> None:
    run_to_end(config)
    longer = config.model_copy(update={"iterations": 7})
    progress, run = run_to_end(longer)
    assert progress.complete and kept(run, "trainer_state") == [6, 7]
    (tmp_path / "whole").mkdir()
    uninterrupted, _ = run_to_end(longer.model_copy(update={"root": str(tmp_path / "whole")}))
    assert {n: s for n, s in uninterrupted.stages.items() if n > 5} == {
        n: s for n, s in progress.stages.items() if n > 5
    }


def test_pruned_weights_count_as_finished(config: RunConfig) -> None:
    progress, run = run_to_end(config)
    assert find_finished(config, run.store).complete
    assert prune_weights(progress, run.store) == 0


def test_pruning_continues_after_a_kill(config: RunConfig) -> None:
    """The tombstone existed, and the files used to stay for that reason."""
    _, run = run_to_end(config)
    path = next(file.path for file in run.manifests(1)["ppo_update"].outputs["trainer_state"].files)
    run.store.create(path, b"left behind")
    run_to_end(config)
    assert not run.store.exists(path)


def test_pruned_weights_error_names_the_repair(config: RunConfig) -> None:
    _, run = run_to_end(config)
    with pytest.raises(Pruned, match=r"trainer_state of iteration 1 .* was let go \(setting `keep`\); `serl repair"):
        read_folder(run.ref("trainer_state", 1))


def test_reference_is_kept(config: RunConfig) -> None:
    """The next update needs the reference, and a resumed run must not compute it again."""
    _, run = run_to_end(config.model_copy(update={"refresh_reference": 3}))
    assert 3 in kept(run, "policy")
