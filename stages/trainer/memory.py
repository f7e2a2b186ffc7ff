"""The memory of a GPU that a policy update takes, by calculation: weights, optimiser, gradients, activations, logits.

The counts follow from the shapes of the model and the settings. They were compared with two peaks of an H200 (torch
2.13, a Qwen2 of 1.5 B, 16,384 tokens per micro-batch, compiled layers): 44 GiB, and 19 GiB with gradient checkpointing.
They are upper bounds on purpose, so that an update that is said to fit does fit. No torch here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from stages.rl.chunks import CHUNK_LOGITS
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.deepspeed_config import offloads_optimizer, offloads_weights, zero_stage

GIB = 2**30
CPU_TOKENS = 8192
"""Tokens of a micro-batch on a CPU, unless a setting says otherwise."""
FEWEST_TOKENS, MOST_TOKENS = 4096, 65536
"""Limits of a micro-batch whose size follows from the memory. Above the upper limit nothing becomes faster."""
TOKENS_UNIT = 1024
"""The size is a multiple of this number."""
_LOWERED_BY = {
    "weights": "ZeRO stage 3, offload_param",
    "masters": "ZeRO stage 1, offload_optimizer, update.lora",
    "moments": "ZeRO stage 1, offload_optimizer, update.lora",
    "gradients": "ZeRO stage 2, update.lora",
    "reference": "update.kl_coef: 0",
    "activations": "micro_batch_tokens, gradient_checkpointing, compile",
    "logits": "micro_batch_tokens",
}
"""Part of the memory -> the settings that lower it."""
_SAFETY = 1.1
"""Activations and logits are multiplied by this number: the allocator cannot use every gap between two tensors."""
_LIBRARIES = GIB
"""Memory of CUDA itself, of cuBLAS and of compiled kernels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """The sizes of a language model on which memory depends."""

    parameters: int
    """Number of weights, embeddings included."""
    layers: int
    """Decoder layers."""
    hidden: int
    """Width of the hidden states."""
    intermediate: int
    """Width of the feed-forward part that a token passes through; of all its experts together."""
    query: int
    """Width of the queries of all heads together."""
    key: int
    """Width of the keys of all heads together."""
    heads: int
    """Heads of the queries."""
    vocabulary: int
    """Number of tokens."""

    @classmethod
    def of(cls, config: Mapping[str, Any], parameters: int) -> "ModelShape":
        """Return the shape of a model by the entries of its config.json (those about the language model).

        Raises KeyError if an entry is missing that no other entry decides, and TypeError or ValueError for a value
        that is no positive whole number.
        """
        hidden = _whole(_entry(config, "hidden_size", "n_embd"))
        heads = _whole(_entry(config, "num_attention_heads", "n_head"))
        head = _whole(config.get("head_dim") or hidden // heads)
        intermediate = _whole(config.get("intermediate_size") or config.get("n_inner") or 4 * hidden)
        if experts := config.get("num_experts_per_tok"):
            of_experts = _whole(experts) * _whole(config.get("moe_intermediate_size") or intermediate)
            if shared := config.get("shared_expert_intermediate_size"):
                of_experts += _whole(shared)
            intermediate = max(intermediate, of_experts)
        return cls(
            parameters=parameters,
            layers=_whole(_entry(config, "num_hidden_layers", "n_layer")),
            hidden=hidden,
            intermediate=intermediate,
            query=heads * head,
            key=_whole(config.get("num_key_value_heads") or heads) * head,
            heads=heads,
            vocabulary=_whole(_entry(config, "vocab_size")),
        )

    def splits_into(self, cards: int) -> bool:
        """Return whether vLLM can split the model between cards (vllm.model_executor.layers.linear).

        Each card takes the same part of the heads and of the feed-forward width, and some heads of keys or a copy of
        one.
        """
        key_heads = self.key * self.heads // self.query
        return (
            self.heads % cards == 0
            and self.intermediate % cards == 0
            and (key_heads % cards == 0 or cards % key_heads == 0)
        )

    def adapter_parameters(self, rank: int) -> int:
        """Return the number of weights of low-rank adapters on every linear layer."""
        ends = 2 * (self.hidden + self.query) + 2 * (self.hidden + self.key) + 3 * (self.hidden + self.intermediate)
        return self.layers * rank * ends


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateForm:
    """The settings of an update on which its memory depends."""

    bytes_per_weight: int = 2
    """2 with `dtype: bfloat16`, whose optimiser has float32 masters; 4 with float32, whose weights are the masters."""
    zero_stage: int = 0
    """Stage of DeepSpeed's ZeRO: from 1 the processes share masters and moments, from 2 gradients, at 3 weights too."""
    processes: int = 1
    """Processes that share them."""
    offloads_optimizer: bool = False
    """Whether masters and moments lie in main memory."""
    offloads_weights: bool = False
    """Whether weights lie in main memory (stage 3 only)."""
    gradient_checkpointing: bool = False
    """Whether activations within a layer are computed again in the backward pass."""
    compiled: bool = True
    """Whether layers are compiled; compiled layers keep fewer activations."""
    packed_by_kernel: bool = True
    """Whether attention has a kernel for packed rows; otherwise rows are copied and padded for it."""
    adapter_rank: int | None = None
    """Rank of low-rank adapters; None if all weights are trained."""
    reference: bool = True
    """Whether a reference policy is loaded, for a KL."""
    critic: bool = False
    """Whether there is a critic (ppo)."""

    @classmethod
    def of(
        cls, placement: TrainerPlacement, config: UpdateConfig, deepspeed: Mapping[str, Any], *, compiled: bool
    ) -> "UpdateForm":
        """Return the form that settings ask for, on a GPU.

        Args:
            placement: settings of the trainer.
            config: settings of the update.
            deepspeed: content of the placement's DeepSpeed file, {} without a file.
            compiled: whether layers are compiled.
        """
        bytes_per_weight = 4 if placement.dtype == "float32" else 2
        return cls(
            bytes_per_weight=bytes_per_weight,
            zero_stage=zero_stage(deepspeed),
            processes=placement.world_size,
            offloads_optimizer=offloads_optimizer(deepspeed),
            offloads_weights=offloads_weights(deepspeed),
            gradient_checkpointing=placement.gradient_checkpointing,
            compiled=compiled,
            packed_by_kernel=bytes_per_weight == 2,
            adapter_rank=None if config.lora is None else config.lora.rank,
            reference=config.kl_coef > 0 or config.kl_target is not None,
            critic=config.algorithm == "ppo",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateMemory:
    """Bytes on one GPU at the peak of an update, by what holds them."""

    weights: int
    """Weights of policy and critic."""
    masters: int
    """Float32 copies of the trained weights in the optimiser."""
    moments: int
    """AdamW's two float32 moments."""
    gradients: int
    """Gradients, which are summed in float32."""
    reference: int
    """Weights of the reference policy."""
    activations: int
    """What the backward pass of one micro-batch needs of its forward pass, and one layer's working memory."""
    logits: int
    """One chunk of logits, its gradient, and the gradient of the output layer."""
    libraries: int
    """CUDA, cuBLAS and compiled kernels."""

    @property
    def total(self) -> int:
        """Return the sum of all parts."""
        return sum(getattr(self, field.name) for field in fields(self))

    def text(self, *, advice: bool = False) -> str:
        """Return the parts in GiB, the largest first, on one line; `advice` adds the settings that lower each."""
        parts = sorted(((getattr(self, field.name), field.name) for field in fields(self)), reverse=True)
        lowered_by = _LOWERED_BY if advice else {}
        texts = (
            f"{name} {held / GIB:.1f}" + (f" ({lowered_by[name]})" if name in lowered_by else "")
            for held, name in parts
            if held
        )
        return ", ".join(texts) + " GiB"


def update_memory(shape: ModelShape, form: UpdateForm, tokens: int) -> UpdateMemory:
    """Return the memory of an update with micro-batches of `tokens` tokens."""
    trained = shape.parameters if form.adapter_rank is None else shape.adapter_parameters(form.adapter_rank)
    # The critic is a whole model, all of whose weights are trained, even if the policy has adapters.
    all_weights = shape.parameters + (trained if form.adapter_rank is not None else 0)
    if form.critic:
        trained, all_weights = trained + shape.parameters, all_weights + shape.parameters
    share = form.processes
    optimizer_share = share if form.zero_stage else 1
    has_masters = form.bytes_per_weight == 2 or form.zero_stage > 0
    # Summed in float32; each micro-batch's gradient in the type of the weights comes on top.
    own_gradient = form.bytes_per_weight if form.bytes_per_weight == 2 or form.zero_stage else 0
    gradients = 4 * trained // (share if form.zero_stage > 1 else 1)
    gradients += own_gradient * trained // (share if form.zero_stage == 3 else 1)
    weights = form.bytes_per_weight * all_weights // (share if form.zero_stage == 3 else 1)
    return UpdateMemory(
        weights=0 if form.offloads_weights else weights,
        masters=0 if form.offloads_optimizer or not has_masters else 4 * trained // optimizer_share,
        moments=0 if form.offloads_optimizer else 8 * trained // optimizer_share,
        gradients=gradients,
        reference=form.bytes_per_weight * shape.parameters if form.reference else 0,
        activations=int(_SAFETY * tokens * activation_bytes(shape, form)),
        logits=int(_SAFETY * _logit_bytes(shape, form, tokens)),
        libraries=_LIBRARIES,
    )


def activation_bytes(shape: ModelShape, form: UpdateForm) -> int:
    """Return the bytes of activations per token of a micro-batch."""
    layer = _layer_bytes(shape, form)
    kept = 2 * shape.hidden if form.gradient_checkpointing else layer
    # One layer's gradients live at a time. Outside of the layers: embedding, last norm, the rows that predict tokens.
    values = shape.layers * kept + layer + 20 * shape.hidden
    return values * form.bytes_per_weight // 2


def largest_micro_batch(shape: ModelShape, form: UpdateForm, memory: int) -> int:
    """Return the most tokens per micro-batch with which an update fits, between `FEWEST_TOKENS` and `MOST_TOKENS`.

    Args:
        shape: shape of the policy.
        form: form of the update.
        memory: bytes that this process may use of its GPU, those that it uses already included.
    """
    fitting = (
        tokens
        for tokens in range(MOST_TOKENS, FEWEST_TOKENS, -TOKENS_UNIT)
        if update_memory(shape, form, tokens).total <= memory
    )
    return next(fitting, FEWEST_TOKENS)


def _layer_bytes(shape: ModelShape, form: UpdateForm) -> int:
    """Return the bytes that a decoder layer keeps for its backward pass, per token, with 16-bit values.

    An eager layer keeps for each of its two norms the input in float32 (4 bytes) and the output (2), the inputs of the
    products (2 hidden each), query, key, value and output of attention, and four values of the feed-forward part. A
    compiled layer computes element-wise operations again.
    """
    attention = 4 * shape.query + 4 * shape.key + 4 * shape.heads
    if not form.packed_by_kernel:
        attention *= 3  # gathered and padded
    norms, feed_forward = (13, 4) if form.compiled else (16, 8)
    return norms * shape.hidden + attention + feed_forward * shape.intermediate


def _logit_bytes(shape: ModelShape, form: UpdateForm, tokens: int) -> int:
    """Return the bytes of a chunk of logits: in float32 twice, and in 16 bits; and of the output layer's gradient."""
    chunk = min(tokens * shape.vocabulary, max(CHUNK_LOGITS["cuda"], shape.vocabulary))
    return (8 + form.bytes_per_weight) * chunk + (4 + 2 * form.bytes_per_weight) * shape.vocabulary * shape.hidden


def _entry(config: Mapping[str, Any], *names: str) -> Any:
    """Return the first entry of these names."""
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise KeyError(names[0])


def _whole(value: Any) -> int:
    """Return a positive whole number. Raises TypeError or ValueError for anything else."""
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    if not number.is_integer() or number < 1:
        raise ValueError(f"expected a positive whole number, found {value!r}")
    return int(number)
