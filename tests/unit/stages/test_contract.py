"""Manifests alone decide what is done: a stage computes once, later calls find its outputs, and none is half done."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Context, Inputs, Metrics, Stage, Work, WorkerShard, find_stage, run_stage, stage_key
from stages.settings import Settings
from stages.settings.compute import Compute
from stages.shared_resources import Resources
from stages.work import input_of_round
from storage.artifact import ArtifactRef, read_manifest
from storage.errors import SchemaMismatch, SerlError, StorageError
from storage.reader import read_table
from storage.store import Store
from storage.tables import decode
from tests.commands import HANG_SECONDS
from tests.helpers import fake_resources, memory_store

SCHEMA = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("seed", pa.int64(), nullable=False)])


class Config(Settings):
    factor: int = 1
    name: str = "x"


class Counted:
    """A stage body that counts its calls: 5 rows, whole or in parts."""

    def __init__(self, sharded: bool = False, die_after: int | None = None) -> None:
        self.calls, self.written = 0, list[tuple[int, range]]()
        self.sharded, self.die_after = sharded, die_after

    def __call__(self, config: Config, inputs: Inputs, work: Work) -> Metrics:
        self.calls += 1
        if not self.sharded:
            work.write("rows", self.rows(range(5), config, work))
        else:
            for part, rows in work.shards("rows", 5):
                if len(self.written) == self.die_after:
                    raise KeyboardInterrupt
                work.write_part("rows", part, self.rows(rows, config, work))
                self.written.append((part, rows))
        return {"rows/count": 5}

    def rows(self, numbers: range, config: Config, work: Work) -> list[dict[str, int]]:
        return [{"row": config.factor * row, "seed": work.seed(row)} for row in numbers]

    @property
    def stage(self) -> Stage:
        return Stage(name="counted", version=1, body=self, tables={"rows": SCHEMA})


def ref(key: str = "k1", kind: str = "accepted", uri: str = "memory://elsewhere") -> ArtifactRef:
    return ArtifactRef(kind=kind, key=key, uri=uri, path="manifests/m.json")


def manifests(context: Context) -> list[str]:
    folder = f"manifests/iteration={context.iteration:04d}"
    return context.store.names(folder)


def test_a_stage_computes_once(context: Context) -> None:
    body = Counted()
    first = run_stage(body.stage, {}, Config(), context)
    second = run_stage(body.stage, {}, Config(), context)
    assert body.calls == 1
    assert (first.skipped, second.skipped) == (False, True)
    assert first.refs == second.refs
    assert first.metrics == second.metrics == {"rows/count": 5}
    assert read_table(second.refs["rows"])["row"].to_list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        lambda stage, inputs, config, context: (stage, inputs, Config(factor=2), context),
        lambda stage, inputs, config, context: (stage, inputs, config, replace(context, seed=4)),
        lambda stage, inputs, config, context: (stage, inputs, config, replace(context, iteration=2)),
        lambda stage, inputs, config, context: (stage, inputs, config, replace(context, branch=1)),
        lambda stage, inputs, config, context: (stage, inputs, config, replace(context, round=2)),
        lambda stage, inputs, config, context: (stage, {"a": ref("k2")}, config, context),
        lambda stage, inputs, config, context: (stage, {"a": ref(kind="bank")}, config, context),
        lambda stage, inputs, config, context: (stage, {"b": ref()}, config, context),
        lambda stage, inputs, config, context: (stage, {**inputs, "b": ref()}, config, context),
        lambda stage, inputs, config, context: (replace(stage, version=2), inputs, config, context),
        lambda stage, inputs, config, context: (replace(stage, name="other"), inputs, config, context),
        lambda stage, inputs, config, context: (replace(stage, folders=("policy",)), inputs, config, context),
        lambda stage, inputs, config, context: (
            replace(stage, tables={"rows": pa.schema([("row", pa.int32())])}), inputs, config, context
        ),
    ],
    ids=[
        *("config", "seed", "iteration", "branch", "round", "input-key", "input-kind", "input-name", "more-inputs"),
        *("version", "name", "folders", "schema"),
    ],
)  # fmt: skip
def test_key_holds_what_gives_outputs_their_meaning(context: Context, change: Callable[..., Any]) -> None:
    before = (Counted().stage, {"a": ref()}, Config(), context)
    assert stage_key(*change(*before)) != stage_key(*before)


def test_first_round_has_the_keys_and_seeds_of_before_rounds(context: Context) -> None:
    """Recorded with the version of this software that had no rounds."""
    stage = Counted().stage
    key = "a2f06027abe86057bfd46baafc785bebf57af203886f4918f38f9efd71f1b933"
    assert stage_key(stage, {}, Config(), context) == key
    assert Work(stage, key, context).seed("sampling", 7) == 9157751359652307182
    assert "round" not in json.loads(
        read_manifest(context.store, run_stage(stage, {}, Config(), context).refs["rows"].path).to_bytes()
    )


def test_inputs_of_all_rounds_are_read_as_one_table(context: Context) -> None:
    refs = {}
    for number in (1, 2, 3):
        body = Counted()
        result = run_stage(body.stage, {}, Config(factor=number), replace(context, round=number))
        refs[input_of_round("rows", number)] = result.refs["rows"]
        assert read_manifest(context.store, result.refs["rows"].path).round == number
    assert list(refs) == ["rows", "rows_2", "rows_3"]
    inputs = Inputs(refs, Work(Counted().stage, "key", context))
    table = inputs.over_rounds("rows")
    assert table.columns == ["round", "row", "seed"] and table["round"].to_list() == [1] * 5 + [2] * 5 + [3] * 5
    assert table["row"].to_list() == [row * number for number in (1, 2, 3) for row in range(5)]
    assert table["seed"].is_unique().all()
    assert inputs.metrics("rows_2") == {"rows/count": 5}


def test_key_ignores_where_a_stage_runs(context: Context, tmp_path: Path) -> None:
    body = Counted()
    with Resources(
        Compute(shard_rows=1, threads=7, max_batch_tokens=9, scratch=tmp_path), "transformers"
    ) as other_resources:
        elsewhere = replace(context, store=Store(str(tmp_path)), resources=other_resources, progress=lambda *_: None)
        assert stage_key(body.stage, {"a": ref()}, Config(), elsewhere) == stage_key(
            body.stage, {"a": ref(uri="s3://elsewhere")}, Config(), context
        )


def test_a_seed_depends_on_run_branch_iteration_stage_and_name(context: Context) -> None:
    stage = Counted().stage
    contexts = [context, *(replace(context, **{name: 9}) for name in ("seed", "branch", "iteration", "round"))]
    seeds = {Work(stage, "key", changed).seed("row", 1) for changed in contexts}
    seeds |= {
        Work(stage, "key", context).seed("row", 2),
        Work(replace(stage, name="other"), "key", context).seed("row", 1),
    }
    assert len(seeds) == 7
    assert Work(stage, "another key", context).seed("row", 1) in seeds


def test_a_failed_body_leaves_no_manifest(context: Context) -> None:
    body = Counted(sharded=True, die_after=0)
    with pytest.raises(KeyboardInterrupt):
        run_stage(body.stage, {}, Config(), context)
    assert manifests(context) == []
    assert find_stage(body.stage, {}, Config(), context) is None
    body.die_after = None
    assert not run_stage(body.stage, {}, Config(), context).skipped
    assert len(manifests(context)) == 1


def test_a_killed_sharded_stage_writes_only_what_is_missing(context: Context, tmp_path: Path) -> None:
    killed, second = Counted(sharded=True, die_after=1), Counted(sharded=True)
    with fake_resources(shard_rows=2) as resources, pytest.raises(KeyboardInterrupt):
        run_stage(killed.stage, {}, Config(), replace(context, resources=resources))
    assert killed.written == [(0, range(2))]
    # Another shard size must not change which rows a part holds.
    with fake_resources(shard_rows=5) as resources:
        result = run_stage(second.stage, {}, Config(), replace(context, resources=resources))
    assert second.written == [(1, range(2, 4)), (2, range(4, 5))]
    assert read_table(result.refs["rows"])["row"].to_list() == [0, 1, 2, 3, 4]


def test_an_interruption_changes_no_digest(context: Context, tmp_path: Path) -> None:
    disturbed = replace(context, store=Store(str(tmp_path / "disturbed")))
    with fake_resources(shard_rows=2) as resources:
        whole = run_stage(Counted(sharded=True).stage, {}, Config(), replace(context, resources=resources))
        with pytest.raises(KeyboardInterrupt):
            run_stage(Counted(sharded=True, die_after=2).stage, {}, Config(), replace(disturbed, resources=resources))
        resumed = run_stage(Counted(sharded=True).stage, {}, Config(), replace(disturbed, resources=resources))
    assert context.store.read(whole.refs["rows"].path) == disturbed.store.read(resumed.refs["rows"].path)


def test_shards_start_with_their_own_parts_and_meet_late() -> None:
    assert WorkerShard().order(4) == [0, 1, 2, 3]
    assert [WorkerShard(index, 2).order(5) for index in range(2)] == [[0, 1, 4, 3, 2], [2, 3, 4, 1, 0]]
    assert [WorkerShard(index, 3).order(3) for index in range(3)] == [[0, 2, 1], [1, 0, 2], [2, 1, 0]]
    assert [WorkerShard(index, 3).order(1) for index in range(3)] == [[0], [0], [0]]


@given(st.integers(1, 9), st.integers(0, 40))
def test_shards_cover_all_parts_and_start_at_different_ones(of: int, parts: int) -> None:
    orders = [WorkerShard(index, of).order(parts) for index in range(of)]
    assert all(sorted(order) == list(range(parts)) for order in orders)
    if parts >= of:
        assert len({order[0] for order in orders}) == of


def test_two_processes_share_the_parts_of_a_stage(context: Context) -> None:
    alone = run_stage(Counted(sharded=True).stage, {}, Config(), replace(context, store=memory_store()))
    bodies, together = [Counted(sharded=True), Counted(sharded=True)], threading.Barrier(2)
    results = []

    def attempt(index: int) -> None:
        def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
            shards = work.shards("rows", 5)
            assert shards.missing
            for number, (part, rows) in enumerate(shards):
                if number < 2:
                    together.wait(timeout=HANG_SECONDS)  # both are at work on a part of theirs
                work.write_part("rows", part, bodies[index].rows(rows, config, work))
                bodies[index].written.append((part, rows))
                if number < 2:
                    together.wait(timeout=HANG_SECONDS)
            assert not shards.missing
            return {"rows/count": 5}

        stage = replace(bodies[index].stage, body=body)
        results.append(
            run_stage(stage, {}, Config(), replace(context, resources=resources, shard=WorkerShard(index, 2)))
        )

    with fake_resources(shard_rows=1) as resources:
        threads = [threading.Thread(target=attempt, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # 0 and 1 are the first's, 2, 3 and 4 the second's; two parts each were done at the same time, 4 by who came first.
    first, second = ([part for part, _ in body.written] for body in bodies)
    assert first[:2] == [0, 1] and second[:2] == [2, 3]
    assert set(first[2:]) | set(second[2:]) == {4}
    assert len(results) == 2 and results[0].refs == results[1].refs
    assert read_table(results[0].refs["rows"]).equals(read_table(alone.refs["rows"]))


def test_parts_are_cut_and_counted_by_hand(context: Context) -> None:
    reported: list[tuple[int, int]] = []
    seen = replace(context, progress=lambda stage, done, total, note: reported.append((done, total)))
    with fake_resources(shard_rows=2) as resources:
        work = Work(Counted().stage, "key", replace(seen, resources=resources))
        shards = work.shards("rows", 5)
        assert shards.ranges == {0: range(2), 1: range(2, 4), 2: range(4, 5)}
        # Row 3 is the first of what is left, and part 1 is cut.
        assert shards.between(3, 5).ranges == {1: range(1), 2: range(1, 2)}
        assert shards.between(0, 2).ranges == {0: range(2)}
        work.write_part("rows", 1, Counted().rows(range(2, 4), Config(), work))
        assert list(shards) == [(0, range(2)), (2, range(4, 5))]
        shards.counting(10)(3, 99)
        shards.counting([1, 2, 3, 4, 5])(3, 99)
    assert reported == [(20 + 3, 50), (3 + 4 + 3, 15)]


def _done_by_another(stage: Stage, context: Context) -> None:
    run_stage(replace(stage, body=Counted()), {}, Config(), replace(context, shard=WorkerShard()))


def test_sharing_process_stops_when_another_has_committed(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.work._SECONDS_BETWEEN_CHECKS", 0.0)
    shared = replace(context, shard=WorkerShard(1, 2))

    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        work.progress(1, 5)
        _done_by_another(stage, context)
        work.progress(2, 5)
        raise AssertionError("the stage did not stop")

    stage = replace(Counted().stage, body=body)
    result = run_stage(stage, {}, Config(), shared)
    assert read_table(result.refs["rows"]).height == 5 and result.metrics == {"rows/count": 5}
    # The time that it spent is recorded all the same.
    assert len(context.store.names("timings/iteration=0001")) == 2


def test_error_is_ignored_if_another_process_has_committed(context: Context) -> None:
    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        if calls.append(1) or len(calls) > 1:
            _done_by_another(stage, context)
        raise OSError("the disk is full")

    calls: list[int] = []
    stage = replace(Counted().stage, body=body)
    with pytest.raises(OSError, match="full"):
        run_stage(stage, {}, Config(), replace(context, shard=WorkerShard(1, 2)))
    assert run_stage(stage, {}, Config(), replace(context, shard=WorkerShard(1, 2))).metrics == {"rows/count": 5}


def test_error_of_a_lone_process_is_always_raised(context: Context) -> None:
    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        _done_by_another(stage, context)
        raise OSError("the disk is full")

    stage = replace(Counted().stage, body=body)
    with pytest.raises(OSError, match="full"):
        run_stage(stage, {}, Config(), context)


def test_a_forgotten_output_is_named(context: Context) -> None:
    stage = replace(Counted().stage, folders=("policy",))
    with pytest.raises(StorageError, match="the stage wrote no policy"):
        run_stage(stage, {}, Config(), context)
    assert manifests(context) == []


def test_an_undeclared_output_is_a_clear_error(context: Context) -> None:
    """It was a bare KeyError."""

    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        work.write("nowhere_declared", [])
        return {}

    with pytest.raises(StorageError, match="nowhere_declared"):
        run_stage(Stage(name="s", version=1, body=body), {}, Config(), context)


def test_rows_of_another_schema_are_refused(context: Context) -> None:
    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        work.write("rows", [{"row": 1, "seed": None}])
        return {}

    with pytest.raises(SchemaMismatch, match="column seed holds 1 nulls"):
        run_stage(Stage(name="s", version=1, body=body, tables={"rows": SCHEMA}), {}, Config(), context)
    assert manifests(context) == []


def test_metric_that_is_not_finite_is_a_clear_error(context: Context) -> None:
    """A diverged update reports NaN, which JSON has not: a bare ValueError after all the work was done."""

    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        return {"train/loss": float("nan")}

    with pytest.raises(SerlError, match="train/loss"):
        run_stage(Stage(name="s", version=1, body=body), {}, Config(), context)


def test_of_two_manifests_the_first_wins(context: Context) -> None:
    """Both attempts pass the look-up before either commits; the outputs of the slower attempt do not count."""
    both_started = threading.Barrier(2)
    refs = []

    def attempt(number: int) -> None:
        def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
            both_started.wait()
            work.write("rows", [{"row": number, "seed": number}])
            return {"attempt": number}

        result = run_stage(Stage(name="raced", version=1, body=body, tables={"rows": SCHEMA}), {}, Config(), context)
        refs.append((result.refs["rows"], result.metrics["attempt"]))

    threads = [threading.Thread(target=attempt, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refs) == 2 and refs[0] == refs[1]
    assert read_table(refs[0][0])["row"].to_list() == [refs[0][1]]
    assert len(manifests(context)) == 1


def test_a_manifest_says_what_was_read_and_done(context: Context) -> None:
    result = run_stage(Counted().stage, {"a": ref()}, Config(factor=3), context)
    manifest = read_manifest(context.store, result.refs["rows"].path)
    assert manifest.stage == "counted" and manifest.iteration == 1 and manifest.seed == 3 and manifest.branch == 0
    assert manifest.config == {"factor": 3, "name": "x"}
    assert manifest.inputs == {"a": "accepted:k1"}
    assert manifest.outputs["rows"].rows == 5
    assert manifest.outputs["rows"].columns == {"row": "int64", "seed": "int64"}


def test_timings_lie_outside_the_manifest(context: Context) -> None:
    run_stage(Counted().stage, {}, Config(), context)
    (name,) = context.store.names("timings/iteration=0001")
    (row,) = decode(context.store.read(f"timings/iteration=0001/{name}")).to_pylist()
    assert row["stage"] == "counted" and 0 <= row["seconds"] < 60 and row["peak_memory_mib"] > 1


def test_scratch_is_removed_after_a_stage(context: Context) -> None:
    seen = []

    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        seen.append(work.scratch)
        (work.scratch / "file").write_text("x")
        if len(seen) == 1:
            raise KeyboardInterrupt
        return {}

    stage = Stage(name="s", version=1, body=body)
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage, {}, Config(), context)
    run_stage(stage, {}, Config(), context)
    assert seen[0] != seen[1]
    assert not any(folder.exists() for folder in seen)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_part_is_found_before_it_is_skipped(context: Context, tmp_path: Path, damage: str) -> None:
    context = replace(context, store=Store(str(tmp_path / "run")))
    result = run_stage(Counted().stage, {}, Config(), context)
    manifest = read_manifest(context.store, result.refs["rows"].path)
    part = tmp_path / "run" / manifest.outputs["rows"].files[0].path
    part.write_bytes(part.read_bytes()[:-1]) if damage == "cut" else part.unlink()
    with pytest.raises(StorageError, match=f"{part.name} (is damaged|does not exist).*serl repair"):
        run_stage(Counted().stage, {}, Config(), context)


def test_an_imported_folder_that_moved_is_a_clear_error(context: Context, tmp_path: Path) -> None:
    """The key holds the folder's content, the manifest its old place: FileNotFoundError."""

    def body(config: Config, inputs: Inputs, work: Work) -> Metrics:
        work.import_folder("policy", tmp_path / "model")
        return {}

    context = replace(context, store=Store(str(tmp_path / "run")))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"12345")
    stage = Stage(name="s", version=1, body=body, folders=("policy",))
    run_stage(stage, {}, Config(), context)
    (tmp_path / "model").rename(tmp_path / "moved")
    with pytest.raises(StorageError, match="model/weights"):
        run_stage(stage, {}, Config(), context)
