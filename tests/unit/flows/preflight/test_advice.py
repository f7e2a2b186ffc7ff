"""Whoever sets what `serl check` says, step by step, comes to settings that it accepts. No GPU is asked."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.preflight import measured
from flows.preflight.card_memory.advice import Machine, smaller_engine
from flows.preflight.cards import device_of, gpu_lines, on_this_machine, refusal
from flows.preflight.shapes import policy_shape
from stages.engines.gpu import Card
from tests.cuda import H200, Driver, machine_with
from tests.tiny_models import make_tiny_policy

GIB = 2**30
RTX_4090 = Card("NVIDIA GeForce RTX 4090", total=int(23.7 * GIB), free=int(23.3 * GIB), capability=(8, 9))
H100 = Card("NVIDIA H100 80GB HBM3", total=int(79.6 * GIB), free=79 * GIB, capability=(9, 0))
MACHINES = {"1x24": [RTX_4090], "1x80": [H100], "1x141": [H200], "4x80": [H100] * 4, "8x80": [H100] * 8}
SIZES = {
    "Qwen/Qwen2.5-7B-Instruct": (15_231 * 10**6, 3584, 18_944, 28, 28, 4, 152_064),
    "meta-llama/Llama-3.2-3B-Instruct": (6_426 * 10**6, 3072, 8192, 28, 24, 8, 128_256),
}
"""Model of a preset -> bytes of its weights, hidden and intermediate size, layers, heads, key heads, vocabulary."""
ENTRIES = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size",
)  # fmt: skip
QWEN, LLAMA = SIZES
MODEL_OF = {"paper-llama3.2-3b": LLAMA, "paper-qwen2.5-7b": QWEN, "examples/law": QWEN}
PRESETS = ["quickstart", "paper-llama3.2-3b", "paper-qwen2.5-7b", "examples/law"]
SETTING = re.compile(r"((?:compute|update)\.[a-z_.]+): (\{[^}]*\}|[^\s,;:]+)")
TOO_SMALL = "these GPUs are too small; use 8 GPUs of at least "


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of the presets' models; their weights are files full of holes."""
    folders = {}
    for name, (size, *values) in SIZES.items():
        folder = make_tiny_policy(tmp_path_factory.mktemp("models") / "model")
        entries = json.loads((folder / "config.json").read_text())
        entries |= dict(zip(ENTRIES, values, strict=True)) | {"head_dim": 128, "dtype": "bfloat16"}
        (folder / "config.json").write_text(json.dumps(entries))
        os.truncate(folder / "model.safetensors", size)
        folders[name] = str(folder)
    return folders


def preset(name: str, models: dict[str, str], *changes: str) -> RunConfig:
    """Return a preset's config with a model that is at hand."""
    model = MODEL_OF.get(name)
    override = [] if model is None else [f"policy.model={models[model]}"]
    return load_config(Path("configs") / f"{name}.yaml", [*changes, *override])


def complaint(config: RunConfig, cards: list[Card]) -> str | None:
    """Return why `serl check` does not accept a config: what is not enough with what to set, or the refusal."""
    with machine_with(Driver(cards)):
        lines = gpu_lines(on_this_machine(config), device_of(config))
        short = [line.partition("NOT ENOUGH")[2] for line in lines if "NOT ENOUGH" in line]
        return next(iter(short), None) or refusal(config)


def advised(text: str) -> list[dict[str, str]]:
    """Return the settings of each alternative that a text names."""
    alternatives = [dict(SETTING.findall(part)) for part in re.split(r"\bor\b", text.partition("set ")[2])]
    return [settings for settings in alternatives if settings]


