"""Write relations.json to this folder with TRL's own functions, for tests/unit/rl/test_relations_to_trl.py.

The file holds cases that make.py leaves out: combinations of settings, and values that TRL defines differently. Run it
as make.py:

    PYTHONPATH=. python tests/golden/trl/make_relations.py
"""

from typing import Any

import torch

from tests.golden.trl.make import write


def fixed_inputs() -> dict[str, torch.Tensor]:
    """Return ratios between and beyond 1.1, 1.2 and 1.28, for good and bad responses; no ratio equals a bound."""
    ratios = torch.tensor([[1.15, 1.25, 1.6, 0.5], [1.15, 1.25, 1.6, 0.5], [1.3, 1.4, 0.9, 1.0]], dtype=torch.float64)
    old = torch.tensor([[-1.0, -2.0, -0.5, -3.0], [-0.7, -1.1, -2.2, -0.4], [-1.5, -0.9, -0.6, 0.0]]).double()
    return {
        "logprobs": old + ratios.log(),
        "old": old,
        "reference": old + 0.3,
        "advantages": torch.tensor([1.0, -0.8, -0.5], dtype=torch.float64),
        "mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]]),
    }


def main() -> None:
    given = fixed_inputs()
    settings: dict[str, dict[str, Any]] = {
        "dual clip below the upper end": {"loss_type": "bnpo", "delta": 1.1},
        "dual clip, clip-higher": {"loss_type": "bnpo", "delta": 1.5, "epsilon_high": 0.28},
        "sequence, kl": {"loss_type": "grpo", "beta": 0.3},
        "constant, kl": {"loss_type": "dr_grpo", "beta": 0.3},
        "gspo, constant": {"loss_type": "dr_grpo", "importance_sampling_level": "sequence"},
        "gspo, clip-higher": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon_high": 0.28},
        "gspo, dual clip": {"loss_type": "grpo", "importance_sampling_level": "sequence", "delta": 1.05},
        "cispo, kl": {"loss_type": "cispo", "epsilon_high": 1.2, "beta": 0.3},
    }
    estimators: dict[str, dict[str, Any]] = {
        "grpo, scaled by the batch": {"kind": "grpo", "scale_rewards": "batch"},
        "rloo, normalised": {"kind": "rloo", "normalize_advantages": True, "beta": 0.0},
    }
    write("relations.json", given, settings, estimators)


if __name__ == "__main__":
    main()
