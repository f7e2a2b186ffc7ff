"""The commit of a stage in the background: later stages compute, and write nothing before its manifest is there."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stages.commits import Commits, PartQueue
from stages.contract import Context, Inputs, Metrics, Result, Stage, Work, WorkerShard, find_stage, run_stage
from stages.settings import Settings
from storage.artifact import ArtifactRef, manifest_path
from storage.errors import NotWritable, StageFailed, TrainerError
from storage.reader import read_folder, read_table
from storage.store import Store
from tests.commands import HANG_SECONDS
from tests.helpers import fake_resources

ROWS = pa.schema([pa.field("row", pa.int64(), nullable=False)])


class RecordingStore(Store):
    """A store that lists what it creates, in order."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.created: list[str] = []

    def create(self, path: str, data: bytes) -> bool:
        self.created.append(path)
        return super().create(path, data)

    def create_from_file(self, path: str, source: Path) -> None:
        self.created.append(path)
        super().create_from_file(path, source)


class Update:
    """A stage whose last writes wait for `saved`."""

    def __init__(self) -> None:
        self.saved = threading.Event()
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self, config: Settings, inputs: Inputs, work: Work) -> Metrics:
        self.calls += 1
        folder = (work.memory_folder() or work.scratch) / "policy"
        folder.mkdir()
        (folder / "weights").write_text("new")
        work.write("steps", [{"row": 1}])

        def finish() -> None:
            work.write_folder("policy", folder)
            assert self.saved.wait(HANG_SECONDS)
            if self.error is not None:
                raise self.error

        work.commit_later({"policy": folder}, finish)
        return {"steps": 1}

    @property
    def stage(self) -> Stage:
        return Stage(name="update", version=1, body=self, tables={"steps": ROWS}, folders=("policy",))


class Evaluation:
    """A later stage: reads the policy, and writes a table in parts."""

    def __init__(self, parts: int = 3) -> None:
        self.parts = parts
        self.folder: Path | None = None
        self.weights = ""
        self.computed = threading.Event()

    def __call__(self, config: Settings, inputs: Inputs, work: Work) -> Metrics:
        self.folder = inputs.folder("policy")
        self.weights = (self.folder / "weights").read_text()
        for part, rows in work.shards("grades", self.parts):
            work.write_part("grades", part, [{"row": row} for row in rows])
        self.computed.set()
        grades = work.parts("grades")
        work.write("results", [{"row": grades.height}])
        return {"grades": grades.height}

    @property
    def stage(self) -> Stage:
        return Stage(name="evaluation", version=1, body=self, tables={"grades": ROWS, "results": ROWS})


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Context]:
    """A context that commits in the background, on a store that records."""
    with fake_resources(shard_rows=1) as resources:
        yield Context(
            store=RecordingStore(str(tmp_path / "run")), seed=3, iteration=1, resources=resources, background=True
        )


def update(body: Update, context: Context) -> Result:
    return run_stage(body.stage, {}, Settings(), context)


def evaluate(body: Evaluation, updated: Result, context: Context) -> Result:
    return run_stage(body.stage, {"policy": updated.refs["policy"]}, Settings(), context)


def created(context: Context) -> list[str]:
    assert isinstance(context.store, RecordingStore)
    return context.store.created


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `work`; return its thread and a list that gets its result or its exception."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def test_nothing_is_written_before_the_manifest_of_the_stage_before(here: Context) -> None:
    first, second = Update(), Evaluation()
    updated = update(first, here)
    manifest = updated.refs["policy"].path
    assert not updated.skipped and updated.metrics == {"steps": 1} and not here.store.exists(manifest)
    thread, results = in_thread(lambda: evaluate(second, updated, here))
    assert second.computed.wait(HANG_SECONDS)
    before = [path.split("/")[0] for path in created(here)]
    assert set(before) == {"steps", "policy"}, "a later stage has written"
    first.saved.set()
    thread.join(HANG_SECONDS)
    (result,) = results
    assert result.metrics == {"grades": 3} and read_table(result.refs["grades"])["row"].to_list() == [0, 1, 2]
    after = created(here)[len(before) :]
    assert after[0] == manifest
    assert [path.split("/")[0] for path in after if not path.startswith("timings")] == [
        *("manifests", "grades", "grades", "grades", "grades", "results", "manifests")
    ]
    assert next(path.rsplit("/")[-1] for path in after if path.startswith("grades")) == "plan.json"


