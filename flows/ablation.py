"""`make proof`: does the policy learn from the vote, and is it really the vote that it learns from?

Runs several arms (`configs/arms`) over several seeds, from the same warm starts:

- `majority`: the method.
- `verified`: labels instead of votes. Its gain is the best that can be expected.
- `random`: the majority's rewards, permuted within each question. Any gain of this arm does not come from the vote.
- further arms, such as questions from a data set.

Prints the sampled pass@1 on held-out problems per seed and arm, the mean gains with 95 % intervals, and whether the
claims hold. Draws a plot. The exit code is 1 if a claim does not hold. The runs are ordinary runs under runs/proof, so
an interrupted proof resumes.

    python -m flows.ablation configs/arms/*.yaml --seeds 8
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from flows.config.inputs import Policy
from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.models.earlier_defaults import values_to_send
from flows.reporting.plots import comparison_plot
from flows.reporting.results import headline_benchmark, iteration_results
from flows.run_loop import run_locally
from storage.errors import ConfigError, SerlError, StageFailed
from storage.run import open_run

ROOT = "runs/proof"
"""Folder of the runs."""
PLOT = f"{ROOT}/proof.png"
T_QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
"""Student's t, two-sided 95 %, by degrees of freedom (the standard table)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """The results of one arm over all seeds; accuracies are shares of 1."""

    name: str
    before: tuple[float, ...]
    """Accuracy of the warm start, by seed."""
    after: tuple[float, ...]
    """Accuracy after the last iteration, by seed."""

    @property
    def gains(self) -> list[float]:
        """Gain of sampled pass@1 per seed, in points."""
        return [100 * (after - before) for before, after in zip(self.before, self.after, strict=True)]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean gain over seeds (Student's t), in points."""
        return t_interval(self.gains)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of 2 to 9 values: mean ± t(n-1) * s / sqrt(n)."""
    half_width = T_QUANTILES[len(values) - 1] * stdev(values) / len(values) ** 0.5
    return mean(values) - half_width, mean(values) + half_width


def claims(arms: dict[str, Arm]) -> dict[str, bool]:
    """Return the claims about the arms that were run, and whether each holds."""
    majority = arms["majority"]
    holds = {"majority gains at least 20 points with every seed": min(majority.gains) >= 20}
    if verified := arms.get("verified"):
        difference = mean(verified.gains) - mean(majority.gains)
        holds["majority's mean gain comes within 5 points of verified's"] = difference <= 5
    if random := arms.get("random"):
        holds["random's interval lies wholly below majority's"] = random.interval[1] < majority.interval[0]
        holds["random's mean gain is under 5 points"] = mean(random.gains) < 5
    return holds


def warm_config(config: RunConfig, seed: int) -> RunConfig:
    """Return the config of the run that the arms of one seed start from: a warm start and its evaluation."""
    return config.model_copy(update={"root": ROOT, "name": f"warm-seed{seed}", "seed": seed, "iterations": 0})


def arm_config(arm: RunConfig, seed: int) -> RunConfig:
    """Return the config of one arm and seed. Only its first and last policies are evaluated."""
    evaluate = arm.evaluate.model_copy(update={"every": arm.iterations})
    policy = Policy(run=f"{ROOT}/warm-seed{seed}", iteration=0)
    identity = {"root": ROOT, "name": f"{arm.name}-seed{seed}", "seed": seed}
    return arm.model_copy(update={**identity, "policy": policy, "evaluate": evaluate})


def check_comparable(arms: Sequence[RunConfig]) -> None:
    """Raise ConfigError unless `majority` is the first arm and all arms share policy, seeds, domain and evaluation."""
    first = arms[0]
    if first.name != "majority":
        raise ConfigError(
            f"the first arm is {first.name}; expected majority, the method that the others are compared with"
        )
    for arm in arms[1:]:
        for name in ("policy", "evaluate", "domain", "seeds"):
            if getattr(arm, name) != getattr(first, name):
                raise ConfigError(f"arms {first.name} and {arm.name} differ in `{name}` and cannot be compared")


def _run_in_process(config: RunConfig) -> None:
    """Run a config in a process with one thread, because runs with more threads than cores slow each other down.

    Raises StageFailed if the run fails.
    """
    process = subprocess.run(
        [sys.executable, "-m", "flows.ablation", "--one"],
        input=json.dumps(values_to_send(config)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise StageFailed(f"{config.uri} failed; run again to go on. End of its output: {process.stderr[-2000:]}")


def _read_arm(arm: RunConfig, seeds: Sequence[int]) -> Arm:
    before, after = [], []
    for seed in seeds:
        run = open_run(arm_config(arm, seed).uri)
        before.append(iteration_results(run, 0)["pass1_sampled"])
        after.append(iteration_results(run, arm.iterations)["pass1_sampled"])
    return Arm(name=arm.name, before=tuple(before), after=tuple(after))


def _run_all(configs: Sequence[RunConfig], workers: int, label: str) -> None:
    """Run configs, `workers` at a time, with a progress bar."""
    with (
        Progress(*Progress.get_default_columns(), TimeElapsedColumn(), MofNCompleteColumn()) as bars,
        ThreadPoolExecutor(workers) as pool,
    ):
        task = bars.add_task(label, total=len(configs))
        for _ in pool.map(_run_in_process, configs):
            bars.advance(task)


def _table(arms: Sequence[Arm], seeds: Sequence[int]) -> Table:
    """Return a table of at most 80 columns: a row per arm with the accuracy at the end by seed, and the mean gain."""
    title = "Sampled pass@1 on held-out problems after self-play, by seed; mean gain in points, 95 %"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("arm", *(f"{seed}" for seed in seeds), "gain", "95 %"):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=True)
    table.add_row("before", *(f"{value:.2f}" for value in arms[0].before))
    for arm in arms:
        interval = "[{:+.1f}, {:+.1f}]".format(*arm.interval)
        table.add_row(arm.name, *(f"{value:.2f}" for value in arm.after), f"{mean(arm.gains):+.1f}", interval)
    return table


def _plot(arms: Sequence[Arm], iterations: int, benchmark: str) -> bytes:
    """Draw accuracy and gain of each arm: means over seeds, with intervals over seeds."""
    curves, gains = {}, {}
    for arm in arms:
        evaluations = [(0, arm.before), (iterations, arm.after)]
        curves[arm.name] = [(number, mean(values), *t_interval(values)) for number, values in evaluations]
        low, high = arm.interval
        gains[arm.name] = (mean(arm.gains) / 100, low / 100, high / 100)
    return comparison_plot(curves, gains, benchmark)


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", type=Path, help="configs of the arms, majority first")
    parser.add_argument("--seeds", type=int, default=8, choices=range(2, len(T_QUANTILES) + 2), help="seeds 1 to N")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_locally(RunConfig.model_validate_json(sys.stdin.read()))
        return 0
    if not options.arms:
        parser.error("name the config of at least one arm, such as configs/arms/majority.yaml")
    try:
        return _prove([load_config(path) for path in options.arms], range(1, options.seeds + 1), options.workers)
    except SerlError as error:
        print(f"proof: {error}", file=sys.stderr)
        return 2


def _prove(configs: Sequence[RunConfig], seeds: Sequence[int], workers: int) -> int:
    """Run all arms, print the results, and return the exit code."""
    configs = sorted(configs, key=lambda config: config.name != "majority")
    check_comparable(configs)
    _run_all([warm_config(configs[0], seed) for seed in seeds], workers, "warm starts")
    _run_all([arm_config(arm, seed) for seed in seeds for arm in configs], workers, "arms")
    arms = [_read_arm(arm, seeds) for arm in configs]
    Path(PLOT).write_bytes(_plot(arms, configs[0].iterations, headline_benchmark(configs[0].model_dump(mode="json"))))
    console = Console(highlight=False)
    console.print(_table(arms, seeds), soft_wrap=True)
    outcome = claims({arm.name: arm for arm in arms})
    for claim, holds in outcome.items():
        console.print(f"{'yes' if holds else 'NO ':3}  {claim}")
    console.print(f"plot {PLOT}")
    return 0 if all(outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
