"""Settings of the warm start, which trains a tiny policy from scratch."""

from pydantic import Field

from stages.settings.base import Settings


class WarmStartConfig(Settings):
    """The recipe of the warm start.

    Its defaults were chosen on held-out problems and random seeds that no published number uses.

    Worked answers have to be learned before direct answers appear. With rates of 0.02 and 6e-3 that failed for four
    of eight seeds (a single sample was right in 12-22 % of problems instead of 24-49 %); with these rates it failed for
    none of twenty.
    """

    width: int = Field(default=96, ge=32, le=1024)
    """Hidden size."""
    layers: int = Field(default=2, ge=1, le=16)
    """Transformer blocks."""
    heads: int = Field(default=3, ge=1, le=32)
    """Attention heads, each with its own keys and values."""
    head_size: int = Field(default=32, ge=32, le=128)
    """Size of one head; vLLM on a CPU needs at least 32."""
    feed_forward: int = Field(default=256, ge=32, le=8192)
    """Size of the gated layer."""
    init_std: float = Field(default=0.05, gt=0, le=1)
    """Standard deviation of the initial weights."""
    vocabulary: int = Field(default=600, ge=300, le=8192)
    """Most tokens; from about 560 on, every word of the domain is a single token."""
    steps: int = Field(default=750, ge=1)
    """Optimiser steps."""
    direct_from_step: int = Field(default=640, ge=0)
    """Every answer is worked before this step; from this step on each is direct with probability `direct_share`."""
    direct_share: float = Field(default=0.5, ge=0, le=1)
    """Share of direct answers from `direct_from_step` on."""
    questions_per_step: int = Field(default=24, ge=1)
    """Questions with their answers in a step."""
    lists_per_step: int = Field(default=2, ge=1)
    """Lists of questions in a step."""
    examples_in: int = Field(default=2, ge=1, le=16)
    """Questions that a list shows."""
    examples_out: int = Field(default=2, ge=1, le=16)
    """Questions that follow the shown ones and are learned."""
    question_loss: float = Field(default=0.1, ge=0)
    """Weight of the question's tokens; those of its answer have weight 1."""
    list_loss: float = Field(default=1.0, ge=0)
    """Weight of the questions written in a list; answers have weight 1."""
    matrix_learning_rate: float = Field(default=0.013, gt=0, le=1)
    """Rate of Muon, for the matrices inside the blocks."""
    learning_rate: float = Field(default=4e-3, gt=0, le=1)
    """Rate of Adam, for embeddings, norms and biases."""
    warm_up_steps: int = Field(default=50, ge=0)
    """Steps over which both rates rise."""
    decay_share: float = Field(default=0.5, gt=0, le=1)
    """Last share of the steps, over which both rates fall linearly."""
    final_rate: float = Field(default=0.05, ge=0, le=1)
    """Floor of both rates, as a share of their highest values."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Bound of the gradient's norm."""
