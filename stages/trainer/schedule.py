"""The learning rate over a run."""

import math

from stages.settings.update import UpdateConfig


def learning_rate_at(config: UpdateConfig, step: int) -> float:
    """Return the learning rate of optimiser step `step` (0 is the first of the run): warm-up, decay, then the floor.

    Departs from the usual warm-up, which starts at 0 and so wastes the first step: here the first step has
    `1 / warm-up steps` of the rate.
    """
    warmup = math.ceil(config.warmup_fraction * config.schedule_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = min(1.0, (step - warmup) / max(1, config.schedule_steps - warmup))
    decay = 0.5 * (1 + math.cos(math.pi * progress)) if config.schedule == "cosine" else 1 - progress
    floor = config.min_learning_rate_ratio
    return config.learning_rate * (floor + (1 - floor) * decay)
