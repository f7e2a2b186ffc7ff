"""A machine with NVIDIA cards, for tests on machines without: torch is built for CUDA, and CUDA may not be asked."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from stages.engines import gpu


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


class _Forbidden(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"torch.cuda.{name} was asked")


@contextmanager
def machine_with(driver: Driver | None) -> Iterator[pytest.MonkeyPatch]:
    """Provide the driver (None: no driver), and make any question to CUDA an error."""

    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "cuda", _Forbidden("torch.cuda"))
        patch.setitem(sys.modules, "torch.cuda", torch.cuda)
        patch.setattr(torch.version, "cuda", "13.0")
        patch.setattr(gpu.ctypes, "CDLL", load)
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        gpu._cards.cache_clear()
        yield patch
    gpu._cards.cache_clear()
