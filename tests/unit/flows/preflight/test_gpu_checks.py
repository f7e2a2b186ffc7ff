"""What `serl check` and `serl run` say about a machine's GPUs: refusals, memory and time. No GPU is asked."""

import importlib.util
import json
import os
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli import main
from flows.config.run import RunConfig
from flows.preflight import cards, measured
from flows.preflight.cards import check_cards, device_of, gpu_lines, on_this_machine, refusal
from flows.preflight.description import describe
from stages.engines import loader
from stages.engines.card_speeds import card_speed
from stages.engines.gpu import Card, Holder
from stages.engines.gpu_holders import is_ours
from storage.errors import InputError
from tests.cuda import H200, T4, Driver, machine_with
from tests.helpers import fake_config, fake_values
from tests.tiny_models import make_tiny_policy

GIB = 2**30
L4 = Card("NVIDIA L4", total=23 * GIB, free=22 * GIB, capability=(8, 9))
QWEN_7B = {
    "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 152_064, "dtype": "bfloat16",
}  # fmt: skip
QWEN_HALF_B = {
    "hidden_size": 896, "intermediate_size": 4_864, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 151_936, "dtype": "bfloat16",
}  # fmt: skip
BFLOAT16 = {"trainer": {"dtype": "bfloat16"}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of models as they are published; their weights are files full of holes.

    `serl check` reads all of a file once, for its digest: only `small` is described as a whole.
    """
    folder = tmp_path_factory.mktemp("models")
    kinds = (("small", QWEN_HALF_B, 10**7), ("half", QWEN_HALF_B, 988 * 10**6), ("seven", QWEN_7B, 15_231 * 10**6))
    for name, config, size in kinds:
        made = make_tiny_policy(folder / name)
        values = json.loads((made / "config.json").read_text())
        (made / "config.json").write_text(json.dumps(values | config))
        os.truncate(made / "model.safetensors", size)
    return {name: str(folder / name) for name, *_ in kinds}


@pytest.fixture
def vllm_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM's CUDA build is installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: object() if name == "vllm" else find(name, *a))
    monkeypatch.setattr(loader, "version", lambda name: "0.32.0")


@pytest.fixture
def make(tmp_path: Path, models: dict[str, str]) -> Callable[..., RunConfig]:
    def config(model: str = "half", **changes: Any) -> RunConfig:
        return fake_config(tmp_path, policy={"model": models[model]}, **{"engine": "vllm", **changes})

    return config


def reason(config: RunConfig, driver: Driver | None, **environment: str) -> str | None:
    with machine_with(driver) as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return refusal(config)


def taken(card: Card, config: RunConfig) -> str | None:
    """Return what `serl check` says about a card that others hold."""
    (line,) = [line for line in on(card, config) if line.startswith("TAKEN NOW: ")] or [None]
    return line and line.removeprefix("TAKEN NOW: ")


def refused_at_start(card: Card, config: RunConfig) -> bool:
    with machine_with(Driver([card])) as patch:
        patch.setattr(cards, "PATIENCE_SECONDS", 0.0)
        try:
            check_cards(config)
        except InputError as error:
            assert str(error) == taken(card, config)
            return True
    return False


def section(text: str, label: str) -> list[str]:
    """Return the lines under a label of the description, without the label."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(label) or (lines and line.startswith(" " * 13)):
            lines.append(line[13:])
        elif lines:
            break
    return lines


def described(config: RunConfig, driver: Driver | None, label: str) -> list[str]:
    with machine_with(driver):
        return section(describe(config), label)


def on(card: Card, config: RunConfig) -> list[str]:
    """Return the lines about the memory of a card."""
    with machine_with(Driver([card])):
        return section("\n".join(gpu_lines(config, device_of(config))), "gpu")


# Refusals


@pytest.mark.usefixtures("vllm_for_gpus")
def test_no_gpu_for_vllm(make: Callable[..., RunConfig]) -> None:
    assert reason(make(), None) == reason(make(), Driver(2, works=False)) == loader.NO_GPU
    assert reason(make(), Driver(1), CUDA_VISIBLE_DEVICES="") == loader.NO_GPU
    assert reason(make(), Driver(1)) is None
    assert reason(make(engine="transformers"), None) is None


def test_vllm_for_cpus_needs_no_gpu(make: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "version", lambda name: "0.32.0+cpu")
    assert reason(make(), None) is None


def test_a_gpu_that_is_not_there(make: Callable[..., RunConfig]) -> None:
    assert reason(make(), Driver(2), CUDA_VISIBLE_DEVICES="2") == (
        "CUDA_VISIBLE_DEVICES is '2', which names no GPU of this machine (`nvidia-smi -L` lists them)"
    )


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        (
            {"compute": BFLOAT16},
            "compute.vllm.dtype: float16 (or engine: transformers) and compute.trainer.dtype: float32",
        ),
        ({}, "compute.vllm.dtype: float16 (or engine: transformers)"),
        ({"engine": "transformers", "compute": BFLOAT16}, "compute.trainer.dtype: float32"),
        ({"compute": {"vllm": {"dtype": "float16"}}}, None),
        ({"engine": "transformers"}, None),
    ],
)
def test_a_gpu_too_old_for_bfloat16(
    make: Callable[..., RunConfig], changes: dict[str, Any], settings: str | None
) -> None:
    expected = settings and (
        f"bfloat16 needs a GPU of compute capability 8.0 or higher, and Tesla T4 has 7.5; set {settings}"
    )
    assert reason(make(**changes), Driver([H200, T4])) == expected


