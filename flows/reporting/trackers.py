"""A run's numbers for TensorBoard, and by config for Weights & Biases and MLflow: all three are told the same.

What an iteration has to tell is made of its tables and metrics alone (`scalars`), once it is finished. A mark in the
run's folder, `reports/TRACKER/…`, says that a tracker has been told; so a resumed run tells nothing twice, and what a
tracker missed while its server was away it is told with the next iteration. TensorBoard's mark is its event file.
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
_MARKS = {"tensorboard": "events.out.tfevents.", "wandb": "told.", "mlflow": "told."}
"""What the names of the marks begin with."""
EVENTS = "reports/tensorboard"
"""Where event files lie, relative to the run: `tensorboard --logdir RUN/reports/tensorboard`."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """Numbers of one moment: after an iteration, or after an optimiser step of it."""

    axis: str
    # ITERATION or OPTIMISER_STEP: what `step` counts, over the whole run.
    step: int
    wall_time: float
    # Seconds since 1970.
    values: dict[str, float]


def scalars(run: Run, iteration: int) -> list[Scalars]:
    """All that an iteration has to tell: its optimiser steps in order, then the iteration itself.

    The stages' metrics have their own names, with `_` for characters that not all trackers take; besides there are
    `eval/BENCHMARK/METRIC/low` and `/high`, the ends of the 95 % interval, `seconds/STAGE` and `engine/…`.
    """
    results = iteration_results(run, iteration)
    timings = run.table("timings", iteration)
    ended = (timings["started"].dt.epoch("ms") / 1000 + timings["seconds"]).to_list()
    values = dict(results["metrics"])
    for benchmark, metrics in results["benchmarks"].items():
        for metric, row in metrics.items():
            values |= {f"eval/{benchmark}/{metric}/{end}": row[end] for end in ("low", "high")}
    values |= {f"seconds/{stage}": seconds for stage, seconds in results["seconds_per_stage"].items()}
    values |= {f"engine/{name}": value for name, value in results["engine"].items()}
    steps = list(_optimiser_steps(run, iteration, dict(zip(timings["stage"], ended, strict=True))))
    return [*steps, Scalars(ITERATION, iteration, max(ended), _numbers(values))]


def _optimiser_steps(run: Run, iteration: int, ended: dict[str, float]) -> Iterator[Scalars]:
    if "ppo_update" not in run.manifests(iteration):
        return
    for row in run.table("train_metrics", iteration).sort("step").iter_rows(named=True):
        step = row.pop("step")  # it counts over the whole run
        values = _numbers({f"update/{name}": value for name, value in row.items()})
        yield Scalars(OPTIMISER_STEP, step, ended["ppo_update"], values)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {re.sub(r"[^\w\-./]", "_", name): float(value) for name, value in values.items() if value is not None}


class Tracker(Protocol):
    """Somebody who is told an iteration's numbers."""

    def tell(self, told: Sequence[Scalars]) -> bytes:
        """Tell them; what the mark of it holds."""

    def close(self) -> None: ...


