"""Models in training: load and save Hugging Face folders; log-probabilities or values of response tokens."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    GenerationConfig,
    PreTrainedModel,
)

from stages.chat.stop_tokens import GENERATION_CONFIG
from stages.hub.models import files_of_folder
from stages.model_folder import MORE_TEMPLATES, has_model_config, remove_from_model_config
from stages.rl.logprobs import chosen_logprobs
from stages.trainer import packed_attention
from stages.trainer.batches import Packing
from storage.errors import InputError

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".gguf")
"""Endings of files that hold weights."""


class TokenModel(nn.Module):
    """A language model with one output per response token; a module, so that a DeepSpeed engine can wrap it."""

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype
        """Type of weights and matrix products."""
        self.vocabulary = int(model.config.get_text_config().vocab_size)
        """Number of tokens; of the language model, if it is part of a multimodal one."""

    def _hidden(self, packing: Packing) -> Tensor:
        """Return the hidden states that predict the response tokens, [N, H]."""
        device = self.model.device
        hidden_1MH = self.model.base_model(
            input_ids=torch.tensor([packing.tokens], device=device),
            position_ids=torch.tensor([packing.positions], device=device),
            use_cache=False,
            packed_rows=packed_attention.lay_out(packing, device, self.dtype),
        ).last_hidden_state
        return nn.functional.embedding(torch.tensor(packing.predictors, device=device), hidden_1MH[0])


class TokenLogprobs(TokenModel):
    """A causal language model whose outputs are log-probabilities of the response tokens."""

    def forward(
        self, packing: Packing, temperature: float, entropy: Literal["none", "measured", "trained"] = "measured"
    ) -> tuple[Tensor, Tensor]:
        """Return the log-probability of each response token and the entropy of its distribution (nats), float32 [N].

        Args:
            packing: the micro-batch.
            temperature: divides the logits.
            entropy: see `stages.rl.logprobs.chosen_logprobs`.
        """
        return chosen_logprobs(
            self._hidden(packing),
            self.model.get_output_embeddings(),
            torch.tensor(packing.targets, device=self.model.device),
            temperature=temperature,
            vocabulary=self.vocabulary,
            entropy=entropy,
        )


class _ValueHead(nn.Linear):
    """A linear layer with one output in float32, whose sums do not depend on the memory address of its weight.

    The sums of BLAS's matrix-vector product do depend on that address, so a restored critic would differ from a
    live critic in the last bits.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        return (hidden.float() * self.weight[0].float()).sum(-1, keepdim=True) + self.bias.float()


class TokenValues(TokenModel):
    """PPO's critic: a token classifier with one class, whose output is the value before each response token."""

    def forward(self, packing: Packing) -> Tensor:
        """Return the values, float32 [N]."""
        values_N1: Tensor = self.model.score(self._hidden(packing))
        return values_N1[:, 0]


def load_policy(folder: Path, *, dtype: torch.dtype, device: torch.device) -> TokenLogprobs:
    """Load a policy with weights in `dtype`, dropout off.

    Dropout is off because the ratio of new to old probabilities has to start at 1.

    Raises InputError naming the folder if it holds no causal language model.
    """
    return TokenLogprobs(_load(AutoModelForCausalLM, folder, dtype, device), dtype)


def load_critic(folder: Path, *, new: bool, dtype: torch.dtype, device: torch.device) -> TokenValues:
    """Load a saved critic, or make a `new` critic from the body of a policy; all values of a new critic are 0.

    Raises InputError if the architecture has no token classifier with a linear `score` and a bias.
    """
    model = _load(AutoModelForTokenClassification, folder, dtype, device, num_labels=1)
    if not isinstance(getattr(model, "score", None), nn.Linear):
        raise InputError(
            f"{folder}: transformers has no token classifier of {type(model).__name__}'s kind with a linear `score`"
        )
    if model.score.bias is None:
        raise InputError(f"{folder}: {type(model).__name__}'s `score` has no bias, which our critic's has")
    model.score.__class__ = _ValueHead
    if new:
        for parameter in model.score.parameters():
            set_weight(parameter, torch.zeros(full_shape(parameter)))
    return TokenValues(model, dtype)


