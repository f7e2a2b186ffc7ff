"""A GPU is found without asking CUDA."""

import pytest
import torch

from stages.engines import gpu
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
