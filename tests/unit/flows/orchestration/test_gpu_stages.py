"""A GPU worker keeps its lease on an update until the update is committed, so that no other worker repeats it."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

import flows.gpu_stages
from flows.gpu_stages import _GpuWorkerRunner
from stages.contract import Context, Inputs, Metrics, Stage, Work, WorkerShard
from stages.settings import Settings
from storage.errors import RunBusy, TrainerError
from storage.lease import hold_lease
from storage.store import Store
from tests.commands import HANG_SECONDS
from tests.helpers import fake_resources


@pytest.mark.parametrize("error", [None, TrainerError("the trainer process died")])
def test_the_lease_is_held_until_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    saved = Event()

    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        def finish() -> None:
            assert saved.wait(HANG_SECONDS)
            if error is not None:
                raise error
            work.write_folder("policy", work.scratch)

        work.commit_later({"policy": work.scratch}, finish)
        return {}

    def at_once(execute: Any, stage: Stage, inputs: Any, settings: Settings, context: Context) -> Any:
        return execute(context)

    def is_free() -> bool:
        try:
            with hold_lease(store, "lease-update"):
                return True
        except RunBusy:
            return False

    monkeypatch.setattr(flows.gpu_stages, "run_as_task", at_once)
    update = Stage(name="update", version=1, body=body, folders=("policy",), uses_gpu=True)
    store, owner = Store(str(tmp_path)), SimpleNamespace(check=lambda: None)
    with fake_resources() as resources:
        context = Context(store=store, seed=1, iteration=1, resources=resources, background=True)
        runner = _GpuWorkerRunner(context, WorkerShard(0, 2), owner)  # type: ignore[arg-type]
        result = runner.run(update, {}, Settings())
        assert not result.skipped and not is_free()
        ended = Event()
        resources.commits.then(ended.set)
        saved.set()
        assert ended.wait(HANG_SECONDS)
        assert is_free()
        assert store.exists(result.refs["policy"].path) == (error is None)
