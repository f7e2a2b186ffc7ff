"""Updates in one process whose tensors are moved or dropped between them; prints what stayed in memory as JSON.

    python -m tests.unit.trainer.held_updates JOBS

JOBS is a JSON file: where tensors are held -> jobs. This replaces what `choose_holding` decides, so that a CPU moves
its tensors as a GPU does: to memory that is not pinned, in chunks of 64 KiB.
"""

import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from stages.trainer import holding, worker
from stages.trainer.job import Job


def live_bytes() -> int:
    """Return the bytes of all tensors of this process that Python knows, without those under 1 kB."""
    gc.collect()
    storages = [item.untyped_storage() for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
    print({s._cdata: (s.nbytes(),s.resizable()) for s in storages if s.nbytes() > 1000})
    return sum({s._cdata: s.nbytes() for s in storages if s.nbytes() > 1000}.values())


def main(path: Path) -> None:
    """Do the jobs one after the other, as the worker does, each list of jobs with another trainer."""
    jobs = {held: [Job.model_validate(job) for job in jobs] for held, jobs in json.loads(path.read_text()).items()}
    placement = next(iter(jobs.values()))[0].placement
    store, rank, world_size = worker._connect()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "placement.json").write_text(placement.model_dump_json())
        worker._start(store, rank, world_size, Path(name))
    from stages.trainer import trainer as module
    from stages.trainer.update import run_update, save_state

    reports: dict[str, list[dict[str, Any]]] = {}
    for held, jobs_held in jobs.items():
        checked: list[str] = []
        trainer = module.Trainer(placement, torch.device("cpu"))
        with (
            mock.patch.object(module, "choose_holding", lambda *args, held=held, **settings: held),
            mock.patch.object(holding, "CHUNK_BYTES", 2**16),
            mock.patch.object(module, "check_model", lambda model, folder: checked.append(str(folder))),
        ):
            for job in jobs_held:
                result = run_update(trainer, job, lambda *_: None)
                chunks = [*trainer._host._chunks, *trainer._reference_host._chunks]
                report = {
                    "held": result.held,
                    "parts": list(result.seconds),
                    "host": sum(chunk.nbytes for chunk in chunks),
                    "live": live_bytes() - sum(chunk.nbytes for chunk in chunks),
                }
                save_state(trainer, job, result)
                reports.setdefault(held, []).append(report | {"checks": len(checked)})
        trainer._drop()
        trainer._drop_reference()
    print(json.dumps(reports))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