def test_a_gpu_too_old_for_cuda_13(make: Callable[..., RunConfig]) -> None:
    old = Card("Tesla V100-SXM2-32GB", total=32 * GIB, free=32 * GIB, capability=(7, 0))
    text = reason(make(engine="transformers"), Driver([old]))
    assert text is not None and "torch for CUDA 13 needs a GPU of compute capability 7.5 or higher" in text


def test_more_processes_than_gpus(make: Callable[..., RunConfig]) -> None:
    trainer = make(compute={"trainer": {"processes": 2}})
    expected = (
        "compute.trainer.processes_per_node is 2, and CUDA finds 1 GPU(s) here; set at most 1, or make more GPUs "
        "visible (CUDA_VISIBLE_DEVICES)"
    )
    assert reason(trainer, Driver(1)) == expected
    assert reason(trainer, Driver(2)) is None
    engine = reason(make(compute={"vllm": {"tensor_parallel": 4}}), Driver(2))
    assert engine is not None and engine.startswith("compute.vllm.tensor_parallel x data_parallel is 4")


def test_a_split_that_does_not_divide_the_heads(make: Callable[..., RunConfig]) -> None:
    assert reason(make(compute={"vllm": {"tensor_parallel": 4}}), Driver(4)) == (
        "compute.vllm.tensor_parallel is 4, which does not divide the model's 14 attention heads; set 1 or 2"
    )
    # 7 divides the 28 heads, but neither the 4 heads of keys nor the feed-forward width.
    assert reason(make("seven", compute={"vllm": {"tensor_parallel": 8}}), Driver(8)) == (
        "compute.vllm.tensor_parallel is 8, which does not divide the model's 28 attention heads; set 1 or 2 or 4"
    )
    assert reason(make(compute={"vllm": {"tensor_parallel": 2}}), Driver(4)) is None
    assert reason(make(engine="transformers", compute={"vllm": {"tensor_parallel": 4}}), Driver(4)) is None


def test_all_gpus_of_a_machine(make: Callable[..., RunConfig]) -> None:
    config = make("small", iterations=100, compute={"gpus": "all", **BFLOAT16})
    assert reason(config, Driver(4)) is None
    assert "on 4 x NVIDIA H200" in described(config, Driver(4), "time")[0]
    wide = make(compute={"gpus": "all", "vllm": {"tensor_parallel": 4}})
    text = reason(wide, Driver(2))
    assert text is not None and "this process sees 2 GPU(s), expected at least 4" in text
    text = reason(make(engine="transformers", compute={"gpus": "all"}), None)
    assert text is not None and "this process sees 0 GPU(s)" in text


