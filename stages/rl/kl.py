"""Estimators of KL(policy || reference) from log-probabilities of sampled tokens, and a controller of the KL's weight.

The estimators are those of J. Schulman, "Approximating KL divergence" (2020). A token x is sampled from the policy, and
`log_ratio = log policy(x) - log reference(x)`. They work elementwise on tensors of any one shape.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return `log_ratio`: unbiased, of high variance, sometimes negative. REINFORCE++ subtracts it from the reward.

    Do not use it in a loss: its expected gradient is 0.
    """
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return `log_ratio² / 2`: biased, of low variance. Its gradient is an unbiased estimate of the KL's gradient."""
    return 0.5 * (logprobs - reference_logprobs).square()


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Return `exp(-log_ratio) - 1 + log_ratio`: unbiased, never negative. GRPO's loss term (DeepSeekMath, eq. 4)."""
    log_ratio = logprobs - reference_logprobs
    return torch.expm1(-log_ratio) + log_ratio


ESTIMATORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def adapted_coefficient(coefficient: float, *, measured: float, target: float, horizon: int, responses: int) -> float:
    """Return the KL coefficient after a rollout of `responses` responses whose mean KL was `measured`.

    The coefficient rises while the KL is above `target` and falls while it is below, by at most 20 % in `horizon`
    responses (Ziegler et al., arXiv 1909.08593, section 2.2). A rollout of more than `horizon` responses counts as
    `horizon`: a rollout of 5 * `horizon` responses at KL 0 would otherwise set the coefficient to 0, where it stays.
    """
    error = min(max(measured / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * min(1.0, responses / horizon))
