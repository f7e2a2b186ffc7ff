"""Runs that earlier versions of this software wrote are still read.

`tests/golden/format-1` and `format-2` were made with the fake engine and are never made again.
"""

from pathlib import Path

import polars as pl
import pytest

from flows.reporting.results import run_results
from storage.reader import check_sizes
from storage.repair import find_damage
from storage.run import open_run

GOLDEN = str(Path(__file__).parents[2] / "golden" / "format-1")
GOLDEN_2 = str(Path(__file__).parents[2] / "golden" / "format-2" / "runs" / "format-2")


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


def test_every_table_of_format_2_is_read() -> None:
    run = open_run(GOLDEN_2)
    assert run.iterations == [0, 1, 2]
    assert {run.table(name).height for name in ("responses", "rewards")} == {16}
    assert run.metrics(1)["vote/kept"] == run.table("votes", 1).filter(pl.col("decision") == "kept").height
    assert (run.policy() / "policy.json").is_file()


def test_policy_and_results_are_read() -> None:
    run = open_run(GOLDEN)
    assert (run.policy(1) / "policy.json").is_file()
    results = run_results(run)["iterations"]
    assert [row["accepted"] for row in results] == [None, 4] and results[1]["kept"] == 3
    assert run.config["name"] == "format-1"


@pytest.mark.parametrize("uri", [GOLDEN, GOLDEN_2], ids=["format 1", "format 2"])
def test_its_files_have_the_recorded_digests(uri: str) -> None:
    run = open_run(uri)
    for number in run.iterations:
        for manifest in run.manifests(number).values():
            check_sizes(run.store, manifest)
    assert list(find_damage(run.store, lambda *_: None)) == []


@pytest.mark.parametrize("name", ["votes", "responses"])
def test_other_readers_read_its_files(name: str) -> None:
    run = open_run(GOLDEN)
    assert pl.read_parquet(run.files(name, 1)).equals(run.table(name, iteration=1))
