"""All trackers receive the same numbers, each once, and none of them stops a run."""

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import flows.reporting.trackers
from flows.config.run import RunConfig
from flows.config.tracking import MlflowSettings, TrackerSettings, WandbSettings
from flows.preflight.checks import check_inputs
from flows.reporting.trackers import EVENTS_FOLDER, ITERATION, OPTIMISER_STEP, Trackers, scalars
from flows.run_loop import run_locally
from flows.stage_settings import resolve
from storage.errors import InputError
from storage.run import Run, open_run
from tests.helpers import fake_config

Numbers = dict[tuple[str, int], float]
SECRET = "5ecre7" * 6 + "abcd"


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return fake_config(tmp_path, iterations=2)


@pytest.fixture
def run(config: RunConfig) -> Run:
    run_locally(config)
    return open_run(config.uri)


@pytest.fixture
def wandb_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder to which W&B writes in offline mode."""
    pytest.importorskip("wandb")
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", str(tmp_path)), ("WANDB_API_KEY", SECRET)):
        monkeypatch.setenv(name, value)
    return tmp_path / "wandb"


def expected_numbers(run: Run) -> Numbers:
    """Return the values of all iterations by (name, step)."""
    items = [item for number in run.iterations for item in scalars(run, number)]
    return {(name, item.step): value for item in items for name, value in item.values.items()}


def in_tensorboard(run: Run) -> Numbers:
    """Return the values that TensorBoard reads from all event files; these have single precision."""
    multiplexer = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    events = multiplexer.EventMultiplexer().AddRunsFromDirectory(f"{run.store.uri}/{EVENTS_FOLDER}")
    events.Reload()
    numbers: Numbers = {}
    for name, tags in events.Runs().items():
        for tag in tags["scalars"]:
            for event in events.Scalars(name, tag):
                assert (tag, event.step) not in numbers, "logged twice"
                numbers[tag, event.step] = event.value
    return numbers


def log_records(data: bytes) -> Iterator[bytes]:
    """Return the records of a log in LevelDB's format.

    A log consists of blocks of 32 KiB. Before each record are its checksum, length and type. The first block begins
    with 7 bytes of W&B.
    """
    whole, first, middle, last = 1, 2, 3, 4
    offset, parts = 7, b""
    while len(data) - offset >= 7:
        if 32_768 - offset % 32_768 < 7:  # no further record fits into this block
            offset += 32_768 - offset % 32_768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, offset)
        parts += data[offset + 7 : offset + 7 + length]
        offset += 7 + length
        assert kind in (whole, first, middle, last)
        if kind in (whole, last):
            yield parts
            parts = b""


def in_wandb(folder: Path) -> Iterator[dict[str, float]]:
    """Return the rows of all offline runs in `folder`, in the order in which they were logged."""
    from wandb.proto.wandb_internal_pb2 import Record

    for file in sorted(folder.glob("offline-run-*/*.wandb")):
        for data in log_records(file.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                names = {item.key or item.nested_key[0]: float(item.value_json) for item in record.history.item}
                yield {name: value for name, value in names.items() if not name.startswith("_")}


def in_mlflow(uri: str) -> Numbers:
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(uri)
    (mlflow_run,) = client.search_runs([client.get_experiment_by_name("serl").experiment_id])
    numbers: Numbers = {}
    for name in mlflow_run.data.metrics:
        for metric in client.get_metric_history(mlflow_run.info.run_id, name):
            assert (name, metric.step) not in numbers, "logged twice"
            numbers[name, metric.step] = metric.value
    return numbers


def test_scalars_have_metrics_intervals_and_steps(run: Run) -> None:
    steps, iterations = ([], [])  # type: ignore[var-annotated]
    for number in run.iterations:
        *before, last = scalars(run, number)
        assert all(item.axis == OPTIMISER_STEP for item in before) and last.axis == ITERATION
        steps += before
        iterations.append(last)
    assert [item.step for item in iterations] == [0, 1, 2]
    assert [item.step for item in steps] == list(range(1, len(steps) + 1)) and len(steps) >= 2
    values = iterations[2].values
    for name, value in run.metrics(2).items():
        assert value is None or values[name.replace("@", "_")] == value
    (row,) = run.table("results", 2).filter(metric="pass1_greedy", slice="all").iter_rows(named=True)
    interval = [values[f"eval/sums/pass1_greedy{end}"] for end in ("", "/low", "/high")]
    assert interval == [row["value"], row["low"], row["high"]] and row["low"] < row["high"]
    assert values["engine/loads"] >= 1 and values["seconds/vote_rewards"] > 0
    losses = run.table("train_metrics").sort("iteration", "step")["loss"].to_list()
    assert [item.values["update/loss"] for item in steps] == losses
    times = [item.wall_time for item in iterations]
    assert times == sorted(times)


@pytest.mark.slow
def test_three_trackers_receive_the_same(run: Run, wandb_folder: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    settings = TrackerSettings(wandb=WandbSettings(project="self-play"), mlflow=MlflowSettings(uri=uri))
    trackers = Trackers(settings)
    assert trackers.report(run) == []
    trackers.close()
    expected = expected_numbers(run)
    assert len(expected) > 150
    assert in_tensorboard(run) == pytest.approx(expected, rel=1e-6)
    assert in_mlflow(uri) == expected
    rows = list(in_wandb(wandb_folder))
    logged = {
        (name, int(row[axis])): value
        for row in rows
        for axis in {ITERATION, OPTIMISER_STEP} & row.keys()
        for name, value in row.items()
        if name != axis
    }
    assert logged == expected
    # A second process logs nothing again, and the runs of the trackers stay the same.
    resumed = Trackers(settings)
    assert resumed.report(open_run(run.store.uri)) == []
    resumed.close()
    assert len(in_mlflow(uri)) == len(expected) and list(in_wandb(wandb_folder)) == rows
    for file in Path(run.store.uri).rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_new_and_repeated_iterations_are_logged(config: RunConfig) -> None:
    run_locally(config.model_copy(update={"iterations": 1}))
    assert Trackers(config.trackers).report(open_run(config.uri)) == []
    folder = Path(config.uri) / EVENTS_FOLDER
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before) == 2
    run_locally(config)
    Trackers(config.trackers).report(open_run(config.uri))
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.items() <= after.items() and len(after) == 3
    changed = config.model_copy(update={"sample": config.sample.model_copy(update={"responses": 6})})
    run_locally(changed)
    Trackers(config.trackers).report(open_run(config.uri))
    names = sorted(path.name.rsplit(".", 1)[0] for path in folder.iterdir())
    assert names == [f"events.out.tfevents.{number:06d}" for number in (0, 1, 1, 2, 2)]


def test_failing_tracker_warns_once_and_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Flaky:
        def log(self, scalars: list[flows.reporting.trackers.Scalars]) -> bytes:
            if len(calls) < 3:
                calls.append(-1)
                raise ConnectionError("no route\nto host")
            calls.append(scalars[-1].step)
            return b""

        def close(self) -> None:
            raise ConnectionError

    monkeypatch.setattr(flows.reporting.trackers, "_Mlflow", lambda run, settings: Flaky())
    trackers = Trackers(TrackerSettings(tensorboard=False, mlflow=MlflowSettings(uri="http://nowhere")))
    (warning,) = trackers.report(run)
    assert warning == "mlflow was not updated (ConnectionError: no route to host); it will be tried again"
    assert trackers.report(run) == [] and trackers.report(run) == [] and calls == [-1, -1, -1]
    assert trackers.report(run) == [] and calls[3:] == [0, 1, 2]
    trackers.close()


def test_password_in_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_PASSWORD"):
        MlflowSettings(uri="https://me:secret@mlflow.example")


def test_missing_package_is_reported_before_the_run(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else find_spec(name))
    with_wandb = config.model_copy(update={"trackers": TrackerSettings(wandb=WandbSettings(project="p"))})
    with pytest.raises(InputError, match=r"trackers.wandb: wandb is not installed here; pip install 'serl\[wandb\]'"):
        check_inputs(resolve(with_wandb))
    check_inputs(resolve(config))
