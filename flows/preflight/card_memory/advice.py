"""Settings with which an update, or vLLM, fits into the cards of a machine; the fastest by calculation come first."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from flows.config.run import RunConfig
from flows.preflight import measured
from flows.preflight.memory import room_of_update, update_form
from stages.engines.vllm_memory import engine_memory, gib
from stages.trainer.memory import FEWEST_TOKENS, ModelShape, UpdateForm, largest_micro_batch, update_memory

LARGEST_SHARE = 0.97
"""Largest share of a card that is proposed for vLLM."""
_FEWEST_TOKENS, _FEWEST_SEQUENCES = 512, 32
"""Smallest micro-batch, and fewest sequences at a time, that are proposed."""
_ADAPTER_RANK = 16
"""Rank of the adapters that are proposed."""
LARGE_NODE = 8
"""Cards of a large machine, which is proposed if this one is too small."""
_TRAINER = "compute.trainer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The GPUs of this machine."""

    cards: int
    card_bytes: int
    """Memory of the smallest card."""
    takes_bfloat16: bool
    """Whether all cards are known to compute in bfloat16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """Settings, and the update that they give."""

    form: UpdateForm
    room: int
    """Bytes of a card that the update may use."""
    settings: dict[str, str] = field(default_factory=dict)
    """Full name of a setting -> value, as both are written in a config."""
    speed: float = 1.0
    """Multiple of the speed at the same utilisation."""

    def changed(self, settings: dict[str, str], form: UpdateForm, speed: float = 1.0) -> "_Proposal":
        """Return the proposal with further settings."""
        return replace(self, settings=self.settings | settings, form=form, speed=self.speed * speed)


def smaller_update(config: RunConfig, shape: ModelShape, machine: Machine) -> str:
    """Return what to set so that the update fits into each card of a machine.

    Settings that change results are named only if nothing else fits, or only an update in main memory, which is slow.
    """
    form, room = update_form(config), room_of_update(config, machine.card_bytes)
    same = _fastest(config, shape, machine, _Proposal(form=form, room=room))
    if same and not same.offloads:
        return f"set {same.text}"
    other = _other_results(config, shape, machine, room)
    if same and other and other.speed > same.speed:
        return f"set {same.text}; or, which is faster but changes results, set {other.text}"
    if same:
        return f"set {same.text}"
    text = f"these GPUs are too small; use {_machines(config, shape, form)}"
    return f"{text}; or, which changes results, set {other.text}" if other else text


@dataclass(frozen=True, slots=True)
class _Choice:
    """Settings with which an update fits."""

    text: str
    speed: float
    """Share of the card's peak that is reached, roughly."""
    offloads: bool


def _fastest(config: RunConfig, shape: ModelShape, machine: Machine, start: _Proposal) -> _Choice | None:
    """Return the settings with which an update is fastest; None if no settings make it fit."""
    fastest: _Choice | None = None
    for proposal in _proposals(config, machine, start):
        tokens = _largest_tokens(config, shape, proposal)
        if tokens is None:
            continue
        settings = dict(proposal.settings)
        configured = config.compute.trainer.micro_batch_tokens
        if tokens != configured and not (configured == "auto" and tokens >= FEWEST_TOKENS):
            settings[f"{_TRAINER}micro_batch_tokens"] = str(tokens)
        speed = proposal.speed * measured.utilisation(shape.parameters, tokens)
        if fastest is None or speed > fastest.speed:
            text = ", ".join(f"{name}: {value}" for name, value in settings.items())
            fastest = _Choice(text, speed, proposal.form.offloads_weights)
    return fastest


def _proposals(config: RunConfig, machine: Machine, start: _Proposal) -> Iterator[_Proposal]:
    """Yield ways to compute the update, with and without gradient checkpointing; the least changes come first."""
    for proposal in _layouts(config, machine, start):
        if proposal.form.gradient_checkpointing:
            yield replace(proposal, speed=proposal.speed * measured.CHECKPOINTING)
            continue
        yield proposal
        checkpointing = {f"{_TRAINER}gradient_checkpointing": "true"}
        form = replace(proposal.form, gradient_checkpointing=True)
        yield proposal.changed(checkpointing, form, measured.CHECKPOINTING)


