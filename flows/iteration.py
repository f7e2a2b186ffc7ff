"""What one iteration is, and how far a run has come. No Prefect here, so a finished run is recognised at once.

`start` and `iterate` name the stages and what passes between them, once. A runner decides what happens to each stage:
run it here, run it as a Prefect task, or only look its manifest up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from flows.config.run import RunConfig
from flows.watchdog import Breach, Breached, Collapsed, Health
from stages.contract import Context, Metrics, Progress, Result, Stage, find_stage, no_progress, stage_key
from stages.draw_instructions import DRAW
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.import_inputs import IMPORT_DATASET, IMPORT_SEEDS
from stages.import_problems import IMPORT_PROBLEMS
from stages.ppo_update import PPO_UPDATE
from stages.resources import Resources
from stages.sample_responses import SAMPLE, SAMPLE_VOTERS
from stages.settings import Settings
from stages.vote_rewards import VOTE
from storage.artifact import ArtifactRef
from storage.run import Revision
from storage.store import Store

Inputs = Mapping[str, ArtifactRef | None]
"""Inputs by name; None for what does not exist yet (pool, bank and trainer state of the first iteration)."""


class Runner(Protocol):
    """Decides what happens to each stage of one iteration."""

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """The outputs of a stage that is due."""

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        """The outputs of a stage that is not due, if they are there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What crosses from one iteration to the next: references only."""

    seeds: ArtifactRef
    problems: ArtifactRef
    shots: ArtifactRef
    # Worked examples of benchmarks that have them.
    policy: ArtifactRef
    initial: ArtifactRef
    # The policy of iteration 0.
    reference: ArtifactRef
    # The policy that the update is held close to: the initial one, or a later one where it is refreshed.
    earlier: tuple[ArtifactRef, ...] = ()
    # The policies of all iterations before this one's, by iteration.
    voters: Mapping[str, ArtifactRef] = field(default_factory=dict)
    # Voters that are models of their own, by name.
    dataset: ArtifactRef | None = None
    # Questions that are given instead of written ones.
    pool: ArtifactRef | None = None
    # Questions kept after the vote.
    bank: ArtifactRef | None = None
    # Everything ever accepted.
    trainer_state: ArtifactRef | None = None
    # Optimiser and schedule position.
    health: Health = field(default_factory=Health)
    # What the watchdog has seen.


def start(config: RunConfig, runner: Runner) -> State:
    """Iteration 0: bring in seeds, problems and the starting policy, and evaluate it."""
    seeds = runner.run(IMPORT_SEEDS, {}, config.seeds_config()).refs["seeds"]
    brought = runner.run(IMPORT_PROBLEMS, {"seeds": seeds}, config.problems_config()).refs
    bring_in, settings = config.policy_stage()
    policy = runner.run(bring_in, {}, settings).refs["policy"]
    dataset = None
    if given := config.dataset_config():
        dataset = runner.run(IMPORT_DATASET, {}, given).refs["dataset"]
    voters: dict[str, ArtifactRef] = {}
    if models := config.voters_stage():
        stage, models_config = models
        voters = runner.run(stage, {}, models_config).refs
    state = State(
        seeds=seeds,
        problems=brought["problems"],
        shots=brought["shots"],
        policy=policy,
        initial=policy,
        reference=policy,
        dataset=dataset,
        voters=voters,
    )
    evaluated = runner.run(EVALUATE, _to_evaluate(state), config.evaluate_config())
    return _validated(config, 0, 0, state, evaluated)


def iterate(config: RunConfig, number: int, branch: int, state: State, runner: Runner) -> State:
    """One pass of the six stages (docs/explanation/method.md, 1).

    Raises Breached when the watchdog will not have it gone on with.
    """
    state, accepted, to_vote, shown = _questions(config, state, runner)
    sampled = runner.run(SAMPLE, {"policy": state.policy, "accepted": accepted}, config.sample)
    responses = sampled.refs["responses"]
    to_vote |= {"accepted": accepted, "responses": responses, "pool": state.pool}
    if config.voters:
        asked = runner.run(
            SAMPLE_VOTERS, {"accepted": accepted, **_voters(config, state)}, config.sample_voters_config()
        )
        to_vote["voter_responses"] = asked.refs["voter_responses"]
    voted = runner.run(VOTE, to_vote, config.vote_config())
    shown = {**shown, **sampled.metrics, **voted.metrics}
    state = replace(state, health=state.health.before_update(config.watchdog, number, branch, shown))
    if config.refresh_reference and number > 1 and (number - 1) % config.refresh_reference == 0:
        state = replace(state, reference=state.policy)
    state = replace(state, pool=voted.refs["pool"], earlier=(*state.earlier, state.policy))
    if (voted.metrics["vote/kept"] or 0) >= config.min_kept:
        updated = runner.run(
            PPO_UPDATE,
            {
                "policy": state.policy,
                "reference": state.reference,
                "base": state.initial if config.update.lora else None,
                "trainer_state": state.trainer_state,
                "responses": responses,
                "rewards": voted.refs["rewards"],
                "votes": voted.refs["votes"],
            },
            config.update_config(),
        )
        state = replace(
            state,
            policy=updated.refs["policy"],
            trainer_state=updated.refs["trainer_state"],
            health=state.health.after_update(config.watchdog, branch, updated.metrics),
        )
    # An evaluation that is not due is kept if it is there: it was, when the run was shorter and this was its last.
    evaluate = runner.run if config.evaluated(number) else runner.find
    return _validated(config, number, branch, state, evaluate(EVALUATE, _to_evaluate(state), config.evaluate_config()))


def _questions(
    config: RunConfig, state: State, runner: Runner
) -> tuple[State, ArtifactRef, dict[str, ArtifactRef | None], Metrics]:
    """The questions of an iteration, what the vote needs beside them, and their metrics.

    The policy writes and filters them; or (comparison arms) they are drawn from the seeds or a data set.
    """
    if config.instructions == "self":
        writer = state.initial if config.generator == "initial" else state.policy
        generated = runner.run(GENERATE, {"policy": writer, "seeds": state.seeds, "pool": state.pool}, config.generate)
        filtered = runner.run(
            FILTER,
            {
                "candidates": generated.refs["candidates"],
                "seeds": state.seeds,
                "bank": state.bank,
                "problems": state.problems,
            },
            config.filter_config(),
        )
        state = replace(state, bank=filtered.refs["bank"])
        return state, filtered.refs["accepted"], {}, {**generated.metrics, **filtered.metrics}
    given = state.seeds if config.instructions == "seeds" else state.dataset
    drawn = runner.run(DRAW, {"given": given, "problems": state.problems}, config.draw_config())
    labels = drawn.refs["labels"] if config.rewards == "verified" else None
    return state, drawn.refs["accepted"], {"labels": labels}, drawn.metrics


def _validated(config: RunConfig, number: int, branch: int, state: State, evaluated: Result | None) -> State:
    if evaluated is None or not config.validation:
        return state
    health = state.health.after_evaluation(
        config.watchdog, number, branch, config.validation, evaluated.metrics, evaluated.refs["grades"]
    )
    return replace(state, health=health)


def _to_evaluate(state: State) -> Inputs:
    return {"policy": state.policy, "problems": state.problems, "shots": state.shots}


def _voters(config: RunConfig, state: State) -> dict[str, ArtifactRef]:
    """The model of each voter, by the name of its input."""
    policies = [*state.earlier, state.policy]
    found = dict(state.voters)
    for voter in config.voters:
        if voter.iteration is not None:
            found[f"voter_{voter.name}"] = policies[
                0 if voter.iteration == 0 else max(0, len(policies) - 1 + voter.iteration)
            ]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A stage that is due and has not been committed."""

    stage: Stage
    settings: Settings
    inputs: Mapping[str, ArtifactRef]
    iteration: int
    seed: int
    branch: int
    key: str


