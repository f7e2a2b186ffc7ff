"""What one iteration is, and how far a run has come. No Prefect here, so a finished run is recognised at once.

`start` and `iterate` name the stages and what passes between them, once. A runner decides what happens to each stage:
run it, run it as a Prefect task, or only look its manifest up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flows.config import RunConfig
from stages.contract import Context, Progress, Result, Stage, find_stage, no_progress, run_stage
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.import_inputs import IMPORT_PROBLEMS, IMPORT_SEEDS
from stages.ppo_update import PPO_UPDATE
from stages.resources import Resources
from stages.sample_responses import SAMPLE
from stages.settings import Settings
from stages.vote_rewards import VOTE
from storage.artifact import ArtifactRef
from storage.run import Revision
from storage.store import Store

Inputs = Mapping[str, ArtifactRef | None]
Runner = Callable[[Stage, Inputs, Settings], Result]


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What crosses from one iteration to the next: references only."""

    seeds: ArtifactRef
    problems: ArtifactRef
    policy: ArtifactRef
    reference: ArtifactRef
    # The initial policy.
    pool: ArtifactRef | None = None
    # Questions kept after the vote.
    bank: ArtifactRef | None = None
    # Everything ever accepted.
    trainer_state: ArtifactRef | None = None
    # Optimiser and schedule position.


def start(config: RunConfig, run: Runner) -> State:
    """Iteration 0: bring in seeds, problems and the starting policy, and evaluate it."""
    seeds = run(IMPORT_SEEDS, {}, config.seeds_config()).refs["seeds"]
    problems = run(IMPORT_PROBLEMS, {}, config.problems_config()).refs["problems"]
    policy = run(*_without_inputs(config.policy_stage())).refs["policy"]
    run(EVALUATE, {"policy": policy, "problems": problems}, config.evaluate.protocol)
    return State(seeds=seeds, problems=problems, policy=policy, reference=policy)


def iterate(config: RunConfig, number: int, state: State, run: Runner) -> State:
    """One pass of the six stages (METHOD: generate, filter, sample, vote, update, evaluate)."""
    generated = run(GENERATE, {"policy": state.policy, "seeds": state.seeds, "pool": state.pool}, config.generate)
    filtered = run(
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
    sampled = run(SAMPLE, {"policy": state.policy, "accepted": accepted}, config.sample)
    responses = sampled.refs["responses"]
    voted = run(VOTE, {"accepted": accepted, "responses": responses, "pool": state.pool}, config.vote_config())
    state = replace(state, bank=filtered.refs["bank"], pool=voted.refs["pool"])
    if (voted.metrics["vote/kept"] or 0) >= config.min_kept:
        updated = run(
            PPO_UPDATE,
            {
                "policy": state.policy,
                "reference": state.reference,
                "trainer_state": state.trainer_state,
                "responses": responses,
                "rewards": voted.refs["rewards"],
                "votes": voted.refs["votes"],
            },
            config.update_config(),
        )
        state = replace(state, policy=updated.refs["policy"], trainer_state=updated.refs["trainer_state"])
    if config.evaluated(number):
        run(EVALUATE, {"policy": state.policy, "problems": state.problems}, config.evaluate.protocol)
    return state


def _without_inputs(stage: tuple[Stage, Settings]) -> tuple[Stage, Inputs, Settings]:
    return stage[0], {}, stage[1]


class NotDone(Exception):
    """A stage that was looked up has not been committed."""


@dataclass
class Ledger:
    """A run's finished iterations, in memory: where to continue from, and what to write into a revision."""

    config: RunConfig
    stages: dict[int, dict[str, str]]
    # Iteration -> stage -> path of its manifest.
    state: State | None = None
    # After the last finished iteration.

    @property
    def finished(self) -> int:
        """Finished iterations, iteration 0 included."""
        return len(self.stages)

    @property
    def complete(self) -> bool:
        return self.finished == self.config.iterations + 1

    def advance(self, run: Runner) -> None:
        """Do (or look up) the next iteration with `run`; on any error the ledger stays as it was."""
        number, done = self.finished, dict[str, str]()

        def record(stage: Stage, inputs: Inputs, settings: Settings) -> Result:
            result = run(stage, inputs, settings)
            done[stage.name] = next(iter(result.refs.values())).path
            return result

        self.state = (
            start(self.config, record) if self.state is None else iterate(self.config, number, self.state, record)
        )
        self.stages[number] = done

    def revision(self) -> Revision:
        return Revision(config=self.config.model_dump(mode="json"), iterations=self.stages)


def find_finished(config: RunConfig, store: Store) -> Ledger:
    """How far the run of these settings has come, from manifests alone."""
    ledger = Ledger(config=config, stages={})
    # Nothing runs here, so the resources are never started.
    resources = Resources(config.compute, config.engine)
    try:
        while not ledger.complete:
            context = Context(store=store, seed=config.seed, iteration=ledger.finished, resources=resources)
            ledger.advance(_lookup(context))
    except NotDone:
        pass
    finally:
        resources.close()
    return ledger


def _lookup(context: Context) -> Runner:
    def find(stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        found = find_stage(stage, present(inputs), settings, context)
        if found is None:
            raise NotDone(stage.name)
        return found

    return find


def run_inline(config: RunConfig, store: Store, resources: Resources, progress: Progress = no_progress) -> Ledger:
    """Do everything that is missing, in this process and without Prefect."""
    ledger = find_finished(config, store)
    while not ledger.complete:
        resources.trainer().start(config.compute.trainer)  # it loads while the other stages run
        context = Context(
            store=store, seed=config.seed, iteration=ledger.finished, resources=resources, progress=progress
        )
        ledger.advance(lambda stage, inputs, settings: run_stage(stage, present(inputs), settings, context))  # noqa: B023
    return ledger


def present(inputs: Inputs) -> dict[str, ArtifactRef]:
    """Inputs without those that do not exist yet (pool, bank and trainer state of the first iteration)."""
    return {name: ref for name, ref in inputs.items() if ref is not None}
