"""Disk space and time of a run before it starts.

Sizes follow from the settings and assume that every response has its greatest length. They leave out all tables but
those of questions and responses, and weights that are kept only as voters, as reference or for a rollback. Times are
measured if the run has finished iterations. Otherwise they are estimated: on GPUs from what was measured on one
(`flows.preflight.durations`), on a CPU from floating-point operations, and may be wrong there by a factor of three.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from flows.config.run import RunConfig
from flows.preflight import measured
from flows.preflight.cards import Device
from flows.preflight.durations import assumed_rounds, run_times, speed_of, trained_questions
from flows.preflight.shapes import policy_shape
from flows.reporting.number_format import duration_text, size_text
from flows.reporting.results import stage_seconds
from flows.stage_settings import StageSettings
from stages.engines.card_speeds import card_speed
from stages.trainer.memory import ModelShape
from storage.run import newest_revision, open_run
from storage.store import Store

CPU_FLOPS_PER_THREAD = 1.5e10
"""Assumed floating-point operations per second on one thread of a recent server, for small matrices."""
STATE_BYTES = {"float32": (4, 8), "bfloat16": (2, 12)}
"""Type of the matrix products -> bytes per parameter of a policy's folder, and of the trainer state: AdamW's two
float32 moments, with bfloat16 the float32 master weights too."""
TABLE_BYTES_PER_TOKEN = 9
"""Assumed bytes per generated token: its id, log-probability and text, in compressed Parquet."""


def generated_tokens(resolved: StageSettings) -> int:
    """Return the largest number of tokens that the policy can write for new questions in one iteration or round.

    0 if the policy writes no questions.
    """
    generate = resolved.generate
    return generate.prompts * generate.max_tokens if resolved.config.instructions == "self" else 0


def responses_per_question(config: RunConfig) -> int:
    """Return how many responses vote on a question: the policy's and those of other voters."""
    return config.sample.responses + sum(voter.responses for voter in config.voters)


def sampled_tokens(config: RunConfig) -> int:
    """Return the largest number of tokens that the responses of one iteration or round can have."""
    return config.generate.questions * responses_per_question(config) * config.sample.max_tokens


def disk_line(resolved: StageSettings, parameters: int) -> str:
    """Return the disk space of an iteration and of the whole run, and how much is free."""
    config = resolved.config
    tokens = (generated_tokens(resolved) + sampled_tokens(config)) * assumed_rounds(config)
    policy, state = (count * parameters for count in STATE_BYTES[config.compute.trainer.dtype])
    tables = tokens * TABLE_BYTES_PER_TOKEN
    keep = config.keep.policies
    kept = keep.last + (config.iterations // keep.every if keep.every else 0) + (keep.best.count if keep.best else 0)
    policies = min(config.iterations, kept)
    states = min(config.iterations, config.keep.trainer_states)
    whole = policy * (1 + policies) + state * states + tables * config.iterations
    text = (
        f"about {size_text(policy + state + tables)} per iteration (policy, trainer state, tables), {size_text(whole)} "
        f"for the whole run (`keep` leaves {policies} policies, {states} trainer states)"
    )
    if not Store(config.uri).is_local:
        return text
    free = shutil.disk_usage(_nearest_existing(Path(config.root).resolve())).free
    return f"{text}; {size_text(free)} free" + (": NOT ENOUGH" if free < whole else "")


def time_lines(resolved: StageSettings, store: Store, parameters: int, device: Device) -> Iterator[str]:
    """Yield the time of the run in lines: measured if the run has finished an iteration, else estimated.

    `device`: what the run computes on.
    """
    config = resolved.config
    if newest_revision(store) is not None:
        run = open_run(config.uri)
        seconds = [
            sum(stage_seconds(run.table("timings", iteration=number)).values())
            for number in run.iterations
            if number > 0
        ]
        if seconds:
            mean = sum(seconds) / len(seconds)
            whole = duration_text(mean * config.iterations)
            yield f"{duration_text(mean)} per iteration (measured over {len(seconds)}), {whole} in all"
            return
    if device.on_gpu and (shape := policy_shape(config)) is not None:
        yield from _gpu_times(resolved, shape, device)
    elif device.on_gpu:
        yield "not known: the config.json of the policy does not tell the model's sizes"
    else:
        yield _cpu_time(resolved, parameters)


def _gpu_times(resolved: StageSettings, shape: ModelShape, device: Device) -> Iterator[str]:
    config, card = resolved.config, device.cards[0] if device.here else None
    times = run_times(resolved, shape, card)
    if card is None:
        where = f"one {measured.CARD.name} (this machine has no GPU for it)"
    elif card_speed(card.name) is None:
        where = f"{card.name} (an unknown card, taken for a {speed_of(card).name})"
    else:
        where = f"one {card.name}" if times.cards == 1 else f"{times.cards} x {card.name}"
    yield (
        f"about {duration_text(times.whole)} for {config.iterations} iterations on {where}, on the safe side: every "
        "response has full length"
    )
    starts = "once" if times.starts == 1 else f"{times.starts:,} times"
    if times.start:
        yield f"start of vLLM about {duration_text(times.start)}, {starts}"
    for stage, seconds in times.stages.items():
        every = (
            f", every {config.evaluate.every} iterations" if stage == "evaluate" and config.evaluate.every > 1 else ""
        )
        yield f"{stage} about {duration_text(seconds)}{every}"
    unmeasured = "; the speed of engine: transformers is assumed" if config.engine == "transformers" else ""
    yield f"estimated from what was measured on {measured.SOURCE}{unmeasured}"


def _cpu_time(resolved: StageSettings, parameters: int) -> str:
    config = resolved.config
    rounds = assumed_rounds(config)
    generated, sampled = generated_tokens(resolved) * rounds, sampled_tokens(config) * rounds
    trained = sampled_tokens(config) * trained_questions(config) / config.generate.questions
    decode, train = (
        CPU_FLOPS_PER_THREAD * threads for threads in (config.compute.threads, config.compute.trainer.threads)
    )
    # A forward pass takes 2 operations per parameter and token. An update of one epoch takes 10: old log-probabilities
    # (2), reference log-probabilities (2), forward pass (2) and backward pass (4).
    estimate = 2 * parameters * (generated + sampled) / decode + 10 * parameters * trained / train
    return (
        f"about {duration_text(estimate)} per iteration on this CPU if every response has full length, without "
        "evaluation and start-up (rough: may be wrong by a factor of three)"
    )


def _nearest_existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return folder if folder.exists() else _nearest_existing(folder.parent)