def test_a_gpu_that_another_process_holds(make: Callable[..., RunConfig]) -> None:
    assert H200.total is not None
    holders = (Holder(1, 20 * GIB), Holder(2_000_000_000, 30 * GIB))
    busy = replace(H200, free=H200.total - 50 * GIB, holders=holders)
    assert taken(busy, make()) == (
        "90.4 of the 140 GiB of GPU 0 (NVIDIA H200) are free, and vLLM takes 126 (compute.vllm.memory_share 0.9); "
        "process 2000000000 holds 30.0 GiB, process 1 holds 20.0 GiB: end it, or choose another GPU "
        "(CUDA_VISIBLE_DEVICES), or set compute.vllm.memory_share to at most 0.63"
    )
    assert refused_at_start(busy, make()) and reason(make(), Driver([busy])) is None
    for config in (
        make(compute={"vllm": {"memory_share": 0.63}}),
        make(engine="transformers"),
        make(gpu="deployment"),
    ):
        assert taken(busy, config) is None and not refused_at_start(busy, config)
    assert on(busy, make())[:2] == [
        "1 x NVIDIA H200, 140 GiB each, 90.4 free",
        "on GPU 0, process 2000000000 holds 30.0 GiB, process 1 holds 20.0 GiB",
    ]


def test_memory_of_the_runs_own_processes_is_no_hindrance(make: Callable[..., RunConfig]) -> None:
    assert H200.total is not None and is_ours(os.getpid()) and not is_ours(os.getppid())
    ours = replace(H200, free=10 * GIB, holders=(Holder(os.getpid(), H200.total - 11 * GIB),))
    assert taken(ours, make()) is None and not refused_at_start(ours, make())
    unnamed = replace(H200, free=10 * GIB)
    text = taken(unnamed, make())
    assert text is not None and "which the driver does not name" in text
    assert not refused_at_start(unnamed, make())  # they may be this run's, in a container


