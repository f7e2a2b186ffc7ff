"""The parts, in order of value. A new part is one more line here and one more module in `parts`."""

import math
from dataclasses import dataclass, replace

LEARNING = "learning"
"""Name of the part that is asked for by name, with an arm."""
ARMS = ("majority", "random", "verified")


def part_name(arm: str) -> str:
    """Return the name of an arm's part: each arm has its own line and its own folder."""
    return f"{LEARNING}-{arm}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the check."""

    name: str
    entry: str
    """module:function; the function takes a `Record`."""
    what: str
    """What it shows, in a few words."""
    seconds: float
    """Seconds that it takes on a GPU, estimated; it is begun only if so many are left."""
    limit: float
    """Seconds after which it is killed."""
    by_name_only: bool = False
    """Whether it runs only if its name is given."""


def _part(name: str, what: str, seconds: float, limit: float) -> Part:
    return Part(name=name, entry=f"tests.gpu.parts.{name}:run", what=what, seconds=seconds, limit=limit)


PARTS = (
    _part("engine", "vLLM starts cold and warm, is as fast as LLM.generate, sleeps and closes", 200, 330),
    _part(
        "trainer", "the bfloat16 update: ratio, gap to vLLM, utilisation, memory, seconds around the steps", 120, 270
    ),
    _part("iteration", "two iterations by `serl run`, killed and resumed; the GPU is busy", 120, 300),
    _part("rules", "bare vLLM under its own defaults; the rules of engines in float32", 150, 300),
    _part("ppo", "an update with a critic, with KL in the loss, with adapters", 60, 150),
    _part("workers", "an iteration on a GPU worker of a Prefect server", 120, 260),
    _part("memory", "the smallest card for each size: by calculation, and by trial", 60, 200),
    # Takes all the time that a call has.
    replace(_part(LEARNING, "what a model learns without an answer", 180, math.inf), by_name_only=True),
)
REGULAR = tuple(part for part in PARTS if not part.by_name_only)
"""The parts of a call without names."""
SMALL_SECONDS = 10.0
"""Estimate for each part with --small."""