def _load(auto_class: Any, folder: Path, dtype: torch.dtype, device: torch.device, **settings: Any) -> PreTrainedModel:
    """Load a model with one of transformers' Auto classes; `settings` replace fields of its config."""
    if not has_model_config(folder):
        raise InputError(f"{folder}: not a Hugging Face model folder, config.json is missing")
    config = AutoConfig.from_pretrained(folder, local_files_only=True, **settings)
    for part in (config, config.get_text_config()):  # the same one, unless the model is multimodal
        for name, value in vars(part).items():
            if ("dropout" in name or name.endswith("pdrop")) and isinstance(value, float):
                setattr(part, name, 0.0)
    try:
        model: PreTrainedModel = auto_class.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation=packed_attention.NAME,
            local_files_only=True,
            use_safetensors=True,
        )
    except ValueError as error:
        raise InputError(f"{folder}: {' '.join(str(error).split())[:500]}") from error
    model.to(device).eval()
    return model


def save_model(model: PreTrainedModel, weights: Mapping[str, Tensor], source: Path | None, target: Path) -> None:
    """Write `weights` and the config of `model` to `target`, and copy every other file of `source`.

    The other files are tokenizer, chat template and licence. Without a tokenizer, a folder would silently load as a
    model that encodes nothing.
    """
    target.mkdir(parents=True)
    if model.config.tie_word_embeddings:
        # The output layer is the embedding; write it once, under the name of the embedding.
        weights = {name: value for name, value in weights.items() if not name.endswith("lm_head.weight")}
    if source is not None and (source / GENERATION_CONFIG).exists():
        # It is copied below. transformers refuses to write many that are published, such as a temperature without
        # do_sample.
        model.generation_config = GenerationConfig()
    model.save_pretrained(target, state_dict=dict(weights))
    # Other software does not know the name of our attention.
    remove_from_model_config(target, "_attn_implementation")
    if source is None:
        return
    for name in files_of_folder(source):
        path, copy = source / name, target / name
        of_model = "/" not in name and not name.endswith(_WEIGHTS) and name != "config.json"
        if of_model or (path.parent == source / MORE_TEMPLATES and path.suffix == ".jinja"):
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)


def full_shape(parameter: nn.Parameter) -> torch.Size:
    """Return the whole shape of a parameter, even if ZeRO stage 3 has partitioned it."""
    return torch.Size(getattr(parameter, "ds_shape", parameter.shape))


@torch.no_grad()
def set_weight(parameter: nn.Parameter, value: Tensor) -> None:
    """Overwrite a parameter, even if ZeRO stage 3 has partitioned it."""
    if not hasattr(parameter, "ds_id"):
        parameter.copy_(value)
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
        parameter.copy_(value.to(parameter.device))


@torch.no_grad()
def check_model(policy: TokenLogprobs, folder: Path) -> None:
    """Raise InputError unless the packed log-probabilities agree with the model's own logits.

    Some architectures would be silently wrong: they scale or cap logits after the head (Gemma 2, Cohere, Granite), mix
    tokens outside of attention, or have attention that packed attention does not know (sinks).
    """
    model, vocabulary = policy.model, policy.vocabulary
    prompt, first, second = ([(7 * i + k) % vocabulary for i in range(n)] for k, n in ((1, 5), (2, 4), (3, 6)))
    size = len(prompt) + len(first)
    packing = Packing(
        tokens=prompt + first + second,
        positions=[*range(size), *range(len(prompt), len(prompt) + len(second))],
        rows=[list(range(size)), [*range(len(prompt)), *range(size, size + len(second))]],
        predictors=[*range(len(prompt) - 1, size - 1), len(prompt) - 1, *range(size, size + len(second) - 1)],
        targets=first + second,
    )
    packed_N, _ = policy(packing, 1.0)
    model.set_attn_implementation("eager")
    plain_logprobs = []
    for response in (first, second):
        tokens = torch.tensor([prompt + response], device=model.device)
        logprobs_SV = model(tokens, use_cache=False).logits[0].float().log_softmax(-1)
        plain_logprobs.append(logprobs_SV[len(prompt) - 1 : -1].gather(1, tokens[0, len(prompt) :, None])[:, 0])
    model.set_attn_implementation(packed_attention.NAME)
    tolerance = 1e-3 if policy.dtype == torch.float32 else 0.1
    if not torch.allclose(packed_N, torch.cat(plain_logprobs), atol=tolerance, rtol=tolerance):
        raise InputError(
            f"{folder}: {type(model).__name__} cannot be trained here: it changes logits after its output layer, or "
            "its tokens see each other in ways other than causal attention; use another model"
        )
