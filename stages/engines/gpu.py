"""Which GPUs CUDA would find, and facts about them, without asking CUDA.

A process that has asked CUDA anything (`torch.cuda.is_available()` is enough) cannot fork a process that uses CUDA, and
the error comes from that process, minutes later. The driver's own library (NVML) answers without such an effect.
"""

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from stages.settings.compute import Compute
from storage.errors import InputError

BFLOAT16_SINCE = (8, 0)
"""Lowest compute capability with bfloat16 and with the variable-length attention kernel. vLLM refuses bfloat16 below it
(vllm.platforms.cuda)."""

_LIBRARY = "libnvidia-ml.so.1"
_TEXT = 96
"""Bytes for a name or UUID; NVML's longest has 96 (NVML_DEVICE_NAME_V2_BUFFER_SIZE)."""
_MOST_PARTS = 8
"""Most parts of one GPU."""
_TOO_SMALL = 7
"""NVML_ERROR_INSUFFICIENT_SIZE."""
_NOT_LOADED, _MISMATCH = (9, 12), 18
"""NVML_ERROR_DRIVER_NOT_LOADED, NVML_ERROR_LIBRARY_NOT_FOUND; NVML_ERROR_LIB_RM_VERSION_MISMATCH."""
_UNKNOWN_BYTES = 2**64 - 1
"""NVML_VALUE_NOT_AVAILABLE."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory of a card."""

    pid: int
    bytes: int | None
    """None if the driver does not say."""


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, or a part of one (MIG), that CUDA would find. What the driver does not say is None, or empty."""

    name: str
    total: int | None = None
    """Bytes of memory."""
    free: int | None = None
    """Bytes of memory that no process holds now."""
    capability: tuple[int, int] | None = None
    """CUDA's compute capability, such as (9, 0)."""
    holders: tuple[Holder, ...] = ()
    """Processes that hold memory. In a container the driver may hide them, or give their numbers outside of it."""


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Process(ctypes.Structure):
    """nvmlProcessInfo_v2_t, of which version 3 of the function is told to have the same fields."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


def has_gpu() -> bool:
    """Return whether torch can use a GPU of this machine: one is there, visible, and torch is built for it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # An empty list, or one that begins with an unknown number such as -1, hides all cards.
    if (visible is not None and visible.strip()[:1] in ("", "-")) or not _cards():
        return False
    import torch

    return torch.version.cuda is not None


def cuda_version() -> int:
    """Return the main version of CUDA that torch is built for; 0 if it is built for none."""
    import torch

    return int((torch.version.cuda or "0").split(".")[0])


def card_facts() -> tuple[Card, ...]:
    """Return the cards that CUDA would find, in the order of `CUDA_VISIBLE_DEVICES`; none without a driver."""
    with _driver() as library:
        return () if library is None else tuple(_facts(library, name, handle) for name, handle in _visible(library))


def visible_cards() -> list[str]:
    """Return the cards that this process may use, as CUDA_VISIBLE_DEVICES names them; none without a GPU."""
    if not has_gpu():
        return []
    with _driver() as library:
        return [] if library is None else [name for name, _ in _visible(library)]