def test_a_later_stage_gets_the_folder_that_is_being_committed(here: Context) -> None:
    first, second = Update(), Evaluation(parts=1)
    updated = update(first, here)
    thread, _ = in_thread(lambda: evaluate(second, updated, here))
    assert second.computed.wait(HANG_SECONDS)
    assert second.folder is not None and second.folder.is_relative_to(here.resources.scratch)
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert second.weights == "new"
    assert not second.folder.exists(), "scratch stays after the stage that used it"
    here.resources.commits.wait()
    assert (read_folder(updated.refs["policy"]) / "weights").read_text() == "new"
    third = Evaluation(parts=1)
    evaluate(third, updated, replace(here, iteration=2))
    assert third.folder == read_folder(updated.refs["policy"])


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no folder of main memory")
def test_a_folder_in_main_memory_lasts_until_the_stage_that_reads_it_has_ended(
    here: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store, on another file system, has a copy."""
    with tempfile.TemporaryDirectory(prefix="serl-test-", dir="/dev/shm") as memory:
        monkeypatch.setattr(here.resources, "memory", lambda: Path(memory))
        first, second = Update(), Evaluation(parts=1)
        updated = update(first, here)
        thread, _ = in_thread(lambda: evaluate(second, updated, here))
        assert second.computed.wait(HANG_SECONDS)
        assert second.folder is not None and second.folder.is_relative_to(memory)
        first.saved.set()
        here.resources.commits.wait()
        thread.join(HANG_SECONDS)
        assert second.weights == "new" and os.listdir(memory) == []
        assert (read_folder(updated.refs["policy"]) / "weights").read_text() == "new"
        third = Evaluation(parts=1)
        evaluate(third, updated, replace(here, iteration=2))
        assert third.folder == read_folder(updated.refs["policy"])


def test_main_memory_is_of_no_use_if_later_stages_read_the_store(here: Context, tmp_path: Path) -> None:
    asked = []
    here.resources.memory = lambda: asked.append(tmp_path) or tmp_path  # type: ignore[method-assign, func-returns-value]
    stage = Evaluation().stage
    for context in (replace(here, background=False), replace(here, shard=WorkerShard(0, 2))):
        assert Work(stage, "key", context).memory_folder() is None
    assert asked == []


@pytest.mark.parametrize("error", [None, OSError("the engine died"), KeyboardInterrupt()])
def test_main_memory_is_given_back_when_a_stage_fails(here: Context, tmp_path: Path, error: Exception | None) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    here.resources.memory = lambda: memory  # type: ignore[method-assign]

    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        folder = work.memory_folder()
        assert folder is not None and os.listdir(memory) == [folder.name]
        (folder / "weights").write_text("new")
        if error is not None:
            raise error
        return {}

    with nullcontext() if error is None else pytest.raises(type(error)):
        run_stage(Stage(name="update", version=1, body=body), {}, Settings(), here)
    assert os.listdir(memory) == []


def test_a_folder_of_main_memory_that_the_system_has_removed(here: Context, tmp_path: Path) -> None:
    here.resources.memory = lambda: tmp_path / "removed"  # type: ignore[method-assign]
    assert Work(Evaluation().stage, "key", here).memory_folder() is None


def test_servers_get_committed_folders_alone(here: Context) -> None:
    """They may run on another machine, which does not see this one's scratch folder."""
    here.resources.engine_kind = "server"
    first, second = Update(), Evaluation(parts=1)
    updated = update(first, here)
    thread, results = in_thread(lambda: evaluate(second, updated, here))
    assert not second.computed.wait(0.2)
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert len(results) == 1 and second.folder == read_folder(updated.refs["policy"])


def test_a_table_that_is_being_committed_is_waited_for(here: Context) -> None:
    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        return {"steps": inputs.table("steps").height}

    first = Update()
    updated = update(first, here)
    reader = Stage(name="reader", version=1, body=body)
    thread, results = in_thread(lambda: run_stage(reader, {"steps": updated.refs["steps"]}, Settings(), here))
    time.sleep(0.05)
    assert results == []
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert results[0].metrics == {"steps": 1}


@pytest.mark.parametrize("error", [TrainerError("the trainer process died"), NotWritable("the disk is full")])
def test_an_error_of_the_commit_is_raised_at_the_next_write(here: Context, error: Exception) -> None:
    first, second = Update(), Evaluation()
    first.error = error
    updated = update(first, here)
    thread, results = in_thread(lambda: evaluate(second, updated, here))
    assert second.computed.wait(HANG_SECONDS)
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert results == [error]
    assert {path.split("/")[0] for path in created(here)} == {"steps", "policy"}
    with pytest.raises(type(error), match=str(error)):
        here.resources.commits.wait()
    assert find_stage(first.stage, {}, Settings(), here) is None
    # Another process begins with the stage that was lost.
    with fake_resources(shard_rows=1) as resources:
        first.error = None
        again = replace(here, resources=resources)
        assert evaluate(Evaluation(), update(first, again), again).metrics == {"grades": 3}
    assert first.calls == 2


def test_an_error_of_the_commit_ends_a_stage_that_computes_for_long(here: Context) -> None:
    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        while True:
            work.progress(0, 1)
            time.sleep(0.01)

    first = Update()
    first.error = TrainerError("died")
    update(first, here)
    thread, results = in_thread(lambda: run_stage(Stage(name="long", version=1, body=body), {}, Settings(), here))
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert results == [first.error]


def test_a_second_commit_waits_for_the_first(here: Context) -> None:
    first, second = Update(), Update()
    second.saved.set()
    update(first, here)
    thread, results = in_thread(lambda: update(second, replace(here, iteration=2)))
    time.sleep(0.05)
    assert results == []
    first.saved.set()
    thread.join(HANG_SECONDS)
    here.resources.commits.wait()
    manifests = [path for path in created(here) if path.startswith("manifests")]
    assert ["iteration=0001" in path for path in manifests] == [True, False]


def test_the_manifest_is_the_same_as_without_a_thread(here: Context, tmp_path: Path) -> None:
    body = Update()
    body.saved.set()
    at_once = replace(here, store=Store(str(tmp_path / "at-once")), background=False)
    alone = update(body, at_once)
    assert at_once.store.exists(alone.refs["policy"].path)
    later = update(body, here)
    here.resources.commits.wait()
    assert later == replace(alone, refs=later.refs)
    assert later.refs.keys() == alone.refs.keys()
    path = alone.refs["policy"].path
    assert here.store.read(path) == at_once.store.read(path)


def test_workers_that_share_a_stage_commit_at_once(here: Context) -> None:
    body = Update()
    body.saved.set()
    updated = update(body, replace(here, shard=WorkerShard(0, 2)))
    assert here.store.exists(updated.refs["policy"].path)


def test_outputs_of_another_process_are_not_mixed_with_ours(here: Context) -> None:
    """Another process has committed other weights while later stages used ours."""
    first = Update()
    update(first, here)

    def other(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        work.write("steps", [{"row": 2}])
        (work.scratch / "weights").write_text("other")
        work.write_folder("policy", work.scratch)
        return {"steps": 1}

    with fake_resources() as resources:
        elsewhere = replace(here, resources=resources, background=False)
        run_stage(replace(first.stage, body=other), {}, Settings(), elsewhere)
    first.saved.set()
    with pytest.raises(StageFailed, match="another process has committed update of iteration 1 with other outputs"):
        here.resources.commits.wait()


def test_equal_outputs_of_another_process_count(here: Context) -> None:
    first, same = Update(), Update()
    same.saved.set()
    updated = update(first, here)
    with fake_resources() as resources:
        update(same, replace(here, resources=resources, background=False))
    first.saved.set()
    here.resources.commits.wait()
    assert here.store.exists(updated.refs["policy"].path)


def test_the_end_waits_for_the_commit(here: Context) -> None:
    first = Update()
    threading.Timer(0.1, first.saved.set).start()
    with pytest.raises(ValueError, match="of a later stage"), here.resources:
        updated = update(first, here)
        raise ValueError("of a later stage")
    assert here.store.exists(updated.refs["policy"].path)


def test_a_signal_gives_the_commit_up(here: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.shared_resources.LAST_SECONDS", 0.05)
    first = Update()
    with pytest.raises(KeyboardInterrupt), here.resources:
        updated = update(first, here)
        raise KeyboardInterrupt
    assert not here.resources.scratch.exists()
    first.saved.set()  # too late: files that the manifest would list may be gone
    assert here.resources.commits._thread is not None
    here.resources.commits._thread.join(HANG_SECONDS)
    assert not here.store.exists(updated.refs["policy"].path)
    with pytest.raises(StageFailed, match="stopped before the outputs were committed"):
        here.resources.commits.wait()


def test_a_signal_while_the_end_waits_gives_the_commit_up(here: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Update()
    updated, commits = update(first, here), here.resources.commits

    def interrupted(seconds: float | None = None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(commits._ended, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        here.resources.close()
    assert commits.given_up and not here.resources.scratch.exists()
    first.saved.set()
    assert commits._thread is not None
    commits._thread.join(HANG_SECONDS)
    assert not here.store.exists(updated.refs["policy"].path)


@pytest.mark.parametrize("error", [None, OSError("full")])
def test_an_action_follows_the_commit(error: Exception | None, tmp_path: Path) -> None:
    """The lease on the stage is released when another worker finds the manifest, or has to make it."""
    commits, may_end, done = Commits(), threading.Event(), threading.Event()

    def commit() -> None:
        may_end.wait(HANG_SECONDS)
        if error is not None:
            raise error

    commits.then(done.set)
    assert done.is_set()
    done.clear()
    commits.begin("key", {}, commit, [tmp_path / "scratch"])
    commits.then(done.set)
    assert not done.is_set()
    may_end.set()
    assert done.wait(HANG_SECONDS)


def test_the_end_waits_for_actions_that_follow_the_commit(tmp_path: Path) -> None:
    commits, goes_on, calls = Commits(), threading.Event(), list[str]()
    commits.begin("key", {}, goes_on.wait, [tmp_path / "scratch"])

    def release() -> None:
        time.sleep(0.1)
        calls.append("released")

    commits.then(release)
    goes_on.set()
    commits.close()
    assert calls == ["released"]


def test_a_plan_that_another_process_wrote_meanwhile_is_refused(here: Context) -> None:
    first, second = Update(), Evaluation(parts=4)
    updated = update(first, here)
    thread, results = in_thread(lambda: evaluate(second, updated, here))
    assert second.computed.wait(HANG_SECONDS)
    with fake_resources(shard_rows=3) as resources:
        other = Work(second.stage, _key(second, updated, here), replace(here, resources=resources))
        other.shards("grades", 4)
    first.saved.set()
    thread.join(HANG_SECONDS)
    assert "was written by another process meanwhile" in str(results[0])


def _key(body: Evaluation, updated: Result, context: Context) -> str:
    from stages.contract import stage_key

    inputs: dict[str, ArtifactRef] = {"policy": updated.refs["policy"]}
    return stage_key(body.stage, inputs, Settings(), context)


def test_parts_are_written_in_order_and_errors_come_at_the_next_one() -> None:
    written: list[int] = []
    parts = PartQueue(before=lambda: None)

    def write(number: int) -> Callable[[], None]:
        def act() -> None:
            if number == 3:
                raise NotWritable("the disk is full")
            written.append(number)

        return act

    for number in range(3):
        parts.put(10, write(number))
    parts.flush()
    assert written == [0, 1, 2]
    parts.put(10, write(3))
    with pytest.raises(NotWritable, match="full"):
        parts.flush()
    with pytest.raises(NotWritable, match="full"):
        parts.put(10, write(4))
    parts.close(None)
    assert written == [0, 1, 2]


def test_waiting_parts_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.commits.MOST_WAITING_BYTES", 15)
    may_write = threading.Event()
    parts = PartQueue(before=lambda: assert_(may_write.wait(HANG_SECONDS)))
    parts.put(10, lambda: None)
    parts.put(10, lambda: None)
    thread, _ = in_thread(lambda: parts.put(10, lambda: None))
    thread.join(0.1)
    assert thread.is_alive()
    may_write.set()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()
    parts.flush()
    parts.close(None)


def assert_(value: bool) -> None:
    assert value


def test_finished_parts_are_stored_when_the_body_fails(here: Context) -> None:
    def body(config: Settings, inputs: Inputs, work: Work) -> Metrics:
        for part, rows in work.shards("grades", 2):
            work.write_part("grades", part, [{"row": row} for row in rows])
        raise OSError("the engine died")

    stage = Stage(name="parts", version=1, body=body, tables={"grades": ROWS})
    with pytest.raises(OSError, match="engine"):
        run_stage(stage, {}, Settings(), here)
    assert [path.rsplit("/")[-1] for path in created(here)] == ["plan.json", "part-00000.parquet", "part-00001.parquet"]
    assert not here.store.exists(manifest_path("parts", 1, "x"))


def test_a_system_without_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    commits, parts = Commits(), PartQueue(before=lambda: None)
    with pytest.raises(RuntimeError, match="new thread"):
        commits.begin("key", {}, lambda: None, [tmp_path / "scratch"])
    assert not commits.pending
    commits.close()
    with pytest.raises(RuntimeError, match="new thread"):
        parts.put(1, lambda: None)
    parts.close(None)
