"""What was measured on a GPU, and what is assumed for lack of a measurement: the estimates of `serl check` use nothing
else.

Measured on one H200 on 2026-11-27 with vLLM 0.32.0, torch 2.13.0, DeepSpeed 0.19.8 and CUDA 13.0. Later versions of
this software do more on the GPU, and what they reach was not measured yet: the figures are those of what ran, so
estimates err on the slow side. Replace a figure only by one that was seen, with its date.
"""

from stages.engines.card_speeds import CARDS, CardSpeed

CARD: CardSpeed = next(card for card in CARDS if card.name == "H200")
"""The card on which the figures of this module were measured."""
SOURCE = "one H200 on 2026-11-27 with vLLM 0.32.0 and torch 2.13.0"

# Measured.

START_SECONDS = 115.0
"""vLLM, from nothing to its first token, with nothing compiled before."""
TOKENS_PER_SECOND = 10_600.0
"""Evaluation and sampling with vLLM, 0.5 billion parameters, 512 responses at a time."""
SMALL_GENERATION = (4.3, 1_024)
"""Seconds of generate with 8 prompts (0.5 billion parameters), and the most tokens that they can have had."""
AROUND_UPDATE_SECONDS, AROUND_UPDATE_PARAMETERS = 27.0, 494_000_000
"""Seconds of an update but its optimiser steps (load, check, save), and the parameters of the model."""
UTILISATION = ((494_000_000, 8_192, 0.16), (494_000_000, 32_768, 0.25), (1_540_000_000, 16_384, 0.40))
"""Forward and backward pass as a share of the card's 16-bit peak: (parameters, tokens of a micro-batch, share).
bfloat16 weights, `varlen_attn` over packed rows, 2 GiB of logits at a time, compiled layers."""
CHECKPOINTING = 0.33 / 0.40
"""Speed with gradient checkpointing as a multiple of that without (1.5 billion parameters)."""
UNCOMPILED = 0.33 / 0.40
"""Speed without compiled layers as a multiple of that with them (1.5 billion parameters)."""
LOWEST_UTILISATION = 0.09
"""The lowest share of the peak that was seen (0.5 billion parameters, 8 k tokens, float32 weights, another job on the
card)."""

# Assumed.

SHARE_OF_PEAK = 0.3
"""Share of a card's operations and bytes per second that an engine reaches."""
DECODE_SECONDS_PER_LAYER = 1.5e-3
"""Seconds of a decoding step of the transformers engine on a GPU, per layer: kernels are launched one by one. Measured
was only that 2,500 responses had not ended after 215 s."""
PROMPT_TOKENS = 256
"""Tokens of a prompt, unless the config allows fewer."""
SECONDS_PER_RESPONSE = 2.6e-4
"""Seconds to read and grade one response, on one core (measured on a CPU: docs/explanation/performance.md)."""
SECONDS_BETWEEN_STAGES = 15.0
"""Seconds of an iteration for records, reports and Prefect (measured on a CPU: docs/explanation/performance.md)."""
SEVERAL_CARDS = 0.8
"""Speed of n cards as a multiple of n times the speed of one."""
OFFLOADED = 0.3
"""Speed of an update with weights and optimiser in main memory as a multiple of that without."""
FEWEST_TOKENS = 4_096
"""Tokens of a micro-batch below which the speed falls in proportion: launching kernels is the limit."""


def utilisation(parameters: int, micro_batch_tokens: int) -> float:
    """Return the share of the peak that an update of this size can count on: that of the largest measured case which is
    no larger."""
    shares = [
        share
        for size, tokens, share in UTILISATION
        if size <= 1.05 * parameters and tokens <= 1.05 * micro_batch_tokens
    ]
    return max(shares, default=LOWEST_UTILISATION * min(micro_batch_tokens / FEWEST_TOKENS, 1.0))
