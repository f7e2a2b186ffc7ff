"""Comparison of several runs: gains paired by problem, the table and the plot."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import main
from flows.reporting.gains import all_evaluated, comparison_table, points_text, side_by_side
from flows.run_loop import run_all
from stages.benchmarks.statistics import paired_difference
from storage.errors import InputError
from storage.run import Run, open_run
from storage.store import Store
from tests.helpers import fake_config, fake_resources


def finished_run(folder: Path, name: str, **changes: Any) -> Run:
    config = fake_config(folder, name=name, **changes)
    with fake_resources() as resources:
        run_all(config, Store(config.uri), resources)
    return open_run(config.uri)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("arms")
    changes: dict[str, dict[str, Any]] = {
        "first": {},
        "random": {"rewards": "random", "seed": 5},
        "seeds": {"instructions": "seeds"},
    }
    return [finished_run(folder, name, **change) for name, change in changes.items()]


def accuracies(run: Run, iteration: int) -> list[float]:
    """Return the sampled accuracy of each of the five problems."""
    grades = run.table("grades", iteration).filter(mode="sampled")
    by_problem = (
        grades.group_by("problem_id").agg((pl.col("status") == "correct").mean().alias("right")).sort("problem_id")
    )
    return by_problem["right"].to_list()


def test_gains_are_paired_by_problem(runs: list[Run]) -> None:
    rows = side_by_side(runs)
    for run, row in zip(runs, rows, strict=True):
        assert row["gain"] == pytest.approx(paired_difference(accuracies(run, 0), accuracies(run, 2)))
        assert [point[0] for point in row["curve"]] == [0, 1, 2] and row["iterations"] == [0, 2]
    assert rows[0]["ahead"] is None
    assert rows[1]["ahead"] == pytest.approx(paired_difference(accuracies(runs[0], 2), accuracies(runs[1], 2)))
    assert [row["rewards"] for row in rows] == ["majority", "random", "majority"]
    assert [row["instructions"] for row in rows] == ["self", "self", "seeds"]
    assert {row["prompt"] for row in rows} == {"plain"}


def test_problems_are_paired_by_their_text(runs: list[Run], tmp_path: Path) -> None:
    """Another run may hold the same questions in another order, or only some of them."""
    questions = [f"What is {n} plus {n + 3}? Answer with one number." for n in (4, 2)]
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps({"question": text, "answer": 1}) + "\n" for text in questions))
    other = finished_run(tmp_path, "other", evaluate={"benchmarks": [{"name": "sums", "path": str(path)}]})
    row = side_by_side([runs[0], other])[1]
    of_first, of_other = accuracies(runs[0], 2), accuracies(other, 2)
    assert row["ahead"] == pytest.approx(paired_difference([of_first[4], of_first[2]], of_other))


def test_runs_without_a_common_benchmark_are_refused(runs: list[Run], tmp_path: Path) -> None:
    other = finished_run(
        tmp_path,
        "other",
        domain="arithmetic",
        seeds={"domain": "arithmetic", "count": 8},
        evaluate={"benchmarks": [{"name": "heldout", "domain": "arithmetic", "count": 3}]},
    )
    assert not all_evaluated([runs[0], other])
    with pytest.raises(InputError, match=r"has no evaluation on sums, the benchmark of .*first"):
        side_by_side([runs[0], other])


def test_compare_command_draws_any_number_of_runs(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    uris = [run.store.uri for run in runs]
    assert main(["compare", *uris]) == 0
    printed = capsys.readouterr().out
    assert "pass@1 on sums (prompt: plain)" in printed and f"plot  {uris[0]}/reports/comparison.png" in printed
    assert runs[0].store.read("reports/comparison.png")[:4] == b"\x89PNG"
    assert "Settings that differ" not in printed
    assert main(["compare", *uris, "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["runs"]] == ["first", "random", "seeds"]
    assert main(["compare", *uris[:2]]) == 0
    assert "Settings that differ" in capsys.readouterr().out


def test_missing_gains_are_a_dash(runs: list[Run]) -> None:
    assert comparison_table(side_by_side(runs[:1])).row_count == 1
    assert points_text(None) == "–"
    assert points_text((0.123, -0.004, 0.25)) == "+12.3 [-0.4, +25.0]"