class Trackers:
    """The trackers that a run's settings name, each connected when there is something to tell it."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._making: dict[str, Callable[[Run], Tracker]] = {}
        if settings.tensorboard:
            self._making["tensorboard"] = lambda run: _TensorBoard()
        if wandb := settings.wandb:
            self._making["wandb"] = lambda run: _Wandb(run, wandb)
        if mlflow := settings.mlflow:
            self._making["mlflow"] = lambda run: _Mlflow(run, mlflow)
        self._made: dict[str, Tracker] = {}
        self._warned: set[str] = set()

    def report(self, run: Run) -> list[str]:
        """Tell every tracker the iterations that it has not been told; warnings, one for each that fails, once.

        A tracker never stops a run: one that fails is told with the next iteration.
        """
        warnings = []
        for name in self._making:
            try:
                self._bring_up_to_date(name, run)
            except Exception as error:  # other people's libraries and servers raise anything
                if name not in self._warned:
                    self._warned.add(name)
                    reason = " ".join(str(error).split())[:300]
                    warnings.append(f"{name} was not told ({type(error).__name__}: {reason}); it will be tried again")
        return warnings

    def close(self) -> None:
        """Say that nothing more comes from this process."""
        for name, tracker in self._made.items():
            try:
                tracker.close()
            except Exception:
                self._warned.add(name)

    def _bring_up_to_date(self, name: str, run: Run) -> None:
        there = set(run.store.names(f"reports/{name}"))
        for iteration in run.iterations:
            # An iteration that was done again, after a rollback or with other settings, is told again.
            digest = short(fingerprint(sorted(run.revision.iterations[iteration].values())))
            mark = f"{_MARKS[name]}{iteration:06d}.{digest}"
            if mark in there:
                continue
            if name not in self._made:
                self._made[name] = self._making[name](run)
            run.store.create(f"reports/{name}/{mark}", self._made[name].tell(scalars(run, iteration)))


class _TensorBoard:
    """A whole event file for each iteration: it can be written to S3, and the next is read after it by name."""

    def tell(self, told: Sequence[Scalars]) -> bytes:
        from tensorboardX import SummaryWriter

        with tempfile.TemporaryDirectory() as folder:
            with SummaryWriter(folder) as writer:
                for one in told:
                    for name, value in one.values.items():
                        writer.add_scalar(name, value, one.step, walltime=one.wall_time)
            (file,) = Path(folder).iterdir()
            return file.read_bytes()

    def close(self) -> None:
        pass


class _Wandb:
    """One W&B run for the SeRL run, also when it is resumed elsewhere."""

    def __init__(self, run: Run, settings: WandbSettings) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            name=run.config["name"],
            id=_kept_id(run, "wandb", lambda: uuid.uuid4().hex),
            resume="allow",
            config=dict(run.config),
            settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
        )
        self._run.define_metric("*", step_metric=ITERATION, step_sync=False)
        self._run.define_metric("update/*", step_metric=OPTIMISER_STEP, step_sync=False)

    def tell(self, told: Sequence[Scalars]) -> bytes:
        for one in told:
            self._run.log({**one.values, one.axis: one.step})
        return b""

    def close(self) -> None:
        self._run.finish()


class _Mlflow:
    """One MLflow run for the SeRL run, also when it is resumed elsewhere."""

    _AT_ONCE = 1_000  # what a server takes

    def __init__(self, run: Run, settings: MlflowSettings) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        self._client = mlflow.MlflowClient(settings.uri)
        self._id = _kept_id(run, "mlflow", lambda: self._create(run, settings.experiment))
        self._client.update_run(self._id, "RUNNING")

    def _create(self, run: Run, experiment: str) -> str:
        import mlflow

        found = self._client.get_experiment_by_name(experiment)
        place = found.experiment_id if found else self._client.create_experiment(experiment)
        made = self._client.create_run(place, run_name=run.config["name"], tags={"serl.uri": run.store.uri})
        params = [mlflow.entities.Param(name, str(value)[:500]) for name, value in flatten(run.config).items()]
        for start in range(0, len(params), 100):  # what a server takes
            self._client.log_batch(made.info.run_id, params=params[start : start + 100])
        return str(made.info.run_id)

    def tell(self, told: Sequence[Scalars]) -> bytes:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, int(one.wall_time * 1000), one.step)
            for one in told
            for name, value in one.values.items()
        ]
        for start in range(0, len(metrics), self._AT_ONCE):
            self._client.log_batch(self._id, metrics=metrics[start : start + self._AT_ONCE])
        return b""

    def close(self) -> None:
        self._client.set_terminated(self._id)


def _kept_id(run: Run, name: str, make: Callable[[], str]) -> str:
    """Under which id a tracker knows the run: made once, and kept in the run's folder for processes that go on."""
    path = f"reports/{name}/id"
    if not run.store.exists(path):
        run.store.create(path, make().encode())
    return run.store.read(path).decode()
