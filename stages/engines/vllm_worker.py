"""What our engine adds to a vLLM worker. vLLM loads it by name, in this process or in a server of its own:

--worker-extension-cls stages.engines.vllm_worker.Worker
"""

import os
import threading
import time
from typing import Any

import psutil
import torch

from stages.engines.vllm import OWNER


def _end_with(owner: psutil.Process) -> None:
    """A killed run or server leaves vLLM's own processes behind, with the GPU's memory; they notice, and end."""
    parent = psutil.Process().parent()

    def watch() -> None:
        while owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
        # Where the model has a process of its own, vLLM's engine stands between it and the owner.
        if parent is not None and parent != owner and parent.name().startswith("VLLM"):
            parent.kill()
        psutil.Process().kill()

    threading.Thread(target=watch, name="serl-owner", daemon=True).start()


# vLLM imports this module where it starts a worker, and calls nothing of ours before the weights are loaded.
if os.environ.get(OWNER, str(os.getpid())) != str(os.getpid()):
    _end_with(psutil.Process(int(os.environ[OWNER])))


class Worker:
    """Mixed into vLLM's worker; every method is called by its name through `collective_rpc`."""

    model_runner: Any

    def serl_prepare(self) -> None:
        """Take log-probabilities from softmax(logits / temperature), where vLLM takes those of temperature 1."""
        sampler = self.model_runner.sampler
        temperature: list[torch.Tensor | None] = [None]

        def remember(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            metadata = named["sampling_metadata"] if "sampling_metadata" in named else arguments[1]
            temperature[0] = metadata.temperature

        def compute_logprobs(logits: torch.Tensor) -> torch.Tensor:
            if temperature[0] is not None:
                # Greedy rows have temperature 0, and are to be taken at 1.
                scale = torch.where(temperature[0] < 1e-5, 1.0, temperature[0])
                logits = logits.float() / scale.unsqueeze(1)
            return logits.log_softmax(dim=-1, dtype=torch.float32)

        sampler.register_forward_pre_hook(remember, with_kwargs=True)
        sampler.compute_logprobs = compute_logprobs

    def serl_reload(self, folder: str) -> None:
        """Take over the weights of a Hugging Face folder of the same architecture."""
        self.reload_weights(weights_path=folder)  # type: ignore[attr-defined]
        model = self.model_runner.get_model()
        head, body = getattr(model, "lm_head", None), getattr(model, "model", None)
        embeddings = getattr(body, "embed_tokens", None)
        if head is None or embeddings is None or not self.model_runner.model_config.hf_config.tie_word_embeddings:
            return
        # The reload leaves a tied output layer with the old weights, in its own packing, and says nothing.
        head.weight = embeddings.weight
        head.quant_method.process_weights_after_loading(head)
