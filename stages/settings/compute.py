"""Settings that say where and how stages run."""

from pathlib import Path
from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from stages.settings.base import Settings, left_out
from stages.settings.engines import ServerPlacement, VllmPlacement
from stages.settings.trainer import TrainerPlacement

SET_BY_GPUS = (("vllm", "data_parallel"), ("trainer", "processes_per_node"))
"""Group and name of each setting that `gpus: all` sets."""


class Compute(Settings):
    """Where and how stages run. Changing any of it recomputes nothing."""

    gpus: Literal["all"] | None = left_out(None)
    """all: every GPU that this process may use (CUDA_VISIBLE_DEVICES) holds a copy of the model for vLLM, and takes
    part in the update. It sets `vllm.data_parallel` and `trainer.processes_per_node`. null: those two settings hold."""
    threads: PositiveInt = 1
    """CPU threads of the engine; one is fastest for a tiny policy."""
    max_batch_tokens: PositiveInt = 65_536
    """Transformers engine: most tokens of one batch, counted as responses x (longest prompt + longest response)."""
    shard_rows: PositiveInt = 1_024
    """Prompts per part of a table. A killed stage loses only the parts that it had not finished."""
    scratch: Path | None = None
    """Folder for temporary files; null: the system's temporary folder, and for a new policy, on a GPU and if there is
    room, main memory (/dev/shm)."""
    vllm: VllmPlacement = VllmPlacement()
    """How vLLM runs."""
    server: ServerPlacement = ServerPlacement()
    """Servers that answer for `engine: server`."""
    trainer: TrainerPlacement = TrainerPlacement()
    """Where and how the policy update runs."""

    @model_validator(mode="after")
    def _counts_gpus_once(self) -> Self:
        for group, name in SET_BY_GPUS:
            if self.gpus and (number := getattr(getattr(self, group), name)) != 1:
                raise ValueError(
                    f"`gpus: all` sets {group}.{name}, which is also set to {number}; remove one of the two"
                )
        return self

    @model_validator(mode="after")
    def _nodes_share_files(self) -> Self:
        if self.trainer.nodes > 1 and self.scratch is None:
            raise ValueError("with several trainer.nodes, set `compute.scratch` to a folder that all of them see")
        return self
