"""A run of manifest format 1, as the version before this one wrote it, opens today.

`tests/golden/format-1` was made by that version with the fake engine; it is never made again.
"""

from pathlib import Path

import pytest

from flows.reporting.results import run_results
from storage.reader import check_sizes
from storage.repair import find_damage
from storage.run import open_run

GOLDEN = str(Path(__file__).parents[2] / "golden" / "format-1")


def test_every_table_is_read() -> None:
    run = open_run(GOLDEN)
    assert run.iterations == [0, 1]
    rows = {name: run.table(name).height for name in run.tables()}
    assert rows == {
        "accepted": 4, "bank": 4, "candidates": 9, "diagnostics": 0, "generations": 3, "grades": 30, "pool": 3,
        "problems": 5, "rejected": 5, "responses": 16, "results": 14, "rewards": 16, "seeds": 6, "timings": 10,
        "train_metrics": 1, "votes": 4,
    }  # fmt: skip
    assert run.table("votes", iteration=1)["decision"].to_list() == ["kept", "tie", "kept", "kept"]
    assert {output.version for m in run.manifests(1).values() for output in m.outputs.values()} == {1, None}


def test_policy_and_results_are_read() -> None:
    run = open_run(GOLDEN)
    assert (run.policy(1) / "policy.json").is_file()
    results = run_results(run)["iterations"]
    assert [row["accepted"] for row in results] == [None, 4] and results[1]["kept"] == 3
    assert run.config["name"] == "format-1"


def test_its_files_have_the_recorded_digests() -> None:
    run = open_run(GOLDEN)
    for number in run.iterations:
        for manifest in run.manifests(number).values():
            check_sizes(run.store, manifest)
    assert list(find_damage(run.store, lambda *_: None)) == []


@pytest.mark.parametrize("name", ["votes", "responses"])
def test_its_files_are_read_without_us(name: str) -> None:
    import polars as pl

    run = open_run(GOLDEN)
    assert pl.read_parquet(run.files(name, 1)).equals(run.table(name, iteration=1))
