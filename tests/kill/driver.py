"""Runs, kills at random moments and runs again, until done; then compares with a run that was left alone.

Before an attempt a stage is drawn, one with the fewest kills so far among those still to come, and one of its events,
uniformly over those that the undisturbed run counted. When that event comes the whole process group gets SIGKILL, at
once or a little later. A kill counts for the stage that the last event before it was of, if that had not ended.
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
from tests.kill.attempt import Attempt, living
from tests.kill.check import differences, manifests
from tests.kill.events import BETWEEN, Event, Place

SIX = (
    "generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate",
)  # fmt: skip
KILLS_AT_ONE_PLACE = 3
"""Most kills aimed at one stage of one iteration of one run, so that every run ends."""
_GONE_SECONDS = 600.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The moment of the next kill: `event` counts the events at `place` from 1, `delay` is in seconds."""

    place: Place
    event: int
    delay: float


@dataclass(kw_only=True, slots=True)
class Tally:
    """What has happened so far with one engine."""

    inside: Counter[str] = field(default_factory=Counter)
    # Kills by stage, those outside of all stages under "between".
    runs: int = 0
    # Disturbed runs that were finished and compared.
    differences: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.inside.total()


class Undisturbed:
    """The run that was left alone, and how its events lie in time."""

    def __init__(self, config: RunConfig) -> None:
        self.run = Path(config.uri)
        times: dict[Place, list[float]] = {}
        with Attempt(config) as attempt:
            for event in attempt.events():
                times.setdefault(event.place, []).append(event.time)
            code = attempt.wait()
        if code != 0:
            raise RuntimeError(f"the undisturbed run ended with {code}: {_log(attempt.root)}")
        self.counts = {place: len(seen) for place, seen in times.items()}
        self.gaps = {place: (seen[-1] - seen[0]) / max(1, len(seen) - 1) for place, seen in times.items()}
        self.manifests = {
            path: Place(values["stage"], values["iteration"]) for path, values in manifests(self.run).items()
        }

    def to_come(self, run: Path) -> set[Place]:
        """The stages that `run` has not committed; what lies between them is always to come."""
        present = manifests(run).keys()
        return {BETWEEN} | {place for path, place in self.manifests.items() if path not in present}


class Campaign:
    """Disturbed runs of one engine. `tally` holds the outcome."""

    def __init__(self, config: RunConfig, folder: Path, seed: int, say: Say) -> None:
        self.tally = Tally()
        self._config = config
        self._folder = folder
        self._random = random.Random(f"{seed} {config.engine}")
        self._say = say
        self._undisturbed = Undisturbed(_in_folder(config, folder / "undisturbed"))

    def kill(self, kills: int) -> Tally:
        """Runs with kills until there are `kills` of them; the last run is finished too."""
        while self.tally.kills < kills and not self.tally.differences:
            started, before = time.monotonic(), self.tally.kills
            root = self._folder / f"run-{self.tally.runs:03d}"
            self.tally.differences += self._one_run(_in_folder(self._config, root), kills)
            self.tally.runs += 1
            if not self.tally.differences:
                shutil.rmtree(root)
            self._say(
                f"{self._config.engine} run {self.tally.runs}: {self.tally.kills - before} kills in "
                f"{time.monotonic() - started:.0f} s; so far {self.tally.kills}: "
                + ", ".join(f"{stage} {count}" for stage, count in sorted(self.tally.inside.items()))
            )
        return self.tally

    def _one_run(self, config: RunConfig, kills: int) -> list[str]:
        """What differs from the undisturbed run, after as many kills as were drawn."""
        aimed: Counter[Place] = Counter()
        history: list[str] = []
        while True:
            try:
                last, code = self._one_attempt(config, aimed, wanted=self.tally.kills < kills)
            except TimeoutError as error:
                return [f"{config.uri}: hangs: {error}; kills before: {history}"]
            if code == 0:
                break
            if code != -signal.SIGKILL:
                return [f"{config.uri}: ended with {code}: {_log(Path(config.root))}; kills before: {history}"]
            place = last.place if last and last.what != "end" else BETWEEN
            self.tally.inside[place.stage] += 1
            history.append(f"{place.stage} {place.iteration}" + (f" after {last.what}" if last else ""))
        found = [*differences(self._undisturbed.run, Path(config.uri)), *_left_over(Path(config.root))]
        return [f"{config.uri}: {line}; kills: {history}" for line in found]

    def _one_attempt(self, config: RunConfig, aimed: Counter[Place], *, wanted: bool) -> tuple[Event | None, int]:
        """The last event of an attempt and its exit code; that of a killed one is the signal's."""
        done: set[Place] = set()
        seen: Counter[Place] = Counter()
        last = None
        with Attempt(config) as attempt:
            target = self._draw(Path(config.uri), aimed, done) if wanted else None
            for last in attempt.events():
                seen[last.place] += 1
                if last.what == "end":
                    done.add(last.place)
                if target is None or last.place != target.place:
                    continue
                if seen[last.place] == target.event:
                    time.sleep(target.delay)
                    attempt.kill()
                    aimed[target.place] += 1
                    target = None
                elif last.what == "end":  # a resumed stage has fewer events
                    target = self._draw(Path(config.uri), aimed, done)
            return last, attempt.wait()

    def _draw(self, run: Path, aimed: Counter[Place], done: Collection[Place]) -> Target | None:
        """The next moment to kill at; None when every stage to come has had its kills."""
        to_come = self._undisturbed.to_come(run) - set(done)
        places = sorted(place for place in to_come if aimed[place] < KILLS_AT_ONE_PLACE)
        if not places:
            return None
        fewest = min(map(self._weight, places))
        stage = self._random.choice(sorted({place.stage for place in places if self._weight(place) == fewest}))
        place = min(place for place in places if place.stage == stage)  # the next one
        return Target(
            place=place,
            event=self._random.randint(1, self._undisturbed.counts[place]),
            delay=self._random.choice([0.0, self._random.uniform(0.0, self._undisturbed.gaps[place])]),
        )

    def _weight(self, place: Place) -> int:
        """Kills so far; the rest comes after the six stages of an iteration and gets a third as many."""
        kills = self.tally.inside[place.stage]
        return kills if place.stage in SIX else 3 * kills + 2


def _in_folder(config: RunConfig, root: Path) -> RunConfig:
    return config.model_copy(update={"root": str(root)})


def _left_over(root: Path) -> list[str]:
    """Processes of killed attempts that are still there; they may take as long as their imports to notice."""
    deadline = time.monotonic() + _GONE_SECONDS
    while (alive := living(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"process {process} outlived its killed parent" for process in alive]


def _log(root: Path) -> str:
    return json.dumps((root / "errors.txt").read_text()[-2_000:])
