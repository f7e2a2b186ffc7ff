"""A run's numbers for TensorBoard and, if the config names them, Weights & Biases and MLflow.

All trackers receive the same numbers. `scalars` computes them from an iteration's tables and metrics once the iteration
is finished. A file in the run's folder, `reports/TRACKER/…`, is the mark that a tracker has received an iteration. A
resumed run therefore logs nothing twice, and a tracker whose server was down receives the missing iterations later.
TensorBoard's mark is the event file of the iteration.
"""

import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flows.config.diff import flatten
from flows.config.tracking import MlflowSettings, TrackerSettings, WandbSettings
from flows.reporting.results import iteration_results
from storage.fingerprint import fingerprint, short
from storage.run import Run

ITERATION, OPTIMISER_STEP = "iteration", "optimiser_step"
_MARK_PREFIXES = {"tensorboard": "events.out.tfevents.", "wandb": "told.", "mlflow": "told."}
"""Tracker -> beginning of the names of its marks. Files in existing runs have these names."""
EVENTS_FOLDER = "reports/tensorboard"
"""Folder of TensorBoard's event files, relative to the run: `tensorboard --logdir RUN/reports/tensorboard`."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """Numbers after an iteration, or after an optimiser step."""

    axis: str
    """Unit of `step`, which counts from the start of the run: ITERATION or OPTIMISER_STEP."""
    step: int
    wall_time: float
    """End of the iteration or of its update, in seconds since the epoch."""
    values: dict[str, float]
    """Numbers by name."""


def scalars(run: Run, iteration: int) -> list[Scalars]:
    """Return the numbers of an iteration's optimiser steps in order, and then those of the iteration itself.

    The stages' metrics keep their names, except that `_` replaces characters that not all trackers accept. Further
    names are `eval/BENCHMARK/METRIC/low` and `/high` (the ends of the 95 % interval), `seconds/STAGE` and `engine/…`.
    """
    results = iteration_results(run, iteration)
    timings = run.table("timings", iteration)
    end_times = (timings["started"].dt.epoch("ms") / 1000 + timings["seconds"]).to_list()
    values = dict(results["metrics"])
    for benchmark, metrics in results["benchmarks"].items():
        for metric, row in metrics.items():
            values |= {f"eval/{benchmark}/{metric}/{end}": row[end] for end in ("low", "high")}
    values |= {f"seconds/{stage}": seconds for stage, seconds in results["seconds_per_stage"].items()}
    values |= {f"engine/{name}": value for name, value in results["engine"].items()}
    steps = list(_optimiser_steps(run, iteration, dict(zip(timings["stage"], end_times, strict=True))))
    return [*steps, Scalars(ITERATION, iteration, max(end_times), _numbers(values))]


def _optimiser_steps(run: Run, iteration: int, end_times: dict[str, float]) -> Iterator[Scalars]:
    if "ppo_update" not in run.manifests(iteration):
        return
    for row in run.table("train_metrics", iteration).sort("step").iter_rows(named=True):
        step = row.pop("step")  # counts over the whole run
        values = _numbers({f"update/{name}": value for name, value in row.items()})
        yield Scalars(OPTIMISER_STEP, step, end_times["ppo_update"], values)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Return the values that were measured, under names that all trackers accept."""
    return {re.sub(r"[^\w\-./]", "_", name): float(value) for name, value in values.items() if value is not None}


class Tracker(Protocol):
    """A destination for the numbers of iterations."""

    def log(self, scalars: Sequence[Scalars]) -> bytes:
        """Log the numbers of an iteration and return the content of its mark."""

    def close(self) -> None:
        """Finish the tracker's run."""


