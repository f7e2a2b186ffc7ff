"""One iteration: its stages, and the artifacts that pass from one stage to the next.

`start`, `iterate` and `flows.rounds.collect` name the stages once. A runner decides what happens to each stage: run it
here, run it as a Prefect task, wait for a GPU worker, or only look its manifest up.
"""

from dataclasses import replace

from flows.rounds.collect import Collected, collect
from flows.rounds.state import IterationState, Runner
from flows.stage_settings import StageSettings
from stages.evaluate import EVALUATE
from stages.import_inputs import IMPORT_DATASET, IMPORT_SEEDS
from stages.import_problems import IMPORT_PROBLEMS
from stages.ppo_update import PPO_UPDATE
from storage.artifact import ArtifactRef


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

    # 1 to 4. Write questions, filter them, sample responses and vote.
    state, collected = collect(resolved, state, runner)
    state = replace(
        state,
        health=state.health.before_update(config.watchdog, iteration, branch, collected.metrics),
        reference=state.policy if _reference_is_due(resolved, iteration) else state.reference,
        earlier=(*state.earlier, state.policy),
    )

    # 5. Update the policy, if enough questions were kept and a response to them can be trained on.
    if _update_is_due(resolved, collected):
        updated = runner.run(
            PPO_UPDATE,
            {
                "policy": state.policy,
                "reference": state.reference,
                "base": state.initial if config.update.lora else None,
                "trainer_state": state.trainer_state,
                **collected.update_inputs,
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


def _update_is_due(resolved: StageSettings, collected: Collected) -> bool:
    """Return whether the policy is updated on the collected questions.

    With `update.overlong: mask` nothing can be trained on if every response to these questions was cut off.
    """
    config = resolved.config
    masked_out = config.update.overlong == "mask" and not collected.complete_responses
    return collected.usable >= config.min_kept and not masked_out


def _reference_is_due(resolved: StageSettings, iteration: int) -> bool:
    """Return whether the policy that `iteration` starts from becomes the reference."""
    refresh = resolved.config.refresh_reference
    return refresh is not None and iteration > 1 and (iteration - 1) % refresh == 0
