"""A machine with NVIDIA cards, for tests on machines without: torch is built for CUDA, and CUDA may not be asked."""

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from stages.engines import gpu
from stages.engines.gpu import Card

H200 = Card("NVIDIA H200", total=150_754_820_096, free=150_147_366_912, capability=(9, 0))
"""The card that this software was tried on, with nothing on it."""
T4 = Card("Tesla T4", total=15_843_721_216, free=15_655_829_504, capability=(7, 5))


class Driver:
    """libnvidia-ml.so.1 of a machine with some cards, of which the first may be split into parts (MIG).

    Facts that a card of the test does not have make the question about them fail, as old drivers do. `lacks` names
    functions that this driver does not have.
    """

    def __init__(
        self, cards: int | Sequence[Card], works: bool = True, parts: Sequence[Card] = (), lacks: Sequence[str] = ()
    ) -> None:
        self._cards = [H200] * cards if isinstance(cards, int) else list(cards)
        self._works, self._parts, self._lacks = works, list(parts), lacks
        self._in_use = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml"):
            if name in self._lacks:
                raise AttributeError(name)
            assert name in ("nvmlInit_v2", "nvmlShutdown") or self._in_use, f"{name} was called before nvmlInit_v2"
        return super().__getattribute__(name)

    @staticmethod
    def uuid(index: int) -> str:
        return f"GPU-{index:08x}-1111-2222-3333-444444444444"

    @staticmethod
    def part_uuid(index: int) -> str:
        return f"MIG-{index:08x}-5555-6666-7777-888888888888"

    def nvmlInit_v2(self) -> int:
        self._in_use += self._works
        return 0 if self._works else 9

    def nvmlShutdown(self) -> int:
        self._in_use -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = len(self._cards)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        assert index < len(self._cards)
        handle._obj.value = _GPU + index
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        uuids = {self.uuid(i): _GPU + i for i in range(len(self._cards))}
        uuids |= {self.part_uuid(i): _PART + i for i in range(len(self._parts))}
        if uuid.decode() not in uuids:
            return 6
        handle._obj.value = uuids[uuid.decode()]
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, text: Any, size: int) -> int:
        text.value = self.uuid(handle.value - _GPU).encode()
        return 0

    def nvmlDeviceGetMigMode(self, handle: Any, current: Any, pending: Any) -> int:
        current._obj.value = int(bool(self._parts) and handle.value == _GPU)
        return 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int, part: Any) -> int:
        if handle.value != _GPU or index >= len(self._parts):
            return 6
        part._obj.value = _PART + index
        return 0

    def nvmlDeviceIsMigDeviceHandle(self, handle: Any, is_part: Any) -> int:
        is_part._obj.value = int(handle.value >= _PART)
        return 0

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, part: Any, handle: Any) -> int:
        if part.value < _PART:
            return 2
        handle._obj.value = _GPU
        return 0

    def nvmlDeviceGetName(self, handle: Any, text: Any, size: int) -> int:
        text.value = self._of(handle).name.encode()
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        card = self._of(handle)
        if card.total is None:
            return 3
        memory._obj.total, memory._obj.free = card.total, card.free
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any, major: Any, minor: Any) -> int:
        capability = self._of(handle).capability
        if capability is None or handle.value >= _PART:
            return 3
        major._obj.value, minor._obj.value = capability
        return 0

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, processes: Any) -> int:
        holders = self._of(handle).holders
        room, count._obj.value = count._obj.value, len(holders)
        if room < len(holders):
            return 7
        for process, holder in zip(processes, holders, strict=False):
            process.pid, process.used = holder.pid, 2**64 - 1 if holder.bytes is None else holder.bytes
        return 0

    nvmlDeviceGetComputeRunningProcesses_v2 = nvmlDeviceGetComputeRunningProcesses_v3

    def _of(self, handle: Any) -> Card:
        return self._parts[handle.value - _PART] if handle.value >= _PART else self._cards[handle.value - _GPU]


_GPU, _PART = 2**40, 2**41
"""Handles are pointers, which do not fit into an int."""


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
