"""`make proof`: does the vote teach the policy anything, and is it the vote that does?

Three arms over several seeds from the same warm starts: `majority` (the method), `verified` (labels instead of votes:
what can be had at best) and `random` (the majority's rewards permuted within each question: whatever is left is not
the vote's doing). Prints the gain of sampled pass@1 on held-out problems per seed and arm, the means with 95 %
intervals, and whether the claims hold; exits with 1 when one does not. Runs are ordinary runs under runs/proof:
stopped, it goes on where it was.

    python -m flows.proof configs/quickstart.yaml --seeds 8
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import get_args

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from flows.config import Policy, RunConfig, load_config
from flows.inline import do_run
from flows.results import iteration_results
from stages.vote_rewards import RewardSource
from storage.errors import StageFailed
from storage.run import open_run

ARMS: tuple[RewardSource, ...] = get_args(RewardSource)
ROOT = "runs/proof"
T_QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
"""Student's t, two-sided 95 %, by degrees of freedom (the standard table)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One arm over all seeds; accuracies are shares of 1."""

    name: RewardSource
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def gains(self) -> list[float]:
        """Gain of sampled pass@1 per seed, in points."""
        return [100 * (after - before) for before, after in zip(self.before, self.after, strict=True)]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean gain over seeds (Student's t), in points."""
        return t_interval(self.gains)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean: mean ± t(n-1) * s / sqrt(n)."""
    half = T_QUANTILES[len(values) - 1] * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def claims(arms: dict[RewardSource, Arm]) -> dict[str, bool]:
    """What the method claims, and whether the figures bear it out."""
    majority, verified, random = (arms[name] for name in ("majority", "verified", "random"))
    return {
        "majority gains at least 20 points with every seed": min(majority.gains) >= 20,
        "majority's mean gain comes within 5 points of verified's": mean(verified.gains) - mean(majority.gains) <= 5,
        "random's interval lies wholly below majority's": random.interval[1] < majority.interval[0],
        "random's mean gain is under 5 points": mean(random.gains) < 5,
    }


def warm_config(config: RunConfig, seed: int) -> RunConfig:
    """The shared start of one seed's arms: a warm start and its evaluation."""
    return config.model_copy(update={"root": ROOT, "name": f"warm-seed{seed}", "seed": seed, "iterations": 0})


def arm_config(config: RunConfig, arm: RewardSource, seed: int) -> RunConfig:
    """One arm of one seed, evaluated at its start and its end."""
    evaluate = config.evaluate.model_copy(update={"every": config.iterations})
    policy = Policy(run=f"{ROOT}/warm-seed{seed}", iteration=0)
    names = {"root": ROOT, "name": f"{arm}-seed{seed}", "seed": seed}
    return config.model_copy(update={**names, "rewards": arm, "policy": policy, "evaluate": evaluate})


def _in_a_process(config: RunConfig) -> None:
    """One thread per run: two busy runs on two cores would otherwise spin against each other."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.proof", "--one"],
        input=config.model_dump_json(),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StageFailed(f"{config.uri} failed; run again to go on. Its last words: {done.stderr[-2000:]}")


def _read_arm(config: RunConfig, arm: RewardSource, seeds: Sequence[int]) -> Arm:
    before, after = [], []
    for seed in seeds:
        run = open_run(arm_config(config, arm, seed).uri)
        before.append(iteration_results(run, 0)["pass1_sampled"])
        after.append(iteration_results(run, config.iterations)["pass1_sampled"])
    return Arm(name=arm, before=tuple(before), after=tuple(after))


def _run_all(configs: Sequence[RunConfig], workers: int, what: str) -> None:
    with (
        Progress(*Progress.get_default_columns(), TimeElapsedColumn(), MofNCompleteColumn()) as bars,
        ThreadPoolExecutor(workers) as pool,
    ):
        task = bars.add_task(what, total=len(configs))
        for _ in pool.map(_in_a_process, configs):
            bars.advance(task)


def _tables(arms: dict[RewardSource, Arm], seeds: Sequence[int]) -> Table:
    title = "Sampled pass@1 on held-out problems, before -> after self-play; mean gain in points"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("seed", justify="right")
    for arm in arms.values():
        table.add_column(arm.name, justify="right", no_wrap=True)
    for row, seed in enumerate(seeds):
        table.add_row(str(seed), *(f"{arm.before[row]:.3f} -> {arm.after[row]:.3f}" for arm in arms.values()))
    gains = (f"{mean(arm.gains):+.1f} [{arm.interval[0]:+.1f}, {arm.interval[1]:+.1f}]" for arm in arms.values())
    table.add_row("gain", *gains)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=Path("configs/quickstart.yaml"))
    parser.add_argument("--seeds", type=int, default=8, choices=range(2, len(T_QUANTILES) + 2), help="seeds 1 to N")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        do_run(RunConfig.model_validate_json(sys.stdin.read()))
        return 0
    config, seeds = load_config(options.config), range(1, options.seeds + 1)
    _run_all([warm_config(config, seed) for seed in seeds], options.workers, "warm starts")
    _run_all([arm_config(config, arm, seed) for seed in seeds for arm in ARMS], options.workers, "arms")
    arms = {arm: _read_arm(config, arm, seeds) for arm in ARMS}
    console = Console(highlight=False)
    console.print(_tables(arms, seeds), soft_wrap=True)
    outcome = claims(arms)
    for claim, holds in outcome.items():
        console.print(f"{'yes' if holds else 'NO ':3}  {claim}")
    return 0 if all(outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
