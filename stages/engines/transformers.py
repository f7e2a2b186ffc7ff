"""The default engine: any decoder-only attention model through transformers, with the loop in `decode`.

The model runs in float32 on a CPU, where bfloat16 is several times slower, and in bfloat16 on a GPU that has it. Only
local safetensors are read, and no code from a model folder is run. Given the same weights, settings and calls, a CPU
returns the same bytes.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from stages.chat.options import PLAIN, ChatOptions
from stages.engines.base import AnyBatch, Completion, Progress, Responses, find_stop
from stages.engines.decode import Row, Sampled, plan_batches, sample_batch
from stages.engines.feeding import PartialBatch
from stages.engines.gpu import BFLOAT16_SINCE
from stages.engines.tokenizer import PolicyTokenizer, TokenizingEngine
from storage.errors import InputError, StageFailed, first_line


class TransformersEngine(TokenizingEngine):
    """An `Engine` (see base) in this process.

    Args:
        device: "auto" (a GPU if there is one) or a torch device.
        threads: torch's threads for the whole process; two threads on two busy cores are slower than one.
        max_batch_tokens: bound on rows x (prompt + response) of a batch, in tokens; it limits the batch's memory.
    """

    def __init__(self, *, device: str = "auto", threads: int | None = None, max_batch_tokens: int = 65_536) -> None:
        super().__init__()
        if threads is not None:
            torch.set_num_threads(threads)
        available = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(available if device == "auto" else device)
        self._max_batch_tokens = max_batch_tokens
        self._model: Any = None

    @property
    def on_gpu(self) -> bool:
        return self._device.type == "cuda"

    @property
    def max_model_tokens(self) -> int:
        return int(self._held_model().config.get_text_config().max_position_embeddings)

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        if key == self._key:
            self.tokenizer.ask_as(chat)
            return
        self.sleep()
        started = time.perf_counter()
        self._tokenizer = PolicyTokenizer(folder, chat)
        self._model = load_model(folder, self._device)
        self._key = key
        seconds = time.perf_counter() - started
        self.counters.loads += 1
        if self.counters.starts:
            self.counters.load_seconds += seconds
        else:
            self.counters.starts, self.counters.start_seconds = 1, seconds

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        rows = tokens = 0

        def report(finished: int) -> None:
            if progress is not None:
                progress(rows + finished, tokens)

        for batch in batches:
            collected = PartialBatch(batch)
            for row, completion in self._answer(batch, report):
                collected.add(row.prompt, row.response, completion)
                rows, tokens = rows + 1, tokens + len(completion.token_ids)
            report(0)
            yield batch, collected.responses

    def sleep(self) -> None:
        self._model = self._tokenizer = self._key = None
        if self.on_gpu:
            with suppress(RuntimeError):  # once the driver has failed, every call of it does
                torch.cuda.empty_cache()

    def close(self) -> None:
        self.sleep()

    def _answer(self, batch: AnyBatch, report: Callable[[int], None]) -> Iterator[tuple[Row, Completion]]:
        """Yield every row with its completion, one group after another of rows that are decoded together."""
        model, tokenizer, context = self._held_model(), self.tokenizer, self.max_model_tokens
        tokenizer.check(batch, context)
        prompts, params = batch.prompts, batch.params
        rows = [
            Row(prompt=i, response=j, seed=seed, max_tokens=min(params.max_tokens, context - len(prompt)))
            for i, prompt in enumerate(prompts)
            for j, seed in enumerate(batch.seeds[i])
        ]
        stopped = partial(self._stopped, params.stop) if params.stop else None
        ending = tokenizer.stop_ids(params.stop)
        for group in plan_batches([len(p) for p in prompts], rows, self._max_batch_tokens):
            with _as_stage_failure(self._max_batch_tokens):
                sampled = sample_batch(model, prompts, group, params, ending, stopped, report)
                completions = list(self._completions(sampled, set(ending)))  # a GPU's errors may come this late
            for row, completion in zip(group, completions, strict=True):
                yield row, tokenizer.complete(completion, prompts[row.prompt], params.stop)

    def _stopped(self, stop: Sequence[str], token_ids: list[int]) -> bool:
        return find_stop(self.decode(token_ids), stop) is not None

    def _completions(self, sampled: Sampled, ending: AbstractSet[int]) -> Iterator[Completion]:
        lengths = sampled.lengths_R.tolist()
        ids = [row[:n] for row, n in zip(sampled.tokens_RT.tolist(), lengths, strict=True)]
        logprobs = [row[:n] for row, n in zip(sampled.logprobs_RT.tolist(), lengths, strict=True)]
        for t, p, text in zip(ids, logprobs, self.tokenizer.decode_all(ids), strict=True):
            yield Completion(token_ids=t, logprobs=p, finish_reason="stop" if t[-1] in ending else "length", text=text)

    def _held_model(self) -> Any:
        if self._model is None:
            raise RuntimeError("the engine holds no policy: call load(folder, key) first")
        return self._model


@contextmanager
def _as_stage_failure(max_batch_tokens: int) -> Iterator[None]:
    """Turn an error of memory or of the GPU's driver into a StageFailed of one line, with what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        cause, again = first_line(error), "run the same command again, which goes on from the parts that are finished"
        if isinstance(error, MemoryError) or re.search(r"out of memory|not enough memory", cause):
            raise StageFailed(
                f"memory ran out while the engine answered ({cause[:300]}); lower compute.max_batch_tokens (it is "
                f"{max_batch_tokens:,}), or give the card to this run alone, and {again}"
            ) from error
        if "CUDA error" in cause or type(error).__name__ == "AcceleratorError":
            raise StageFailed(f"the GPU failed while the engine answered ({cause[:300]}); {again}") from error
        raise


def dtype_of(device: torch.device) -> torch.dtype:
    """Return the type of the weights on a device: bfloat16 on a GPU that has it, else float32."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < BFLOAT16_SINCE:
        return torch.float32
    return torch.bfloat16


def load_model(folder: Path, device: torch.device) -> Any:
    """Return the causal language model in `folder`, ready to run.

    Raises InputError if weights are missing or unusable, or if the model is recurrent.
    """
    transformers_logging.disable_progress_bar()
    # transformers fills missing weights at random, with a warning; here they are an error (`missing`).
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype_of(device), output_loading_info=True
        )
    except Exception as error:  # libraries that read files, some in Rust, raise anything
        raise InputError(f"model folder {folder}: its weights cannot be loaded ({first_line(error)})") from error
    missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if missing:
        raise InputError(
            f"model folder {folder} lacks {len(missing)} weights that its config.json asks for, e.g. {missing[0]}"
        )
    if getattr(model, "_is_stateful", False):
        # Padding on the left would change a recurrent state, and the results would be wrong without an error.
        raise InputError(
            f"model folder {folder}: {model.config.model_type} is recurrent; expected an attention-only model"
        )
    return model.to(device).eval()
