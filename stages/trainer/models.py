"""Hugging Face folders in, log-probabilities of sampled tokens, Hugging Face folders out."""

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from stages.rl.logprobs import chosen_logprobs
from stages.trainer.batches import ModelInput
from storage.errors import InputError

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".gguf")


class TokenLogprobs(nn.Module):
    """A causal language model whose output is the log-probability of given next tokens (a module, so that an
    engine can wrap it)."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype

    def forward(self, batch: ModelInput, temperature: float) -> tuple[Tensor, Tensor]:
        """Log-probability of each response token and entropy of its distribution, float32 [N] (see `stages.rl`)."""
        device = self.model.device
        with torch.autocast(device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            hidden_BSH = self.model.base_model(batch.input_ids.to(device), use_cache=False).last_hidden_state
            return chosen_logprobs(
                hidden_BSH.flatten(0, 1).index_select(0, batch.position_N.to(device)),
                self.model.get_output_embeddings(),
                batch.target_N.to(device),
                temperature=temperature,
                vocabulary=self.model.config.vocab_size,
            )


def load_model(folder: Path, *, dtype: torch.dtype, device: torch.device) -> TokenLogprobs:
    """Load weights in float32, dropout off (the ratio of new to old probabilities has to start at 1).

    Raises InputError naming the folder where it holds no causal language model this module can compute.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: not a Hugging Face model folder, config.json is missing")
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    for name, value in vars(config).items():
        if ("dropout" in name or name.endswith("pdrop")) and isinstance(value, float):
            setattr(config, name, 0.0)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        attn_implementation="sdpa",
        local_files_only=True,
        use_safetensors=True,
    )
    model.to(device).eval()
    _check_head(model, folder)
    return TokenLogprobs(model, dtype)


def save_model(model: PreTrainedModel, source: Path, target: Path) -> None:
    """Write weights and configuration to `target`, and everything else (tokenizer, chat template, licence) as it
    stands in `source`: without its tokenizer a folder loads as a model that encodes nothing, silently."""
    target.mkdir(parents=True)
    model.save_pretrained(target)
    for path in sorted(source.iterdir()):
        if path.is_file() and not path.name.endswith(_WEIGHTS) and path.name != "config.json":
            shutil.copyfile(path, target / path.name)


@torch.no_grad()
def _check_head(model: PreTrainedModel, folder: Path) -> None:
    # Some architectures scale or cap their logits after the head (Gemma 2, Cohere, Granite): the chunked
    # log-probabilities call the head directly and would be silently wrong.
    tokens = torch.arange(1, 9, device=model.device)[None] % model.config.vocab_size
    logits = model(tokens, use_cache=False).logits
    ours = model.get_output_embeddings()(model.base_model(tokens, use_cache=False).last_hidden_state)
    if not torch.allclose(logits, ours, atol=1e-4, rtol=1e-4):
        raise InputError(f"{folder}: {type(model).__name__} changes logits after the output layer; use another model")
