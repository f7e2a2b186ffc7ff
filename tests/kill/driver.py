"""Run, kill at random moments and run again until the run is finished; then compare with an undisturbed run.

Before each attempt the driver draws a stage, among those still to come with the fewest kills so far, and one of its
events, uniformly over the events of the undisturbed run. When that event arrives, the whole process group gets SIGKILL,
at once or a little later. A kill counts for the stage of the last event before it, unless that stage had ended.
"""

import json
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from flows.config.run import RunConfig
from tests.kill.attempt import Attempt, living_processes
from tests.kill.check import differences, manifests
from tests.kill.events import BETWEEN, Event, StageRun

ITERATION_STAGES = (
    "generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate",
)  # fmt: skip
"""The six stages of an iteration with the default settings."""
KILLS_PER_STAGE_RUN = 3
"""Most kills aimed at one stage of one iteration of one run, so that every run ends."""
_EXIT_SECONDS = 600.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The moment of the next kill."""

    stage_run: StageRun
    event: int
    """Number of the event of `stage_run`, from 1."""
    delay: float
    """Seconds between the event and the kill."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """Kills, runs and differences of one engine so far."""

    inside: Counter[str] = field(default_factory=Counter)
    """Kills by stage; those outside of all stages under "between"."""
    runs: int = 0
    """Killed runs that were finished and compared."""
    differences: list[str] = field(default_factory=list)
    """One line for each difference from the undisturbed run; also for a hang or an error."""

    @property
    def kills(self) -> int:
        """All kills so far."""
        return self.inside.total()


class Undisturbed:
    """A run without kills, and the times of its events."""

    def __init__(self, config: RunConfig) -> None:
        self.run = Path(config.uri)
        times: dict[StageRun, list[float]] = {}
        with Attempt(config) as attempt:
            for event in attempt.events():
                times.setdefault(event.stage_run, []).append(event.time)
            code = attempt.wait()
        if code != 0:
            raise RuntimeError(f"the undisturbed run ended with {code}: {_log(attempt.root)}")
        self.counts = {stage_run: len(seconds) for stage_run, seconds in times.items()}
        """Number of events of each stage."""
        self.gaps = {
            stage_run: (seconds[-1] - seconds[0]) / max(1, len(seconds) - 1) for stage_run, seconds in times.items()
        }
        """Mean seconds between two events of each stage."""
        self.manifests = {
            path: StageRun(values["stage"], values["iteration"], values.get("round", 1))
            for path, values in manifests(self.run).items()
        }
        """The stage of each manifest, by the manifest's path."""

    def to_come(self, run: Path) -> set[StageRun]:
        """Return the stages that `run` has not committed, and `BETWEEN`, which is always to come."""
        present = manifests(run).keys()
        return {BETWEEN} | {stage_run for path, stage_run in self.manifests.items() if path not in present}


