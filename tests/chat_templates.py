"""Published chat templates on small tokenizers with their families' own control tokens, and other small tokenizers."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stages.chat.control_text import ControlText

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "chat_templates"
"""Templates as published, beside the repository; tests that need them are skipped where they are not."""
TEXTS = ("What is the sum of two apples and three pears?", "Be brief.")
"""What the tokenizers are trained on."""


@cache
def manifest(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Family -> its control tokens; empty without the templates."""
    path = folder / "MANIFEST.json"
    values: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    return values


@cache
def tokenizer_of(family: str, folder: Path = FOLDER) -> Any:
    """A byte-level tokenizer that has the control tokens and the chat template of a family."""
    tokens = manifest(folder)[family]
    names = [tokens["bos"], tokens["eos"], *tokens["gen"], tokens["end"], *tokens["special"]]
    return byte_level(
        list(dict.fromkeys(name for name in names if name)),
        tokens["plain"],
        bos=tokens["bos"],
        eos=tokens["eos"],
        template=(folder / f"{family}.jinja").read_text(),
    )


def byte_level(
    special: Sequence[str] = (),
    plain: Sequence[str] = (),
    *,
    bos: str | None = None,
    eos: str | None = None,
    template: Any = None,
    texts: Sequence[str] = TEXTS,
    normalizer: Any = None,
    prefix_space: bool = False,
    **plain_flags: bool,
) -> Any:
    """A byte-level tokenizer, as those of Qwen and Llama 3; `plain`: tokens that decoding keeps."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return wrapped(tokenizer, plain, bos=bos, eos=eos, template=template, **plain_flags)


def sentencepiece(
    special: Sequence[str] = (),
    plain: Sequence[str] = (),
    *,
    bos: str | None = None,
    template: Any = None,
    texts: Sequence[str] = TEXTS,
    prepend: bool = False,
    byte_fallback: bool = True,
) -> Any:
    """A tokenizer with "▁" for a space, as those of Llama 2 (`prepend`) and Gemma."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback))
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prepend else spaces
    fallback = [f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else []
    trainer = trainers.BpeTrainer(
        vocab_size=450 + len(special), special_tokens=["<unk>", *special, *fallback], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    values = json.loads(tokenizer.to_str())
    values["added_tokens"] = [token for token in values["added_tokens"] if token["content"] not in fallback]
    tokenizer = Tokenizer.from_str(json.dumps(values))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prepend else steps)
    return wrapped(tokenizer, plain, bos=bos, unk="<unk>", template=template)


def wrapped(
    tokenizer: Any,
    plain: Sequence[str] = (),
    *,
    bos: str | None = None,
    eos: str | None = None,
    unk: str | None = None,
    template: Any = None,
    **plain_flags: bool,
) -> Any:
    """A tokenizer of transformers, which begins a text with `bos`."""
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    flags = {"normalized": False, **plain_flags}
    tokenizer.add_tokens([AddedToken(name, special=False, **flags) for name in plain])
    if bos:
        beginning = {"id": "beginning", "ids": [tokenizer.token_to_id(bos)], "tokens": [bos]}
        tokenizer.post_processor = processors.TemplateProcessing(single="beginning $A", special_tokens=[beginning])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token=unk)
    fast.chat_template = template
    return fast


def control_count(control: ControlText, ids: Iterable[int]) -> int:
    """The number of control tokens among token ids."""
    tokens = set(control.tokens.values())
    return sum(token in tokens for token in ids)
