"""The light default engine: any decoder-only attention model through transformers, with the loop in `decode`.

Float32 on a CPU, where bfloat16 is several times slower, bfloat16 on a GPU. Only local safetensors are read, and no
code from a model folder is run. Given the same prompts, seeds and weights a CPU returns the same bytes.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import GENERATION_CONFIG_NAME
from transformers.utils import logging as transformers_logging

from stages.engines.base import Completion, Progress, SamplingParams, check_request, cut_at_stop, find_stop
from stages.engines.decode import Row, Sampled, plan_batches, sample_batch
from storage.errors import InputError


class TransformersEngine:
    """An `Engine` (see base) in this process.

    `device` is "auto" (a GPU if there is one) or a torch device; `threads` sets torch's threads for the whole process
    (two threads on two busy cores are slower than one); `max_batch_tokens` bounds rows x (prompt + response) of a
    batch, so memory.
    """

    def __init__(self, *, device: str = "auto", threads: int | None = None, max_batch_tokens: int = 65_536) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        available = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(available if device == "auto" else device)
        self._max_batch_tokens = max_batch_tokens
        self._model: Any = None
        self._tokenizer: Any = None
        self._key: str | None = None

    @property
    def policy_key(self) -> str | None:
        return self._key

    @property
    def max_model_tokens(self) -> int:
        return int(self._held_model().config.get_text_config().max_position_embeddings)

    def load(self, folder: Path, key: str) -> None:
        if key == self._key:
            return
        self.sleep()
        self._tokenizer = load_tokenizer(folder)
        self._model = load_model(folder, self._device)
        self._key = key

    def encode(self, text: str) -> list[int]:
        return list(self._held_tokenizer().encode(text, add_special_tokens=False))

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        return encode_chat(self._held_tokenizer(), messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(
            self._held_tokenizer().decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        seeds: Sequence[Sequence[int]],
        progress: Progress | None = None,
    ) -> list[list[Completion]]:
        model, context = self._held_model(), self.max_model_tokens
        check_request(prompts, seeds, context)
        self._check_vocabulary(prompts)
        rows = [
            Row(prompt=i, response=j, seed=seed, max_tokens=min(params.max_tokens, context - len(prompt)))
            for i, prompt in enumerate(prompts)
            for j, seed in enumerate(seeds[i])
        ]
        results: dict[tuple[int, int], Completion] = {}

        def report(finished_in_batch: int) -> None:
            if progress is not None:
                progress(len(results) + finished_in_batch, len(rows))

        stopped = partial(self._stopped, params.stop) if params.stop else None
        for batch in plan_batches([len(p) for p in prompts], rows, self._max_batch_tokens):
            sampled = sample_batch(model, prompts, batch, params, self._eos_ids(), stopped, report)
            for row, completion in zip(batch, self._completions(sampled, params.stop), strict=True):
                results[row.prompt, row.response] = completion
            report(0)
        return [[results[i, j] for j in range(len(seeds[i]))] for i in range(len(prompts))]

    def sleep(self) -> None:
        self._model = self._tokenizer = self._key = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def close(self) -> None:
        self.sleep()

    def _check_vocabulary(self, prompts: Sequence[Sequence[int]]) -> None:
        known = self._held_model().get_input_embeddings().num_embeddings
        for row, prompt in enumerate(prompts):
            if max(prompt) >= known:
                raise InputError(
                    f"prompt {row} holds token {max(prompt)}, but the policy knows only {known} tokens: "
                    "its tokenizer and its weights do not belong together"
                )

    def _stopped(self, stop: Sequence[str], token_ids: list[int]) -> bool:
        return find_stop(self.decode(token_ids), stop) is not None

    def _completions(self, sampled: Sampled, stop: Sequence[str]) -> list[Completion]:
        lengths = sampled.lengths_R.tolist()
        ids = [row[:n] for row, n in zip(sampled.tokens_RT.tolist(), lengths, strict=True)]
        logprobs = [row[:n] for row, n in zip(sampled.logprobs_RT.tolist(), lengths, strict=True)]
        texts = self._held_tokenizer().batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        eos = set(self._eos_ids())
        whole = (
            Completion(token_ids=t, logprobs=p, finish_reason="stop" if t[-1] in eos else "length", text=text)
            for t, p, text in zip(ids, logprobs, texts, strict=True)
        )
        return [cut_at_stop(completion, stop, self.decode) for completion in whole]

    def _eos_ids(self) -> list[int]:
        """Tokens that end a response: the generation config's (chat models often have two) and the tokenizer's."""
        declared = self._held_model().generation_config.eos_token_id
        several = declared if isinstance(declared, list) else [declared]
        return sorted({i for i in [*several, self._held_tokenizer().eos_token_id] if i is not None})

    def _held_model(self) -> Any:
        if self._model is None:
            raise RuntimeError("the engine holds no policy: call load(folder, key) first")
        return self._model

    def _held_tokenizer(self) -> Any:
        self._held_model()
        return self._tokenizer


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, exactly as its tokenizer.json has it. Raises InputError where there is none.

    AutoTokenizer would rebuild some (transformers 5 replaces normaliser, word pattern and special tokens for `qwen2`
    by those of its own class, and may add ids beyond the model's vocabulary), and makes an empty one, without an
    error, where the folder has none. It is used only for folders without a tokenizer.json.
    """
    if not folder.is_dir():
        raise InputError(f"model folder {folder} does not exist")
    loader = PreTrainedTokenizerFast if (folder / "tokenizer.json").exists() else AutoTokenizer
    try:
        tokenizer = loader.from_pretrained(folder, local_files_only=True)
        usable = bool(tokenizer.encode("1 and 2", add_special_tokens=False))
    except Exception as error:  # the readers of foreign files, some in Rust, raise anything, Exception itself included
        raise InputError(f"model folder {folder}: its tokenizer cannot be read ({_first_line(error)})") from error
    if not usable:
        raise InputError(
            f"model folder {folder} has no tokenizer: expected tokenizer.json beside the weights; copy it there"
        )
    return tokenizer


def encode_chat(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    """See `Engine.encode_chat`."""
    if not tokenizer.chat_template:
        raise InputError(
            f"policy {tokenizer.name_or_path} has no chat template: add one to its tokenizer, or use a plain prompt"
        )
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))


def eos_tokens(folder: Path, tokenizer: Any) -> list[int]:
    """Tokens that end a response: the generation config's (chat models often have two) and the tokenizer's."""
    declared = None
    if (folder / GENERATION_CONFIG_NAME).exists():
        declared = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    several = declared if isinstance(declared, list) else [declared]
    return sorted({i for i in [*several, tokenizer.eos_token_id] if i is not None})


def load_model(folder: Path, device: torch.device) -> Any:
    """The causal language model in `folder`, ready to run. Raises InputError where weights are missing or unusable."""
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    transformers_logging.disable_progress_bar()
    # The missing weights that transformers would fill at random, with a warning, are an error of ours.
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, output_loading_info=True
        )
    except Exception as error:  # as above
        raise InputError(f"model folder {folder}: its weights cannot be loaded ({_first_line(error)})") from error
    missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if missing:
        raise InputError(
            f"model folder {folder} lacks {len(missing)} weights that its config.json asks for, e.g. {missing[0]}"
        )
    if getattr(model, "_is_stateful", False):
        # A recurrent state would take in the padding on the left, and the results would be wrong without an error.
        raise InputError(
            f"model folder {folder}: {model.config.model_type} is recurrent; expected an attention-only model"
        )
    return model.to(device).eval()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