def overridden(settings: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_following_the_advice_ends_with_settings_that_fit(
    name: str, machine: str, engine: str, models: dict[str, str]
) -> None:
    cards = MACHINES[machine]
    changes: dict[str, str] = {"engine": engine}
    for _ in range(4):
        text = complaint(preset(name, models, *overridden(changes)), cards)
        if text is None:
            return
        alternatives = advised(text)
        assert alternatives, text
        if TOO_SMALL in text:  # and only other results are left
            assert machine == "1x24"
        for settings in alternatives:  # each of them fits
            other = complaint(preset(name, models, *overridden(changes | settings)), cards)
            assert other is None or "vllm" in str(settings), (text, settings, other)
        changes |= alternatives[0]
    raise AssertionError(f"no end: {changes}")


def test_machines_that_are_proposed_are_large_enough(models: dict[str, str]) -> None:
    for name in ("paper-qwen2.5-7b", "paper-llama3.2-3b"):
        changes = ["engine=vllm", "compute.gpus=null", "compute.trainer.deepspeed=null"]
        text = complaint(preset(name, models, *changes), [RTX_4090])
        assert text is not None and TOO_SMALL in text
        proposals = re.findall(r"(8|one) GPUs? of at least (\d+) GiB with (.*?json)", text)
        assert len(proposals) == 2
        for count, size, settings in proposals:
            card = replace(H100, total=int(size) * GIB, free=int(size) * GIB)
            cards = [card] * (8 if count == "8" else 1)
            override = [*changes, *overridden(dict(SETTING.findall(settings)))]
            assert complaint(preset(name, models, *override), cards) is None


@pytest.mark.parametrize(("name", "machine"), [("paper-qwen2.5-7b", "8x80"), ("paper-llama3.2-3b", "1x80")])
def test_presets_fit_as_they_are_into_the_machine_that_they_name(
    name: str, machine: str, models: dict[str, str]
) -> None:
    assert complaint(preset(name, models), MACHINES[machine]) is None
    count, size = machine.split("x")
    text = (Path("configs") / f"{name}.yaml").read_text().lower()
    assert f"{'one' if count == '1' else count} gpu{'' if count == '1' else 's'} of {size} gb" in text


@pytest.mark.parametrize(("count", "gpus"), [(1, "null"), (2, "all"), (4, "null")])
@pytest.mark.parametrize(("gib", "tokens"), [(16, 4_096), (22, 65_536)])
def test_each_setting_that_is_proposed_for_vllm_is_enough(
    count: int, gpus: str, gib: int, tokens: int, models: dict[str, str]
) -> None:
    cards = [replace(RTX_4090, total=gib * GIB, free=gib * GIB)] * count
    changes = {"engine": "vllm", "compute.gpus": gpus, "compute.vllm.max_model_tokens": str(tokens)}
    for name, value in advised_for_vllm(changes, cards, models):
        assert name.startswith("compute.vllm.")
        assert advised_for_vllm(changes | {name: value}, cards, models) == []


def advised_for_vllm(changes: dict[str, str], cards: list[Card], models: dict[str, str]) -> list[tuple[str, str]]:
    """Return the settings that the line about vLLM names; [] if it has enough."""
    config = preset("paper-qwen2.5-7b", models, *overridden(changes))
    with machine_with(Driver(cards)):
        line = gpu_lines(on_this_machine(config), device_of(config))[1]
    settings = SETTING.findall(line.partition("GiB: set ")[2])
    assert bool(settings) == ("NOT ENOUGH" in line), line
    return settings


def test_small_micro_batches_cost_more_than_checkpointing() -> None:
    assert measured.utilisation(494_000_000, 2_048) < measured.CHECKPOINTING * measured.LOWEST_UTILISATION


@pytest.mark.parametrize(
    "entries",
    [
        {"num_attention_heads": 0}, {"num_hidden_layers": None}, {"vocab_size": -5}, {"head_dim": "a"},
        {"hidden_size": float("inf")}, {"hidden_size": 10**400}, {"num_experts_per_tok": [2]}, {"hidden_size": 1.5},
    ],
)  # fmt: skip
def test_sizes_that_are_none(entries: dict[str, Any], tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "model")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | entries))
    config = load_config(Path("configs/quickstart.yaml"), [f"policy={{model: {folder}}}"])
    expected = "how much memory a run takes cannot be calculated: the config.json of the policy lacks one of its sizes"
    with machine_with(Driver(1)):
        assert refusal(config) is None
        assert expected in gpu_lines(config, device_of(config))[-1]


def test_cards_elsewhere(models: dict[str, str]) -> None:
    def lines(*changes: str) -> list[str]:
        config = preset("paper-qwen2.5-7b", models, "gpu=deployment", *changes)
        with machine_with(None):
            return [line.strip() for line in gpu_lines(on_this_machine(config), device_of(config))]

    first, engine, update = lines()
    assert engine.startswith("vLLM needs 22 GiB ") and update.startswith("the update needs ")
    eight, one = re.findall(r"at least (\d+) GiB if there are 8 .*, (\d+) GiB if there is one", first)[0]
    shared = ["compute.gpus=null", "compute.trainer.processes_per_node=8", "compute.vllm.data_parallel=8"]
    assert f"none here; each GPU of a worker needs at least {eight} GiB, by calculation" in lines(*shared)[0]
    for count, size in ((8, int(eight)), (1, int(one))):
        large, small = (replace(H100, total=gib * GIB, free=gib * GIB) for gib in (size, size - 2))
        assert complaint(preset("paper-qwen2.5-7b", models), [large] * count) is None
        assert complaint(preset("paper-qwen2.5-7b", models), [small] * count) is not None


def test_vllm_is_split_only_as_its_layers_can_be(models: dict[str, str]) -> None:
    config = preset("paper-qwen2.5-7b", models)
    shape = policy_shape(config)
    assert shape is not None
    assert [cards for cards in range(1, 9) if shape.splits_into(cards)] == [1, 2, 4]
    tiny = Machine(cards=8, card_bytes=int(7.3 * GIB), takes_bfloat16=True)  # a 7th has room, a 4th has not
    assert "tensor_parallel" not in smaller_engine(config, shape, tiny)
    copied = replace(shape, key=128, heads=12, query=12 * 128)  # each card has a copy of the only head of keys
    assert [cards for cards in range(1, 9) if copied.splits_into(cards)] == [1, 2, 4]
