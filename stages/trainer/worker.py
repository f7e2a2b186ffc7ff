"""The trainer process: does the jobs that appear in a folder, until a job fails or its parent closes it or dies.

    python -m stages.trainer.worker FOLDER      (started by `stages.trainer.launcher`)

FOLDER holds placement.json from the start. The parent writes job-000001.json, job-000002.json, ... and reads
progress.json, result-000001.json, ... and saved-000001.json, ...

A job's result says that policy and metrics are in its output folder, and whether this process ends after the job. Its
`saved` file follows when the trainer state is there too. Meanwhile the parent may go on; the next job waits.

Of several processes, on one node or more, the first reads jobs and writes results; the other processes receive each
job through torch.distributed's store. After a failed job the process ends, because its weights are neither the old
policy nor the new one.
"""

import contextlib
import json
import logging
import os
import select
import socket
import sys
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.01
_NO_TIMEOUT = timedelta(days=3650)


def main(folder: Path) -> int:
    """Do jobs until one fails; return the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings = Warnings()
    logging.getLogger("stages").addHandler(warnings)
    number = 0
    store = None
    try:
        store, rank, world_size = _connect()
        trainer = _start(store, rank, world_size, folder)
        _write(folder / "ready.json", {"pid": os.getpid()})
        while True:
            number += 1
            _serve(trainer, store, folder, number, warnings.texts)
            if trainer.ends:
                return 0
    except Exception as error:
        _fail(folder, max(number, 1), error, store)
        return 1


def _connect() -> tuple[Any, int, int]:
    """Return the store that all processes share, the rank of this process, and the number of processes.

    Imports are inside functions, so that the parent is watched while they run.
    """
    import torch.distributed as dist

    if "WORLD_SIZE" in os.environ:  # set by torchrun
        connection: tuple[Any, int, int] = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
        return connection
    # A store within this process opens no port and needs no network.
    os.environ["LOCAL_RANK"] = "0"  # DeepSpeed requires it
    return dist.HashStore(), 0, 1  # type: ignore[attr-defined]


def _start(store: Any, rank: int, world_size: int, folder: Path) -> Any:
    """Initialise torch.distributed and DeepSpeed with the placement that the first process reads; return a Trainer."""
    import torch
    import transformers

    from stages.settings.trainer import TrainerPlacement

    if rank == 0:
        store.set("serl/placement", (folder / "placement.json").read_text())
    placement = TrainerPlacement.model_validate_json(store.get("serl/placement"))
    torch.set_num_threads(placement.threads)
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    device = _device(torch)

    # DeepSpeed imports mlflow, if it is installed, for its autotuner, which is not used here. That takes seconds.
    sys.modules["mlflow"] = None  # type: ignore[assignment]
    import deepspeed

    del sys.modules["mlflow"]
    # On a CPU, init_distributed would compile a shared-memory operator for two to three minutes.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.utils.logger.setLevel(logging.WARNING)
    from stages.trainer.deepspeed_config import read_deepspeed_settings, zero_stage

    backend = choose_backend(device, world_size, zero_stage(read_deepspeed_settings(placement)))
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    deepspeed.init_distributed(dist_backend="gloo" if device.type == "cpu" else "nccl", verbose=False)

    from stages.trainer.trainer import Trainer

    return Trainer(placement, device)


def choose_backend(device: Any, world_size: int, zero_stage: int) -> str:
    """Return torch.distributed's way of communication.

    gloo takes tensors of a GPU in few operations only. A single process without ZeRO needs no other operation, and does
    not pay for NCCL's memory. ZeRO gathers and scatters tensors of the GPU even in a group of one process.
    """
    on_gpu = device.type == "cuda" and (world_size > 1 or zero_stage > 0)
    return "cpu:gloo,cuda:nccl" if on_gpu else "gloo"


def _device(torch: Any) -> Any:
    """Return this process's GPU, or the CPU with deterministic algorithms."""
    if not torch.cuda.is_available():
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    from stages.trainer.gpu_memory import use_expandable_segments

    use_expandable_segments(device)
    return device


class Warnings(logging.Handler):
    """Collects warnings, each kind once and on one line; they go to the worker's log as well."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._kinds: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a warning."""
        if record.msg not in self._kinds:  # the message without its numbers, which differ between two updates
            self._kinds.add(record.msg)
            text = " ".join(record.getMessage().split())
            self.texts.append(text)
            print(f"warning: {text}", flush=True)


