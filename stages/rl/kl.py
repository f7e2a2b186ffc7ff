"""Estimators of KL(policy || reference) from the log-probabilities of sampled tokens.

J. Schulman, "Approximating KL divergence" (2020): with x sampled from the policy and
`log_ratio = log policy(x) - log reference(x)`. Shapes: see `stages.rl`.
"""

import torch
from torch import Tensor


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`log_ratio`: unbiased, high variance, may be negative. REINFORCE++ subtracts it from the reward."""
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`log_ratio² / 2`: biased, low variance; its gradient is the unbiased gradient of the KL."""
    return 0.5 * (logprobs - reference_logprobs).square()


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """`exp(-log_ratio) - 1 + log_ratio`: unbiased, never negative. GRPO's loss term (DeepSeekMath, eq. 4)."""
    log_ratio = logprobs - reference_logprobs
    return torch.expm1(-log_ratio) + log_ratio
