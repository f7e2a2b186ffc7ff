"""Settings that say where and how stages run."""

from pathlib import Path
from typing import Self

from pydantic import PositiveInt, model_validator

from stages.settings.base import Settings
from stages.settings.engines import ServerPlacement, VllmPlacement
from stages.settings.trainer import TrainerPlacement


class Compute(Settings):
    """Where and how stages run. Changing any of it recomputes nothing."""

    threads: PositiveInt = 1
    """CPU threads of the engine; one is fastest for a tiny policy."""
    max_batch_tokens: PositiveInt = 65_536
    """Transformers engine: most tokens of one batch, counted as responses x (longest prompt + longest response)."""
    shard_rows: PositiveInt = 1_024
    """Prompts per part of a table. A killed stage loses only the parts that it had not finished."""
    scratch: Path | None = None
    """Folder for temporary files; null: the system's temporary folder."""
    vllm: VllmPlacement = VllmPlacement()
    """How vLLM runs."""
    server: ServerPlacement = ServerPlacement()
    """Servers that answer for `engine: server`."""
    trainer: TrainerPlacement = TrainerPlacement()
    """Where and how the policy update runs."""

    @model_validator(mode="after")
    def _nodes_share_files(self) -> Self:
        if self.trainer.nodes > 1 and self.scratch is None:
            raise ValueError("with several trainer.nodes, set `compute.scratch` to a folder that all of them see")
        return self
