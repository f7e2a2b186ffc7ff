"""Progress of long stages in the UI: rare updates with speed and time left, which never stop the work."""

import uuid
from typing import Any

import httpx
import pytest

import flows.orchestration.tasks
import flows.stage_lines
from flows.orchestration.tasks import _ProgressInUi
from stages.contract import no_progress


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