def _serve(trainer: Any, store: Any, folder: Path, number: int, warnings: list[str]) -> None:
    """Wait for job `number`, do it and write its result."""
    from stages.trainer.job import Job
    from stages.trainer.update import run_update, save_state

    key = f"serl/job-{number:06d}"
    if trainer.rank == 0:
        path = folder / f"job-{number:06d}.json"
        while not path.exists():
            time.sleep(_POLL_SECONDS)
        store.set(key, path.read_text())
    store.wait([key], _NO_TIMEOUT)
    job = Job.model_validate_json(store.get(key))

    def progress(done: int, total: int, note: str) -> None:
        if trainer.rank == 0:
            state = {"job": number, "done": done, "total": total, "note": note, "warnings": warnings}
            _write(folder / "progress.json", state)

    try:
        result = run_update(trainer, job, progress)
    except Exception as error:
        if is_out_of_memory(error):
            with contextlib.suppress(Exception):  # a GPU that has failed answers no question
                error.add_note(trainer.memory_text(job))
        raise
    if trainer.rank == 0:
        answer = {"result": result.model_dump(mode="json"), "ends": trainer.ends}
        _write(folder / f"result-{number:06d}.json", answer)
    seconds = save_state(trainer, job, result)
    if trainer.rank == 0:
        _write(folder / f"saved-{number:06d}.json", {"seconds": seconds})


def _fail(folder: Path, number: int, error: Exception, store: Any) -> None:
    """Write the reason in one line, and the traceback to a file; the first process to fail counts.

    The reason takes the place of the result or, if the job has a result, of `saved`.
    """
    traceback_path = folder / f"traceback-{number:06d}.txt"
    result_path = folder / f"result-{number:06d}.json"
    if result_path.exists():
        result_path = folder / f"saved-{number:06d}.json"
    if not result_path.exists():
        traceback_path.write_text(traceback.format_exc())
        failure = {"error": _reason(error), "traceback": f"{socket.gethostname()}:{traceback_path}"}
        with contextlib.suppress(Exception):  # the node that holds the store may be the lost one
            # Processes of other nodes do not see files here and fail only because this process ends. All nodes
            # report the failure that is first in the store.
            failure = json.loads(store.compare_set("serl/failure", "", json.dumps(failure)))
        _write(result_path, failure)


def _reason(error: Exception) -> str:
    """Return the error on one line, after an explanation if memory ran out or a process was lost.

    A note of an error that is about memory says what held how much.
    """
    reason = _one_line(error)
    if is_out_of_memory(error):
        held = "".join(f"; {note}" for note in getattr(error, "__notes__", ()) if note)
        return (
            "out of memory: lower compute.trainer.micro_batch_tokens, or set compute.trainer.gradient_checkpointing, "
            f"or a higher ZeRO stage or offload in compute.trainer.deepspeed{held} ({reason[:300]})"
        )
    if "DistNetworkError" in reason:
        return f"the trainer's first process has ended, as it does when a run is done, or was lost ({reason[:300]})"
    if any(words in reason for words in ("Connection reset by peer", "Connection closed by peer", "NCCL")):
        return (
            f"a process of the trainer was lost, perhaps killed for memory; the others' logs say more ({reason[:300]})"
        )
    if any(words in reason for words in ("CUDA error", "CUDA driver error", "CUBLAS_STATUS", "AcceleratorError")):
        return (
            "the GPU or its driver failed, and the trainer's process has ended; the next start goes on with a new one. "
            f"If that fails too, see `nvidia-smi` and the system's log ({reason[:300]})"
        )
    return reason


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, which raises a MemoryError or one of several RuntimeErrors."""
    words = ("MemoryError", "out of memory", "not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return any(word in _one_line(error) for word in words)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:2000]


def _end_with_parent() -> None:
    """End this process at once when the launcher closes the other end of standard input or dies.

    The death of the launcher closes that end too, but a process forked from the launcher may hold it open for longer,
    so the parent's id is compared as well.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], 1.0)
        if readable and not os.read(0, 1):
            break
    os._exit(0)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that the launcher sees either whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content))
    partial.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
