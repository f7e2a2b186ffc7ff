"""A GPU is found without asking CUDA."""

import sys
import types
from typing import Any

import pytest
import torch

from stages import gpu


class Driver:
    """libnvidia-ml.so.1 of a machine with some cards."""

    def __init__(self, cards: int, works: bool = True) -> None:
        self._cards, self._works = cards, works

    def nvmlInit_v2(self) -> int:
        return 0 if self._works else 9

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = self._cards
        return 0

    def nvmlShutdown(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch for CUDA, on which any question to CUDA is an error."""

    class Forbidden(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"torch.cuda.{name} was asked")

    monkeypatch.setattr(torch, "cuda", Forbidden("torch.cuda"))
    monkeypatch.setitem(sys.modules, "torch.cuda", torch.cuda)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu._cards.cache_clear()
    yield
    gpu._cards.cache_clear()


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    monkeypatch.setattr(gpu.ctypes, "CDLL", load)


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
def test_a_card_is_found_by_the_drivers_library(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, visible: str | None, expected: bool
) -> None:
    with_driver(monkeypatch, driver)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu.has_gpu() is expected


def test_torch_for_cpus_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, Driver(1))
    monkeypatch.setattr(torch.version, "cuda", None)
    assert not gpu.has_gpu()
