"""Log-probabilities of chosen tokens, without the whole [tokens, vocabulary] table in memory. Shapes: see `stages.rl`.

With a vocabulary of 150,000, a micro-batch of 8,192 tokens has 5 GB of float32 logits, and their softmax takes as much
again. So tokens are processed in chunks. One chunk is in memory at a time, and the backward pass computes it again.

On a GPU, `_Fused` writes the gradient of the logits directly. torch's own backward pass of `gather` and `log_softmax`
goes over [tokens, vocabulary] several times more, and memory bandwidth is what limits it there.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stages.rl.chunks import CHUNK_LOGITS


def chosen_logprobs(
    hidden_NH: Tensor,
    head: Callable[[Tensor], Tensor],
    targets_N: Tensor,
    *,
    temperature: float,
    vocabulary: int,
    entropy: Literal["none", "measured", "trained"] = "measured",
    chunk_logits: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each target under softmax(logits / temperature), and the entropy in nats.

    Args:
        hidden_NH: hidden states before each target.
        head: function from hidden states to logits [N, V].
        targets_N: ids of the chosen tokens.
        temperature: divisor of the logits; the sampling temperature.
        vocabulary: V.
        entropy: "none" returns 0, "measured" the entropy without gradient, "trained" the entropy with gradient.
        chunk_logits: logits per chunk; None for the number that suits the device.

    Returns:
        Two float32 tensors [N].
    """

    def chunk_logprobs(hidden_NH: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        all_logprobs_NV = torch.log_softmax(head(hidden_NH).float() / temperature, dim=-1)
        logprobs_N = all_logprobs_NV.gather(1, targets_N[:, None])[:, 0]
        if entropy == "none":
            return logprobs_N, torch.zeros_like(logprobs_N)
        with torch.set_grad_enabled(entropy == "trained" and torch.is_grad_enabled()):
            entropy_N = -(all_logprobs_NV.exp() * all_logprobs_NV).sum(-1)
        return logprobs_N, entropy_N

    device = hidden_NH.device.type
    chunk_tokens = max(1, (chunk_logits or CHUNK_LOGITS.get(device, CHUNK_LOGITS["cpu"])) // vocabulary)
    if fuses(device, head, entropy):
        assert isinstance(head, nn.Linear)
        return fused_logprobs(hidden_NH, head.weight, targets_N, temperature, entropy == "measured", chunk_tokens)
    if len(targets_N) <= chunk_tokens:
        return chunk_logprobs(hidden_NH, targets_N)
    hidden_chunks, target_chunks = torch.split(hidden_NH, chunk_tokens), torch.split(targets_N, chunk_tokens)
    results = [
        checkpoint(chunk_logprobs, hidden_CH, targets_C, use_reentrant=False)
        for hidden_CH, targets_C in zip(hidden_chunks, target_chunks, strict=True)
    ]
    return torch.cat([logprobs for logprobs, _ in results]), torch.cat([entropy for _, entropy in results])


def fuses(device: str, head: object, entropy: str) -> bool:
    """Return whether log-probabilities come from `fused_logprobs`.

    They do on a GPU, for a plain output layer whose weight this process holds whole (ZeRO stage 3 partitions it),
    unless the entropy has a gradient.
    """
    if device != "cuda" or entropy == "trained" or type(head) is not nn.Linear:
        return False
    return getattr(head, "bias", None) is None and not hasattr(head.weight, "ds_id")


def fused_logprobs(
    hidden_NH: Tensor, weight_VH: Tensor, targets_N: Tensor, temperature: float, entropy: bool, chunk_tokens: int
) -> tuple[Tensor, Tensor]:
    """Return what `chosen_logprobs` does for a linear head without bias.

    Products have the type of `hidden_NH`, sums over the vocabulary are in float32 (or that type, if wider).

    Args:
        hidden_NH: hidden states before each target.
        weight_VH: the head's weight.
        targets_N: ids of the chosen tokens.
        temperature: divisor of the logits.
        entropy: whether to compute the entropy, which has no gradient; else it is 0.
        chunk_tokens: tokens per chunk.
    """
    logprobs_N, entropy_N = _Fused.apply(  # type: ignore[no-untyped-call]
        hidden_NH, weight_VH, targets_N, temperature, entropy, chunk_tokens
    )
    return logprobs_N, entropy_N


class _Fused(torch.autograd.Function):
    """Output layer and log-softmax in one, over chunks of tokens.

    With z = h W' / temperature and p = softmax(z), the gradient of log p[target] by z is onehot(target) - p.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, targets_N: Tensor, temperature: float, entropy: bool, size: int
    ) -> tuple[Tensor, Tensor]:
        weight = weight_VH.to(hidden_NH.dtype)
        logprobs, entropies, sums = [], [], []
        for hidden_CH, targets_C in zip(torch.split(hidden_NH, size), torch.split(targets_N, size), strict=True):
            logits_CV = _logits(hidden_CH, weight, temperature)
            chosen_C, largest_C1 = logits_CV.gather(1, targets_C[:, None])[:, 0], logits_CV.amax(-1, keepdim=True)
            # exp z, but for a factor that is the same for a whole row; in place of z if z is not needed any more.
            shares_CV = (logits_CV - largest_C1 if entropy else logits_CV.sub_(largest_C1)).exp_()
            total_C = shares_CV.sum(-1)
            sum_C = total_C.log() + largest_C1[:, 0]
            logprobs.append(chosen_C - sum_C)
            if entropy:
                # H = log sum exp z - sum p z
                entropies.append(sum_C - shares_CV.mul_(logits_CV).sum(-1) / total_C)
            sums.append(sum_C)
            del logits_CV, shares_CV  # before the next chunk needs the memory
        logprobs_N = torch.cat(logprobs)
        entropy_N = torch.cat(entropies) if entropy else torch.zeros_like(logprobs_N)
        ctx.save_for_backward(hidden_NH, weight_VH, targets_N, torch.cat(sums))
        ctx.temperature, ctx.size = temperature, size
        ctx.mark_non_differentiable(entropy_N)
        return logprobs_N, entropy_N

    @staticmethod
    def backward(ctx: Any, gradient_N: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden_NH, weight_VH, targets_N, sums_N = ctx.saved_tensors
        weight = weight_VH.to(hidden_NH.dtype)
        hidden_gradient = torch.empty_like(hidden_NH)
        wide = torch.promote_types(hidden_NH.dtype, torch.float32)
        weight_gradient = None
        if ctx.needs_input_grad[1]:  # not with adapters, which leave the output layer as it is
            weight_gradient = torch.zeros(weight_VH.shape, dtype=wide, device=weight_VH.device)
        for start in range(0, len(hidden_NH), ctx.size):
            chunk = slice(start, start + ctx.size)
            hidden_CH, scale_C = hidden_NH[chunk], gradient_N[chunk] / ctx.temperature
            d_logits = (
                _logits(hidden_CH, weight, ctx.temperature).sub_(sums_N[chunk, None]).exp_().mul_(-scale_C[:, None])
            )
            d_logits.scatter_add_(1, targets_N[chunk, None], scale_C[:, None])
            narrow = d_logits.to(hidden_NH.dtype)
            torch.mm(narrow, weight, out=hidden_gradient[chunk])
            if weight_gradient is not None:
                weight_gradient += narrow.mT @ hidden_CH
            del d_logits, narrow  # before the next chunk needs the memory
        if weight_gradient is not None:
            weight_gradient = weight_gradient.to(weight_VH.dtype)
        return hidden_gradient, weight_gradient, None, None, None, None


def _logits(hidden_CH: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """Return the logits of a chunk, divided by the temperature, in float32 or wider."""
    logits_CV = hidden_CH @ weight.mT
    logits_CV = logits_CV.to(torch.promote_types(logits_CV.dtype, torch.float32))
    return logits_CV if temperature == 1.0 else logits_CV.div_(temperature)
