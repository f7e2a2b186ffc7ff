"""Part `iteration`: a run of two iterations by `serl run`, killed in the middle of the second one and resumed."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from storage.run import open_run
from tests.commands import REPOSITORY
from tests.gpu import watch
from tests.gpu.questions import write_benchmark, write_seeds
from tests.gpu.record import Record
from tests.kill.check import faults
from tests.tiny_models import PARITY

BUSY_PERCENT = 80.0
ORPHAN_SECONDS = 30.0
"""What a killed run started has to have ended by then."""
SECONDS_TO_RECORD = 10.0
"""Kept back of the part's time, to write down what was measured."""


def run(record: Record) -> None:
    config = write_config(record, record.folder / f"run-{time.time():.0f}", "check")
    run_folder = Path(json.loads(config.read_text())["root"]) / "check"
    first_started = time.time()
    before, reached = _killed_run(record, config, run_folder)
    resumed = time.time()
    record.figure("killed_run_s", resumed - first_started)
    with record.measuring("the first iteration, which was not disturbed"):
        _figures(record, run_folder)
        _busy(record, run_folder)
    if not reached:
        record.leave_out("the resumed run", "the second iteration was not reached")
        return
    record.note("the run is resumed")
    code = _serl(record, config, record.seconds_left() - SECONDS_TO_RECORD)
    ended = time.time()
    record.check("resumed_run_ends_well", code == 0, f"exit code {code}: {_end_of_log(record)}", "exit code 0")
    if code != 0:
        return
    record.figure("resumed_run_s", ended - resumed)
    _check_resumed(record, run_folder, before)
    _figures_of(record, run_folder, 2)


def write_config(record: Record, root: Path, name: str, **more: Any) -> Path:
    """Write the config of a run of two iterations; return the file. Everything lies in `root`."""
    small, options = record.small, record.options
    root.mkdir(parents=True, exist_ok=True)
    tokens = 24 if small else 512
    values: dict[str, Any] = {
        "name": name,
        "root": str(root),
        "iterations": 2,
        "engine": options.engine,
        "seeds": {"path": str(write_seeds(root, coded=small))},
        "policy": {"model": str(options.model)},
        "generate": {
            "questions": 4 if small else 48, "examples": 4, "over_generation": 8 if small else 1.5,
            "max_tokens": 64 if small else 512,
        },
        # A small model writes little that is new or clean: what is tested is the machine, not the method.
        "filter": {"max_similarity": 1.0, "rules": {"use": ["empty", "too_short", "too_long"], "min_words": 1}},
        "sample": {"responses": 4 if small else 16, "prompt": "boxed" if small else "chat_boxed", "max_tokens": tokens},
        "answers": {"count_truncated": True, **({"kind": f"{_parity(root)}:PARITY"} if small else {})},
        "vote": {"min_reward": 0.0, "max_reward": 1.0},
        "update": {"batch_responses": 8 if small else 128, "kl_coef": 0.0},
        "evaluate": {
            "benchmarks": [{"name": "heldout", "path": str(write_benchmark(root, 4 if small else 64))}],
            "protocol": {
                "samples": 1 if small else 4, "prompt": "boxed" if small else "chat_boxed", "max_tokens": tokens,
            },
        },
        "watchdog": {"on_breach": "warn"},
        "compute": {
            "scratch": str(root / "scratch"),
            "shard_rows": 2 if small else 256,
            "vllm": {"cache_gib": 0.1, "max_model_tokens": 1_536} if small else {},
            "trainer": {"dtype": "float32" if small else "bfloat16"},
        },
        **more,
    }  # fmt: skip
    (root / "scratch").mkdir(exist_ok=True)
    if small:
        values["generate"]["max_prompt_tokens"] = values["sample"]["max_prompt_tokens"] = 1_024
    path = root / "config.json"  # YAML too
    path.write_text(json.dumps(values, indent=1))
    return path


def _parity(root: Path) -> Path:
    """Write a kind of answers that reads one in every response, so that a random policy has votes too."""
    path = root / "parity.py"
    path.write_text(PARITY)
    return path


def _command(config: Path) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "run", str(config)]


