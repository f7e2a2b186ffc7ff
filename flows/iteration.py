"""One iteration: its stages, and the artifacts that pass from one stage to the next.

`start` and `iterate` name the stages once. A runner decides what happens to each stage: run it here, run it as a
Prefect task, wait for a GPU worker, or only look its manifest up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from flows.stage_settings import StageSettings
from flows.watchdog import Health
from stages.contract import Metrics, Result, Stage
from stages.draw_instructions import DRAW
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.import_inputs import IMPORT_DATASET, IMPORT_SEEDS
from stages.import_problems import IMPORT_PROBLEMS
from stages.ppo_update import PPO_UPDATE
from stages.sample_responses import SAMPLE, SAMPLE_VOTERS
from stages.settings import Settings
from stages.settings.filter import COPIES_EXAMPLE
from stages.vote_rewards import VOTE
from storage.artifact import ArtifactRef

Inputs = Mapping[str, ArtifactRef | None]
"""Inputs of a stage by name; None for an artifact that does not exist yet (pool, bank and trainer state of the first
iteration)."""


class Runner(Protocol):
    """Decides what happens to each stage of one iteration."""

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """Return the outputs of a stage that is due."""

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        """Return the outputs of a stage that is not due; None if they do not exist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IterationState:
    """What one iteration hands to the next: references to artifacts, and the watchdog's memory."""

    seeds: ArtifactRef
    problems: ArtifactRef
    shots: ArtifactRef
    """Worked examples of benchmarks that have them."""
    policy: ArtifactRef
    initial: ArtifactRef
    """The policy of iteration 0."""
    reference: ArtifactRef
    """The policy that the KL penalty refers to: the initial policy, or a later one if the reference is refreshed."""
    earlier: tuple[ArtifactRef, ...] = ()
    """The policies of all iterations before this one, in order."""
    voters: Mapping[str, ArtifactRef] = field(default_factory=dict)
    """Imported models of voters, by the name of the stage input (`voter_NAME`)."""
    dataset: ArtifactRef | None = None
    """Existing questions, for `instructions: dataset`."""
    pool: ArtifactRef | None = None
    """Questions kept after the vote; they serve as few-shot examples."""
    bank: ArtifactRef | None = None
    """Every question ever accepted; new questions must differ from them."""
    trainer_state: ArtifactRef | None = None
    """Optimiser, critic and position in the schedule."""
    health: Health = field(default_factory=Health)
    """What the watchdog has seen so far."""


def start(resolved: StageSettings, runner: Runner) -> IterationState:
    """Run iteration 0: import seeds, problems and the starting policy, and evaluate the policy."""
    seeds = runner.run(IMPORT_SEEDS, {}, resolved.import_seeds).refs["seeds"]
    problems = runner.run(IMPORT_PROBLEMS, {"seeds": seeds}, resolved.import_problems).refs
    stage, settings = resolved.import_policy
    policy = runner.run(stage, {}, settings).refs["policy"]
    dataset = None
    if resolved.import_dataset:
        dataset = runner.run(IMPORT_DATASET, {}, resolved.import_dataset).refs["dataset"]
    voters: dict[str, ArtifactRef] = {}
    if resolved.import_voters:
        voters_stage, voters_settings = resolved.import_voters
        voters = runner.run(voters_stage, {}, voters_settings).refs
    state = IterationState(
        seeds=seeds,
        problems=problems["problems"],
        shots=problems["shots"],
        policy=policy,
        initial=policy,
        reference=policy,
        dataset=dataset,
        voters=voters,
    )
    return _evaluate(resolved, 0, 0, state, runner)


def iterate(
    resolved: StageSettings, iteration: int, branch: int, state: IterationState, runner: Runner
) -> IterationState:
    """Run one pass of the six stages (docs/explanation/method.md, section 1).

    Raises Breached if the watchdog ends the iteration.
    """
    config = resolved.config

    # 1 and 2. Write new questions and filter them.
    state, questions = _questions(resolved, state, runner)

    # 3. Sample responses of the policy and of other voters.
    sampled = runner.run(SAMPLE, {"policy": state.policy, "accepted": questions.accepted}, resolved.sample)
    vote_inputs = {
        **questions.labels,
        "accepted": questions.accepted,
        "responses": sampled.refs["responses"],
        "pool": state.pool,
    }
    if config.voters:
        voter_inputs = {"accepted": questions.accepted, **_voter_policies(resolved, state)}
        voters = runner.run(SAMPLE_VOTERS, voter_inputs, resolved.sample_voters)
        vote_inputs["voter_responses"] = voters.refs["voter_responses"]

    # 4. Vote: majority answers become rewards, and questions that are too easy or too hard are dropped.
    voted = runner.run(VOTE, vote_inputs, resolved.vote)
    metrics = {**questions.metrics, **sampled.metrics, **voted.metrics}
    state = replace(
        state,
        health=state.health.before_update(config.watchdog, iteration, branch, metrics),
        reference=state.policy if _reference_is_due(resolved, iteration) else state.reference,
        pool=voted.refs["pool"],
        earlier=(*state.earlier, state.policy),
    )

    # 5. Update the policy, if enough questions were kept and a response to them can be trained on.
    if _update_is_due(resolved, voted.metrics):
        updated = runner.run(
            PPO_UPDATE,
            {
                "policy": state.policy,
                "reference": state.reference,
                "base": state.initial if config.update.lora else None,
                "trainer_state": state.trainer_state,
                "responses": sampled.refs["responses"],
                "rewards": voted.refs["rewards"],
                "votes": voted.refs["votes"],
            },
            resolved.update,
        )
        state = replace(
            state,
            policy=updated.refs["policy"],
            trainer_state=updated.refs["trainer_state"],
            health=state.health.after_update(config.watchdog, branch, updated.metrics),
        )

    # 6. Evaluate the policy on the benchmarks.
    return _evaluate(resolved, iteration, branch, state, runner)


