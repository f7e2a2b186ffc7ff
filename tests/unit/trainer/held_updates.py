"""Updates in one process whose tensors are moved or dropped between them; prints what stayed in memory as JSON.

    python -m tests.unit.trainer.held_updates JOBS

JOBS is a JSON file: `<name>/<where tensors are held>` -> jobs, which are done by a trainer of their own. This replaces
what `choose_holding` decides, so that a CPU moves its tensors as a GPU does: to memory that is not pinned, in chunks of
64 KiB. "cannot-take" and "cannot-give-back" are "host", but a move fails in the last process.
"""

import gc
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from stages.trainer import holding, worker
from stages.trainer.job import Job


def live_bytes() -> int:
    """Return the bytes of all tensors of this process that Python knows, without those under 1 kB.

    Garbage counts, unless it is collected: a GPU's memory is given back at one moment, and garbage would stay.
    """
    tensors = [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
    storages = [tensor.untyped_storage() for tensor in tensors if not tensor.is_meta]
    return sum({s._cdata: s.nbytes() for s in storages if s.nbytes() > 1000}.values())


def own_memory(load: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Return `load` with weights that do not lie in a mapped file, as on a GPU."""

    def loaded(*args: Any, **settings: Any) -> nn.Module:
        module = load(*args, **settings)
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data = tensor.data.clone()
        return module

    return loaded


class Counted:
    """A context in which the calls of a function of a module are counted; keeps no arguments."""

    def __init__(self, module: Any, name: str) -> None:
        self.calls = 0
        self._patch = mock.patch.object(module, name, self)
        self._function = getattr(module, name)

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self._function(*args)

    def __enter__(self) -> "Counted":
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def _choose(held: str, *_: object, can_move: bool = True, **__: object) -> str:
    return held if can_move or held != "host" else "nowhere"


def fail_to_move(trainer: Any, held: str) -> None:
    """Let a trainer's moves of policy and critic fail, some way into the move."""

    def fail(*_: object, **__: object) -> None:
        storages = [storage for storage, *_ in trainer._host._places.values()]
        if held == "cannot-take" or trainer._host.away:
            storages[0].resize_(0)
            raise RuntimeError("CUDA error: invalid argument\nmore lines")

    setattr(trainer._host, "take" if held == "cannot-take" else "give_back", fail)


def main(path: Path) -> None:
    """Do the jobs one after the other, as the worker does, each list of jobs with another trainer."""
    jobs = {name: [Job.model_validate(job) for job in jobs] for name, jobs in json.loads(path.read_text()).items()}
    store, rank, world_size = worker._connect()
    with tempfile.TemporaryDirectory() as folder:
        placement = next(iter(jobs.values()))[0].placement
        (Path(folder) / "placement.json").write_text(placement.model_dump_json())
        worker._start(store, rank, world_size, Path(folder))
    from stages.trainer import trainer as module
    from stages.trainer.update import run_update, save_state

    reports: dict[str, list[dict[str, Any]]] = {}
    for name, jobs_held in jobs.items():
        held = name.split("/")[-1]
        trainer = module.Trainer(jobs_held[0].placement, torch.device("cpu"))
        if held.startswith("cannot") and rank == world_size - 1:
            fail_to_move(trainer, held)
        decision = partial(_choose, "host" if held.startswith("cannot") else held)
        with (
            mock.patch.object(module, "choose_holding", decision),
            mock.patch.object(holding, "CHUNK_BYTES", 2**16),
            mock.patch.object(module, "load_policy", own_memory(module.load_policy)),
            mock.patch.object(module, "load_critic", own_memory(module.load_critic)),
            Counted(module, "check_model") as checks,
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
                trainer.wait_for_all()  # the next job reads what the first process has written
                reports.setdefault(name, []).append(report | {"checks": checks.calls})
        trainer._drop()
        trainer._drop_reference()
    if rank == 0:
        print(json.dumps(reports))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
