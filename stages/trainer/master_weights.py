"""Training in 16 bits without ZeRO: float32 master weights, with weights and gradients that lie end to end.

The model computes with 16-bit weights. AdamW works on float32 masters, and each step rounds them to the weights of the
model. An update of a weight is often smaller than half a unit in the last of a bfloat16's 8 bits, so without masters it
would be lost.

Weights, masters, gradients and moments each are one flat tensor, so a step is a handful of kernels whatever the number
of parameters.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_ALIGNMENT = 64
"""Every parameter starts at a multiple of this many elements: kernels for matrix products are slower elsewhere."""
_NORM_CHUNK = 2**18
"""Elements whose squares are added up in one float32 sum; a sum over all of them would lose digits."""


class MasterEngine:
    """A module with 16-bit weights, their float32 masters, and AdamW; takes the place of a DeepSpeed engine.

    Gradients of micro-batches are added up in float32: each parameter's 16-bit gradient is added to a float32 one, and
    dropped, as soon as the backward pass has computed it.
    """

    def __init__(self, module: nn.Module, trained: Sequence[nn.Parameter], dtype: torch.dtype, *, fused: bool) -> None:
        """Make the float32 weights of `trained` the masters, and round all weights of `module` to `dtype`."""
        self.module = module
        self.max_norm = 1.0
        """The gradient is scaled down to this norm."""
        self.norm = 0.0
        """Norm of the latest gradient before clipping."""
        ends = list(accumulate(-(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT for parameter in trained))
        self._starts = {id(parameter): start for parameter, start in zip(trained, [0, *ends], strict=False)}
        device = trained[0].device
        self.master = torch.zeros(ends[-1], dtype=torch.float32, device=device)
        self.weights = torch.zeros(ends[-1], dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.master)
        for parameter in trained:
            self.part(self.master, parameter).copy_(parameter.detach())
            parameter.data = self.part(self.weights, parameter)
        for parameter in module.parameters():
            parameter.data = parameter.data.to(dtype)
        self.weights.copy_(self.master)
        self.optimizer = torch.optim.AdamW([self.master], lr=0.0, fused=fused or None)
        self._hooks: list[Any] = []
        for parameter in trained:
            add = partial(_add_gradient, self.part(self.gradient, parameter))
            self._hooks.append(parameter.register_post_accumulate_grad_hook(add))  # type: ignore[no-untyped-call]

    def __call__(self, *args: Any) -> Any:
        """Return the outputs of the module."""
        return self.module(*args)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss."""
        loss.backward()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def step(self) -> None:
        """Take one step with the sum of all processes' gradients; skip it if their norm is infinite or no number."""
        if dist.get_world_size() > 1:
            dist.all_reduce(self.gradient)
        self.norm = torch.nn.utils.get_total_norm(torch.split(self.gradient, _NORM_CHUNK)).item()
        if math.isfinite(self.norm):
            self.gradient.mul_(min(1.0, self.max_norm / (self.norm + 1e-6)))
            self.master.grad = self.gradient
            self.optimizer.step()
            self.master.grad = None
            self.weights.copy_(self.master)
        self.gradient.zero_()

    def part(self, flat: Tensor, parameter: nn.Parameter) -> Tensor:
        """Return the part of a flat tensor that belongs to a parameter, in its shape."""
        start = self.start(parameter)
        return flat[start : start + parameter.numel()].view(parameter.shape)

    def start(self, parameter: nn.Parameter) -> int:
        """Return the index of a parameter's first value in a flat tensor."""
        return self._starts[id(parameter)]

    def destroy(self) -> None:
        """Remove the hooks, and let go of masters, gradients and moments."""
        for hook in self._hooks:
            hook.remove()
        self.optimizer.state.clear()
        self.optimizer.param_groups.clear()
        del self.master, self.gradient, self.weights, self._hooks


def _add_gradient(total: Tensor, parameter: Tensor) -> None:
    assert parameter.grad is not None
    total.add_(parameter.grad)
    parameter.grad = None
