"""Makes the engine that a configuration names, importing only what that engine needs."""

from typing import Literal

from stages.engines.base import Engine

EngineKind = Literal["fake", "transformers"]


def make_engine(
    kind: EngineKind, *, device: str = "auto", threads: int | None = None, max_batch_tokens: int = 65_536
) -> Engine:
    """An engine that holds no policy yet.

    The settings say where and how it runs; the fake ignores them. Batches of another size or other threads change
    log-probabilities in their last bits.

    `device`: "auto" or a torch device. `threads`: torch's threads for the whole process. `max_batch_tokens`: bound on
    rows x (prompt + response) of a batch.
    """
    if kind == "fake":
        from stages.engines.fake import FakeEngine

        return FakeEngine()
    from stages.engines.transformers import TransformersEngine

    return TransformersEngine(device=device, threads=threads, max_batch_tokens=max_batch_tokens)