def existing_inputs(inputs: Inputs) -> dict[str, ArtifactRef]:
    """Return the inputs that exist."""
    return {name: ref for name, ref in inputs.items() if ref is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Questions:
    """The questions of one iteration."""

    accepted: ArtifactRef
    labels: Inputs
    """The vote's input `labels`, if labels decide the rewards of these questions."""
    metrics: Metrics


def _questions(resolved: StageSettings, state: IterationState, runner: Runner) -> tuple[IterationState, _Questions]:
    """Let the policy write questions and filter them; or (comparison arms) draw them from the seeds or a data set."""
    config = resolved.config
    if config.instructions == "self":
        writer = state.initial if config.generator == "initial" else state.policy
        generated = runner.run(
            GENERATE, {"policy": writer, "seeds": state.seeds, "pool": state.pool}, resolved.generate
        )
        filter_inputs = {
            "candidates": generated.refs["candidates"],
            "seeds": state.seeds,
            "bank": state.bank,
            "problems": state.problems,
        }
        if COPIES_EXAMPLE in resolved.filter.rules.use:
            filter_inputs |= {"generations": generated.refs["generations"], "pool": state.pool}
        filtered = runner.run(FILTER, filter_inputs, resolved.filter)
        metrics = {**generated.metrics, **filtered.metrics}
        questions = _Questions(accepted=filtered.refs["accepted"], labels={}, metrics=metrics)
        return replace(state, bank=filtered.refs["bank"]), questions
    source = state.seeds if config.instructions == "seeds" else state.dataset
    drawn = runner.run(DRAW, {"given": source, "problems": state.problems}, resolved.draw)
    labels = {"labels": drawn.refs["labels"] if config.rewards == "verified" else None}
    return state, _Questions(accepted=drawn.refs["accepted"], labels=labels, metrics=drawn.metrics)


def _evaluate(
    resolved: StageSettings, iteration: int, branch: int, state: IterationState, runner: Runner
) -> IterationState:
    """Evaluate the state's policy and let the watchdog judge its accuracy on validation sets.

    An evaluation that is not due still counts if it exists: it was due when `iterations` was smaller, because the last
    iteration is always evaluated.
    """
    config = resolved.config
    run = runner.run if config.evaluation_is_due(iteration) else runner.find
    inputs = {"policy": state.policy, "problems": state.problems, "shots": state.shots}
    evaluated = run(EVALUATE, inputs, resolved.evaluate)
    if evaluated is None or not config.validation:
        return state
    health = state.health.after_evaluation(
        config.watchdog, iteration, branch, config.validation, evaluated.metrics, evaluated.refs["grades"]
    )
    return replace(state, health=health)


def _update_is_due(resolved: StageSettings, votes: Metrics) -> bool:
    """Return whether the policy is updated after a vote with these metrics.

    With `update.overlong: mask` nothing can be trained on if every response to the kept questions was cut off.
    """
    config = resolved.config
    masked_out = config.update.overlong == "mask" and not votes["vote/complete_responses"]
    return (votes["vote/kept"] or 0) >= config.min_kept and not masked_out


def _reference_is_due(resolved: StageSettings, iteration: int) -> bool:
    """Return whether the policy that `iteration` starts from becomes the reference."""
    refresh = resolved.config.refresh_reference
    return refresh is not None and iteration > 1 and (iteration - 1) % refresh == 0


def _voter_policies(resolved: StageSettings, state: IterationState) -> dict[str, ArtifactRef]:
    """Return the model of each voter (an imported model or an earlier policy), by the name of the stage input."""
    policies = [*state.earlier, state.policy]
    voters = dict(state.voters)
    for voter in resolved.config.voters:
        if voter.iteration is not None:
            index = 0 if voter.iteration == 0 else max(0, len(policies) - 1 + voter.iteration)
            voters[f"voter_{voter.name}"] = policies[index]
    return voters
