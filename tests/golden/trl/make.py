"""Write trl.json to this folder with TRL's own functions, for tests/unit/rl/test_against_trl.py.

Run it from the root of the repository, in an environment that has trl 1.16 and is not that of this project:

    PYTHONPATH=. python tests/golden/trl/make.py
"""

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer

from tests.tiny_models import make_tiny_policy

REWARDS = [1.0, 0.0, 0.0, 1.0, 0.2, 0.7, 0.7, 0.1]
MAX_TOKENS = 6


def fixed_inputs() -> dict[str, torch.Tensor]:
    """Return three responses of 4, 2 and 3 tokens, with ratios well inside and far outside of every clip."""
    generator = torch.Generator().manual_seed(7)
    logprobs, noise, far, sampled = (torch.randn(3, 4, generator=generator, dtype=torch.float64) for _ in range(4))
    return {
        "logprobs": logprobs - 2,
        "old": logprobs - 2 - 0.6 * noise,
        "reference": logprobs - 2 - 0.4 * far,
        "behaviour": logprobs - 2 - 0.6 * noise - 0.5 * sampled,
        "advantages": torch.tensor([1.2, -0.7, 0.4], dtype=torch.float64),
        "mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]),
    }


class _Alone:
    """The parts of an Accelerator that a loss uses, for a single process."""

    num_processes = 1
    sync_gradients = True

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def reduce(self, values: torch.Tensor, reduction: str) -> torch.Tensor:
        return values


def loss_and_gradient(given: dict[str, torch.Tensor], **settings: Any) -> dict[str, Any]:
    """Return loss and gradient of GRPOTrainer._compute_loss, with fixed log-probabilities instead of a model."""
    logprobs = given["logprobs"].clone().requires_grad_()
    trainer: Any = GRPOTrainer.__new__(GRPOTrainer)
    cap = settings.pop("tis_cap", None)
    trainer.__dict__ |= {
        "_get_per_token_logps_and_entropies": lambda *_, **__: (logprobs, torch.zeros_like(logprobs), None),
        "accelerator": _Alone(),
        "args": SimpleNamespace(
            delta=settings.pop("delta", None), use_bias_correction_kl=False, steps_per_generation=1
        ),
        "model": SimpleNamespace(training=True),
        "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None,
        "aux_loss_enabled": False,
        "use_vllm": cap is not None,
        "vllm_importance_sampling_correction": cap is not None,
        "_entropy_bonus_enabled": False,
        "current_gradient_accumulation_steps": 1,
        "max_completion_length": MAX_TOKENS,
        "_metrics": {"train": defaultdict(list)},
        "beta": 0.0,
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "importance_sampling_level": "token",
        **settings,
    }
    inputs = {
        "prompt_ids": torch.ones(3, 1, dtype=torch.long),
        "prompt_mask": torch.ones(3, 1, dtype=torch.long),
        "completion_ids": torch.ones(3, 4, dtype=torch.long),
        "completion_mask": given["mask"],
        "advantages": given["advantages"],
        "old_per_token_logps": given["old"],
        "ref_per_token_logps": given["reference"],
        "num_items_in_batch": given["mask"].sum(),
    }
    if cap is not None:
        inputs["importance_sampling_ratio"] = (given["old"] - given["behaviour"]).exp().clamp(max=cap)
    loss = trainer._compute_loss(trainer.model, inputs)
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return {"loss": loss.item(), "gradient": gradient.tolist()}


def advantages(folder: Path, kind: str, **settings: Any) -> list[float]:
    """Return the advantages that a real trainer computes for `REWARDS`: two prompts with four responses each."""
    trainer_class, config_class = {
        "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
        "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    }[kind]
    config = config_class(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=2,
        report_to=[],
        use_cpu=True,
        bf16=False,
        **settings,
    )
    trainer = trainer_class(
        model=str(folder / "policy"),
        reward_funcs=lambda completions, **_: REWARDS,
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": "Tom has"}, {"prompt": "There are"}]),
    )
    trainer.model.train()
    rows = [{"prompt": prompt} for prompt in ("Tom has", "There are") for _ in range(4)]
    found: list[float] = trainer._generate_and_score_completions(rows)["advantages"].tolist()
    return found


def write(
    name: str,
    given: dict[str, torch.Tensor],
    settings: dict[str, dict[str, Any]],
    estimators: dict[str, dict[str, Any]],
) -> None:
    """Write TRL's losses and advantages for these settings, with their inputs, to the file `name` in this folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_tiny_policy(folder / "policy")
        made = {
            "trl": trl.__version__,
            "max_tokens": MAX_TOKENS,
            "inputs": {key: value.tolist() for key, value in given.items()},
            "losses": {case: loss_and_gradient(given, **chosen) for case, chosen in settings.items()},
            "rewards": REWARDS,
            "advantages": {case: advantages(folder, **chosen) for case, chosen in estimators.items()},
        }
    Path(__file__).with_name(name).write_text(json.dumps(made, indent=1) + "\n")


def main() -> None:
    given = fixed_inputs()
    settings: dict[str, dict[str, Any]] = {
        "token": {"loss_type": "bnpo"},
        "token over the batch": {"loss_type": "dapo"},
        "sequence": {"loss_type": "grpo"},
        "constant": {"loss_type": "dr_grpo"},
        "clip-higher": {"loss_type": "bnpo", "epsilon_high": 0.28},
        "dual clip": {"loss_type": "bnpo", "delta": 1.5},
        "kl": {"loss_type": "bnpo", "beta": 0.3},
        "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence"},
        "gspo, token mean": {"loss_type": "bnpo", "importance_sampling_level": "sequence"},
        "cispo": {"loss_type": "cispo", "epsilon_high": 1.5},
        "tis": {"loss_type": "bnpo", "tis_cap": 1.3},
    }
    estimators: dict[str, dict[str, Any]] = {
        "grpo": {"kind": "grpo", "scale_rewards": "group"},
        "dr_grpo": {"kind": "grpo", "scale_rewards": "none"},
        "rloo": {"kind": "rloo", "normalize_advantages": False, "beta": 0.0},
    }
    write("trl.json", given, settings, estimators)


if __name__ == "__main__":
    main()
