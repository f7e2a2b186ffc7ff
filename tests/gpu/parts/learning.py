"""Part `learning`: does a real model learn from votes alone? Runs an arm of configs/gsm8k-0.5b.yaml.

The run is evaluated before and after, and ends early enough for the second evaluation. It goes on with the next call.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.preflight.checks import check_inputs
from flows.run_loop import run_iterations
from flows.run_progress import RunProgress, find_finished
from stages.contract import Progress
from stages.evaluate import EVALUATE
from stages.shared_resources import Resources
from storage.lease import hold_lease
from storage.run import Run, newest_revision, open_run
from storage.store import Store
from tests.commands import REPOSITORY
from tests.gpu import learning
from tests.gpu.policies import TINY_POLICY
from tests.gpu.questions import write_benchmark, write_gsm8k, write_seeds
from tests.gpu.record import Record
from tests.tiny_models import PARITY

CONFIGS = {
    "majority": "gsm8k-0.5b.yaml",
    "random": "gsm8k-0.5b-random.yaml",
    "verified": "gsm8k-0.5b-verified.yaml",
}
RAM_DISK = Path("/dev/shm")
RAM_DISK_GIB = 24.0
"""Free space that a run of half a billion parameters needs there: two trainer states, policies and scratch files."""
MARGIN = 1.2
"""Times longer than measured that a pass and an evaluation are expected to take."""
REPORT_SECONDS = {False: 20.0, True: 8.0}
"""By `small`: kept back for the report and for closing the engine."""
FIRST_PASS_SECONDS = {False: 60.0, True: 10.0}
"""By `small`: expected of a first pass, in addition to half the time of an evaluation; the trainer starts in it."""


def run(record: Record) -> None:
    record.unfinished("it was ended on the way")
    root = root_of(record)
    config = config_of(record, root)
    with record.measuring("the run"):
        _train(record, config)
    if newest_revision(Store(config.uri)) is None:
        return  # nothing to report but the error
    passes = _report(record, config)
    _keep_tables(record, Path(config.uri))
    if passes == config.iterations:
        record.unfinished(None)
        shutil.rmtree(root)  # the tables are kept
    else:
        record.unfinished(f"{passes} of {config.iterations} passes")
        record.figure("goes_on_in", str(root))
    if record.small:
        record.leave_out("whether a model learns", "it needs a real model, more questions and a GPU")


# The settings.


def root_of(record: Record) -> Path:
    """Return the folder of the run, the same for all calls: on the RAM disk if it has room, or else in the part's."""
    in_part = record.folder / "root"
    if record.small or in_part.is_dir():
        return in_part
    name = hashlib.sha256(f"{record.folder}".encode()).hexdigest()[:12]
    folder = RAM_DISK / f"serl-learning-{name}"
    if folder.is_dir():
        return folder
    if not (RAM_DISK.is_dir() and os.access(RAM_DISK, os.W_OK)):
        record.leave_out("the RAM disk", f"{RAM_DISK} cannot be written")
    elif (free := shutil.disk_usage(RAM_DISK).free / 2**30) < RAM_DISK_GIB:
        record.leave_out("the RAM disk", f"{free:.0f} GiB are free in {RAM_DISK}, and {RAM_DISK_GIB:.0f} are needed")
    else:
        return folder
    return in_part


def config_of(record: Record, root: Path) -> RunConfig:
    """Return the config of the arm, with this machine's folders and files, and made small if it has to be."""
    options = record.options
    (root / "scratch").mkdir(parents=True, exist_ok=True)
    tiny = options.model == options.out / TINY_POLICY
    if tiny:
        questions, benchmark = write_seeds(record.folder, coded=True), write_benchmark(record.folder, 6)
    else:
        questions, benchmark = write_gsm8k(record.folder, options.data, (24, 4) if record.small else None)
    settings: dict[str, Any] = {
        "root": str(root),
        "engine": options.engine,
        "policy.model": str(options.model),
        "dataset.path": str(questions),
        "seeds.path": str(questions),
        "evaluate.benchmarks": [{"name": "gsm8k", "path": str(benchmark)}],
        "compute.scratch": str(root / "scratch"),
        "compute.trainer.checkpoints": str(root / "checkpoints"),
        # A run that is stopped has no second evaluation. What the watchdog sees is reported.
        "watchdog.on_breach": "warn",
        "keep.trainer_states": 1,
        "keep.policies": {"last": 1, "every": None},
        **(_small(record, tiny) if record.small else {}),
    }
    path = REPOSITORY / "configs" / CONFIGS[options.arm]
    return load_config(path, [f"{name}={json.dumps(value)}" for name, value in settings.items()])


def _small(record: Record, tiny: bool) -> dict[str, Any]:
    """Return the settings of the small form: everything happens, with few tokens."""
    tokens = 24 if tiny else 32
    settings = {
        "iterations": 2,
        "generate.questions": 4 if tiny else 3,
        "sample.responses": 4,
        "sample.max_tokens": tokens,
        "evaluate.protocol.max_tokens": tokens,
        # Nearly all responses are cut off, and few have a majority.
        "answers.count_truncated": True,
        "update.overlong": "keep",
        "vote": {"min_reward": 0.0, "max_reward": 1.0},
        "update.batch_responses": 8,
        "compute.vllm": {"cache_gib": 0.1, "max_model_tokens": 2_048},
        "compute.trainer.dtype": "float32",
        "compute.trainer.micro_batch_tokens": "auto",
    }
    if tiny:
        kind = record.folder / "parity.py"  # reads an answer in every response, so that a random policy has votes too
        kind.write_text(PARITY)
        settings |= {"answers.kind": f"{kind}:PARITY", "sample.prompt": "boxed", "evaluate.protocol.prompt": "boxed"}
    return settings


