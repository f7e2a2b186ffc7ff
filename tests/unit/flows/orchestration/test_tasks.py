"""Progress of long stages in the UI: rare updates with speed and time left, which never stop the work."""

import time
import uuid
from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import flows.orchestration.tasks
import flows.stage_lines
from flows.observer import OBSERVER
from flows.orchestration.tasks import _ProgressInUi, run_as_task
from flows.stage_lines import SECONDS_BETWEEN_LINES, StageLines
from stages.contract import Context, Result, Stage, no_progress
from stages.settings import Settings


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (flows.orchestration.tasks, flows.stage_lines):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, str]]:
    """Record the created and updated artifacts as (action, percent, text)."""
    calls: list[tuple[str, float, str]] = []
    artifact = uuid.uuid4()

    def create(progress: float, description: str) -> uuid.UUID:
        calls.append(("create", progress, description))
        return artifact

    def update(artifact_id: uuid.UUID, progress: float, description: str) -> None:
        assert artifact_id == artifact
        calls.append(("update", progress, description))

    monkeypatch.setattr(flows.orchestration.tasks, "create_progress_artifact", create)
    monkeypatch.setattr(flows.orchestration.tasks, "update_progress_artifact", update)
    return calls


def test_short_stage_has_no_progress_artifact(clock: Clock, shown: list[Any]) -> None:
    progress = _ProgressInUi(no_progress)
    for done in range(10):
        progress("vote_rewards", done, 10, "")
        clock.now += 0.4
    progress.finish()
    assert shown == []


def test_long_stage_has_an_artifact_with_updates(clock: Clock, shown: list[Any]) -> None:
    passed_on: list[int] = []
    progress = _ProgressInUi(lambda stage, done, total, note: passed_on.append(done))
    # An earlier attempt did 100 of 500. This one does 10 a second and reports every second.
    for second in range(21):
        progress("sample_responses", 100 + 10 * second, 500, "900 tokens/s")
        clock.now += 1
    progress.finish()
    assert passed_on == [100 + 10 * second for second in range(21)]
    assert [action for action, _, _ in shown] == ["create", "update", "update", "update", "update"]
    # After 5 s, 50 of the remaining 400 are done, so the other 350 take 35 s.
    assert shown[0] == ("create", 30.0, "150 of 500 · 900 tokens/s · 35 s left")
    assert shown[3] == ("update", 60.0, "300 of 500 · 900 tokens/s · 20 s left")
    assert shown[-1] == ("update", 100.0, "done in 21 s")


def test_updates_become_rarer_with_time(clock: Clock, shown: list[Any]) -> None:
    progress = _ProgressInUi(no_progress)
    for second in range(3_600):
        progress("sample_responses", second, 3_600, "")
        clock.now += 1
    # Every 5 s in the first five minutes; after that at least once a minute.
    assert 60 < len(shown) < 240


def test_silent_server_stops_no_work(clock: Clock, shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def fails(**_: Any) -> None:
        attempts.append(clock.now)
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(flows.orchestration.tasks, "create_progress_artifact", fails)
    progress = _ProgressInUi(no_progress)
    for _ in range(10):
        clock.now += 10
        progress("evaluate", 1, 2, "")
    progress.finish()
    assert shown == [] and attempts == [1_010, 1_080]


@pytest.mark.parametrize("has_observer", [True, False])
def test_a_stage_says_the_same_in_the_terminal_and_in_the_log_of_prefect(
    has_observer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    names: list[str] = []

    def task(**options: Any) -> Callable[[Any], Any]:
        names.append(options["task_run_name"])
        return lambda function: function

    def fails(*_: object) -> None:
        raise AssertionError("these lines go elsewhere")

    observer = SimpleNamespace(line=lines.append if has_observer else None)
    logger = SimpleNamespace(info=fails if has_observer else lines.append)
    monkeypatch.setattr(flows.orchestration.tasks, "task", task)
    monkeypatch.setattr(flows.orchestration.tasks, "get_run_logger", lambda: logger)
    defaults = StageLines.__init__.__kwdefaults__
    assert defaults is not None and defaults["seconds_between"] == SECONDS_BETWEEN_LINES == 30
    monkeypatch.setitem(defaults, "seconds_between", 0.01)
    reports: list[tuple[str, int, int, str]] = []
    context = Context(store=None, seed=1, iteration=2, resources=None, progress=lambda *report: reports.append(report))  # type: ignore[arg-type]
    stage = Stage(name="sample", version=1, body=lambda *_: {}, size=lambda settings, rows: "64 responses")
    results = [
        Result(refs={}, metrics={"sample/length": 12.3456789, "sample/cut": None, "sample/tokens": 790}, skipped=False),
        Result(refs={}, metrics={}, skipped=True),
    ]

    def execute(context: Context) -> Result:
        if len(results) == 2:
            context.progress("sample", 16, 64, "900 tokens/s")
            deadline = time.monotonic() + 30  # a guard against hangs
            while not any("16 of 64" in line for line in lines) and time.monotonic() < deadline:
                time.sleep(0.005)
        return results.pop(0)

    def run() -> None:
        OBSERVER.set(observer)  # type: ignore[arg-type]
        for _ in range(2):
            run_as_task(execute, stage, {}, Settings(), context)

    copy_context().run(run)
    often = "iteration 2: sample: "
    assert [line for line in lines if not line.startswith((f"{often}16 of", f"{often}no step"))] == [
        "iteration 2: sample begins (64 responses)",
        "iteration 2: sample took 0 s: sample/length 12.35, sample/tokens 790",
        "iteration 2: sample begins (64 responses)",
        "iteration 2: sample: its outputs were there already",
    ]
    assert f"{often}16 of 64 · 900 tokens/s · 0 s so far" in lines
    assert names == ["iteration 2: sample (64 responses)"] * 2 and reports == [("sample", 16, 64, "900 tokens/s")]