def test_a_run_waits_for_processes_that_are_ending(
    make: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert H200.total is not None
    busy = replace(H200, free=20 * GIB, holders=(Holder(2_000_000_000, H200.total - 20 * GIB),))
    states = [busy, busy, H200]
    slept: list[float] = []
    monkeypatch.setattr(cards, "card_facts", lambda: (states[min(len(slept), 2)],))
    monkeypatch.setattr(cards.time, "sleep", slept.append)
    with machine_with(Driver(1)):
        check_cards(make())
        assert len(slept) == 2
        states[2] = busy
        monkeypatch.setattr(cards, "PATIENCE_SECONDS", 0.0)
        with pytest.raises(InputError, match="process 2000000000 holds 120 GiB: end it"):
            check_cards(make())


def test_a_model_too_large_for_a_gpu(make: Callable[..., RunConfig]) -> None:
    small = Card("NVIDIA L4", total=12 * GIB, free=12 * GIB, capability=(8, 9))
    assert reason(make("seven"), Driver([small, small])) == (
        "vLLM needs 14.2 GiB for the weights, and compute.vllm.memory_share 0.9 of NVIDIA L4 is 10.8 GiB; use a GPU "
        "of at least 22.0 GiB, or 4 GPUs like this one with compute.vllm.tensor_parallel: 4"
    )
    text = reason(make("seven", compute=BFLOAT16), Driver([L4]))
    assert text is not None and text.startswith("the update holds 99.3 GiB of weights and optimiser alone")
    offload = {"deepspeed": "configs/deepspeed/zero3_offload.json", "dtype": "bfloat16"}
    assert reason(make("seven", compute={"trainer": offload}), Driver([L4])) is None


@pytest.mark.usefixtures("vllm_for_gpus")
def test_check_describes_and_then_refuses_and_a_run_writes_nothing(
    tmp_path: Path, models: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    values = fake_values(tmp_path, engine="vllm", policy={"model": models["small"]}, compute=BFLOAT16)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    with machine_with(Driver([T4])):
        assert main(["check", str(path)]) == 2
        check = capsys.readouterr()
        assert main(["run", str(path)]) == 2
    assert check.out.startswith("run          ") and "1 x Tesla T4" in check.out
    assert check.err.startswith("serl: bfloat16 needs a GPU of compute capability 8.0")
    assert capsys.readouterr().err == check.err
    assert not (tmp_path / "runs").exists()
    with machine_with(Driver(1)):
        assert main(["check", str(path)]) == 0


@pytest.mark.usefixtures("vllm_for_gpus")
def test_a_model_that_vllm_refuses_is_one_error_before_anything_is_written(
    tmp_path: Path, models: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Model architectures ['OddForCausalLM'] are not supported for now.\nSupported: many")

    vllm = types.ModuleType("vllm")
    vllm.EngineArgs = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setattr("stages.engines.vllm._can_sleep", lambda: True)
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "VLLM" not in name})
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(fake_values(tmp_path, engine="vllm", policy={"model": models["small"]})))
    with machine_with(Driver(1)):
        assert main(["run", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("serl: vLLM cannot run the model of policy") and "['OddForCausalLM'] are not supported" in line
    )
    assert not (tmp_path / "runs").exists()


def test_workers_check_their_own_gpus(make: Callable[..., RunConfig]) -> None:
    with machine_with(Driver([T4])):
        config = make(gpu="deployment", engine="transformers", compute=BFLOAT16)
        with pytest.raises(InputError, match=r"compute\.trainer\.dtype: float32"):
            check_cards(config)


# Memory


def test_memory_of_a_gpu(make: Callable[..., RunConfig]) -> None:
    lines = on(H200, make(compute={**BFLOAT16, "vllm": {"max_sequences": 512}}))
    assert lines[0] == "1 x NVIDIA H200, 140 GiB each, 140 free"
    assert lines[1].startswith(
        "vLLM takes 126 GiB (compute.vllm.memory_share 0.9): weights 0.9, working memory about 3."
    ) and lines[1].endswith(
        "for 512 sequences of 2,048 tokens at a time (compute.vllm.max_sequences allows no more than 512)"
    )
    assert lines[2].startswith("the update takes about ") and "while vLLM sleeps" in lines[2]
    assert "NOT ENOUGH" not in "".join(lines)


def test_fewer_sequences_fit_than_are_allowed(make: Callable[..., RunConfig]) -> None:
    lines = on(L4, make(compute={"vllm": {"max_sequences": 4_096}}))
    assert (
        lines[1].endswith("(compute.vllm.max_sequences would allow 4,096)")
        and "sequences of 2,048 tokens at a time" in lines[1]
    )


def test_no_memory_for_one_sequence(make: Callable[..., RunConfig]) -> None:
    tight = Card("NVIDIA A10G", total=22 * GIB, free=22 * GIB, capability=(8, 6))
    vllm = {"max_model_tokens": 65_536, "max_sequences": 64}
    lines = on(tight, make("seven", compute={"vllm": vllm}))
    assert "NOT ENOUGH for one sequence of 65,536 tokens (compute.vllm.max_model_tokens), by about" in lines[1]
    assert lines[1].endswith(
        ": set compute.vllm.memory_share: 0.96, or compute.vllm.max_model_tokens: 44800, or compute.vllm.quantization: "
        "fp8 (which changes results)"
    )


def test_what_to_lower_for_the_update(make: Callable[..., RunConfig]) -> None:
    def update(card: Card, model: str = "half", **trainer: Any) -> str:
        compute = {"vllm": {"memory_share": 0.5}, "trainer": {"dtype": "bfloat16", **trainer}}
        return on(card, make(model, compute=compute))[2]

    assert "NOT ENOUGH" not in update(H200)
    checkpointing = " GiB: set compute.trainer.gradient_checkpointing: true"
    assert update(L4, micro_batch_tokens=16_384).endswith(checkpointing)
    awake = update(H200, micro_batch_tokens=65_536, free_memory=False)
    assert " of 70.2 beside vLLM, with 65,536 tokens a micro-batch (" in awake
    assert awake.endswith(" GiB: set compute.trainer.micro_batch_tokens: 32768")
    small = Card("NVIDIA L4", total=16 * GIB, free=16 * GIB, capability=(8, 9))
    assert update(small, micro_batch_tokens=1_000).endswith(checkpointing)
    tight = update(replace(small, total=20 * GIB), free_memory=False)
    assert tight.endswith(f"{checkpointing.replace('gradient', 'free_memory: null, compute.trainer.gradient')}")
    offload = update(replace(H200, total=80 * GIB, free=79 * GIB), "seven")
    assert "set compute.trainer.deepspeed: configs/deepspeed/zero3_offload.json" in offload


def test_what_to_set_for_an_update_of_7b(make: Callable[..., RunConfig]) -> None:
    card = replace(H200, name="NVIDIA H100 80GB HBM3", total=80 * GIB, free=79 * GIB)
    checkpointing = "compute.trainer.gradient_checkpointing: true"
    offload = f"compute.trainer.deepspeed: configs/deepspeed/zero3_offload.json, {checkpointing}"
    bfloat16 = "compute.trainer.dtype: bfloat16"

    def advice(card: Card, **changes: Any) -> str:
        return on(card, make("seven", **changes))[2].partition(" GiB: ")[2]

    assert advice(card) == (
        f"set {bfloat16}, {offload}; or, which is faster but changes results, set update.lora: {{rank: 16}}, "
        f"{bfloat16}, {checkpointing}"
    )
    old = replace(card, name="Tesla T4", capability=(7, 5))
    assert advice(old) == advice(replace(card, capability=None))
    assert advice(old).startswith("these GPUs are too small; use 8 GPUs of at least 47 GiB with compute.gpus: all, ")
    adapters = {"update": {"lora": {"rank": 16}}, "compute": BFLOAT16}
    assert advice(replace(card, total=24 * GIB), **adapters).startswith(
        f"set {offload}, compute.trainer.micro_batch_tokens: 1024"
    )


def test_several_gpus_share_an_update_of_7b(make: Callable[..., RunConfig]) -> None:
    def advice(count: int, **compute: Any) -> str:
        card = replace(H200, name="NVIDIA H100 80GB HBM3", total=80 * GIB, free=79 * GIB)
        config = make("seven", compute=compute)
        with machine_with(Driver([card] * count)):
            return gpu_lines(on_this_machine(config), device_of(config))[2].partition(" GiB: ")[2]

    def shared(stage: int) -> str:
        return (
            f"compute.trainer.deepspeed: configs/deepspeed/zero{stage}.json, "
            "compute.trainer.gradient_checkpointing: true"
        )

    assert advice(8, **BFLOAT16) == f"set compute.gpus: all, {shared(2)}"
    assert advice(8, gpus="all", **BFLOAT16) == f"set {shared(2)}"
    assert advice(4, **BFLOAT16) == f"set compute.gpus: all, {shared(3)}"
    two = {"trainer": {"dtype": "bfloat16", "processes": 2}}
    assert advice(8, **two) == f"set compute.trainer.processes_per_node: 8, {shared(2)}"


def test_advice_about_memory_share_only_if_that_can_be_enough(make: Callable[..., RunConfig]) -> None:
    full = on(T4, make("seven", compute={"vllm": {"dtype": "float16"}}))[1]
    assert "NOT ENOUGH" in full and full.endswith(" GiB: set compute.vllm.quantization: fp8 (which changes results)")


def test_a_config_that_does_not_tell_the_sizes(make: Callable[..., RunConfig], tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "odd")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"hidden_size": "wide"}))
    config = make().model_copy(update={"policy": make().policy.model_copy(update={"model": str(folder)})})  # type: ignore[union-attr]
    assert described(config, Driver(1), "gpu")[-1].startswith("how much memory a run takes cannot be calculated")
    assert described(config, Driver(1), "time") == [
        "not known: the config.json of the policy does not tell the model's sizes"
    ]


