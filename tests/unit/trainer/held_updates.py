"""Updates whose tensors are moved or dropped between them, and what of them stayed in memory.

    python -m tests.unit.trainer.held_updates

Each line of standard input is the path of a JSON file: where tensors are held -> jobs. A process for each line writes
its reports to <path>.reports; then a line on standard output has the path and the process's exit code. The processes
are forked from this one, so that torch, transformers and DeepSpeed are imported once.

This replaces what `choose_holding` decides, so that a CPU moves its tensors as a GPU does: to memory that is not
pinned, in chunks of 64 KiB.
"""

import gc
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
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
    storages = [item.untyped_storage() for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
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


def run_jobs(path: Path) -> None:
    """Do the jobs one after the other, as the worker does, each list of jobs with another trainer; write reports."""
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
        trainer = module.Trainer(placement, torch.device("cpu"))
        with (
            mock.patch.object(module, "choose_holding", lambda *args, held=held, **settings: held),
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
                reports.setdefault(held, []).append(report | {"checks": checks.calls})
        trainer._drop()
        trainer._drop_reference()
    path.with_name(f"{path.name}.reports").write_text(json.dumps(reports))


def _import_libraries() -> None:
    """Import what the worker does at its start, without mlflow as there."""
    sys.modules["mlflow"] = None  # type: ignore[assignment]
    import deepspeed  # noqa: F401

    del sys.modules["mlflow"]
    import stages.trainer.trainer  # noqa: F401


def main() -> None:
    """Do the jobs of each line in a process of their own."""
    _import_libraries()
    for line in sys.stdin:
        path = Path(line.strip())
        process = os.fork()
        if process == 0:
            code = 1
            try:
                run_jobs(path)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        print(f"{path} {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
