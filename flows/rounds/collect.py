"""Stages 1 to 4 of an iteration: questions, their responses and the vote, in rounds if `questions_per_update` is set.

A round is one execution each of the same stages, with manifests of its own. Round 1 has the inputs and keys of an
iteration without rounds. The filter of a later round gets the bank of the round before, and the vote its pool, so a
round depends on all rounds before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flows.config.run import RunConfig
from flows.rounds.state import IterationState, Runner
from flows.stage_settings import StageSettings
from stages.choose_questions import CHOOSE, tokens_of
from stages.contract import Metrics
from stages.draw_instructions import DRAW
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.remember_votes import REMEMBER
from stages.sample_responses import SAMPLE, SAMPLE_VOTERS
from stages.settings import Settings
from stages.settings.choose import ChooseConfig, Ended
from stages.settings.filter import COPIES_EXAMPLE
from stages.try_questions import FIRST_RESPONSES, TRY
from stages.vote_rewards import VOTE
from stages.work import input_of_round
from storage.artifact import ArtifactRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """The outputs and metrics of stages 1 to 4, executed once."""

    refs: Mapping[str, ArtifactRef]
    metrics: Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """The questions of an iteration, with what its update needs."""

    metrics: Metrics
    """Metrics of stages 1 to 4 over all rounds."""
    usable: int
    """Questions that the update would train on."""
    complete_responses: int
    """Responses to these questions that were not cut off."""
    update_inputs: Mapping[str, ArtifactRef]
    """Inputs of the update that hold responses, rewards and questions."""


def collect(resolved: StageSettings, state: IterationState, runner: Runner) -> tuple[IterationState, Collected]:
    """Run stages 1 to 4; return the state with the new pool and bank, and the questions."""
    if resolved.config.questions_per_update is None:
        state, result = _ask(resolved, state, runner, ())
        return _remember(resolved, state, runner, [result]), Collected(
            metrics=result.metrics,
            usable=int(result.metrics["vote/kept"] or 0),
            complete_responses=int(result.metrics["vote/complete_responses"] or 0),
            update_inputs={name: result.refs[name] for name in ("responses", "rewards", "votes")},
        )
    return _collect_in_rounds(resolved, state, runner, resolved.config.questions_per_update)


def _collect_in_rounds(
    resolved: StageSettings, state: IterationState, runner: Runner, wanted: int
) -> tuple[IterationState, Collected]:
    config = resolved.config
    rounds: list[Round] = []
    ended: Ended | None = None
    while ended is None:
        number = len(rounds) + 1
        note = f"round {number} of at most {config.max_rounds}, {_kept(rounds)} of {wanted} kept"
        state, result = _ask(resolved, state, runner.in_round(number, note), rounds)
        rounds.append(result)
        ended = _why_ended(config, rounds, wanted)
    settings = ChooseConfig(
        questions=wanted,
        carry_over=config.carry_over,
        ended=ended,
        update_skipped=min(_kept(rounds), wanted) < config.min_kept,
        voters=tuple(voter.name for voter in config.voters),
    )
    written = ("candidates", "accepted", "answerable", "responses", "voter_responses")
    voted = ("rewards", "voter_answers", "votes", "diagnostics")
    inputs = {name: ref for kind in (*written, *voted) for name, ref in _over_rounds(kind, rounds).items()}
    chosen = runner.run(CHOOSE, inputs, settings)
    state = _remember(resolved, state, runner, rounds)
    metrics = chosen.metrics
    carried_over = chosen.refs["chosen"] if metrics["rounds/carried_over"] else None
    return replace(state, carried_over=carried_over), Collected(
        metrics=metrics,
        usable=int(metrics["rounds/used"] or 0),
        complete_responses=int(metrics["rounds/complete_responses"] or 0),
        update_inputs={
            **_over_rounds("responses", rounds),
            **_over_rounds("rewards", rounds),
            "chosen": chosen.refs["chosen"],
        },
    )


def _ask(
    resolved: StageSettings, state: IterationState, runner: Runner, earlier: Sequence[Round]
) -> tuple[IterationState, Round]:
    """Run stages 1 to 4 once. `earlier`: the rounds of this iteration so far."""
    config = resolved.config
    carried_over = None if earlier else state.carried_over

    # 1 and 2. Write new questions and filter them, or draw existing ones.
    if config.instructions == "self":
        state, asked = _write_questions(resolved, state, runner, carried_over)
    else:
        state, asked = _draw_questions(resolved, state, runner, carried_over, earlier)
    refs = dict(asked.refs)
    labels = refs.pop("labels", None)

    # With `filter.answerable`: drop the questions to which no two of the first responses agree.
    metrics = dict(asked.metrics)
    to_sample = {"policy": state.policy, "accepted": refs["accepted"]}
    if resolved.tries is not None:
        tried = runner.run(TRY, to_sample, resolved.tries)
        refs |= {name: tried.refs[name] for name in ("answerable", "tries")}
        metrics |= tried.metrics
        to_sample |= {"accepted": tried.refs["answerable"], FIRST_RESPONSES: tried.refs[FIRST_RESPONSES]}
    questions = to_sample["accepted"]

    # 3. Sample responses of the policy and of other voters.
    sampled = runner.run(SAMPLE, to_sample, resolved.sample)
    refs["responses"] = sampled.refs["responses"]
    metrics |= sampled.metrics
    if config.voters:
        voter_inputs = {"accepted": questions, **_voter_policies(resolved, state)}
        voters = runner.run(SAMPLE_VOTERS, voter_inputs, resolved.sample_voters)
        refs["voter_responses"] = voters.refs["voter_responses"]
        metrics |= voters.metrics

    # 4. Vote: majority answers become rewards, and questions that are too easy or too hard are dropped.
    vote_inputs = {
        "accepted": questions,
        "responses": refs["responses"],
        "voter_responses": refs.get("voter_responses"),
        "labels": labels,
        "pool": state.pool,
        "carried_over": carried_over,
    }
    voted = runner.run(VOTE, vote_inputs, resolved.vote)
    state = replace(state, pool=voted.refs["pool"])
    return state, Round(refs={**refs, **voted.refs}, metrics={**metrics, **voted.metrics})


def _write_questions(
    resolved: StageSettings, state: IterationState, runner: Runner, carried_over: ArtifactRef | None
) -> tuple[IterationState, Round]:
    """Let the policy write questions, and filter them."""
    writer = state.initial if resolved.config.generator == "initial" else state.policy
    generated = runner.run(GENERATE, {"policy": writer, "seeds": state.seeds, "pool": state.pool}, resolved.generate)
    inputs: dict[str, ArtifactRef | None] = {
        "candidates": generated.refs["candidates"],
        "seeds": state.seeds,
        "bank": state.bank,
        "problems": state.problems,
        "carried_over": carried_over,
    }
    if COPIES_EXAMPLE in resolved.filter.rules.use:
        inputs |= {"generations": generated.refs["generations"], "pool": state.pool}
    filtered = runner.run(FILTER, inputs, resolved.filter)
    refs = {"candidates": generated.refs["candidates"], "accepted": filtered.refs["accepted"]}
    metrics = {**generated.metrics, **filtered.metrics}
    return replace(state, bank=filtered.refs["bank"]), Round(refs=refs, metrics=metrics)


def _draw_questions(
    resolved: StageSettings,
    state: IterationState,
    runner: Runner,
    carried_over: ArtifactRef | None,
    earlier: Sequence[Round],
) -> tuple[IterationState, Round]:
    """Draw questions from the seeds or a data set (comparison arms)."""
    config, settings = resolved.config, resolved.draw
    inputs: dict[str, ArtifactRef | None] = {
        "given": state.seeds if config.instructions == "seeds" else state.dataset,
        "problems": state.problems,
        "carried_over": carried_over,
        "difficulty": state.difficulty,
        **_over_rounds("accepted", earlier),
    }
    if config.questions_per_update is not None:
        settings = settings.model_copy(update={"position": state.position})
    drawn = runner.run(DRAW, inputs, settings)
    refs = {"accepted": drawn.refs["accepted"]}
    if config.rewards == "verified":
        refs["labels"] = drawn.refs["labels"]
    position = int(drawn.metrics.get("draw/position") or 0)
    return replace(state, position=position), Round(refs=refs, metrics=drawn.metrics)


def _remember(
    resolved: StageSettings, state: IterationState, runner: Runner, rounds: Sequence[Round]
) -> IterationState:
    """Keep what the votes said about each question, if questions are drawn by it."""
    if resolved.draw.by_difficulty is None:
        return state
    inputs = {"difficulty": state.difficulty, **_over_rounds("votes", rounds), **_over_rounds("tries", rounds)}
    return replace(state, difficulty=runner.run(REMEMBER, inputs, Settings()).refs["difficulty"])


def _why_ended(config: RunConfig, rounds: Sequence[Round], wanted: int) -> Ended | None:
    """Return why there is no further round; None if there is one."""
    if _kept(rounds) >= wanted:
        return "enough"
    if rounds[-1].metrics.get("draw/left") == 0:
        return "nothing_left"
    if len(rounds) >= config.max_rounds:
        return "max_rounds"
    budget = config.tokens_per_update
    if budget is not None and sum(tokens_of(item.metrics) for item in rounds) >= budget:
        return "tokens_per_update"
    return None


def _kept(rounds: Sequence[Round]) -> int:
    return sum(int(item.metrics["vote/kept"] or 0) for item in rounds)


def _over_rounds(kind: str, rounds: Sequence[Round]) -> dict[str, ArtifactRef]:
    """Return the outputs `kind` of all rounds that have it, by the names of inputs."""
    numbered = enumerate(rounds, start=1)
    return {input_of_round(kind, number): item.refs[kind] for number, item in numbered if kind in item.refs}


def _voter_policies(resolved: StageSettings, state: IterationState) -> dict[str, ArtifactRef]:
    """Return the model of each voter (an imported model or an earlier policy), by the name of the stage input."""
    policies = [*state.earlier, state.policy]
    voters = dict(state.voters)
    for voter in resolved.config.voters:
        if voter.iteration is not None:
            index = 0 if voter.iteration == 0 else max(0, len(policies) - 1 + voter.iteration)
            voters[f"voter_{voter.name}"] = policies[index]
    return voters