# Time


def test_time_on_a_gpu_is_by_stage(make: Callable[..., RunConfig]) -> None:
    lines = described(make("small", compute=BFLOAT16), Driver(1), "time")
    assert lines[0].endswith("for 2 iterations on one NVIDIA H200, on the safe side: every response has full length")
    assert lines[1] == "start of vLLM about 2 min, once"
    assert [line.split(" about ")[0] for line in lines[2:-1]] == [
        "generate_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate",
    ]  # fmt: skip
    assert lines[-1] == "estimated from what was measured on one H200 on 2026-11-27 with vLLM 0.32.0 and torch 2.13.0"


def test_time_on_cards_that_are_slower_or_unknown(make: Callable[..., RunConfig]) -> None:
    def hours(card: Card) -> tuple[float, str]:
        first = described(make("small", iterations=100, compute=BFLOAT16), Driver([card]), "time")[0]
        return float(first.split()[1]), first

    names = ("NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA L4")
    by_speed = [replace(L4, name=name) for name in names]
    assert sorted(by_speed, key=lambda card: hours(card)[0]) == by_speed
    unknown = hours(replace(L4, name="NVIDIA Z9000"))
    assert unknown[0] >= hours(by_speed[-1])[0]
    assert "on NVIDIA Z9000 (an unknown card, taken for a T4)" in unknown[1]


