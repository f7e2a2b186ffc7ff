"""Published chat templates on small tokenizers with their families' own control tokens."""

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "chat_templates"
"""Templates as published, beside the repository; tests that need them are skipped where they are not."""


@lru_cache(maxsize=1)
def manifest() -> dict[str, dict[str, Any]]:
    """Family -> its control tokens; empty without the templates."""
    path = FOLDER / "MANIFEST.json"
    values: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
    return values


@cache
def tokenizer_of(family: str) -> Any:
    """A byte-level tokenizer that has the control tokens and the chat template of a family."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = manifest()[family]
    names = [tokens["bos"], tokens["eos"], *tokens["gen"], tokens["end"], *tokens["special"]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(dict.fromkeys(name for name in names if name)),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["What is the sum of two apples and three pears?", "Be brief."], trainer)
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in tokens["plain"]])
    if bos := tokens["bos"]:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=tokens["eos"])
    wrapped.chat_template = (FOLDER / f"{family}.jinja").read_text()
    return wrapped