class Campaign:
    """Runs of one engine with kills."""

    def __init__(self, config: RunConfig, folder: Path, seed: int, say: Say) -> None:
        self.tally = Tally()
        """The outcome so far."""
        self._config = config
        self._folder = folder
        self._random = random.Random(f"{seed} {config.engine}")
        self._say = say
        self._undisturbed = Undisturbed(_in_folder(config, folder / "undisturbed"))

    def kill(self, kills: int) -> Tally:
        """Do runs until there were `kills` kills; finish the last run too."""
        while self.tally.kills < kills and not self.tally.differences:
            started, kills_before = time.monotonic(), self.tally.kills
            root = self._folder / f"run-{self.tally.runs:03d}"
            self.tally.differences += self._run_with_kills(_in_folder(self._config, root), kills)
            self.tally.runs += 1
            if not self.tally.differences:
                shutil.rmtree(root)
            self._say(
                f"{self._config.engine} run {self.tally.runs}: {self.tally.kills - kills_before} kills in "
                f"{time.monotonic() - started:.0f} s; so far {self.tally.kills}: "
                + ", ".join(f"{stage} {count}" for stage, count in sorted(self.tally.inside.items()))
            )
        return self.tally

    def _run_with_kills(self, config: RunConfig, kills: int) -> list[str]:
        """Finish one run after as many kills as were drawn; return its differences from the undisturbed run."""
        aimed: Counter[StageRun] = Counter()
        history: list[str] = []
        while True:
            try:
                last, code = self._attempt(config, aimed, may_kill=self.tally.kills < kills)
            except TimeoutError as error:
                return [f"{config.uri}: hangs: {error}; kills before: {history}"]
            if code == 0:
                break
            if code != -signal.SIGKILL:
                return [f"{config.uri}: ended with {code}: {_log(Path(config.root))}; kills before: {history}"]
            killed = last.stage_run if last and last.kind != "end" else BETWEEN
            self.tally.inside[killed.stage] += 1
            where = f"{killed.stage} {killed.iteration}.{killed.round}"
            history.append(where + (f" after {last.kind}" if last else ""))
        lines = [*differences(self._undisturbed.run, Path(config.uri)), *_surviving_processes(Path(config.root))]
        return [f"{config.uri}: {line}; kills: {history}" for line in lines]

    def _attempt(self, config: RunConfig, aimed: Counter[StageRun], *, may_kill: bool) -> tuple[Event | None, int]:
        """Do one attempt; return its last event and its exit code, which for a kill is minus the signal."""
        ended: set[StageRun] = set()
        counts: Counter[StageRun] = Counter()
        last = None
        with Attempt(config) as attempt:
            target = self._draw(Path(config.uri), aimed, ended) if may_kill else None
            for last in attempt.events():
                counts[last.stage_run] += 1
                if last.kind == "end":
                    ended.add(last.stage_run)
                if target is None or last.stage_run != target.stage_run:
                    continue
                if counts[last.stage_run] == target.event:
                    time.sleep(target.delay)
                    attempt.kill()
                    aimed[target.stage_run] += 1
                    target = None
                elif last.kind == "end":  # a resumed stage has fewer events
                    target = self._draw(Path(config.uri), aimed, ended)
            return last, attempt.wait()

    def _draw(self, run: Path, aimed: Counter[StageRun], ended: Collection[StageRun]) -> Target | None:
        """Return the moment of the next kill; None if every stage to come has had its kills."""
        to_come = self._undisturbed.to_come(run) - set(ended)
        candidates = sorted(stage_run for stage_run in to_come if aimed[stage_run] < KILLS_PER_STAGE_RUN)
        if not candidates:
            return None
        fewest = min(map(self._weight, candidates))
        stages = {stage_run.stage for stage_run in candidates if self._weight(stage_run) == fewest}
        stage = self._random.choice(sorted(stages))
        stage_run = min(stage_run for stage_run in candidates if stage_run.stage == stage)  # the earliest iteration
        return Target(
            stage_run=stage_run,
            event=self._random.randint(1, self._undisturbed.counts[stage_run]),
            delay=self._random.choice([0.0, self._random.uniform(0.0, self._undisturbed.gaps[stage_run])]),
        )

    def _weight(self, stage_run: StageRun) -> int:
        """Return the kills of a stage so far; for all but the six stages of an iteration, three times as many plus 2.

        The other stages thus come later and get a third of the kills.
        """
        kills = self.tally.inside[stage_run.stage]
        return kills if stage_run.stage in ITERATION_STAGES else 3 * kills + 2


def _in_folder(config: RunConfig, root: Path) -> RunConfig:
    return config.model_copy(update={"root": str(root)})


def _surviving_processes(root: Path) -> list[str]:
    """Return a line for each process that outlives its killed attempt; while it imports, it may not notice the kill."""
    deadline = time.monotonic() + _EXIT_SECONDS
    while (alive := living_processes(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"process {process} outlived its killed parent" for process in alive]


def _log(root: Path) -> str:
    """Return the end of the log of all attempts, as one line."""
    return json.dumps((root / "errors.txt").read_text()[-2_000:])
