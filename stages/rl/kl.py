"""Estimators of KL(policy || reference) from the log-probabilities of sampled tokens, and the controller of its weight.

J. Schulman, "Approximating KL divergence" (2020): with x sampled from the policy and
`log_ratio = log policy(x) - log reference(x)`. Shapes: see `stages.rl`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`log_ratio`: unbiased, high variance, may be negative. REINFORCE++ subtracts it from the reward.

    Not for a loss: there its expected gradient is 0.
    """
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`log_ratio² / 2`: biased, low variance; its gradient is the unbiased gradient of the KL."""
    return 0.5 * (logprobs - reference_logprobs).square()


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`exp(-log_ratio) - 1 + log_ratio`: unbiased, never negative. GRPO's loss term (DeepSeekMath, eq. 4)."""
    log_ratio = logprobs - reference_logprobs
    return torch.expm1(-log_ratio) + log_ratio


ESTIMATORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def adapted_coefficient(coefficient: float, *, measured: float, target: float, horizon: int, responses: int) -> float:
    """The coefficient after a rollout of `responses` whose mean KL was `measured` (Ziegler et al., arXiv 1909.08593,
    section 2.2): it moves by at most 20 % in `horizon` responses, up where the KL is above `target`.

    A rollout of more than `horizon` responses counts as one of `horizon`: five times as many, all at KL 0, would
    otherwise set the coefficient to 0 for good.
    """
    error = min(max(measured / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * min(1.0, responses / horizon))
