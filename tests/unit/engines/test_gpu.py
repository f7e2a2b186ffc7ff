"""A GPU is found without asking CUDA."""

from pathlib import Path

import pytest
import torch

from stages.engines import gpu
from stages.engines.gpu import Card, Holder, card_facts
from stages.settings.compute import Compute
from stages.settings.engines import VllmPlacement
from stages.shared_resources import Resources
from storage.errors import InputError
from tests.commands import python
from tests.cuda import T4, Driver, machine_with


@pytest.mark.parametrize(
    ("driver", "visible", "expected"),
    [
        (Driver(1), None, True),
        (Driver(8), "3", True),
        (Driver(8), "GPU-abc", True),
        (Driver(8), "", False),
        (Driver(8), "-1", False),
        (Driver(0), None, False),
        (Driver(1, works=False), None, False),
        (None, None, False),
    ],
)
def test_a_card_is_found_by_the_drivers_library(driver: Driver | None, visible: str | None, expected: bool) -> None:
    with machine_with(driver) as patch:
        if visible is not None:
            patch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert gpu.has_gpu() is expected


def test_torch_for_cpus_has_none() -> None:
    with machine_with(Driver(1)) as patch:
        patch.setattr(torch.version, "cuda", None)
        assert not gpu.has_gpu()


def seen(driver: Driver | None, visible: str | None = None) -> list[Card]:
    with machine_with(driver) as patch:
        if visible is not None:
            patch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return list(card_facts())


def test_facts_about_a_card() -> None:
    holders = (Holder(4711, 30 * 2**30), Holder(4712, None))
    busy = Card("NVIDIA H200", total=140 * 2**30, free=110 * 2**30, capability=(9, 0), holders=holders)
    assert seen(Driver([busy, T4])) == [busy, T4]


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("", []),
        ("-1", []),
        ("0,9,1", [0]),
        ("GPU-00000003", [3]),
        (f"{Driver.uuid(1)},0", [1, 0]),
        ("GPU-0000000", []),
        ("GPU-f", []),
        ("none", []),
        ("0,1,0", []),
        ("0,1,", [0, 1]),
    ],
)
def test_cards_are_those_that_cuda_would_find(visible: str, numbers: list[int]) -> None:
    cards = [Card(f"card {i}", 10, 5, (8, i)) for i in range(4)]
    assert seen(Driver(cards), visible) == [cards[i] for i in numbers]


def test_of_a_gpu_in_parts_one_is_found() -> None:
    parts = [Card("NVIDIA H200", 18 * 2**30, 17 * 2**30), Card("NVIDIA H200", 35 * 2**30, 34 * 2**30)]
    first, second = (Card("part (MIG) of NVIDIA H200", part.total, part.free, (9, 0)) for part in parts)
    driver = Driver(1, parts=parts)
    assert seen(driver) == seen(driver, "0") == seen(driver, Driver.part_uuid(0)) == [first]
    assert seen(driver, Driver.part_uuid(1)) == [second]
    assert seen(driver, f"MIG-{Driver.uuid(0)}/1/0") == [Card("a part of a GPU")]


def test_a_driver_that_does_not_say_is_no_error() -> None:
    assert seen(None) == seen(Driver(2, works=False)) == seen(Driver(0)) == []
    unknown = Card("NVIDIA Old")
    assert seen(Driver([unknown])) == [unknown]
    busy = Card("NVIDIA H200", 10, 5, (9, 0), (Holder(7, 5),))
    name = "nvmlDeviceGetComputeRunningProcesses"
    assert seen(Driver([busy], lacks=[f"{name}_v3"])) == [busy]
    more = ["nvmlDeviceGetMigMode", "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", "nvmlDeviceGetName"]
    assert seen(Driver([busy], lacks=[f"{name}_v2", f"{name}_v3", *more])) == [Card("a GPU", 10, 5, (9, 0))]


def test_many_processes_on_a_card() -> None:
    busy = Card("NVIDIA H200", 10, 5, (9, 0), tuple(Holder(pid, 1) for pid in range(200)))
    assert seen(Driver([busy])) == [busy]


def test_without_a_card_torch_is_not_imported() -> None:
    """It takes seconds, and `serl check` needs nothing else of it."""
    code = (
        "import sys\nfrom stages.engines.gpu import has_gpu, card_facts\nimport stages.engines.gpu as gpu\n"
        "gpu._LIBRARY = 'libno-such.so'\nassert not has_gpu() and not card_facts()\n"
        "assert 'torch' not in sys.modules"
    )
    python("-c", code)


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, ["0", "1", "2", "3"]),
        ("2, 3", ["2", "3"]),
        ("GPU-00000003,GPU-3a,1", ["GPU-00000003"]),
        (f"{Driver.uuid(2)},MIG-7,1", [Driver.uuid(2)]),
        (f"1,MIG-{Driver.uuid(0)}/1/0", ["1", f"MIG-{Driver.uuid(0)}/1/0"]),
        ("1,-1,2", ["1"]),
        ("1,9,2", ["1"]),
        ("2, 2", []),
        ("1,2,", ["1", "2"]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_visible_cards_are_those_that_cuda_takes(visible: str | None, cards: list[str]) -> None:
    with machine_with(Driver(4)) as patch:
        if visible is not None:
            patch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert gpu.visible_cards() == cards
    with machine_with(None):
        assert gpu.visible_cards() == []


def test_all_gpus_are_used_by_engine_and_trainer() -> None:
    compute = Compute(gpus="all", vllm=VllmPlacement(tensor_parallel=2))
    with machine_with(Driver(5)):
        used = gpu.on_all_gpus(compute)
        assert gpu.on_all_gpus(used) == used
    assert (used.vllm.data_parallel, used.trainer.processes_per_node) == (2, 5)
    assert Compute.model_validate(used.model_dump()) == used
    with machine_with(Driver(4)):
        assert gpu.on_all_gpus(Compute()) == Compute()


@pytest.mark.parametrize("driver", [None, Driver(1)])
def test_all_of_too_few_gpus_is_an_error_of_one_line(driver: Driver | None) -> None:
    compute = Compute(gpus="all", vllm=VllmPlacement(tensor_parallel=2))
    with machine_with(driver), pytest.raises(InputError, match=r"sees [01] GPU\(s\), expected at least 2 \(.*\); rem"):
        gpu.on_all_gpus(compute)


def test_the_trainer_has_a_process_for_each_gpu(tmp_path: Path) -> None:
    with machine_with(Driver(3)), Resources(Compute(gpus="all", scratch=tmp_path), "fake") as resources:
        assert resources.trainer_placement.processes_per_node == 3
    with machine_with(None), Resources(Compute(gpus="all", scratch=tmp_path), "fake") as resources:
        resources.engine_counters()  # a run that is only looked at needs no GPU
        with pytest.raises(InputError, match=r"remove compute\.gpus to compute on a CPU"):
            resources.engine()
