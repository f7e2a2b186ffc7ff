"""The extension of vLLM's workers: log-probabilities at the sampling temperature, weights loaded in place.

It also ends a worker when the run or server that started vLLM has ended.

vLLM loads the extension by name, in this process or in a server:

--worker-extension-cls stages.engines.vllm_extension.Worker
"""

import logging
import os
import threading
import time
from contextlib import suppress
from typing import Any

import psutil
import torch

from stages.engines.vllm import OWNER, model_runner


def _end_with(owner: psutil.Process) -> None:
    """End this process when `owner` has ended.

    Otherwise a killed run or server would leave vLLM's processes behind, and these hold the GPU memory.
    """
    parent = psutil.Process().parent()

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):  # it ends between the two questions
            while owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE:
                time.sleep(1)
        # If the model has a separate process, its parent is vLLM's engine, which has to end too.
        with suppress(psutil.Error):
            if parent is not None and parent != owner and parent.name().startswith("VLLM"):
                parent.kill()
        psutil.Process().kill()

    threading.Thread(target=watch, name="serl-owner", daemon=True).start()


# vLLM imports this module when it starts a worker, and calls none of the methods before the weights are loaded.
if os.environ.get(OWNER, str(os.getpid())) != str(os.getpid()):
    _end_with(psutil.Process(int(os.environ[OWNER])))


def scale_logprobs(sampler: Any) -> None:
    """Have the sampler of model runner 1 take log-probabilities from softmax(logits / temperature).

    In its mode raw_logprobs the sampler takes those of temperature 1, before anything is cut.
    """
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

    # vLLM was asked for the mode of runner 2, and took runner 1 because the model needs it.
    sampler.logprobs_mode = sampler.topk_topp_sampler.logprobs_mode = "raw_logprobs"
    sampler.register_forward_pre_hook(remember, with_kwargs=True)
    sampler.compute_logprobs = compute_logprobs


def keep_uncut(sampler: Any) -> None:
    """Have the sampler of model runner 2 take log-probabilities before presence penalty and top-p cut.

    In its mode processed_logprobs the sampler takes them from the logits that it samples from. These are logits /
    temperature (greedy rows: the logits), unless a row is penalised or cut. Only for batches with such a row this
    function computes logits / temperature again; all other batches are left to vLLM.

    Raises RuntimeError if the sampler is of a kind that this function does not know.
    """
    names = ("sample", "sampling_states", "penalties_state")
    if not all(hasattr(sampler, name) for name in names):
        raise RuntimeError(
            f"vLLM samples from this model with a {type(sampler).__name__}, whose log-probabilities may be cut; "
            "set VLLM_USE_V2_MODEL_RUNNER=0"
        )
    vllm_sample, states, penalties = (getattr(sampler, name) for name in names)

    def sample(
        logits: torch.Tensor, expanded_rows: torch.Tensor, rows: torch.Tensor, rows_np: Any, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # vLLM works on a copy of the logits if a row is penalised or cut.
        sampled, processed = vllm_sample(logits, expanded_rows, rows, rows_np, *args, **kwargs)
        if not ((states.top_p.np[rows_np] != 1).any() or penalties.use_penalty[rows_np].any()):
            return sampled, processed
        del processed
        if ((states.temperature.np[rows_np] == 0) | (states.temperature.np[rows_np] == 1)).all():
            return sampled, logits
        scaled = torch.empty_like(logits, dtype=torch.float32).copy_(logits)
        states.apply_temperature(scaled, expanded_rows, rows_np)
        return sampled, scaled

    sampler.sample = sample


class Worker:
    """Methods added to vLLM's worker, each called by its name through `collective_rpc`."""

    model_runner: Any

    def serl_prepare(self) -> None:
        """Take log-probabilities from softmax(logits / temperature), before presence penalty and top-p cut."""
        sampler = self.model_runner.sampler
        if getattr(self, "use_v2_model_runner", False):
            keep_uncut(sampler)
            return
        if model_runner() == 2 and getattr(self, "rank", 0) == 0:
            logging.getLogger(__name__).warning(
                "vLLM runs this model with model runner 1: the same results, but seeded rows are drawn one by one"
            )
        scale_logprobs(sampler)

    def serl_reload(self, folder: str) -> None:
        """Load the weights of a Hugging Face folder of the same architecture in place."""
        self.reload_weights(weights_path=folder)  # type: ignore[attr-defined]
        model = self.model_runner.get_model()
        head, body = getattr(model, "lm_head", None), getattr(model, "model", None)
        embeddings = getattr(body, "embed_tokens", None)
        config = self.model_runner.model_config.hf_config
        if head is None or embeddings is None or not getattr(config, "tie_word_embeddings", False):
            return
        # The reload raises no error, but leaves a tied output layer with a packed copy of the old weights.
        head.weight = embeddings.weight
        head.quant_method.process_weights_after_loading(head)
