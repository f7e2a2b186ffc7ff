"""Decoder layers compiled by `torch.compile`: fewer and larger kernels, and fewer activations kept for the gradient.

Layers of one kind share their code, so a model is compiled once for training and once for passes without gradients.
Lengths are dynamic, so other lengths compile nothing again. A model that cannot be compiled runs as it is.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from stages.trainer.batches import Packing, pack_sequences

_BACKEND = "inductor"
"""Compiler behind `torch.compile`; it writes Triton for a GPU, C++ for a CPU."""
_OPTIONS: dict[str, Any] = {"emulate_precision_casts": True}
"""Round to 16 bits where the layers themselves do. Otherwise fused operations round less often, and not at the same
places with and without gradients: the ratio of new to old probabilities would not start at 1."""
_RECOMPILATIONS = 64
"""Most variants of one layer's code; torch's limit of 8 is for shapes that are not dynamic. Policy and critic, with and
without gradients, windows of attention that are longer or shorter than the rows, and adapters make variants."""
_ROWS = ((3, 20), (2, 11), (4, 17), (5, 8))
"""(Prompt tokens, response tokens) of the trial. Dimensions of equal size would be compiled as equal ones."""
_REPEATS_ON_GPU = 118
"""How often the trial repeats its rows on a GPU, which makes 8,260 tokens. There the number of tokens decides how sums
over tokens are split and fused, and kernels are tuned on the sizes of their first call."""


def compiles(setting: Literal["auto"] | bool, device: torch.device, zero_stage: int) -> bool:
    """Return whether layers are compiled: with "auto" on a GPU only.

    ZeRO stage 3 fetches weights in hooks around each layer's parts, which a compiled layer would not call.
    """
    wanted = device.type == "cuda" if setting == "auto" else setting
    return wanted and zero_stage < 3


def compile_layers(
    module: nn.Module, compute: Callable[[Packing], Tensor], *, end_to_end: bool, trains: bool = True
) -> None:
    """Compile the decoder layers of a model in place, and try them once.

    If the trial fails, for whatever reason, the layers stay as they were, and one warning says so. So does a later call
    that cannot be compiled.

    Args:
        module: the model; its weights and their gradients do not change.
        compute: returns the model's outputs for a micro-batch.
        end_to_end: whether micro-batches are packed end to end.
        trains: whether gradients are computed, which the trial then does too.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, GradientCheckpointingLayer)]
    torch._dynamo.config.recompile_limit = max(_RECOMPILATIONS, torch._dynamo.config.recompile_limit)
    torch._dynamo.config.accumulated_recompile_limit = max(1024, torch._dynamo.config.accumulated_recompile_limit)
    switch = _Switch(layers)
    for layer in layers:
        layer.forward = _CompiledForward(layer.forward, switch)
    for repeats in trial_repeats(next(module.parameters()).device):
        try:
            _try(module if trains else None, compute, end_to_end, repeats)
        except Exception as error:  # whatever a compiler, its tools or a kernel may raise
            if isinstance(error, torch.OutOfMemoryError) and repeats > 1:
                continue  # the update may have smaller micro-batches
            switch.turn_off(error)
        return


def trial_repeats(device: torch.device) -> tuple[int, ...]:
    """Return how often the trial repeats its rows; the next number is for the case that memory runs out."""
    return (_REPEATS_ON_GPU, 1) if device.type == "cuda" else (1,)


class _Switch:
    """Turns off all compiled layers of a model."""

    def __init__(self, layers: list[GradientCheckpointingLayer]) -> None:
        self._layers = layers

    def turn_off(self, error: Exception) -> None:
        """Let the layers run as they are from now on, and say why, once."""
        layers, self._layers = self._layers, []
        for layer in layers:
            if "forward" in vars(layer):
                del layer.forward  # the class's own is there again
        if layers:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            logging.getLogger(__name__).warning(
                "%s runs without torch.compile, which is slower and takes more memory: %s (compute.trainer.compile: "
                "false says so without a trial)",
                type(layers[0]).__name__,
                reason,
            )


class _CompiledForward:
    """A layer's `forward`, compiled for packed rows; other calls, such as a check's, run as they are."""

    def __init__(self, forward: Callable[..., Any], switch: _Switch) -> None:
        functools.update_wrapper(self, forward)
        self._forward, self._switch = forward, switch
        self._compiled = torch.compile(
            forward, dynamic=True, backend=_BACKEND, options=_OPTIONS if _BACKEND == "inductor" else None
        )

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if "packed_rows" not in settings:
            return self._forward(*args, **settings)
        try:
            return self._compiled(*args, **settings)
        except torch._dynamo.exc.TorchDynamoException as error:
            self._switch.turn_off(error)
            return self._forward(*args, **settings)


def _try(module: nn.Module | None, compute: Callable[[Packing], Tensor], end_to_end: bool, repeats: int) -> None:
    """Compute a micro-batch without gradients and, if there is a module, with them; leave no gradient behind."""
    sequences = [(row, [1] * prompt, [1] * response) for row, (prompt, response) in enumerate(_ROWS * repeats)]
    packing = pack_sequences(sequences, end_to_end=end_to_end)
    with torch.no_grad():
        compute(packing)
    if module is None:
        return
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    torch.autograd.grad(compute(packing).sum(), trained, allow_unused=True)
