"""How far a run has come. Nothing here imports Prefect, so a finished run is recognised at once.

`find_finished` walks through the iterations with a runner that only looks manifests up. `RunProgress` holds the result
and advances by one iteration at a time, with any runner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.iteration import iterate, start
from flows.models.pinned import pinned
from flows.rounds.state import Inputs, IterationState, Runner
from flows.runners import LookupRunner, PendingStage, StagePending
from flows.stage_settings import StageSettings, resolve
from flows.watchdog import Breach, Breached, Collapsed
from stages.contract import Context, Progress, Result, Stage, no_progress
from stages.settings import Settings
from stages.shared_resources import Resources
from storage.artifact import ArtifactRef, name_in_round
from storage.code_version import code_version
from storage.errors import ConfigError, IncompatibleCode
from storage.run import Revision, Run
from storage.store import Store


@dataclass(frozen=True)
class _Recorder:
    """Passes every call on to another runner and records the manifest of each stage."""

    runner: Runner
    manifests: dict[str, str] = field(default_factory=dict)
    """Name of the stage, with the round behind it after the first -> path of its manifest."""
    round: int = 1

    def in_round(self, number: int, note: str) -> "_Recorder":
        return replace(self, runner=self.runner.in_round(number, note), round=number)

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        result = self.runner.run(stage, inputs, settings)
        self._record(stage, result)
        return result

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        result = self.runner.find(stage, inputs, settings)
        if result is not None:
            self._record(stage, result)
        return result

    def _record(self, stage: Stage, result: Result) -> None:
        self.manifests[name_in_round(stage.name, self.round)] = next(iter(result.refs.values())).path


@dataclass
class RunProgress:
    """The finished iterations of a run, in memory: where to continue, and what to write into a revision."""

    resolved: StageSettings
    stages: dict[int, dict[str, str]] = field(default_factory=dict)
    """Iteration -> stage, with the round behind its name after the first -> path of its manifest."""
    states: list[IterationState] = field(default_factory=list)
    """The state after each finished iteration."""
    branch: int = 0
    """Number of rollbacks so far."""
    abandoned: list[dict[str, str]] = field(default_factory=list)
    """Stage -> path of its manifest, for each iteration that a rollback undid."""
    breaches: list[Breach] = field(default_factory=list)
    """Breaches of abandoned iterations, and the breach that stopped the run."""
    pending: PendingStage | None = None
    """The first stage that has to run, as `find_finished` saw it."""
    stopped: str | None = None
    """Why the watchdog stopped the run."""

    @property
    def config(self) -> RunConfig:
        """The run's config."""
        return self.resolved.config

    @property
    def first_missing(self) -> str | None:
        """Name of the first stage that has to run, as `find_finished` saw it."""
        return None if self.pending is None else self.pending.stage.name

    @property
    def newest_policy(self) -> ArtifactRef | None:
        """The policy that the newest finished iteration ended with; None before the first."""
        return self.states[-1].policy if self.states else None

    @property
    def finished(self) -> int:
        """Number of finished iterations, iteration 0 included."""
        return len(self.states)

    @property
    def complete(self) -> bool:
        """Whether all iterations of the config are finished."""
        return self.finished == self.config.iterations + 1

    def advance(self, runner: Runner) -> None:
        """Do (or look up) the next iteration with `runner`; on an error nothing changes.

        If the watchdog ends the iteration, no iteration is added. A rollback raises `branch` and may lower `finished`.
        A stop sets `stopped`.
        """
        recorder = _Recorder(runner)
        iteration = self.finished
        try:
            if self.states:
                state = iterate(self.resolved, iteration, self.branch, self.states[-1], recorder)
            else:
                state = start(self.resolved, recorder)
        except Breached as error:
            self._act_on(error.breaches, recorder.manifests)
            return
        self.states.append(state)
        self.stages[iteration] = recorder.manifests

    def check_not_stopped(self) -> None:
        """Raise Collapsed if the watchdog has stopped the run."""
        if self.stopped:
            raise Collapsed(self.stopped)

    def revision(self) -> Revision:
        """Return the run's current state, to be written with `storage.run.write_revision`."""
        lineage = self.states[-1].health.breaches if self.states else ()
        breaches = sorted([*self.breaches, *lineage], key=lambda breach: (breach.branch, breach.iteration))
        return Revision(
            config=self.config.model_dump(mode="json"),
            iterations=self.stages,
            breaches=tuple(breach.model_dump(mode="json") for breach in breaches),
        )

    def _act_on(self, breaches: Sequence[Breach], manifests: dict[str, str]) -> None:
        """Roll back or stop, as the last of `breaches` says; `manifests` are the unfinished iteration's."""
        *warnings, breach = breaches
        can_roll_back = breach.last_good is not None and self.branch < self.config.watchdog.max_rollbacks
        if breach.action == "rollback" and can_roll_back:
            kept = (breach.last_good or 0) + 1
            undone = self.states[-1].health.breaches[len(self.states[kept - 1].health.breaches) :]
            self.breaches += [*undone, *warnings, breach]
            self.abandoned += [*(self.stages.pop(number) for number in range(kept, self.finished)), manifests]
            del self.states[kept:]
            self.branch += 1
            return
        self.breaches += [*warnings, breach.model_copy(update={"action": "stop"})]
        self.stages[self.finished] = manifests  # so that the tables of the stopped iteration can be read
        self.stopped = self._stop_message(breach)

    def _stop_message(self, breach: Breach) -> str:
        uri, good = self.config.uri, breach.last_good
        if good is None:
            advice = "already the starting policy shows it; nothing better is at hand"
        else:
            advice = (
                f"the last good policy is that of iteration {good}: start from it with policy: {{run: {uri}, "
                f"iteration: {good}}}, or go on from it with watchdog.on_breach=rollback"
            )
        again = f" after {self.branch} rollback(s)" if self.branch else ""
        return (
            f"the watchdog stopped {uri} in iteration {breach.iteration}{again}: {breach.message}; {advice}; to go on "
            f"regardless, set watchdog.on_breach=warn or another watchdog.{breach.bound}"
        )


def find_finished(config: RunConfig, store: Store) -> RunProgress:
    """Return how far the run of these settings has come, from manifests and file sizes alone.

    Raises InputError as `resolve` does, and MissingArtifact or CorruptArtifact if a committed file is missing or has
    another size.
    """
    progress = RunProgress(resolve(pinned(config, store)))
    snapshot = store.snapshot("manifests", "tombstones")
    # Nothing runs here, so the resources are never started.
    with Resources(config.compute, config.engine) as resources:
        try:
            while not progress.complete and not progress.stopped:
                progress.advance(LookupRunner(next_context(progress, snapshot, resources)))
        except StagePending as error:
            progress.pending = error.pending
    return progress


def next_context(
    progress: RunProgress, store: Store, resources: Resources, stage_progress: Progress = no_progress
) -> Context:
    """Return the context of the next iteration's stages, which may be committed in the background."""
    return Context(
        store=store,
        seed=progress.config.seed,
        iteration=progress.finished,
        branch=progress.branch,
        resources=resources,
        progress=stage_progress,
        background=True,
    )


def config_of_run(run: Run) -> RunConfig:
    """Return the settings that a run was made with. Raises IncompatibleCode if this version does not know them."""
    try:
        return parse_config(run.config, run.store.uri)
    except ConfigError as error:
        raise IncompatibleCode(
            f"{error}. This is serl {code_version()}, and the run was made by another version: its tables can be read, "
            "but it can only go on with the version that made it"
        ) from None
