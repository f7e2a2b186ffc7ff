"""What one iteration is, and how far a run has come. No Prefect here, so a finished run is recognised at once.

`start` and `iterate` name the stages and what passes between them, once. A runner decides what happens to each stage:
run it here, run it as a Prefect task, or only look its manifest up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from flows.config import RunConfig
from stages.contract import Context, Progress, Result, Stage, find_stage, no_progress, stage_key
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.import_inputs import IMPORT_SEEDS
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
    pool: ArtifactRef | None = None
    # Questions kept after the vote.
    bank: ArtifactRef | None = None
    # Everything ever accepted.
    trainer_state: ArtifactRef | None = None
    # Optimiser and schedule position.


def start(config: RunConfig, runner: Runner) -> State:
    """Iteration 0: bring in seeds, problems and the starting policy, and evaluate it."""
    seeds = runner.run(IMPORT_SEEDS, {}, config.seeds_config()).refs["seeds"]
    brought = runner.run(IMPORT_PROBLEMS, {"seeds": seeds}, config.problems_config()).refs
    bring_in, settings = config.policy_stage()
    policy = runner.run(bring_in, {}, settings).refs["policy"]
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
        voters=voters,
    )
    runner.run(EVALUATE, _to_evaluate(state), config.evaluate_config())
    return state


def iterate(config: RunConfig, number: int, state: State, runner: Runner) -> State:
    """One pass of the six stages (METHOD: generate, filter, sample, vote, update, evaluate)."""
    generated = runner.run(
        GENERATE, {"policy": state.policy, "seeds": state.seeds, "pool": state.pool}, config.generate
    )
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
    accepted = filtered.refs["accepted"]
    sampled = runner.run(SAMPLE, {"policy": state.policy, "accepted": accepted}, config.sample)
    responses = sampled.refs["responses"]
    to_vote = {"accepted": accepted, "responses": responses, "pool": state.pool}
    if config.voters:
        asked = runner.run(
            SAMPLE_VOTERS, {"accepted": accepted, **_voters(config, state)}, config.sample_voters_config()
        )
        to_vote["voter_responses"] = asked.refs["voter_responses"]
    voted = runner.run(VOTE, to_vote, config.vote_config())
    if config.refresh_reference and number > 1 and (number - 1) % config.refresh_reference == 0:
        state = replace(state, reference=state.policy)
    state = replace(state, bank=filtered.refs["bank"], pool=voted.refs["pool"], earlier=(*state.earlier, state.policy))
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
        state = replace(state, policy=updated.refs["policy"], trainer_state=updated.refs["trainer_state"])
    # An evaluation that is not due is kept if it is there: it was, when the run was shorter and this was its last.
    evaluate = runner.run if config.evaluated(number) else runner.find
    evaluate(EVALUATE, _to_evaluate(state), config.evaluate_config())
    return state


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
    key: str


class NotDone(Exception):
    """A stage that was looked up has not been committed."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.stage.name)
        self.missing = missing


@dataclass(frozen=True)
class Lookup:
    """A runner that runs nothing: what is not there ends the iteration with NotDone."""

    context: Context

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        found = self.find(stage, inputs, settings)
        if found is None:
            given = present(inputs)
            raise NotDone(
                Missing(
                    stage=stage,
                    settings=settings,
                    inputs=given,
                    iteration=self.context.iteration,
                    seed=self.context.seed,
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
class Ledger:
    """A run's finished iterations, in memory: where to continue from, and what to write into a revision."""

    config: RunConfig
    stages: dict[int, dict[str, str]] = field(default_factory=dict)
    # Iteration -> stage -> path of its manifest.
    state: State | None = None
    # After the last finished iteration.
    missing: Missing | None = None
    # The first stage that has to run, as `find_finished` saw it.

    @property
    def finished(self) -> int:
        """Finished iterations, iteration 0 included."""
        return len(self.stages)

    @property
    def complete(self) -> bool:
        return self.finished == self.config.iterations + 1

    def advance(self, runner: Runner) -> None:
        """Do (or look up) the next iteration with `runner`; on any error the ledger stays as it was."""
        recorder = _Recorder(runner)
        if self.state is None:
            self.state = start(self.config, recorder)
        else:
            self.state = iterate(self.config, self.finished, self.state, recorder)
        self.stages[self.finished] = recorder.manifests

    def revision(self) -> Revision:
        return Revision(config=self.config.model_dump(mode="json"), iterations=self.stages)


def find_finished(config: RunConfig, store: Store) -> Ledger:
    """How far the run of these settings has come, from manifests and file sizes alone."""
    ledger = Ledger(config)
    now = store.snapshot("manifests", "tombstones")
    # Nothing runs here, so the resources are never started.
    with Resources(config.compute, config.engine) as resources:
        try:
            while not ledger.complete:
                ledger.advance(Lookup(next_context(ledger, now, resources)))
        except NotDone as found:
            ledger.missing = found.missing
    return ledger


def next_context(ledger: Ledger, store: Store, resources: Resources, progress: Progress = no_progress) -> Context:
    """The context of the next iteration."""
    seed, iteration = ledger.config.seed, ledger.finished
    return Context(store=store, seed=seed, iteration=iteration, resources=resources, progress=progress)


def present(inputs: Inputs) -> dict[str, ArtifactRef]:
    """Inputs without those that do not exist yet."""
    return {name: ref for name, ref in inputs.items() if ref is not None}