def _killed_run(record: Record, config: Path, run_folder: Path) -> tuple[dict[str, tuple[int, int]], bool]:
    """Start the run and kill it in its second iteration, or when the time is nearly over.

    Returns the committed files of that moment, and whether the second iteration had begun.
    """
    record.note("the run that will be killed")
    with _log(record).open("ab") as log:
        process = subprocess.Popen(_command(config), cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        target = run_folder / "manifests" / "iteration=0002"
        reached = False
        while process.poll() is None and record.seconds_left() > SECONDS_TO_RECORD and not reached:
            time.sleep(0.02)
            reached = any(path.name.split("-k")[0] == "generate_instructions" for path in target.glob("*.json"))
    finally:
        children = _children(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        code = process.wait()
    seen = f"exit code {code}{'' if reached else f', before the second iteration: {_end_of_log(record)}'}"
    record.check("killed_in_the_second_iteration", reached and code == -signal.SIGKILL, seen, "killed by SIGKILL")
    deadline = time.monotonic() + min(ORPHAN_SECONDS, max(1.0, record.seconds_left() - SECONDS_TO_RECORD))
    while (
        alive := [child for child in children if _lives(child) and not _is_prefect(child)]
    ) and time.monotonic() < deadline:
        time.sleep(0.2)
    names = [_name(child) for child in alive]
    record.check("no_process_outlives_the_kill", not names, names, f"none after {ORPHAN_SECONDS:.0f} s")
    # What is still alive would keep the card's memory from the resumed run.
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    return committed(run_folder), reached


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_prefect(process: psutil.Process) -> bool:
    """Whether a process is Prefect's temporary server, which a killed client leaves behind, and which has no GPU."""
    return "uvicorn" in _name(process) or "prefect" in _name(process)


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:300]
    return str(process.pid)


def committed(run_folder: Path) -> dict[str, tuple[int, int]]:
    """Return every manifest and every file that a manifest lists, with size and time of writing."""
    names: list[str] = []
    for path in run_folder.glob("manifests/*/*.json"):
        names.append(path.relative_to(run_folder).as_posix())
        for output in json.loads(path.read_bytes())["outputs"].values():
            names += [file["path"] for file in output["files"]]  # absolute, if it is not the run's own
    states = {name: (run_folder / name).stat() for name in names if (run_folder / name).exists()}
    return {name: (state.st_size, state.st_mtime_ns) for name, state in states.items()}


def _serl(record: Record, config: Path, seconds: float) -> int:
    with _log(record).open("ab") as log:
        command = _command(config)
        return subprocess.run(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=max(1.0, seconds)
        ).returncode


def _log(record: Record) -> Path:
    return record.folder / "serl.log"


def _end_of_log(record: Record) -> str:
    return " ".join(_log(record).read_text(errors="replace")[-300:].split())


def _check_resumed(record: Record, run_folder: Path, before: dict[str, tuple[int, int]]) -> None:
    run = open_run(str(run_folder))
    record.check("iterations", run.iterations == [0, 1, 2], run.iterations, "[0, 1, 2]")
    after = committed(run_folder)
    # Weights of the trainer that `keep` lets go may be gone; nothing may be written again.
    rewritten = [path for path, state in before.items() if path in after and after[path] != state]
    record.check(
        "committed_files_stay", bool(before) and not rewritten, rewritten[:3] or len(before), "as before the kill"
    )
    wrong = faults(run_folder)
    # What a kill leaves of a part that was being written belongs to no manifest and is removed by the next run.
    record.check("every_digest_is_as_promised", not wrong, wrong[:3], "no fault")
    executions = run.table("timings").group_by("iteration", "stage").len()
    repeated = executions.filter(executions["len"] > 1).select("iteration", "stage").rows()
    record.check("nothing_is_computed_twice", not repeated, [str(row) for row in repeated], "each stage once")


def _figures(record: Record, run_folder: Path) -> None:
    for iteration in (0, 1):
        _figures_of(record, run_folder, iteration)
    gap = open_run(str(run_folder)).metrics(1).get("train/behaviour_gap")
    if gap is not None:
        record.at_most("gap_to_engine", float(gap), 1e-4 if record.small else 0.02)
    else:
        record.check("the_policy_is_updated", False, "no update in iteration 1", "an update")


def _figures_of(record: Record, run_folder: Path, iteration: int) -> None:
    run = open_run(str(run_folder))
    rows = run.table("timings", iteration).select("stage", "seconds").rows()
    record.figure(f"stage_s iteration {iteration}", {stage: round(seconds, 2) for stage, seconds in rows})
    metrics = run.metrics(iteration)
    kept = ("generate/tokens", "filter/accepted", "sample/tokens", "vote/kept", "train/behaviour_gap")
    if values := {name: metrics[name] for name in kept if name in metrics}:
        record.figure(f"metrics iteration {iteration}", values)


def _busy(record: Record, run_folder: Path) -> None:
    """Measure how busy the card was over the first iteration, which was not disturbed."""
    timings = open_run(str(run_folder)).table("timings", 1)
    starts = (timings["started"].dt.epoch("ms") / 1000).to_list()
    ends = [start + seconds for start, seconds in zip(starts, timings["seconds"].to_list(), strict=True)]
    record.figure("iteration_s", max(ends) - min(starts))
    busy = watch.busy_percent(record.options.out, min(starts), max(ends))
    if record.small or busy is None:
        record.leave_out("how busy the GPU is", "it needs a GPU and nvidia-smi")
        return
    record.at_least("gpu_busy_percent", busy, BUSY_PERCENT)
    for stage, start, end in zip(timings["stage"].to_list(), starts, ends, strict=True):
        if (percent := watch.busy_percent(record.options.out, start, end)) is not None:
            record.figure(f"gpu_busy_percent {stage}", percent)