# The run.


def fits(record: Record, pass_seconds: float, evaluation_seconds: float) -> bool:
    """Return whether a pass, the evaluation after it and the report can be done in the time that is left."""
    needed = MARGIN * (pass_seconds + evaluation_seconds) + REPORT_SECONDS[record.small]
    return needed <= record.seconds_left()


def _train(record: Record, config: RunConfig) -> None:
    """Do the passes that there is time for, and evaluate the last one."""
    store = Store(config.uri)
    with hold_lease(store), Resources(config.compute, config.engine) as resources:
        progress = find_finished(config, store)
        check_inputs(progress.resolved)
        first_call = progress.finished == 0
        if first_call:
            record.note("evaluation of the starting policy")
            _advance(record, config, 0, resources)
        run, passes = open_run(config.uri), max(0, progress.finished - 1)
        evaluation = _evaluation_seconds(run)
        expected = _seconds_of_last_pass(run, passes) or FIRST_PASS_SECONDS[record.small] + evaluation / 2
        if not first_call:
            expected += _start_seconds(run)  # the engine starts in the pass
        while passes < config.iterations and fits(record, expected, evaluation):
            passes += 1
            started = time.time()
            record.note(f"pass {passes} of {config.iterations}")
            _advance(record, config, passes, resources)
            expected = time.time() - started
            record.figure(f"pass {passes}", _figures_of_pass(open_run(config.uri), passes, expected))
        if passes < config.iterations:
            record.leave_out(
                f"{config.iterations - passes} of {config.iterations} passes",
                f"{record.seconds_left():.0f} s are left, a pass takes {expected:.0f} and an evaluation "
                f"{evaluation:.0f}; the next call with the same --out goes on",
            )
        if 0 < passes < config.iterations:
            record.note(f"evaluation after pass {passes}")
            _advance(record, config.model_copy(update={"iterations": passes}), passes, resources)
        record.note("the engine is closed")


def _advance(record: Record, config: RunConfig, iteration: int, resources: Resources) -> None:
    """Run everything that is missing up to an iteration. The config's last iteration is evaluated."""
    store = Store(config.uri)
    progress: RunProgress = find_finished(config, store)
    run_iterations(
        progress, store, resources, finished_target=iteration + 1, stage_progress=lambda number: _notes(record, number)
    )


def _notes(record: Record, iteration: int) -> Progress:
    """Return a callback that notes each stage of an iteration when it begins."""
    noted: set[str] = set()

    def note(stage: str, done: int, total: int, text: str) -> None:
        if stage not in noted:
            noted.add(stage)
            record.note(f"iteration {iteration}: {stage}")

    return note


def _evaluation_seconds(run: Run) -> float:
    """Return how long the newest evaluation took, without the engine's start."""
    rows = run.table("timings").filter(stage=EVALUATE.name).sort("iteration")
    return float(rows["seconds"][-1] - rows["engine_start_seconds"][-1])


def _start_seconds(run: Run) -> float:
    """Return how long the engine took to start in an earlier call."""
    return float(run.table("timings")["engine_start_seconds"].max())  # type: ignore[arg-type]


def _seconds_of_last_pass(run: Run, passes: int) -> float | None:
    """Return how long the last pass took in an earlier call, None if there was none."""
    if passes == 0:
        return None
    rows = run.table("timings", passes)
    return float(rows.filter(rows["stage"] != EVALUATE.name)["seconds"].sum())


def _figures_of_pass(run: Run, iteration: int, seconds: float) -> dict[str, Any]:
    metrics = run.metrics(iteration)
    names = {
        "draw/questions": "questions", "vote/kept": "kept", "vote/mean_share": "vote_share",
        "vote/unanswered_share": "unanswered", "train/optimiser_steps": "optimiser_steps",
        "train/behaviour_gap": "gap_to_engine", "sample/tokens": "tokens",
    }  # fmt: skip
    return {"seconds": seconds, **{name: metrics[key] for key, name in names.items() if metrics.get(key) is not None}}


# The report.


def _report(record: Record, config: RunConfig) -> int:
    """Record what the evaluations say; return the number of finished passes."""
    run = open_run(config.uri)
    passes = max(run.iterations)
    evaluated = [number for number in run.iterations if EVALUATE.name in run.manifests(number)]
    evaluations = [learning.evaluation_of(run, number) for number in sorted({evaluated[0], evaluated[-1]})]
    record.figure("passes", f"{evaluated[-1]} of {config.iterations}")
    for name, value in learning.figures(evaluations):
        record.figure(name, value)
    seconds = run.table("timings").select("stage", "seconds").group_by("stage").sum().sort("stage").rows()
    record.figure("stage_s", {stage: round(total, 1) for stage, total in seconds})
    record.figure("alarms", [breach["message"] for breach in run.revision.breaches] or "none")
    if passes == 0:
        record.leave_out("the gain", "no pass is finished")
    else:
        record.check("evaluated_before_and_after", len(evaluations) == 2, evaluated, "iteration 0 and a later one")
        updates = [number for number in run.iterations if run.metrics(number).get("train/optimiser_steps")]
        record.check("the_policy_is_updated", bool(updates), updates, "at least one update")
    learning.keep(record.folder, record.options.arm, evaluated[-1], config.iterations, evaluations)
    return passes


def _keep_tables(record: Record, run_folder: Path) -> None:
    """Copy the run without weights to the part's folder: a RAM disk is gone with the machine."""
    target = record.folder / "run"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run_folder, target, ignore=shutil.ignore_patterns("policy", "trainer_state", "lease"))
    record.figure("tables", str(target))
