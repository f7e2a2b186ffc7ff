"""`python -m tests.kill`: kills runs hundreds of times and prints a table of the stages that were hit.

The exit code is 1 if a run differs from an undisturbed run, or if a stage was hit too rarely (--inside). Runs with the
fake engine and runs with the transformers engine are killed in parallel. The folders are kept if a run differs.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.kill.cases import fake_case, real_case
from tests.kill.driver import ITERATION_STAGES, Campaign, Tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills in all (default 200)")
    parser.add_argument(
        "--real", type=int, default=40, help="kills, of all, of runs with the transformers engine (default 40)"
    )
    parser.add_argument(
        "--inside", type=int, default=20, help="least kills inside each of the six stages of an iteration (default 20)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides where kills are aimed (default 1)")
    options = parser.parse_args()
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="serl-kill-"))
    tallies = disturb(folder, {"fake": options.kills - options.real, "transformers": options.real}, options.seed)
    inside = sum((tally.inside for tally in tallies.values()), Counter())
    differences = [line for tally in tallies.values() for line in tally.differences]
    _print_table(tallies, inside)
    summary = {
        "kills": inside.total(),
        "runs": sum(tally.runs for tally in tallies.values()),
        "inside": dict(sorted(inside.items())),
        "engines": {
            name: {"kills": tally.kills, "runs": tally.runs, "inside": dict(sorted(tally.inside.items()))}
            for name, tally in tallies.items()
        },
        "seconds": round(time.monotonic() - started, 1),
        "differences": len(differences),
    }
    print(json.dumps(summary))
    for line in differences:
        print(line, file=sys.stderr)
    if not differences:
        shutil.rmtree(folder)
    return int(bool(differences) or any(inside[stage] < options.inside for stage in ITERATION_STAGES))


def disturb(folder: Path, kills: Mapping[str, int], seed: int) -> dict[str, Tally]:
    """Run one campaign per engine, all at the same time; skip engines without kills.

    Args:
        folder: parent of the folders of the runs.
        kills: number of kills by engine.
        seed: decides where kills are aimed.
    """
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {line}", flush=True)

    def campaign(engine: str) -> Tally:
        engine_folder = folder / engine
        config = fake_case(engine_folder) if engine == "fake" else real_case()
        return Campaign(config, engine_folder, seed, say).kill(kills[engine])

    engines = [engine for engine, count in kills.items() if count > 0]
    with ThreadPoolExecutor(len(engines)) as pool:
        return dict(zip(engines, pool.map(campaign, engines), strict=True))


def _print_table(tallies: Mapping[str, Tally], inside: Mapping[str, int]) -> None:
    print(f"{'kills inside':24}" + "".join(f"{name:>14}" for name in (*tallies, "in all")))
    for stage in (*ITERATION_STAGES, *sorted(inside.keys() - set(ITERATION_STAGES))):
        counts = [*(tally.inside[stage] for tally in tallies.values()), inside.get(stage, 0)]
        print(f"{stage:24}" + "".join(f"{count:14}" for count in counts))


if __name__ == "__main__":
    sys.exit(main())