class Trackers:
    """The trackers that a run's settings name. Each is connected when it has an iteration to log."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._factories: dict[str, Callable[[Run], Tracker]] = {}
        if settings.tensorboard:
            self._factories["tensorboard"] = lambda run: _TensorBoard()
        if wandb := settings.wandb:
            self._factories["wandb"] = lambda run: _Wandb(run, wandb)
        if mlflow := settings.mlflow:
            self._factories["mlflow"] = lambda run: _Mlflow(run, mlflow)
        self._connected: dict[str, Tracker] = {}
        self._warned: set[str] = set()

    def report(self, run: Run) -> list[str]:
        """Log to every tracker the iterations that it has not received, and return warnings.

        A tracker that fails does not stop the run. Its first failure gives a warning, and it is tried again after the
        next iteration.
        """
        warnings = []
        for name in self._factories:
            try:
                self._bring_up_to_date(name, run)
            except Exception as error:  # libraries and servers of trackers may raise any error
                if name not in self._warned:
                    self._warned.add(name)
                    reason = " ".join(str(error).split())[:300]
                    warnings.append(
                        f"{name} was not updated ({type(error).__name__}: {reason}); it will be tried again"
                    )
        return warnings

    def close(self) -> None:
        """Finish the runs of all connected trackers; ignore errors."""
        for name, tracker in self._connected.items():
            try:
                tracker.close()
            except Exception:
                self._warned.add(name)

    def _bring_up_to_date(self, name: str, run: Run) -> None:
        existing = set(run.store.names(f"reports/{name}"))
        for iteration in run.iterations:
            # The digest changes if an iteration is done again, after a rollback or with other settings.
            digest = short(fingerprint(sorted(run.revision.iterations[iteration].values())))
            mark = f"{_MARK_PREFIXES[name]}{iteration:06d}.{digest}"
            if mark in existing:
                continue
            if name not in self._connected:
                self._connected[name] = self._factories[name](run)
            run.store.create(f"reports/{name}/{mark}", self._connected[name].log(scalars(run, iteration)))


class _TensorBoard:
    """Makes one event file for each iteration, because a file on S3 cannot be appended to.

    TensorBoard reads the files in the order of their names.
    """

    def log(self, scalars: Sequence[Scalars]) -> bytes:
        """Return the event file."""
        from tensorboardX import SummaryWriter

        with tempfile.TemporaryDirectory() as folder:
            with SummaryWriter(folder) as writer:
                for item in scalars:
                    for name, value in item.values.items():
                        writer.add_scalar(name, value, item.step, walltime=item.wall_time)
            (file,) = Path(folder).iterdir()
            return file.read_bytes()

    def close(self) -> None:
        """Do nothing."""


class _Wandb:
    """Logs to one W&B run, even if the SeRL run is resumed on another machine."""

    def __init__(self, run: Run, settings: WandbSettings) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            name=run.config["name"],
            id=_stored_id(run, "wandb", lambda: uuid.uuid4().hex),
            resume="allow",
            config=dict(run.config),
            settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
        )
        self._run.define_metric("*", step_metric=ITERATION, step_sync=False)
        self._run.define_metric("update/*", step_metric=OPTIMISER_STEP, step_sync=False)

    def log(self, scalars: Sequence[Scalars]) -> bytes:
        """Log the numbers; the mark is an empty file."""
        for item in scalars:
            self._run.log({**item.values, item.axis: item.step})
        return b""

    def close(self) -> None:
        """Finish the W&B run."""
        self._run.finish()


class _Mlflow:
    """Logs to one MLflow run, even if the SeRL run is resumed on another machine."""

    # The most that a server accepts in one request.
    _METRICS_PER_REQUEST = 1_000
    _PARAMS_PER_REQUEST = 100

    def __init__(self, run: Run, settings: MlflowSettings) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        self._client = mlflow.MlflowClient(settings.uri)
        self._id = _stored_id(run, "mlflow", lambda: self._create(run, settings.experiment))
        self._client.update_run(self._id, "RUNNING")

    def _create(self, run: Run, experiment: str) -> str:
        import mlflow

        existing = self._client.get_experiment_by_name(experiment)
        experiment_id = existing.experiment_id if existing else self._client.create_experiment(experiment)
        mlflow_run = self._client.create_run(
            experiment_id, run_name=run.config["name"], tags={"serl.uri": run.store.uri}
        )
        run_id = str(mlflow_run.info.run_id)
        params = [mlflow.entities.Param(name, str(value)[:500]) for name, value in flatten(run.config).items()]
        for start in range(0, len(params), self._PARAMS_PER_REQUEST):
            self._client.log_batch(run_id, params=params[start : start + self._PARAMS_PER_REQUEST])
        return run_id

    def log(self, scalars: Sequence[Scalars]) -> bytes:
        """Log the numbers; the mark is an empty file."""
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, int(item.wall_time * 1000), item.step)
            for item in scalars
            for name, value in item.values.items()
        ]
        for start in range(0, len(metrics), self._METRICS_PER_REQUEST):
            self._client.log_batch(self._id, metrics=metrics[start : start + self._METRICS_PER_REQUEST])
        return b""

    def close(self) -> None:
        """Mark the MLflow run as finished."""
        self._client.set_terminated(self._id)


def _stored_id(run: Run, name: str, make_id: Callable[[], str]) -> str:
    """Return the id under which a tracker knows the run; make it if it is not yet stored in the run's folder."""
    path = f"reports/{name}/id"
    if not run.store.exists(path):
        run.store.create(path, make_id().encode())
    return run.store.read(path).decode()
