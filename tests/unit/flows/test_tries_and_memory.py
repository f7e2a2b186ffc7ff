"""Runs whose questions are tried first (`filter.answerable`) or drawn by their last votes (`draw.prefer_uncertain`)."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.cli.inspect import print_results
from flows.cli.progress_bar import iteration_line
from flows.config.run import RunConfig
from flows.preflight.description import describe
from flows.reporting.document import report
from flows.reporting.lineage import draw_lineage
from flows.reporting.render import as_markdown
from flows.reporting.results import funnel, iteration_results, run_results
from flows.reporting.sample_questions import sample_questions
from flows.rounds.shortfall import shortfall
from flows.run_loop import run_all
from storage.run import Run
from storage.store import Store
from tests.helpers import fake_config, fake_resources, in_many_starts, memory_store, write_jsonl

TRIED: dict[str, Any] = {"filter": {"answerable": 3}, "iterations": 2}


def config_of(folder: Path, **changes: Any) -> RunConfig:
    benchmarks = {"benchmarks": [{"name": "sums", "domain": "arithmetic", "count": 2}], "protocol": {"samples": 1}}
    return fake_config(folder, **{"evaluate": {**benchmarks, "every": 100}, **changes})


def drawing(folder: Path, count: int, **changes: Any) -> RunConfig:
    rows = [{"question": f"What is {n} times {n + 7}, and what is left of it?"} for n in range(count)]
    seeds = {"path": str(write_jsonl(folder / "many.jsonl", rows))}
    return config_of(folder, instructions="seeds", seeds=seeds, **changes)


def run(config: RunConfig, store: Store | None = None) -> Run:
    store = memory_store() if store is None else store
    with fake_resources(shard_rows=3) as resources:
        return Run(store, run_all(config, store, resources).revision())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tries")


@pytest.fixture(scope="module")
def tried(folder: Path) -> Run:
    return run(config_of(folder, **TRIED))


def test_answerable_questions_have_the_responses_that_they_would_have_anyway(tried: Run, folder: Path) -> None:
    at_once = run(config_of(folder, iterations=1))
    dropped = tried.table("tries", 1).filter(pl.col("decision") == "unanswerable")["question_id"]
    assert 0 < dropped.len() < 8 and at_once.table("accepted", 1).equals(tried.table("accepted", 1))
    for name in ("responses", "rewards", "votes"):
        table = at_once.table(name, 1)
        assert tried.table(name, 1).equals(table.filter(~table["question_id"].is_in(dropped.to_list()))), name
    unpaid = (8 - 3) * dropped.len()
    assert at_once.table("responses", 1).height - tried.table("responses", 1).height == 8 * dropped.len()
    spent = at_once.metrics(1)["sample/tokens"]
    now = tried.metrics(1)["sample/tokens"] + tried.metrics(1)["answerable/tokens"]
    lost = at_once.table("responses", 1).filter(
        pl.col("question_id").is_in(dropped.to_list()) & (pl.col("sample_index") >= 3)
    )
    assert lost.height == unpaid and spent - now == lost["response_ids"].list.len().sum()


def test_without_the_setting_nothing_is_tried_or_remembered(folder: Path) -> None:
    plain = run(config_of(folder, iterations=1))
    assert not {"tries", "answerable", "first_responses", "difficulty"} & set(plain.tables())
    assert "draw" not in plain.config and "answerable" not in plain.config["filter"]
    sampled = plain.manifests(1)["sample_responses"]
    assert set(sampled.inputs) == {"policy", "accepted"} and sampled.inputs["accepted"].startswith("accepted:")


@pytest.mark.slow
def test_the_filter_does_not_run_again_for_other_tries(tried: Run, folder: Path) -> None:
    other = run(config_of(folder, iterations=1, filter={"answerable": 2}))
    for stage, same in (("filter_instructions", True), ("try_questions", False), ("sample_responses", False)):
        assert (tried.manifests(1)[stage].key == other.manifests(1)[stage].key) == same
    more = run(config_of(folder, iterations=1, filter={"answerable": 3}, sample={"responses": 9}))
    assert more.manifests(1)["try_questions"].key == tried.manifests(1)["try_questions"].key


def test_the_funnel_counts_unanswerable_questions(tried: Run) -> None:
    rows = run_results(tried)["iterations"]
    steps = dict(funnel(rows))
    dropped = tried.table("tries").filter(pl.col("decision") == "unanswerable").height
    names = list(steps)
    assert steps["unanswerable"] == -dropped and names.index("unanswerable") == names.index("accepted") + 1
    losses = [count for name, count in steps.items() if names.index(name) > names.index("accepted") and count < 0]
    assert steps["accepted"] + sum(losses) == steps["kept"] == tried.table("votes").filter(decision="kept").height
    console = Console(record=True, file=io.StringIO(), width=80)
    print_results(tried, rows, console)
    (line,) = (line for line in console.export_text().splitlines() if line.startswith("  unanswerable"))
    assert line.split()[1:] == [f"-{dropped}", f"{dropped / steps['candidates']:.1%}"]
    text = as_markdown(report(tried, rows, b""))
    assert "of candidates" in text and "unanswerable" in text
    assert "answerable as accepted" in draw_lineage(tried)
    assert sample_questions(tried, 1)[0]["examples"]


def runs_of_one_stage(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, int]:
    """Let a process end after each stage that it executed; return the finished run and the number of processes."""
    store = memory_store()
    return in_many_starts(lambda: run(config, store), monkeypatch)


def test_a_run_resumes_between_tries_and_samples(tried: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again, starts = runs_of_one_stage(config_of(folder, **TRIED), monkeypatch)
    assert again.revision == tried.revision and starts > 12
    for number in tried.iterations:
        for stage, manifest in tried.manifests(number).items():
            other = again.manifests(number)[stage]
            assert (manifest.outputs, manifest.metrics) == (other.outputs, other.metrics)


@pytest.mark.slow
def test_tries_in_rounds(folder: Path) -> None:
    """Dropped questions are asked no more in the iteration, and count in its metrics and in what it says."""
    done = run(drawing(folder, 30, filter={"answerable": 2}, questions_per_update=9, generate={"questions": 5}))
    for number in (1, 2):
        tries, metrics = done.table("tries", number), done.metrics(number)
        assert tries["question_id"].is_unique().all() and metrics["rounds/count"] > 1
        assert metrics["answerable/asked"] == tries.height == metrics["draw/questions"]
        assert metrics["answerable/dropped"] == tries.filter(pl.col("decision") == "unanswerable").height
        assert metrics["rounds/tokens"] == metrics["answerable/tokens"] + metrics["sample/tokens"]
        assert done.table("votes", number).height == tries.height - metrics["answerable/dropped"]
    few = run(drawing(folder, 12, filter={"answerable": 2}, questions_per_update=11, iterations=1))
    text, dropped = shortfall(1, few.metrics(1)), few.metrics(1)["answerable/dropped"]
    assert f"12 drawn; {dropped} dropped as unanswerable; " in text
    assert "most are lost as unanswerable: change filter.answerable" in text


@pytest.mark.parametrize("changes", [{}, pytest.param({"filter": {"answerable": 2}}, marks=pytest.mark.slow)])
def test_settled_questions_wait(folder: Path, changes: dict[str, Any]) -> None:
    done = run(drawing(folder, 24, iterations=8, draw={"prefer_uncertain": 2}, generate={"questions": 6}, **changes))
    settled_in: dict[str, int] = {}
    asked: set[str] = set()
    for number in range(1, 9):
        questions = done.table("accepted", number)["question_id"].to_list()
        waiting = {name for name, last in settled_in.items() if number - last <= 2}
        assert questions and not waiting & set(questions)
        if number <= 4:
            assert not asked & set(questions)
        asked |= set(questions)
        difficulty = done.table("difficulty", number)
        last = difficulty.filter(pl.col("iteration") == number)
        assert set(last["question_id"]) == set(questions)
        settled = last.filter(~pl.col("share").is_between(0.2, 0.8))["question_id"]
        settled_in = {name: last for name, last in settled_in.items() if name not in questions}
        settled_in |= dict.fromkeys(settled, number)
    assert asked == set(done.table("seeds", 0)["question_id"]) and settled_in


def test_the_first_epoch_is_that_of_a_run_without_memory(folder: Path) -> None:
    plain = run(drawing(folder, 12, generate={"questions": 6}))
    by_votes = run(drawing(folder, 12, generate={"questions": 6}, draw={"prefer_uncertain": 1}))
    for number in (1, 2):
        assert by_votes.table("accepted", number).equals(plain.table("accepted", number))
    assert by_votes.metrics(2)["draw/epoch"] == plain.metrics(2)["draw/epoch"] == 0


def test_a_draw_is_never_empty(folder: Path) -> None:
    """With an impossible gate every question is settled at once; those asked longest ago are drawn, with a line."""
    gate = {"min_reward": 0.99, "max_reward": 0.99}
    config = drawing(
        folder,
        12,
        iterations=4,
        vote=gate,
        draw={"prefer_uncertain": 9},
        generate={"questions": 6},
        watchdog={"on_breach": "warn"},
    )
    done = run(config)
    questions = [done.table("accepted", number)["question_id"].to_list() for number in range(1, 5)]
    assert set(questions[2]) == set(questions[0]) and set(questions[3]) == set(questions[1])
    numbers = [done.metrics(number)["draw/drawn_although_skipped"] for number in range(1, 5)]
    assert numbers == [0, 0, 6, 6]
    results = iteration_results(done, 3)
    assert "6 drawn although their last votes were settled" in iteration_line(results)
    assert "Before iteration(s) 3 the last votes" in as_markdown(report(done, [results], b""))
    console = Console(record=True, file=io.StringIO(), width=200)
    print_results(done, run_results(done)["iterations"], console)
    text = console.export_text()
    assert "Before iteration(s) 3, 4 the last votes" in text and "What became of the drawn questions" in text


@pytest.mark.slow
def test_a_run_with_memory_resumes_at_every_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = drawing(folder, 6, draw={"prefer_uncertain": 1}, questions_per_update=2, generate={"questions": 3})
    whole = run(config)
    again, _ = runs_of_one_stage(config, monkeypatch)
    assert again.revision == whole.revision
    assert again.table("difficulty", 2).equals(whole.table("difficulty", 2))


@pytest.mark.slow
def test_rounds_draw_on_by_the_same_votes(folder: Path) -> None:
    done = run(drawing(folder, 12, draw={"prefer_uncertain": 1}, questions_per_update=6, generate={"questions": 3}))
    for number in (1, 2):
        accepted = done.table("accepted", number)
        assert accepted["question_id"].is_unique().all() and done.metrics(number)["rounds/count"] > 1
        remembered = done.table("difficulty", number).filter(pl.col("iteration") == number)
        assert set(remembered["question_id"]) == set(accepted["question_id"])


def test_serl_check_says_what_is_set(folder: Path) -> None:
    text = describe(drawing(folder, 12, filter={"answerable": 3}, draw={"prefer_uncertain": 2}))
    assert "each question gets 3 of the 8 first; if no two of their answers are equal, the question is dropped" in text
    assert "by their last votes; settled ones not again for 2 iteration(s)" in text
    plain = describe(config_of(folder))
    assert "no two of their answers" not in plain and "settled" not in plain
