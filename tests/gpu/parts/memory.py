"""Part `memory`: the smallest card for an update of each size, by calculation; trials that test the calculation."""

import subprocess
from dataclasses import dataclass
from typing import Any

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from tests.gpu.parts.updates import Form, measure, placement_of
from tests.gpu.policies import config_values, parameters
from tests.gpu.record import Record

SIZES = ("0.5B", "1.5B", "3B", "7B")
CARDS_GIB = (16, 24, 32, 40, 48, 80, 94, 141, 180)
"""Memory of cards that can be bought, in GiB; about a twentieth of it is not usable."""
USABLE = 0.95
FEWEST_TOKENS = 4_096
"""Tokens of the smallest micro-batch that is worth it."""
LIBRARIES_GIB = 1.0
"""CUDA and its libraries."""
LARGEST_FACTOR = 1.5
"""Wanted: the calculation is no more than this times what is seen."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One update whose memory is compared with the calculation."""

    form: Form
    gib: float
    """Free memory of the card that it needs."""
    seconds: float
    """Left out if less time is left."""


def trials(small: bool) -> list[Trial]:
    """Return the updates to try, the most telling first."""
    if small:
        return [Trial(form=Form(shape="toy", tokens=512, small=True, steps=2, checkpointing=True), gib=0, seconds=0)]
    fixed, automatic = 8_192, "auto"
    return [
        Trial(form=Form(shape="0.5B", tokens=fixed, steps=2), gib=30, seconds=35),
        Trial(form=Form(shape="0.5B", tokens=automatic, steps=2), gib=0, seconds=35),
        Trial(form=Form(shape="1.5B", tokens=fixed, steps=2), gib=60, seconds=60),
        Trial(form=Form(shape="1.5B", tokens=fixed, steps=2, checkpointing=True), gib=45, seconds=40),
        Trial(form=Form(shape="3B", tokens=fixed, steps=2), gib=110, seconds=100),
    ]


def run(record: Record) -> None:
    with record.measuring("the calculation"):
        _calculate(record)
    total = _card_gib(record)
    for trial in trials(record.small):
        name = trial_name(trial.form)
        if not record.small and record.seconds_left() < trial.seconds:
            record.leave_out(f"trial {name}", "no time was left")
        elif trial.gib > total:
            record.leave_out(f"trial {name}", f"it needs a card of about {trial.gib:.0f} GiB, this one has {total:.0f}")
        elif trial.form.tokens == "auto" and not _knows_auto():
            record.leave_out(f"trial {name}", "this version has no micro_batch_tokens: auto")
        else:
            with record.measuring(f"trial {name}"):
                _try(record, trial.form, name, total)
    if record.small:
        record.leave_out("trials against the card's memory", "only a GPU can show them")


def trial_name(form: Form) -> str:
    tokens = form.tokens if isinstance(form.tokens, str) else f"{form.tokens} tokens"
    return f"{form.shape} {tokens}{', checkpointing' if form.checkpointing else ''}"


def predicted_gib(form: Form, tokens: int) -> float:
    """Return the memory of tensors in an update by calculation, without that of CUDA and libraries."""
    from stages.trainer.memory import ModelShape, UpdateForm, update_memory

    placement = placement_of(form)
    config = UpdateConfig(kl_coef=0.0)
    shape = ModelShape.of(config_values(form.shape), parameters(form.shape))
    settings = UpdateForm.of(placement, config, {}, compiled=_compiles(placement, form))
    memory = update_memory(shape, settings, tokens)
    return (memory.total - memory.libraries) / 2**30


def smallest_card(gib: float) -> int | None:
    """Return the memory of the smallest card with this much usable; None if no card has."""
    return next((card for card in CARDS_GIB if gib <= USABLE * card), None)


def _compiles(placement: TrainerPlacement, form: Form) -> bool:
    return "compile" in TrainerPlacement.model_fields and form.compiled is not False and not form.small


def _knows_auto() -> bool:
    try:
        TrainerPlacement.model_validate({"micro_batch_tokens": "auto"})
    except ValueError:
        return False
    return True


def _calculate(record: Record) -> None:
    for size in SIZES:
        for checkpointing in (False, True):
            form = Form(shape=size, tokens=FEWEST_TOKENS, checkpointing=checkpointing)
            gib = predicted_gib(form, FEWEST_TOKENS) + LIBRARIES_GIB
            card = smallest_card(gib)
            kind = f"{size}{', checkpointing' if checkpointing else ''}"
            on = f"{card} GiB" if card else "several cards, or a part in main memory"
            record.figure(f"smallest_card {kind}", f"{on} ({gib:.1f} GiB for an update of {FEWEST_TOKENS} tokens)")


def _card_gib(record: Record) -> float:
    """Return the memory of the card in GiB, from the driver; 0 without one."""
    if record.small:
        return 0.0
    done = subprocess.run(
        ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    try:
        return float(done.stdout.split()[0]) / 1_024
    except (IndexError, ValueError):
        record.leave_out("the card's memory", f"nvidia-smi did not say it: {done.stderr[:100]}")
        return float("inf")


def _try(record: Record, form: Form, name: str, total: float) -> None:
    found: dict[str, Any] = measure(record, form)
    seen = found["peak_memory_mib"] / 1_024
    record.figure(f"seen_gib {name}", seen)
    record.figure(f"step_s {name}", found["step_seconds"])
    if isinstance(form.tokens, int):
        predicted = predicted_gib(form, form.tokens)
        record.figure(f"predicted_gib {name}", predicted)
        if not record.small:
            close = seen <= predicted <= LARGEST_FACTOR * seen
            record.check(f"predicted_gib {name}", close, predicted, f"{seen:.1f} to {LARGEST_FACTOR * seen:.1f}")
    elif not record.small:
        record.check(f"seen_gib {name}", seen <= total, seen, f"<= {total:.0f}, the card's")