def _layouts(config: RunConfig, machine: Machine, start: _Proposal) -> Iterator[_Proposal]:
    """Yield where weights, gradients and optimiser may lie, and in what type."""
    form, trainer = start.form, config.compute.trainer
    starts = [start]
    if form.bytes_per_weight == 4:
        starts = [replace(start, speed=measured.CARD.flops_float32 / measured.CARD.flops)]
        if machine.takes_bfloat16:
            bfloat16 = replace(form, bytes_per_weight=2, packed_by_kernel=True)
            starts.append(start.changed({f"{_TRAINER}dtype": "bfloat16"}, bfloat16))
    if trainer.free_memory is False:
        alone = room_of_update(_in_turn(config), machine.card_bytes)
        in_turn = {f"{_TRAINER}free_memory": "null"}
        starts += [replace(s, room=alone, settings=s.settings | in_turn) for s in starts]
    current = {0: 1.0, 1: 1.0, 2: 1.0, 3: measured.UNCOMPILED}[form.zero_stage]
    for proposal in starts:
        yield replace(proposal, speed=proposal.speed * (measured.OFFLOADED if form.offloads_optimizer else current))
    for proposal in starts:
        shared = [proposal]
        if machine.cards > 1 and trainer.nodes == 1:
            everywhere = replace(proposal.form, processes=machine.cards)
            shared.insert(0, proposal.changed(_all_cards(config, machine), everywhere))
            for stage in (2, 3):
                file = {f"{_TRAINER}deepspeed": f"configs/deepspeed/zero{stage}.json"}
                kept = replace(everywhere, zero_stage=stage, offloads_optimizer=False, offloads_weights=False)
                speed = measured.UNCOMPILED if stage == 3 else 1.0
                yield shared[0].changed(file, kept, speed)
        for whole in shared:
            file = {f"{_TRAINER}deepspeed": "configs/deepspeed/zero3_offload.json"}
            offload = replace(whole.form, zero_stage=3, offloads_optimizer=True, offloads_weights=True)
            yield whole.changed(file, offload, measured.OFFLOADED)


def _all_cards(config: RunConfig, machine: Machine) -> dict[str, str]:
    """Return the setting that lets every card take part in the update; none if they do."""
    vllm, trainer = config.compute.vllm, config.compute.trainer
    if trainer.processes_per_node == machine.cards:
        return {}
    if trainer.processes_per_node == vllm.data_parallel == 1 and vllm.tensor_parallel <= machine.cards:
        return {"compute.gpus": "all"}
    return {f"{_TRAINER}processes_per_node": str(machine.cards)}


def _in_turn(config: RunConfig) -> RunConfig:
    """Return the config with an update that has the card while vLLM sleeps."""
    trainer = config.compute.trainer.model_copy(update={"free_memory": None})
    return config.model_copy(update={"compute": config.compute.model_copy(update={"trainer": trainer})})


def _largest_tokens(config: RunConfig, shape: ModelShape, proposal: _Proposal) -> int | None:
    """Return the largest micro-batch with which a proposal fits; None if it does not.

    That is what `micro_batch_tokens: auto` takes if it fits. Else the number that is set, half of it and so on.
    """
    tokens = config.compute.trainer.micro_batch_tokens
    if isinstance(tokens, str):
        tokens = largest_micro_batch(shape, proposal.form, proposal.room)
    while update_memory(shape, proposal.form, tokens).total > proposal.room:
        tokens //= 2
        if tokens < _FEWEST_TOKENS:
            return None
    return tokens