class StagePending(Exception):
    """A stage that was looked up has not been committed."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.stage.name)
        self.missing = missing


@dataclass(frozen=True)
class LookupRunner:
    """A runner that runs nothing: what is not there ends the iteration with StagePending."""

    context: Context

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        found = self.find(stage, inputs, settings)
        if found is None:
            given = present(inputs)
            raise StagePending(
                Missing(
                    stage=stage,
                    settings=settings,
                    inputs=given,
                    iteration=self.context.iteration,
                    seed=self.context.seed,
                    branch=self.context.branch,
                    key=stage_key(stage, given, settings, self.context),
                )
            )
        return found

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        return find_stage(stage, present(inputs), settings, self.context)


@dataclass(frozen=True)
class _Recorder:
    """Hands everything on to another runner and notes the manifest of each stage."""

    runner: Runner
    manifests: dict[str, str] = field(default_factory=dict)

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        result = self.runner.run(stage, inputs, settings)
        self.manifests[stage.name] = next(iter(result.refs.values())).path
        return result

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        result = self.runner.find(stage, inputs, settings)
        if result is not None:
            self.manifests[stage.name] = next(iter(result.refs.values())).path
        return result


@dataclass
class RunProgress:
    """A run's finished iterations, in memory: where to continue from, and what to write into a revision."""

    config: RunConfig
    stages: dict[int, dict[str, str]] = field(default_factory=dict)
    # Iteration -> stage -> path of its manifest.
    states: list[State] = field(default_factory=list)
    # After each finished iteration.
    branch: int = 0
    # How often the run went back.
    abandoned: list[dict[str, str]] = field(default_factory=list)
    # Stages of iterations that the run went back behind.
    breaches: list[Breach] = field(default_factory=list)
    # Of abandoned iterations, and the one that stopped the run.
    missing: Missing | None = None
    # The first stage that has to run, as `find_finished` saw it.
    stopped: str | None = None
    # Why the watchdog lets the run go no further.

    @property
    def finished(self) -> int:
        """Finished iterations, iteration 0 included."""
        return len(self.states)

    @property
    def complete(self) -> bool:
        return self.finished == self.config.iterations + 1

    def advance(self, runner: Runner) -> None:
        """Do (or look up) the next iteration with `runner`; on any error the ledger stays as it was.

        Where the watchdog will not have it gone on with, `finished` goes back, or `stopped` is set.
        """
        recorder = _Recorder(runner)
        number = self.finished
        try:
            if self.states:
                state = iterate(self.config, number, self.branch, self.states[-1], recorder)
            else:
                state = start(self.config, recorder)
        except Breached as found:
            self._act(found.breaches, recorder.manifests)
            return
        self.states.append(state)
        self.stages[number] = recorder.manifests

    def _act(self, breaches: Sequence[Breach], begun: dict[str, str]) -> None:
        """Go back, or stop the run; the last breach decides."""
        *others, breach = breaches
        can_go_back = breach.last_good is not None and self.branch < self.config.watchdog.max_rollbacks
        if breach.action == "rollback" and can_go_back:
            kept = (breach.last_good or 0) + 1
            told = self.states[-1].health.breaches[len(self.states[kept - 1].health.breaches) :]
            self.breaches += [*told, *others, breach]
            self.abandoned += [*(self.stages.pop(number) for number in range(kept, self.finished)), begun]
            del self.states[kept:]
            self.branch += 1
            return
        self.breaches += [*others, breach.model_copy(update={"action": "stop"})]
        self.stages[self.finished] = begun  # so that its tables can be looked into
        self.stopped = self._last_words(breach)

    def check_not_stopped(self) -> None:
        """Raises Collapsed when the watchdog has stopped the run."""
        if self.stopped:
            raise Collapsed(self.stopped)

    def _last_words(self, breach: Breach) -> str:
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

    def revision(self) -> Revision:
        lineage = self.states[-1].health.breaches if self.states else ()
        breaches = sorted([*self.breaches, *lineage], key=lambda breach: (breach.branch, breach.iteration))
        return Revision(
            config=self.config.model_dump(mode="json"),
            iterations=self.stages,
            breaches=tuple(breach.model_dump(mode="json") for breach in breaches),
        )


def find_finished(config: RunConfig, store: Store) -> RunProgress:
    """How far the run of these settings has come, from manifests and file sizes alone."""
    ledger = RunProgress(config)
    now = store.snapshot("manifests", "tombstones")
    # Nothing runs here, so the resources are never started.
    with Resources(config.compute, config.engine) as resources:
        try:
            while not ledger.complete and not ledger.stopped:
                ledger.advance(LookupRunner(next_context(ledger, now, resources)))
        except StagePending as found:
            ledger.missing = found.missing
    return ledger


def next_context(ledger: RunProgress, store: Store, resources: Resources, progress: Progress = no_progress) -> Context:
    """The context of the next iteration."""
    return Context(
        store=store,
        seed=ledger.config.seed,
        iteration=ledger.finished,
        branch=ledger.branch,
        resources=resources,
        progress=progress,
    )


def present(inputs: Inputs) -> dict[str, ArtifactRef]:
    """Inputs without those that do not exist yet."""
    return {name: ref for name, ref in inputs.items() if ref is not None}
