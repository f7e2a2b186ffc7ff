"""Progress without a progress bar: a line as a stage begins, one now and then, one as it ends."""

import time

import pytest

from flows.stage_lines import Pace, StageLines
from stages.contract import Result, no_progress

DONE = Result(refs={}, metrics={}, skipped=False)


def test_a_short_stage_has_two_lines() -> None:
    lines: list[str] = []
    with StageLines(lines.append, "iteration 2: vote_rewards", "16,384 responses", no_progress) as stage:
        stage.progress("vote_rewards", 1, 2, "")
        stage.done(DONE, "vote/kept 12")
    assert lines == [
        "iteration 2: vote_rewards begins (16,384 responses)",
        "iteration 2: vote_rewards took 0 s: vote/kept 12",
    ]


def test_a_long_stage_says_how_it_goes_even_if_it_reports_nothing() -> None:
    lines: list[str] = []
    passed_on: list[int] = []

    def wait_for(text: str) -> None:
        deadline = time.monotonic() + 30  # a guard against hangs
        while not any(text in line for line in lines) and time.monotonic() < deadline:
            time.sleep(0.01)

    def pass_on(stage: str, done: int, total: int, note: str) -> None:
        passed_on.append(done)

    with StageLines(lines.append, "iteration 2: sample", "", pass_on, seconds_between=0.02) as stage:
        wait_for("no step finished yet")
        stage.progress("sample", 100, 500, "900 tokens/s")
        stage.progress("sample", 300, 500, "900 tokens/s")
        wait_for("300 of 500")
        stage.done(DONE, "")
    assert lines[0] == "iteration 2: sample begins" and lines[1].endswith("no step finished yet, 0 s so far")
    assert any(line == "iteration 2: sample: 300 of 500 · 900 tokens/s · 0 s left" for line in lines)
    assert lines[-1] == "iteration 2: sample took 0 s" and passed_on == [100, 300]


def test_a_stage_that_fails_is_followed_no_further() -> None:
    lines: list[str] = []
    with pytest.raises(ValueError), StageLines(lines.append, "x", "", no_progress, seconds_between=0.01):
        raise ValueError
    count = len(lines)
    time.sleep(0.05)
    assert len(lines) == count


def test_outputs_that_exist_are_told_apart() -> None:
    lines: list[str] = []
    with StageLines(lines.append, "x", "", no_progress) as stage:
        stage.done(Result(refs={}, metrics={}, skipped=True), "")
    assert lines[-1] == "x: its outputs were there already"


def test_the_time_left_counts_this_attempt_only() -> None:
    pace = Pace()
    pace._started -= 10
    pace.update(400, 500, "")
    assert pace.text() == "400 of 500 · 10 s so far"
    pace.update(450, 500, "")
    assert pace.text() == "450 of 500 · 10 s left"
