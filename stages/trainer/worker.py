"""The trainer process: takes jobs from a folder until its parent closes or dies.

    python -m stages.trainer.worker FOLDER      (started by `stages.trainer.launcher`)

FOLDER holds placement.json from the start; the parent puts in job-000001.json, job-000002.json, ... and reads
progress.json and result-000001.json, ... With several processes each of them reads the same job file and the first one
answers. After a failed job the process ends: its weights are neither the old policy nor the new one.
"""

import json
import logging
import os
import select
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.01


def main(folder: Path) -> int:
    """Serve jobs; returns the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    placement_json = (folder / "placement.json").read_text()
    number = 0
    try:
        trainer = _start(placement_json)
        _write(folder / "ready.json", {"pid": os.getpid()})
        while True:
            number += 1
            _serve(trainer, folder, number)
    except Exception as error:
        _fail(folder, max(number, 1), error)
        return 1


def _start(placement_json: str) -> Any:
    """Bring up torch.distributed and DeepSpeed. Imports are here so that the parent's death is watched meanwhile."""
    import torch
    import transformers

    from stages.trainer.config import TrainerPlacement

    placement = TrainerPlacement.model_validate_json(placement_json)
    torch.set_num_threads(placement.threads)
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    device = _device(torch)

    import deepspeed

    # On a CPU init_distributed would compile a shared-memory operator for two to three minutes.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.utils.logger.setLevel(logging.WARNING)
    if placement.processes == 1:
        # An own store: no port is opened, no network is needed.
        os.environ["LOCAL_RANK"] = "0"  # DeepSpeed insists
        store = torch.distributed.HashStore()  # type: ignore[attr-defined]
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    else:
        backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
        torch.distributed.init_process_group(backend)
    deepspeed.init_distributed(dist_backend="gloo" if device.type == "cpu" else "nccl", verbose=False)

    from stages.trainer.trainer import Trainer

    return Trainer(placement, device)


def _device(torch: Any) -> Any:
    if not torch.cuda.is_available():
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def _serve(trainer: Any, folder: Path, number: int) -> None:
    from stages.trainer.job import Job
    from stages.trainer.update import run_update

    path = folder / f"job-{number:06d}.json"
    while not path.exists():
        time.sleep(_POLL_SECONDS)
    job = Job.model_validate_json(path.read_text())

    def progress(done: int, total: int, what: str) -> None:
        if trainer.rank == 0:
            _write(folder / "progress.json", {"job": number, "done": done, "total": total, "what": what})

    result = run_update(trainer, job, progress)
    trainer.hold(job.output_policy_key, job.output_state_key)
    if trainer.rank == 0:
        _write(folder / f"result-{number:06d}.json", {"result": result.model_dump(mode="json")})


def _fail(folder: Path, number: int, error: Exception) -> None:
    """Leave the reason in one line and the traceback beside it; the first process to fail is the one heard."""
    trace = folder / f"traceback-{number:06d}.txt"
    target = folder / f"result-{number:06d}.json"
    if not target.exists():
        trace.write_text(traceback.format_exc())
        _write(target, {"error": _reason(error), "traceback": str(trace)})


def _reason(error: Exception) -> str:
    """The error on one line; what to lower where memory ran out (a RuntimeError of several wordings)."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:2000]
    if any(words in reason for words in ("out of memory", "not enough memory", "can't allocate memory")):
        return (
            "out of memory: lower compute.trainer.micro_batch_tokens, or set compute.trainer.gradient_checkpointing, "
            f"or a higher ZeRO stage or offload in compute.trainer.deepspeed ({reason[:300]})"
        )
    if any(words in reason for words in ("Connection reset by peer", "Connection closed by peer", "NCCL")):
        return (
            f"a process of the trainer was lost, perhaps killed for memory; the others' logs say more ({reason[:300]})"
        )
    return reason


def _end_with_parent() -> None:
    """End at once when the launcher closes its end of our standard input, which its death does too.

    The parent id is looked at as well: a process forked from the launcher may hold the other end open for longer.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], 1.0)
        if readable and not os.read(0, 1):
            break
    os._exit(0)


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content))
    partial.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
