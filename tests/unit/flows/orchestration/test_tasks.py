"""What the UI is told of a stage that lasts: not often, with speed and time left, and never at the work's expense."""

import uuid
from typing import Any

import httpx
import pytest

import flows.orchestration.tasks
from flows.orchestration.tasks import _ProgressInUi
from stages.contract import no_progress


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(flows.orchestration.tasks, "time", clock)
    return clock


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, str]]:
    """What was made and updated: (how, per cent, text)."""
    found: list[tuple[str, float, str]] = []
    artifact = uuid.uuid4()

    def create(progress: float, description: str) -> uuid.UUID:
        found.append(("create", progress, description))
        return artifact

    def update(which: uuid.UUID, progress: float, description: str) -> None:
        assert which == artifact
        found.append(("update", progress, description))

    monkeypatch.setattr(flows.orchestration.tasks, "create_progress_artifact", create)
    monkeypatch.setattr(flows.orchestration.tasks, "update_progress_artifact", update)
    return found


def test_a_short_stage_has_no_progress_artifact(clock: Clock, told: list[Any]) -> None:
    shown = _ProgressInUi(no_progress)
    for done in range(10):
        shown("vote_rewards", done, 10, "")
        clock.now += 0.4
    shown.finish()
    assert told == []


def test_a_long_one_has_one_that_is_updated_every_few_seconds(clock: Clock, told: list[Any]) -> None:
    heard: list[int] = []
    shown = _ProgressInUi(lambda stage, done, total, note: heard.append(done))
    # An earlier attempt had done 100 of 500; this one does 10 a second and tells every second.
    for second in range(21):
        shown("sample_responses", 100 + 10 * second, 500, "900 tokens/s")
        clock.now += 1
    shown.finish()
    assert heard == [100 + 10 * second for second in range(21)]
    assert [how for how, _, _ in told] == ["create", "update", "update", "update", "update"]
    # After 5 s: 50 of the 400 that were left are done, so the other 350 take 35 s.
    assert told[0] == ("create", 30.0, "150 of 500 · 900 tokens/s · 35 s left")
    assert told[3] == ("update", 60.0, "300 of 500 · 900 tokens/s · 20 s left")
    assert told[-1] == ("update", 100.0, "done in 21 s")


def test_the_longer_it_takes_the_fewer_updates(clock: Clock, told: list[Any]) -> None:
    shown = _ProgressInUi(no_progress)
    for second in range(3_600):
        shown("sample_responses", second, 3_600, "")
        clock.now += 1
    # Every 5 s in the first five minutes; after that a minute apart at most.
    assert 60 < len(told) < 240


def test_a_server_that_does_not_answer_stops_no_work(
    clock: Clock, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fails(**_: Any) -> None:
        tried.append(clock.now)
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(flows.orchestration.tasks, "create_progress_artifact", fails)
    shown = _ProgressInUi(no_progress)
    for _ in range(10):
        clock.now += 10
        shown("evaluate", 1, 2, "")
    shown.finish()
    assert told == [] and tried == [1_010, 1_080]
