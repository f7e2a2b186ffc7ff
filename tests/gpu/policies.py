"""Policies for measurements: a tiny one, and random weights in the shapes of Qwen2."""

from pathlib import Path
from typing import Any

from tests.gpu.questions import problems
from tests.tiny_models import make_tiny_policy, make_tiny_tokenizer

SHAPES: dict[str, dict[str, int]] = {
    "0.5B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
             "num_key_value_heads": 2, "head_dim": 64},
    "1.5B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
             "num_key_value_heads": 2, "head_dim": 128},
    "3B": {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
           "num_key_value_heads": 2, "head_dim": 128},
    "7B": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
           "num_key_value_heads": 4, "head_dim": 128},
    # What --small has in their place.
    "toy": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 32},
}  # fmt: skip
VOCABULARY = {"0.5B": 151_936, "1.5B": 151_936, "3B": 151_936, "7B": 152_064, "toy": 512}
TIED = {"0.5B": True, "1.5B": True, "3B": True, "7B": False, "toy": True}


TINY_POLICY = "tiny-policy"
"""Folder of the tiny policy in the folder of the results."""


def tiny_policy(folder: Path) -> Path:
    """Write a random policy that runs in seconds on a CPU; return the folder."""
    texts = [problem["question"] for problem in problems(100, seed=1)]
    return make_tiny_policy(folder, vocab_texts=texts, max_position_embeddings=2_048)


def parameters(shape: str) -> int:
    """Return the number of weights of a shape."""
    sizes, vocabulary = SHAPES[shape], VOCABULARY[shape]
    hidden, heads = sizes["hidden_size"], sizes["num_attention_heads"] * sizes["head_dim"]
    kv = sizes["num_key_value_heads"] * sizes["head_dim"]
    attention = hidden * (heads + 2 * kv) + heads + 2 * kv + heads * hidden
    layer = attention + 3 * hidden * sizes["intermediate_size"] + 2 * hidden
    return sizes["num_hidden_layers"] * layer + hidden + vocabulary * hidden * (1 if TIED[shape] else 2)


def config_values(shape: str) -> dict[str, Any]:
    """Return the fields of a Qwen2 config."""
    return {
        **SHAPES[shape],
        "vocab_size": VOCABULARY[shape],
        "tie_word_embeddings": TIED[shape],
        "max_position_embeddings": 4_096,
        "initializer_range": 0.02,
        "rope_theta": 1_000_000.0,
        "rms_norm_eps": 1e-6,
    }


def write_random_policies(*, folders: dict[str, str], on_gpu: bool, **_: Any) -> dict[str, Any]:
    """Write random weights of shapes to folders, in bfloat16 on a GPU and float32 on a CPU (a step, see child.py).

    `folders`: shape -> folder.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tiny_tokenizer()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    counts = {}
    for shape, folder in folders.items():
        config = AutoConfig.for_model(
            "qwen2", **config_values(shape), bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        torch.manual_seed(0)
        try:
            with torch.device("cuda" if on_gpu else "cpu"):
                model = AutoModelForCausalLM.from_config(config, dtype=dtype).to("cpu")
        except RuntimeError as error:
            print(f"made on the CPU, which is slow: {error}", flush=True)
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        counts[shape] = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": counts}
