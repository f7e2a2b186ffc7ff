"""Configs of the runs that are killed."""

from pathlib import Path

from flows.config.load import load_config
from flows.config.run import RunConfig
from tests.commands import CUT, REPOSITORY
from tests.helpers import fake_config


def fake_case(folder: Path) -> RunConfig:
    """Return a run of three iterations without a model, which collects its questions in rounds.

    It keeps one trainer state, so earlier states are pruned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return fake_config(folder, iterations=3, questions_per_update=7, keep={"trainer_states": 1})


def real_case(*settings: str, iterations: int = 2) -> RunConfig:
    """Return the quickstart with real warm start, engine and trainer, even smaller than in the other tests."""
    smaller = (
        f"iterations={iterations}",
        "policy.warm_start.steps=20",
        "policy.warm_start.direct_from_step=15",
        "generate.max_tokens=64",
        "evaluate.benchmarks=[{name: heldout, domain: arithmetic, count: 6}]",
        "compute.shard_rows=2",
    )
    overrides = tuple(setting.removeprefix("--set=") for setting in CUT)
    return load_config(REPOSITORY / "configs" / "quickstart.yaml", (*overrides, *smaller, *settings))
