"""Seconds of each stage on GPUs, before anything has run: calculated from what was measured on one card.

Every response is assumed to have its greatest length. The time of a decoding step grows with the responses in it (what
was measured), with the weights and the cache that it reads, and with its operations, each at the speed of the card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.config.run import RunConfig
from flows.preflight import measured
from flows.preflight.memory import micro_batch_tokens
from flows.stage_settings import StageSettings
from stages.engines.card_speeds import CARDS, CardSpeed, card_speed
from stages.engines.gpu import Card
from stages.engines.vllm_memory import engine_memory
from stages.evaluate import EVALUATE
from stages.generate_instructions import GENERATE
from stages.import_inputs import SEED_FILE, seed_file, seed_rows
from stages.import_problems import problems_of
from stages.ppo_update import PPO_UPDATE
from stages.sample_responses import SAMPLE
from stages.trainer.memory import ModelShape
from stages.vote_rewards import VOTE

_SMALL_CARD = 24 * 2**30
"""Memory of a card whose memory is not known."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Responses that a stage asks an engine for."""

    count: int
    prompt_tokens: int
    """Most tokens of a prompt."""
    tokens: int
    """Most tokens of a response."""


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Estimated seconds of a run."""

    start: float
    """Of one start of vLLM; 0 with another engine."""
    starts: int
    stages: dict[str, float]
    """Stage -> seconds of one iteration, all rounds together, in order."""
    whole: float
    """Of the whole run."""
    cards: int
    """Cards of this machine that the run uses."""


def assumed_rounds(config: RunConfig) -> int:
    """Return the rounds of an iteration, if half of the accepted questions are kept; 1 without rounds."""
    if config.questions_per_update is None:
        return 1
    return min(config.max_rounds, -(-2 * config.questions_per_update // config.generate.questions))


def trained_questions(config: RunConfig) -> int:
    """Return the most questions that an update trains on."""
    return config.questions_per_update or config.generate.questions


def run_times(resolved: StageSettings, shape: ModelShape, card: Card | None) -> RunTimes:
    """Return the estimated times of a run whose iterations all take their full course.

    `card`: the card that computes; None stands for the card of the measurements.
    """
    config, speed, total = resolved.config, speed_of(card), None if card is None else card.total
    questions, sample = config.generate.questions, config.sample
    counts = (sample.responses, *(voter.responses for voter in config.voters))
    asked = {
        GENERATE.name: _writing(resolved),
        SAMPLE.name: [Requests(questions * count, sample.max_prompt_tokens, sample.max_tokens) for count in counts],
    }
    rounds = assumed_rounds(config)
    stages = {
        stage: engine_seconds(config, shape, speed, total, requests) * rounds
        for stage, requests in asked.items()
        if requests
    }
    stages[VOTE.name] = (1 + questions * sum(counts) * measured.SECONDS_PER_RESPONSE) * rounds
    stages[PPO_UPDATE.name] = update_seconds(config, shape, speed, total)
    evaluated = _evaluated(resolved)
    stages[EVALUATE.name] = engine_seconds(
        config, shape, speed, total, evaluated
    ) + measured.SECONDS_PER_RESPONSE * sum(requests.count for requests in evaluated)
    own_models = sum(voter.model is not None for voter in config.voters) if config.engine == "vllm" else 0
    restarts = 2 * own_models * rounds * config.iterations  # see `serl check`, restarts
    starts = 1 + restarts if config.engine == "vllm" else 0
    evaluations = sum(config.evaluation_is_due(iteration) for iteration in range(config.iterations + 1))
    start = measured.START_SECONDS if config.engine == "vllm" else 0.0
    each = sum(seconds for stage, seconds in stages.items() if stage != EVALUATE.name) + measured.SECONDS_BETWEEN_STAGES
    vllm = config.compute.vllm
    return RunTimes(
        start=start,
        starts=starts,
        stages=stages,
        whole=start * starts + each * config.iterations + stages[EVALUATE.name] * evaluations,
        cards=max(
            config.compute.trainer.processes_per_node,
            vllm.tensor_parallel * vllm.data_parallel if config.engine == "vllm" else 1,
        ),
    )


def _writing(resolved: StageSettings) -> list[Requests]:
    generate = resolved.generate
    if resolved.config.instructions != "self":
        return []
    return [Requests(generate.prompts, generate.max_prompt_tokens, generate.max_tokens)]


def _evaluated(resolved: StageSettings) -> list[Requests]:
    """Return what an evaluation asks: each problem once greedily, and its samples, all sets after each other."""
    evaluate = resolved.evaluate
    seeds = seed_rows(seed_file(resolved.import_seeds, SEED_FILE)) if resolved.import_seeds.source else []
    return [
        Requests(
            len(problems_of(problem_set, seeds)) * (1 + evaluate.samples_of(problem_set.name)),
            evaluate.max_prompt_tokens,
            evaluate.max_tokens,
        )
        for problem_set in resolved.import_problems.sets
    ]


def slowest_card() -> CardSpeed:
    """Return the slowest card that is known, which stands for cards that are not."""
    return min(CARDS, key=lambda card: card.flops * card.bytes_per_second)


def speed_of(card: Card | None) -> CardSpeed:
    """Return the limits of a card; None stands for the card of the measurements."""
    return measured.CARD if card is None else card_speed(card.name) or slowest_card()


def engine_seconds(
    config: RunConfig, shape: ModelShape, speed: CardSpeed, total_bytes: int | None, requests: Sequence[Requests]
) -> float:
    """Return the seconds in which the engine answers.

    Args:
        config: the run.
        shape: the model that answers.
        speed: limits of each card.
        total_bytes: memory of each card; None if it is not known.
        requests: what is asked, one after the other.
    """
    return sum(_seconds(config, shape, speed, total_bytes, kind) for kind in requests if kind.count)


def _seconds(
    config: RunConfig, shape: ModelShape, speed: CardSpeed, total_bytes: int | None, requests: Requests
) -> float:
    length = min(requests.prompt_tokens, measured.PROMPT_TOKENS) + requests.tokens
    if config.engine == "transformers":
        rows = min(max(config.compute.max_batch_tokens // length, 1), requests.count)
        step = measured.DECODE_SECONDS_PER_LAYER * shape.layers + _hardware(shape, speed, rows, length)
        return -(-requests.count // rows) * requests.tokens * step
    vllm = config.compute.vllm
    copies, cards = vllm.data_parallel, vllm.tensor_parallel
    count = -(-requests.count // copies)
    at_once = min(vllm.sequences(on_gpu=True), count)
    if total_bytes is not None:
        fit = engine_memory(config.compute.vllm, shape, total_bytes).cache_tokens // length
        at_once = max(min(at_once, fit), 1)
    seconds, tokens = measured.SMALL_GENERATION
    hardware = _hardware(shape, speed, at_once, length) / (cards if cards == 1 else cards * measured.SEVERAL_CARDS)
    slower = max(measured.CARD.bytes_per_second / speed.bytes_per_second, 1.0)
    step = (seconds / tokens + at_once / measured.TOKENS_PER_SECOND) * slower + hardware
    return max(count / at_once, 1.0) * requests.tokens * step


def _hardware(shape: ModelShape, speed: CardSpeed, rows: int, length: int) -> float:
    """Return the seconds of one decoding step by the card's limits: bytes read, and operations."""
    read = 2 * shape.parameters + rows * length * 4 * shape.layers * shape.key
    return read / (measured.SHARE_OF_PEAK * speed.bytes_per_second) + 2 * shape.parameters * rows / (
        measured.SHARE_OF_PEAK * speed.flops
    )


