"""The extension of vLLM's workers: log-probabilities at the sampling temperature, weights loaded in place.

It also ends a worker when the run or server that started vLLM has ended.

vLLM loads the extension by name, in this process or in a server:

--worker-extension-cls stages.engines.vllm_extension.Worker
"""

import os
import threading
import time
from typing import Any

import psutil
import torch

from stages.engines.vllm import OWNER


def _end_with(owner: psutil.Process) -> None:
    """End this process when `owner` has ended.

    Otherwise a killed run or server would leave vLLM's processes behind, and these hold the GPU memory.
    """
    parent = psutil.Process().parent()

    def watch() -> None:
        while owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
        # If the model has a separate process, its parent is vLLM's engine, which has to end too.
        if parent is not None and parent != owner and parent.name().startswith("VLLM"):
            parent.kill()
        psutil.Process().kill()

    threading.Thread(target=watch, name="serl-owner", daemon=True).start()


# vLLM imports this module when it starts a worker, and calls none of the methods before the weights are loaded.
if os.environ.get(OWNER, str(os.getpid())) != str(os.getpid()):
    _end_with(psutil.Process(int(os.environ[OWNER])))


class Worker:
    """Methods added to vLLM's worker, each called by its name through `collective_rpc`."""

    model_runner: Any

    def serl_prepare(self) -> None:
        """Take log-probabilities from softmax(logits / temperature); vLLM itself takes those of temperature 1."""
        sampler = self.model_runner.sampler
        temperature: list[torch.Tensor | None] = [None]

        def remember(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            metadata = kwargs["sampling_metadata"] if "sampling_metadata" in kwargs else args[1]
            temperature[0] = metadata.temperature

        def compute_logprobs(logits: torch.Tensor) -> torch.Tensor:
            if temperature[0] is not None:
                # Greedy rows have temperature 0; their log-probabilities are taken at 1.
                scale = torch.where(temperature[0] < 1e-5, 1.0, temperature[0])
                logits = logits.float() / scale.unsqueeze(1)
            return logits.log_softmax(dim=-1, dtype=torch.float32)

        sampler.register_forward_pre_hook(remember, with_kwargs=True)
        sampler.compute_logprobs = compute_logprobs

    def serl_reload(self, folder: str) -> None:
        """Load the weights of a Hugging Face folder of the same architecture in place."""
        self.reload_weights(weights_path=folder)  # type: ignore[attr-defined]
        model = self.model_runner.get_model()
        head, body = getattr(model, "lm_head", None), getattr(model, "model", None)
        embeddings = getattr(body, "embed_tokens", None)
        if head is None or embeddings is None or not self.model_runner.model_config.hf_config.tie_word_embeddings:
            return
        # The reload raises no error, but leaves a tied output layer with a packed copy of the old weights.
        head.weight = embeddings.weight
        head.quant_method.process_weights_after_loading(head)