def _visible(library: Any) -> Iterator[tuple[str, "ctypes.c_void_p | None"]]:
    """Yield name and handle of each card that CUDA would find, in its order; the handle is None if NVML has none.

    `CUDA_VISIBLE_DEVICES` holds numbers, or (the beginnings of) UUIDs of GPUs or of parts of GPUs (MIG). The list ends
    before the first entry that names no card, and is empty if an entry is repeated, as for CUDA. Numbers are those of
    the driver, which are CUDA's own if all cards are alike or `CUDA_DEVICE_ORDER` is PCI_BUS_ID.
    """
    handles = [_first_part(library, _handle(library, i)) for i in range(_count(library))]
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        yield from ((str(i), handle) for i, handle in enumerate(handles))
        return
    entries = [entry.strip() for entry in listed.split(",")]
    names = [entry for entry in entries if entry]
    if len(set(names)) < len(names):
        return
    for entry in entries:
        if entry.isdecimal():
            matches = handles[int(entry) : int(entry) + 1]
        elif entry.startswith("MIG-"):
            part = _by_uuid(library, entry)
            # The older spelling, MIG-GPU-..., is one that this library may not know.
            matches = [part] if part is not None or entry.startswith("MIG-GPU-") else []
        else:
            uuids = [_text(library, "nvmlDeviceGetUUID", _handle(library, i)) for i in range(len(handles))]
            matches = [handles[i] for i, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
        if len(matches) != 1:
            return
        yield entry, matches[0]


@contextmanager
def _driver() -> Iterator[Any]:
    """Provide NVML; None without a driver, or if it does not work."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        yield None
        return
    if library.nvmlInit_v2() != 0:
        yield None
        return
    try:
        yield library
    finally:
        library.nvmlShutdown()


def driver_failure() -> str | None:
    """Return why the driver's library does not answer; None if it does, or if no driver is installed or loaded."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    code = library.nvmlInit_v2()
    if code == 0:
        library.nvmlShutdown()
    if code in (0, *_NOT_LOADED):
        return None
    cause = ": the driver was updated, and the old one still runs; restart the machine" if code == _MISMATCH else ""
    return f"the NVIDIA driver does not answer (NVML error {code}{cause}); `nvidia-smi` says more"


def on_all_gpus(compute: Compute) -> Compute:
    """Return the settings with `gpus: all` replaced by this machine's numbers of copies and trainer processes.

    Raises InputError if there are too few GPUs for one copy of the model.
    """
    if compute.gpus is None:
        return compute
    cards, each = len(visible_cards()), compute.vllm.tensor_parallel
    if cards < each:
        raise InputError(
            f"compute.gpus is {compute.gpus}, and this process sees {cards} GPU(s), expected at least {each} "
            "(compute.vllm.tensor_parallel); remove compute.gpus to compute on a CPU"
        )
    vllm = compute.vllm.model_copy(update={"data_parallel": cards // each})
    trainer = compute.trainer.model_copy(update={"processes_per_node": cards})
    return compute.model_copy(update={"gpus": None, "vllm": vllm, "trainer": trainer})


@cache
def _cards() -> int:
    """Return the number of NVIDIA cards that the driver knows; 0 without a driver."""
    with _driver() as library:
        return 0 if library is None else _count(library)


def _count(library: Any) -> int:
    count = ctypes.c_uint()
    return 0 if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0 else count.value


def _ask(library: Any, name: str, *arguments: Any) -> int | None:
    """Return the result code of a function of NVML; None if this driver has no such function."""
    function: Callable[..., int] | None = getattr(library, name, None)
    return None if function is None else function(*arguments)


def _handle(library: Any, index: int) -> ctypes.c_void_p | None:
    handle = ctypes.c_void_p()
    return handle if _ask(library, "nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle)) == 0 else None


def _first_part(library: Any, gpu: ctypes.c_void_p | None) -> ctypes.c_void_p | None:
    """Return the GPU, or its first part if it is split into parts (MIG): CUDA finds that part alone."""
    current, pending = ctypes.c_uint(), ctypes.c_uint()
    mode = (
        None
        if gpu is None
        else _ask(library, "nvmlDeviceGetMigMode", gpu, ctypes.byref(current), ctypes.byref(pending))
    )
    if mode != 0 or current.value != 1:
        return gpu
    for i in range(_MOST_PARTS):
        part = ctypes.c_void_p()
        if _ask(library, "nvmlDeviceGetMigDeviceHandleByIndex", gpu, i, ctypes.byref(part)) == 0:
            return part
    return gpu


def _by_uuid(library: Any, uuid: str) -> ctypes.c_void_p | None:
    handle = ctypes.c_void_p()
    return handle if _ask(library, "nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(handle)) == 0 else None


def _text(library: Any, name: str, handle: ctypes.c_void_p | None) -> str:
    """Return a text about a card, "" if the driver does not say."""
    if handle is None:
        return ""
    buffer = ctypes.create_string_buffer(_TEXT)
    return buffer.value.decode(errors="replace") if _ask(library, name, handle, buffer, _TEXT) == 0 else ""


def _facts(library: Any, listed_as: str, handle: ctypes.c_void_p | None) -> Card:
    if handle is None:
        return Card("a part of a GPU" if listed_as.startswith("MIG-") else "a GPU")
    # Of a part of a GPU the driver tells the memory; name and compute capability are those of the GPU.
    whole, flag = ctypes.c_void_p(), ctypes.c_uint()
    is_part = (
        _ask(library, "nvmlDeviceIsMigDeviceHandle", handle, ctypes.byref(flag)) == 0
        and flag.value == 1
        and _ask(library, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle, ctypes.byref(whole)) == 0
    )
    gpu = whole if is_part else handle
    name = _text(library, "nvmlDeviceGetName", gpu) or "a GPU"
    memory = _Memory()
    has_memory = _ask(library, "nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory)) == 0
    major, minor = ctypes.c_int(), ctypes.c_int()
    has_capability = (
        _ask(library, "nvmlDeviceGetCudaComputeCapability", gpu, ctypes.byref(major), ctypes.byref(minor)) == 0
    )
    return Card(
        f"part (MIG) of {name}" if is_part else name,
        total=int(memory.total) if has_memory else None,
        free=int(memory.free) if has_memory else None,
        capability=(major.value, minor.value) if has_capability else None,
        holders=tuple(_holders(library, handle)),
    )


def _holders(library: Any, handle: ctypes.c_void_p) -> Sequence[Holder]:
    """Return the processes that compute on a card; none if the driver does not say."""
    for version in ("_v3", "_v2"):  # the first version fills another structure
        size = 64
        for _ in range(3):  # processes may start between two calls
            count, processes = ctypes.c_uint(size), (_Process * size)()
            code = _ask(
                library, f"nvmlDeviceGetComputeRunningProcesses{version}", handle, ctypes.byref(count), processes
            )
            if code == 0:
                return [
                    Holder(process.pid, None if process.used == _UNKNOWN_BYTES else int(process.used))
                    for process in processes[: count.value]
                ]
            if code != _TOO_SMALL:
                break
            size = 2 * max(size, count.value)
    return []
