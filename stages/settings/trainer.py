"""Settings of where and how the policy update runs."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.settings.base import Settings, renamed


class TrainerPlacement(Settings):
    """Where and how the update runs. This enters no key, though the last bits of a result may depend on it."""

    processes_per_node: int = renamed("processes", default=1, ge=1, le=1024)
    """Data-parallel processes on each machine, one per GPU."""
    nodes: int = renamed("machines", default=1, ge=1, le=1024)
    """Machines that compute one update together; all but this machine run `serl join`. All have to see the run's folder
    (or `$SERL_CACHE`, on S3), `compute.scratch` and `checkpoints` under the same paths."""
    rendezvous: str | None = Field(default=None, pattern=r"^\S+:\d{1,5}$")
    """host:port of this machine where the other nodes find it; set it if there are several nodes."""
    threads: int = Field(default=1, ge=1, le=256)
    """CPU threads of each process. Their number changes the last bits, so the default is the same on every machine."""
    micro_batch_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Most tokens that one process computes at a time (none is padding); a single response may exceed it. "auto": 8192
    on a CPU; on a GPU as many as fit into its free memory by calculation, from 4096 to 65536."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights that the update computes with, and of the policies that it writes. With bfloat16 the
    optimiser keeps float32 master weights, which go into the trainer state; the type may change between updates."""
    compile: Literal["auto"] | bool = "auto"
    """Compile the model's layers (`torch.compile`): faster, and less memory for activations. "auto": on a GPU only. A
    model that cannot be compiled, or that ZeRO stage 3 partitions, runs as it is."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, up to a third more time."""
    deepspeed: Path | None = None
    """JSON file of DeepSpeed settings (ZeRO stage, offload); null: no ZeRO."""
    save_every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between two checkpoints from which a killed update resumes; null: it starts over."""
    checkpoints: Path | None = None
    """Folder for checkpoints, on a disk that outlives the process; null: one in the system's temporary folder."""
    free_memory: bool | None = None
    """Whether weights and optimiser leave their device between updates. null: only on a GPU, because the engine needs
    it; they wait in main memory or, if that is too short, are loaded again. true: on a CPU, each update loads them
    again. false: the engine keeps its memory during an update, too; vLLM does not sleep."""

    @field_validator("micro_batch_tokens", mode="before")
    @classmethod
    def _is_auto_or_a_number(cls, value: Any) -> Any:
        """Refuse other values in one sentence; pydantic's own message would not name auto."""
        if value == "auto" or (not isinstance(value, bool) and re.fullmatch(r"0*[1-9]\d*(\.0*)?", str(value).strip())):
            return value
        raise ValueError(f"expected auto, or a whole number, at least 1; found {value!r}")

    @model_validator(mode="after")
    def _nodes_can_meet(self) -> Self:
        if (self.nodes > 1) != (self.rendezvous is not None):
            raise ValueError(
                f"`rendezvous` (host:port) goes with several nodes; found nodes {self.nodes} and rendezvous "
                f"{self.rendezvous}"
            )
        if self.nodes > 1 and self.save_every_steps and self.checkpoints is None:
            raise ValueError("with several nodes, save_every_steps needs `checkpoints`, a folder that all of them see")
        return self

    @property
    def world_size(self) -> int:
        """Processes on all nodes together."""
        return self.nodes * self.processes_per_node
