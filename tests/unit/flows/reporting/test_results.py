"""Results and the report: the funnel, reliability of votes, agreement of voters, engine costs, alarms, benchmarks."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.cli.progress_bar import iteration_line
from flows.reporting.document import report
from flows.reporting.plots import learning_curve
from flows.reporting.render import as_markdown
from flows.reporting.results import (
    SELF_WRITTEN,
    _gpu_time,
    alarms,
    evaluation_rows,
    funnel,
    iteration_results,
    run_results,
    slice_rows,
    unfinished_thinking,
)
from flows.reporting.terminal_tables import engine_line, evaluation_table, gpu_line, unfinished_line
from flows.run_loop import run_all
from stages.benchmarks.metrics import reliability
from stages.benchmarks.statistics import wilson_interval
from stages.domains import arithmetic
from storage.run import Run
from tests.helpers import fake_config, fake_resources, memory_store


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    # The domain cannot solve the fake engine's questions, so it gets the answers that the engine usually gives.
    monkeypatch.setattr(arithmetic, "solve", lambda text: SimpleNamespace(answer=random.Random(text).randint(2, 60)))
    store = memory_store()
    benchmarks = [{"name": "heldout", "domain": "arithmetic", "count": 30}]
    config = fake_config(
        tmp_path,
        domain="arithmetic",
        seeds={"domain": "arithmetic", "count": 12},
        evaluate={"benchmarks": benchmarks, "protocol": {"samples": 8}},
    )
    with fake_resources() as resources:
        progress = run_all(config, store, resources)
    return Run(store, progress.revision())


def _markdown(run: Run, rows: Sequence[dict[str, Any]]) -> str:
    return as_markdown(report(run, rows, b""))


def test_funnel_counts_add_up(run: Run) -> None:
    rows = run_results(run)["iterations"]
    steps = funnel(rows)
    names = [name for name, _ in steps]
    assert names[0] == "candidates" and names[-1] == "kept"
    accepted_at = names.index("accepted")
    counts = [number for _, number in steps]
    assert (
        sum(counts[:accepted_at])
        == counts[accepted_at]
        == sum(run.table("accepted", number).height for number in (1, 2))
    )
    assert sum(counts[accepted_at:-1]) == counts[-1] == run.table("votes").filter(decision="kept").height
    rejected = run.table("rejected").group_by("reason").len()
    assert {name: -number for name, number in steps[1:accepted_at]} == dict(rejected.iter_rows())
    assert funnel(rows[:1]) == []


def test_funnel_is_in_the_order_of_the_pipeline() -> None:
    metrics = {
        "filter/candidates": 10, "filter/accepted": 5, "vote/kept": 3,
        "filter/rejected/similar": 2, "filter/rejected/too_long": 1, "filter/rejected/empty": 2,
        "vote/dropped/tie": 1, "vote/dropped/too_easy": 1, "vote/dropped/too_hard": 0,
    }  # fmt: skip
    assert funnel([{"metrics": metrics}]) == [
        ("candidates", 10), ("empty", -2), ("too_long", -1), ("similar", -2),
        ("accepted", 5), ("too_easy", -1), ("tie", -1), ("kept", 3),
    ]  # fmt: skip


def test_unfinished_thinking_is_shown_only_if_there_is_some(run: Run) -> None:
    rows = run_results(run)["iterations"]
    assert unfinished_thinking(rows) == [] and unfinished_line(rows) == ""
    assert "Thinking" not in _markdown(run, rows) and "thinking unfinished" not in evaluation_rows(rows[-1])[0]
    counts = {"generate/thinking_unfinished": 2, "sample/thinking_unfinished": 1_000, "sample/responses": 2_000}
    thinking = [*rows[:-1], {**rows[-1], "metrics": {**rows[-1]["metrics"], **counts}}]
    prompts = sum(run.metrics(number)["generate/prompts"] or 0 for number in (1, 2))
    responses = run.metrics(1)["sample/responses"] + 2_000
    assert unfinished_thinking(thinking) == [
        ("lists of new questions", 2, prompts), ("responses", 1_000, responses)
    ]  # fmt: skip
    lists = rows[-1]["metrics"]["generate/prompts"]
    line = f"Thinking never ended in 2 of {lists} lists of new questions, 1,000 of 2,000 responses; no question or "
    assert line in _markdown(run, thinking)


def test_unfinished_thinking_of_benchmarks_is_shown(run: Run) -> None:
    results = iteration_results(run, 2)
    ((name, _),) = results["benchmarks"].items()
    thinking = {**results, "metrics": {**results["metrics"], f"eval/{name}/thinking_unfinished": 3}}
    assert [row["thinking unfinished"] for row in evaluation_rows(thinking)] == ["3"]
    responses = run.table("grades", 2).height
    assert unfinished_thinking([thinking]) == [("responses to evaluation sets", 3, responses)]
    assert f"   thinking never ended in 3 of {responses} responses to evaluation sets   " in iteration_line(thinking)
    assert "thinking" not in iteration_line(results)
    for values, shown in ((results, False), (thinking, True)):
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(evaluation_table(values))
        printed = " ".join(console.export_text().split())
        assert ("3 responses whose thinking never ends" in printed) == shown


def test_reliability_equals_the_tables(run: Run) -> None:
    rows = run_results(run)["iterations"]
    table = run.table("reliability", iteration=1).drop("benchmark").to_dicts()
    assert rows[1]["reliability"]["heldout"] == table
    labelled = run.table("diagnostics", 1).drop_nulls("label")
    votes = run.table("votes", 1).drop_nulls("majority_answer").join(labelled, on="question_id")
    assert votes.height > 0
    assert rows[1]["reliability"][SELF_WRITTEN] == reliability(votes.select("share", "majority_correct").rows())
    assert SELF_WRITTEN not in rows[0]["reliability"]


def test_report_shows_funnel_and_reliability(run: Run) -> None:
    rows = run_results(run)["iterations"]
    text = _markdown(run, rows)
    assert "## What became of this iteration's candidates" in text
    assert "## How often the majority was right, by its share of the votes" in text
    bin_row = rows[-1]["reliability"]["heldout"][0]
    assert f"| heldout | {bin_row['share_from']:.1f}–{bin_row['share_to']:.1f} | {bin_row['questions']} |" in text
    assert "What became" not in _markdown(run, rows[:1])
    assert "each voter" not in text  # there is none but the policy


def test_report_shows_agreement_of_voters(tmp_path: Path) -> None:
    store = memory_store()
    with fake_resources() as resources:
        progress = run_all(fake_config(tmp_path, voters=[{"name": "first", "iteration": 0}]), store, resources)
    run = Run(store, progress.revision())
    rows = run_results(run)["iterations"]
    assert set(rows[-1]["agreement"]) == {"policy", "first"} and rows[0]["agreement"] == {}
    text = _markdown(run, rows)
    assert "## How often each voter's answer is the majority's" in text
    assert f"| first | {rows[-1]['agreement']['first']:.3f} |" in text


def test_curve_is_drawn_with_and_without_reliability(run: Run) -> None:
    rows = run_results(run)["iterations"]
    without_curves = [{**row, "reliability": {}} for row in rows]
    three, two = learning_curve(rows, "heldout"), learning_curve(without_curves, "heldout")
    assert three != two
    # The width of a PNG stands at byte 16: a page is about 900 pixels wide.
    assert {int.from_bytes(png[16:20], "big") for png in (three, two)} == {990}


def test_report_shows_engine_costs(run: Run) -> None:
    rows = run_results(run)["iterations"]
    # One policy of the fake engine for iteration 0, and after each update another.
    assert [row["engine"]["loads"] for row in rows] == [1, 1, 1]
    rows[0]["engine"].update(starts=1, start_seconds=rows[0]["seconds"])
    share = rows[0]["seconds"] / sum(row["seconds"] for row in rows)
    assert f"1 starts took {rows[0]['seconds']:.1f} s, 2 later policies" in _markdown(run, rows)
    assert f"{share:.1%} of the time" in engine_line(rows)
    assert engine_line([{**row, "engine": {}} for row in rows]) == "Starts of the engine were not noted."


def _timing(stage: str, seconds: float, gpu: float | None, started: float = 0.0, **columns: Any) -> dict[str, Any]:
    names = ("engine_start", "engine_load", "trainer_load", "trainer_save", "commit_wait")
    return {
        "stage": stage, "key": stage, "seconds": seconds, "started": datetime.fromtimestamp(started, UTC), "host": "h",
        "process": 1, "on_gpu": True, "gpu_seconds": gpu, **{f"{name}_seconds": 0.0 for name in names}, **columns,
    }  # fmt: skip


def test_waits_of_the_gpu_are_told_apart() -> None:
    timings = pl.DataFrame(
        [
            _timing("sample_responses", 50.0, 40.0, engine_start_seconds=5.0, engine_load_seconds=2.0),
            _timing("vote_rewards", 2.0, 0.0, started=50.0),
            _timing("ppo_update", 20.0, 15.0, started=53.0, trainer_load_seconds=4.0, trainer_save_seconds=1.0),
            _timing("evaluate", 26.0, 25.0, started=73.0, commit_wait_seconds=9.0),
            # Another worker's share of the same stage, and an engine that started while another stage ran.
            _timing("evaluate", 3.0, 3.0, started=74.0),
        ]
    )
    times = _gpu_time(timings)
    assert times == {
        "on_gpu": True,
        "working": 80.0,
        "waits": {
            "starts of the engine": 5.0,
            "the trainer's start and loading": 4.0,
            "prompts, tables and grading": 3.0,
            "loading weights": 2.0,
            "vote_rewards": 2.0,
            "saving the policy": 1.0,
            "outputs being stored": 1.0,
            "steps between stages": 1.0,
        },
    }
    line = gpu_line([{"gpu": times}])
    assert line.startswith("GPU busy 81% of 99.0 s: waited 5.0 s for starts of the engine, 4.0 s for the trainer's")
    assert line.endswith("2.0 s for vote_rewards.") or line.endswith("1.0 s for saving the policy.")
    assert gpu_line([{"gpu": {**times, "on_gpu": False}}]).startswith("Engine and trainer busy 81%")


def test_waits_of_older_runs_are_not_shown() -> None:
    old = pl.DataFrame([{"stage": "evaluate", "seconds": 3.0}])
    assert _gpu_time(old) == {} and gpu_line([{"gpu": {}}, {}]) == ""
    # An iteration that an older version began: the rows of its stages have no such columns.
    mixed = pl.DataFrame(
        [_timing("sample_responses", 9.0, None, on_gpu=None), _timing("evaluate", 4.0, 3.0, process=2)]
    )
    assert _gpu_time(mixed)["working"] == 3.0 and gpu_line([{"gpu": _gpu_time(mixed)}]).startswith("GPU busy 75% of")


def test_waits_are_in_the_report(run: Run) -> None:
    rows = run_results(run)["iterations"]
    busy = gpu_line(rows[-1:])
    assert busy.startswith("Engine and trainer busy ") and busy.split(":")[0] in _markdown(run, rows)


def test_report_shows_breaches(run: Run) -> None:
    rows = run_results(run)["iterations"]
    assert "Watchdog" not in _markdown(run, rows)
    breach = {
        "bound": "kl", "iteration": 1, "branch": 0, "message": "KL is 3", "action": "rollback", "last_good": 0
    }  # fmt: skip
    with_breaches = Run(run.store, run.revision.model_copy(update={"breaches": (breach, {**breach, "branch": 1})}))
    assert "**Watchdog:** iteration 1: KL is 3; went back to iteration 0" in _markdown(with_breaches, rows)
    assert alarms(with_breaches)[1] == "iteration 1 of branch 1: KL is 3; went back to iteration 0"
    assert (
        iteration_results(with_breaches, 1)["alarms"] == alarms(with_breaches)
        and iteration_results(with_breaches, 2)["alarms"] == []
    )


def test_benchmarks_have_prompt_and_intervals(run: Run) -> None:
    results = iteration_results(run, 2)
    ((name, metrics),) = results["benchmarks"].items()
    (row,) = evaluation_rows(results)
    greedy, count = metrics["pass1_greedy"], metrics["pass1_greedy"]["problems"]
    low, high = wilson_interval(greedy["value"], count)
    assert row["greedy pass@1"] == f"{greedy['value']:.3f} {low:.2f}–{high:.2f}"
    assert row["avg@k"].startswith(f"{metrics['pass1_sampled']['value']:.3f} ")
    assert (row["benchmark"], row["prompt"], row["problems"], row["k"]) == (name, "plain", str(count), "8")
    assert row["without seed overlap"] == "–" and row["failed"] == "0.0% / 0.0%"
    clean = {"pass1_greedy": {**greedy, "value": 0.5, "low": 0.1, "high": 0.9, "problems": 4}}
    with_slices = {**results, "slices": {name: {"no_seed_overlap": clean, "level=5": clean}}}
    assert evaluation_rows(with_slices)[0]["without seed overlap"] == "0.500 0.10–0.90 of 4"
    assert [row["part"] for row in slice_rows(with_slices)] == ["level=5", "no_seed_overlap"]
    markdown = _markdown(run, [with_slices])
    assert f"| {name} | {count} | plain |" in markdown and f"| {name} | level=5 | 4 | 0.500 0.10–0.90 |" in markdown
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluation_table(with_slices))
    printed = " ".join(console.export_text().split())
    assert f"prompt plain, {count} problems, k = 8" in printed and "greedy without seed overlap 0.500" in printed
