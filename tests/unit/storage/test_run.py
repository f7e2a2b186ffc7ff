"""Reading a run: the newest revision decides, and errors name what does not exist."""

from pathlib import Path

import pytest

from flows.run_loop import run_all
from storage.errors import CorruptArtifact, InputError, MissingArtifact
from storage.run import Revision, Run, newest_revision, open_run, write_revision
from storage.store import Store
from tests.helpers import fake_config, fake_resources, memory_store


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = fake_config(tmp_path_factory.mktemp("run"), iterations=1)
    with fake_resources() as resources:
        write_revision(Store(config.uri), run_all(config, Store(config.uri), resources).revision())
    return open_run(config.uri)


def test_iterations_and_tables(run: Run) -> None:
    assert run.iterations == [0, 1]
    expected = {"seeds", "problems", "generations", "candidates", "accepted", "rejected", "bank", "responses"}
    expected |= {"rewards", "votes", "pool", "diagnostics", "train_metrics", "grades", "results"}
    expected |= {"seed_overlaps", "voter_answers", "reliability", "shots", "failed_grades"}
    assert run.tables() == [*sorted(expected), "timings", "speed"]
    assert run.table("speed")["iteration"].to_list() == [1] and run.table("speed", 1).height == 1
    with pytest.raises(MissingArtifact, match="no speed at iteration 0"):
        run.table("speed", 0)


def test_one_iteration_of_a_table(run: Run) -> None:
    votes = run.table("votes", iteration=1)
    assert votes.height == run.metrics(1)["filter/accepted"]
    assert "iteration" not in votes.columns


def test_all_iterations_of_a_table_have_a_column_iteration(run: Run) -> None:
    results = run.table("results")
    assert results.columns[0] == "iteration"
    assert results["iteration"].unique().sort().to_list() == [0, 1]
    assert run.table("votes")["iteration"].unique().to_list() == [1]


def test_timings_are_those_of_the_current_artifacts(run: Run) -> None:
    assert set(run.table("timings", iteration=1)["stage"]) == set(run.manifests(1))
    run.store.create("timings/iteration=0001/other.parquet", _timing_of_another_key(run))
    assert set(run.table("timings", iteration=1)["key"]) == {manifest.key for manifest in run.manifests(1).values()}


def _timing_of_another_key(run: Run) -> bytes:
    from storage.tables import encode, make_table
    from storage.writer import TIMINGS

    row = run.table("timings", iteration=0).to_dicts()[0]
    return encode(make_table([{**row, "key": "of a superseded artifact"}], TIMINGS))


def test_errors_name_the_table_and_iteration_that_do_not_exist(run: Run) -> None:
    with pytest.raises(MissingArtifact, match=r"no table nonsense; it has .*votes"):
        run.table("nonsense")
    with pytest.raises(MissingArtifact, match=r"no votes at iteration 0; finished: \[0, 1\]"):
        run.table("votes", iteration=0)


def test_the_policy_of_an_iteration(run: Run) -> None:
    assert '"start"' in (run.policy(0) / "policy.json").read_text()
    assert run.policy() == run.policy(1) != run.policy(0)


def test_the_policy_of_a_skipped_update_is_the_one_before(run: Run) -> None:
    stages = {name: path for name, path in run.revision.iterations[1].items() if name != "ppo_update"}
    skipped = Run(run.store, Revision(config={}, iterations={**run.revision.iterations, 2: stages}))
    assert skipped.policy(2) == skipped.policy() == run.policy(1)
    only = Run(run.store, Revision(config={}, iterations={0: run.revision.iterations[0], 1: stages}))
    assert only.policy(1) == run.policy(0)


@pytest.mark.parametrize("iteration", [2, 99, -1])
def test_the_policy_of_an_unfinished_iteration_is_an_error(run: Run, iteration: int) -> None:
    """Regression: `policy: {run: x, iteration: 50}` of a run with 9 iterations silently took the ninth."""
    with pytest.raises(MissingArtifact, match="finished"):
        run.policy(iteration)


def test_the_policy_of_a_run_without_iterations_is_an_error() -> None:
    """Regression: a run that was stopped in iteration 0 has a revision without iterations, which was an IndexError."""
    with pytest.raises(MissingArtifact):
        Run(memory_store(), Revision(config={}, iterations={})).policy()


def test_the_newest_revision_counts() -> None:
    store = memory_store()
    first, second = (Revision(config={"seed": seed}, iterations={0: {"evaluate": "m.json"}}) for seed in (1, 2))
    for revision in (first, first, second, first):
        write_revision(store, revision)
    assert store.names("revisions") == ["000001.json", "000002.json", "000003.json"]
    assert newest_revision(store) == first
    assert open_run(store.uri).config == {"seed": 1}


def test_a_folder_that_is_not_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run.*expected a folder such as runs/quickstart"):
        open_run(str(tmp_path))


def test_a_broken_revision_is_named() -> None:
    store = memory_store()
    store.create("revisions/000001.json", b'{"config": {}')
    with pytest.raises(CorruptArtifact, match=r"revisions/000001\.json is damaged.*run again"):
        open_run(store.uri)