def _other_results(config: RunConfig, shape: ModelShape, machine: Machine, room: int) -> _Choice | None:
    """Return the fastest settings with which the update fits, among those that change results."""
    form = update_form(config)
    changes = []
    if form.reference and config.update.kl_target is None:
        changes.append(({"update.kl_coef": "0"}, replace(form, reference=False)))
    if form.adapter_rank is None:
        adapters = {"update.lora": f"{{rank: {_ADAPTER_RANK}}}"}
        changes.append((adapters, replace(form, adapter_rank=_ADAPTER_RANK)))
    choices = [
        _fastest(config, shape, machine, _Proposal(form=changed, room=room, settings=settings))
        for settings, changed in changes
    ]
    return max((choice for choice in choices if choice), key=lambda choice: choice.speed, default=None)


def _machines(config: RunConfig, shape: ModelShape, form: UpdateForm) -> str:
    """Return which cards the update of all weights needs at least: one with an offload, or several that share it."""
    beside = -room_of_update(_in_turn(config), 0) if config.engine == "vllm" else 0
    smallest = replace(form, bytes_per_weight=2, packed_by_kernel=True, gradient_checkpointing=True, zero_stage=3)

    def need(form: UpdateForm) -> int:
        return math.ceil((update_memory(shape, form, FEWEST_TOKENS).total + beside) / 2**30)

    shared = need(replace(smallest, processes=LARGE_NODE, offloads_optimizer=False, offloads_weights=False))
    common = f"{_TRAINER}dtype: bfloat16, {_TRAINER}gradient_checkpointing: true"
    one = need(replace(smallest, processes=1, offloads_optimizer=True, offloads_weights=True))
    return (
        f"{LARGE_NODE} GPUs of at least {shared} GiB with compute.gpus: all, {common}, {_TRAINER}deepspeed: "
        f"configs/deepspeed/zero3.json; or one GPU of at least {one} GiB with {common}, {_TRAINER}deepspeed: "
        "configs/deepspeed/zero3_offload.json"
    )


def smaller_engine(config: RunConfig, shape: ModelShape, machine: Machine) -> str:
    """Return what to set so that vLLM has room in its cache for one sequence of `max_model_tokens` tokens."""
    vllm, total = config.compute.vllm, machine.card_bytes
    memory = engine_memory(vllm, shape, total)
    proposals = []
    share = math.ceil(100 * memory.needed(vllm.max_model_tokens) / total) / 100
    if share <= LARGEST_SHARE:
        proposals.append(f"compute.vllm.memory_share: {share}")
    sequences = vllm.sequences(on_gpu=True)
    while sequences > _FEWEST_SEQUENCES:
        sequences //= 2
        fewer = engine_memory(vllm.model_copy(update={"max_sequences": sequences}), shape, total)
        if fewer.cache_tokens >= vllm.max_model_tokens:
            proposals.append(f"compute.vllm.max_sequences: {sequences}")
            break
    fit = memory.cache_tokens // 256 * 256
    if config.longest_sequence <= fit:
        proposals.append(f"compute.vllm.max_model_tokens: {fit}")
    copies = vllm.data_parallel
    if copies * vllm.tensor_parallel == machine.cards:  # as compute.gpus: all sets it, for any tensor_parallel
        copies = 1
    splits = filter(shape.splits_into, range(vllm.tensor_parallel + 1, LARGE_NODE + 1))
    fitting = (
        cards
        for cards in splits
        if engine_memory(vllm.model_copy(update={"tensor_parallel": cards}), shape, total).cache_tokens
        >= vllm.max_model_tokens
    )
    split = next(fitting, None)
    if split and split * copies <= machine.cards:
        proposals.append(f"compute.vllm.tensor_parallel: {split}")
    if vllm.quantization is None:
        half = engine_memory(vllm.model_copy(update={"quantization": "fp8"}), shape, total)
        if half.cache_tokens >= vllm.max_model_tokens:
            proposals.append("compute.vllm.quantization: fp8 (which changes results)")
    if proposals:
        return f"set {', or '.join(proposals)}"
    needed = memory.needed(vllm.max_model_tokens) / vllm.memory_share
    larger = f"use a GPU of at least {gib(needed)} GiB"
    return f"{larger}, or {split} GPUs like this one with compute.vllm.tensor_parallel: {split}" if split else larger
