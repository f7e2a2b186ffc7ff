"""Steps of a Learner in bfloat16, and of a plain loop of torch's AdamW over float32 copies, on the same losses.

    python -m tests.unit.trainer.learner_steps POLICY OUT STAGE...      (or under torchrun)

For each ZeRO stage the weights after some steps go to OUT/stage-<stage>.safetensors, and those of the loop to
OUT/loop-<stage>.safetensors. STAGE may end in `offload`. The loop runs anew after each stage, because DeepSpeed
replaces torch's linear layer, and its rounding, at stage 3.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer import worker
from stages.trainer.batches import Packing
from stages.trainer.learner import Learner
from stages.trainer.models import TokenLogprobs, load_policy

CPU = torch.device("cpu")
STEPS, MICRO_BATCHES = 5, 4
"""Optimiser steps, and micro-batches of each, over all processes together."""
SKIPPED = 2
"""Step whose gradient is no number."""
CONFIG = UpdateConfig(learning_rate=1e-3, betas=(0.9, 0.95), weight_decay=0.1, max_grad_norm=40.0)


def loss_of(module: Any, step: int, micro_batch: int) -> Tensor:
    """Return the loss of a micro-batch: a sum of log-probabilities with random weights."""
    generator = torch.Generator().manual_seed(100 * step + micro_batch)
    length = 6 + micro_batch
    tokens = torch.randint(5, 300, (length,), generator=generator).tolist()
    packing = Packing(
        tokens=tokens,
        positions=list(range(length)),
        rows=[list(range(length))],
        predictors=list(range(length - 1)),
        targets=tokens[1:],
    )
    logprobs_N, _ = module(packing, 1.0)
    loss: Tensor = (logprobs_N * torch.randn(length - 1, generator=generator)).sum()
    return loss * (math.nan if step == SKIPPED and micro_batch == MICRO_BATCHES - 1 else 1.0)


def learning_rate(step: int) -> float:
    """Return the learning rate of a step."""
    return CONFIG.learning_rate / (step + 1)


def loop(folder: Path) -> tuple[dict[str, Tensor], list[float]]:
    """Train plainly; return the masters and the gradient's norm at each step."""
    exact = load_policy(folder, dtype=torch.float32, device=CPU)
    masters = {name: weight.detach() for name, weight in exact.model.named_parameters()}
    policy = load_policy(folder, dtype=torch.bfloat16, device=CPU)
    optimizer = torch.optim.AdamW(list(masters.values()), betas=CONFIG.betas, weight_decay=CONFIG.weight_decay)
    norms = []
    for step in range(STEPS):
        gradients = {name: torch.zeros_like(master) for name, master in masters.items()}
        for micro_batch in range(MICRO_BATCHES):
            policy.zero_grad()
            loss_of(policy, step, micro_batch).backward()
            for name, weight in policy.model.named_parameters():
                assert weight.dtype == torch.bfloat16 and weight.grad is not None
                gradients[name] += weight.grad.float()
        norms.append(math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients.values())))
        if not math.isfinite(norms[-1]):
            continue
        for name, master in masters.items():
            master.grad = gradients[name] * min(1.0, CONFIG.max_grad_norm / norms[-1])
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        optimizer.step()
        with torch.no_grad():
            for name, weight in policy.model.named_parameters():
                weight.copy_(masters[name])
    return masters, norms


def train(folder: Path, settings: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor], list[float]]:
    """Train with a Learner; return its masters, the model's weights, and the gradient's norm at each step."""
    partitioned = settings["zero_optimization"]["stage"] == 3
    from stages.trainer.loading import PartitionedLoading

    with PartitionedLoading(settings):
        policy = load_policy(folder, dtype=torch.float32, device=CPU)
    learner: Learner[TokenLogprobs] = Learner(policy, settings, torch.bfloat16)
    learner.configure(CONFIG)
    rank, processes = dist.get_rank(), dist.get_world_size()
    norms = []
    for step in range(STEPS):
        for micro_batch in range(rank, MICRO_BATCHES, processes):
            learner.backward(loss_of(learner.engine, step, micro_batch))
        norms.append(learner.step(learning_rate(step)))
    assert learner.applied_steps == STEPS - 1
    masters = learner.weights(masters=True)
    weights = {}
    if not partitioned:
        weights = {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}
        assert all(weight.dtype == torch.bfloat16 for weight in weights.values())
    assert all(buffer.dtype == torch.float32 for name, buffer in policy.named_buffers() if "inv_freq" in name)
    learner.engine.destroy()
    return masters, weights, norms


def main(folder: Path, out: Path, stages: list[str]) -> None:
    """Write weights of the loop and of each stage."""
    store, rank, processes = worker._connect()
    out.mkdir(exist_ok=True)
    placement = out / f"placement-{rank}"
    placement.mkdir(exist_ok=True)
    (placement / "placement.json").write_text(TrainerPlacement().model_dump_json())
    worker._start(store, rank, processes, placement)
    results = {}
    for name in stages:
        stage = int(name[0])
        parts = ("offload_optimizer", "offload_param") if name.endswith("offload") else ()
        offload = {part: {"device": "cpu", "pin_memory": True} for part in parts}
        masters, weights, norms = train(folder, {"zero_optimization": {"stage": stage, **offload}})
        if rank == 0:
            results |= {f"stage-{name}": (masters, norms), f"loop-{name}": loop(folder)}
        if weights and rank == 0:
            for key, master in masters.items():
                assert torch.equal(weights[key], master.to(torch.bfloat16)), (name, key)
    if rank == 0:
        for name, (masters, norms) in results.items():
            save_file({key: value.contiguous() for key, value in masters.items()}, out / f"{name}.safetensors")
            (out / f"{name}.json").write_text(json.dumps([norm if math.isfinite(norm) else None for norm in norms]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    sys.stdout.flush()
    os._exit(0)