@pytest.mark.usefixtures("vllm_for_gpus")
def test_time_where_there_is_no_gpu(make: Callable[..., RunConfig]) -> None:
    elsewhere = "on one H200 (this machine has no GPU for it)"
    for changes in ({}, {"engine": "server"}, {"engine": "transformers", "gpu": "deployment"}):
        assert elsewhere in described(make("small", **changes), None, "time")[0]
    on_cpu = make("small", engine="transformers", compute=BFLOAT16)
    (line,) = described(on_cpu, None, "time")
    assert "on this CPU" in line
    (first, *_) = described(make("small", engine="transformers", gpu="deployment"), None, "gpu")
    assert first.startswith("none here; each GPU of a worker needs at least ")
    assert described(on_cpu, None, "gpu") == ["none here: bfloat16 (compute.trainer.dtype) works on a CPU, but is slow"]
    assert described(make("small", engine="transformers"), None, "gpu") == []


def test_a_driver_that_does_not_answer(make: Callable[..., RunConfig]) -> None:
    class Updated(Driver):
        def nvmlInit_v2(self) -> int:
            return 18

    assert described(make("small", engine="transformers"), Updated(1), "gpu") == [
        "none: the NVIDIA driver does not answer (NVML error 18: the driver was updated, and the old one still runs; "
        "restart the machine); `nvidia-smi` says more"
    ]
    assert described(make("small", engine="transformers"), Driver(1, works=False), "gpu") == []


def test_the_fake_engine_takes_no_gpu(tmp_path: Path) -> None:
    with machine_with(Driver(1)):
        assert not device_of(fake_config(tmp_path)).on_gpu


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("part (MIG) of NVIDIA H200", None),
        ("NVIDIA L400", None),
    ],
)
def test_cards_by_the_drivers_name(name: str, expected: str | None) -> None:
    speed = card_speed(name)
    assert (speed and speed.name) == expected


def test_an_update_counts_on_what_was_measured_for_no_larger_case() -> None:
    cases = {(494_000_000, 8_192): 0.16, (494_000_000, 32_768): 0.25, (7_000_000_000, 16_384): 0.40}
    cases |= {(7_000_000_000, 8_192): 0.16, (494_000_000, 4_096): 0.09, (10_000_000, 65_536): 0.09}
    assert {case: measured.utilisation(*case) for case in cases} == cases