def update_seconds(config: RunConfig, shape: ModelShape, speed: CardSpeed, total_bytes: int | None) -> float:
    """Return the seconds of one policy update: its optimiser steps, and the time around them."""
    placement, update = config.compute.trainer, config.update
    responses = trained_questions(config) * (config.vote.train_responses or config.sample.responses)
    tokens = responses * (min(config.sample.max_prompt_tokens, measured.PROMPT_TOKENS) + config.sample.max_tokens)
    # Operations per weight and token: 6 for a forward and backward pass, 2 for a forward pass alone. Log-probabilities
    # are computed before the first step, of the policy and of the reference if there is a KL.
    models = 2 if update.algorithm == "ppo" else 1
    operations = models * (6 * update.epochs + 2) + (2 if update.uses_reference else 0)
    attention = 6 * shape.layers * shape.hidden * (config.sample.max_prompt_tokens + config.sample.max_tokens)
    share = measured.utilisation(shape.parameters, micro_batch_tokens(config, shape, total_bytes or _SMALL_CARD))
    if placement.dtype == "float32":
        peak, share = speed.flops_float32, measured.LOWEST_UTILISATION
    else:
        peak = speed.flops
    if placement.gradient_checkpointing:
        share *= measured.CHECKPOINTING
    processes = placement.world_size
    cards = processes if processes == 1 else processes * measured.SEVERAL_CARDS
    steps = tokens * (operations * shape.parameters + attention * models) / (share * peak * cards)
    around = measured.AROUND_UPDATE_SECONDS * max(shape.parameters / measured.AROUND_UPDATE_PARAMETERS, 1.0)
    return steps + around * models
