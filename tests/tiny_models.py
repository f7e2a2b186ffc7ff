"""Small random policies in Hugging Face folders, made in well under a second, for tests and benchmarks."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

VOCAB_TEXTS = (
    "Tom has 3 apples and buys 4 more apples. How many apples does Tom have now?",
    "There are 30 keys here. Anna takes 8 keys away and brings 2 back. What is the final count?",
    "1. What is the sum of 5 and 7?\n2. A train travels 60 miles in 2 hours. How fast is it?\n3.",
    "3+4=7 \\boxed{7}",
    "Come up with a series of questions:",
)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DATED_TEMPLATE = "{{ 'Today Date: ' + strftime_now('%d %b %Y') + '\n' }}" + CHAT_TEMPLATE
"""Writes the date into every prompt, as Llama 3.2's does."""
EOS, PAD = "<|im_end|>", "<|pad|>"
PARITY = """
from stages.answers.kinds import AnswerKind

class Parity(AnswerKind):
    def extract(self, response, question):
        return str(len(response) % 2)
    def canonical(self, answer, question):
        return answer or None

PARITY = Parity()
"""
"""A kind that reads an answer in every response, so that garbage votes too."""


def make_tiny_tokenizer(vocab_texts: Sequence[str] = VOCAB_TEXTS, *, vocab_size: int = 400) -> Any:
    """A byte-level BPE tokenizer trained on `vocab_texts`, single digits, with eos, pad and a chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, "<|im_start|>", EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(vocab_texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=EOS, pad_token=PAD, additional_special_tokens=["<|im_start|>"]
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def logprobs_of(model: Any, prompt: Sequence[int], response: Sequence[int], temperature: float = 1.0) -> Any:
    """Log-probability of every token of the vocabulary before each token of the response [tokens, vocabulary]."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(-1)


def make_tiny_policy(
    folder: Path,
    *,
    tied: bool = True,
    arch: str = "qwen2",
    vocab_texts: Sequence[str] = VOCAB_TEXTS,
    seed: int = 0,
    tokenizer: Any = None,
    **config: Any,
) -> Path:
    """Write a random causal language model and a tokenizer, trained on `vocab_texts`, to `folder`; return the folder.

    `tokenizer`: another one to take.

    `arch` is a transformers model type ("qwen2", "llama", ...); `config` overrides the sizes. The same arguments give
    the same bytes, and the global random state of torch is left alone.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tokenizer or make_tiny_tokenizer(vocab_texts)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 512,
        # Wide enough that the most probable token stands out from float noise.
        "initializer_range": 0.2,
    }
    model_config = AutoConfig.for_model(
        arch,
        **(sizes | config),
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(model_config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_scripted_policy(folder: Path, tokenizer: Any, script: Sequence[int]) -> Path:
    """Write a model that follows a script to `folder`: behind each token of the script it is sure of the next one.

    No token may stand twice in the script. A response begins behind the prompt's last token, which is the script's
    first.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    assert len(set(script)) == len(script)
    size, rows = 64 * (len(tokenizer) // 64 + 1), len(tokenizer)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=size, intermediate_size=8, num_hidden_layers=1, num_attention_heads=size // 32,
        num_key_value_heads=1, max_position_embeddings=512, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "norm" in name else 0.0)
        model.model.embed_tokens.weight.copy_(torch.eye(rows, size))
        for token, following in pairwise(script):
            model.lm_head.weight[following, token] = 40 / size**0.5  # behind the norm: a logit of 40
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    tokenizer.save_pretrained(folder)
    return folder


def saved_adapter(folder: Path, base: Path, **settings: Any) -> Path:
    """An adapter as a user has trained it with peft, not with this software."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    config = peft.LoraConfig(**({"r": 4, "lora_alpha": 16, "target_modules": "all-linear", **settings}))
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(len(name)))
    model.save_pretrained(folder)
    return folder
