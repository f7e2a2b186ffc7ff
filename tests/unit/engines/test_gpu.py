"""A GPU is found without asking CUDA."""

from pathlib import Path

import pytest
import torch

from stages.engines import gpu
from stages.settings.compute import Compute
from stages.settings.engines import VllmPlacement
from stages.shared_resources import Resources
from storage.errors import InputError
from tests.cuda import Driver, machine_with


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


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, ["0", "1", "2", "3"]),
        ("2, 3", ["2", "3"]),
        ("GPU-3a,MIG-7", ["GPU-3a", "MIG-7"]),
        ("1,-1,2", ["1"]),
        ("1,9,2", ["1"]),
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
