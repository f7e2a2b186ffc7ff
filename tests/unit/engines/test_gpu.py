"""A GPU is found without asking CUDA."""

import pytest
import torch

from stages.engines import gpu
from stages.engines.gpu import Card, Holder, card_facts
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
