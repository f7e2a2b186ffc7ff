"""Where weights, masters, moments and the reference are between two updates: on their device, in host memory, nowhere.

While the engine has the GPU, the trainer's tensors wait in the main memory of the machine (the host). They come back
with the next update that names them, which takes a fraction of the time of loading them from files.
"""

import gc
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import psutil
import torch
from torch import Tensor, UntypedStorage

from stages.trainer.learner import read_on_cpu

Holding = Literal["device", "host", "nowhere"]
"""Where tensors are between two updates."""

CHUNK_BYTES = 2**28
"""Host memory is allocated in pieces of this size: for pinned memory, torch rounds each up to a power of two."""
_ALIGNMENT = 512
"""A storage starts at a multiple of this many bytes of host memory, so that every type can be read there."""
_MARGIN_BYTES = 4 * 2**30
"""Host memory that is left to the engine and to everything else."""
_MOST_HELD_BYTES = 2**30
"""Most GPU memory that a trainer may keep reserved when its tensors have left the GPU."""
_CGROUP, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Folder of the control groups, and the file that names those of this process."""
_GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files with the limit and the use of memory, and the entry of memory.stat for the file cache: of versions 2 and 1."""
_log = logging.getLogger(__name__)


def choose_holding(
    device: torch.device, free_memory: bool | None, *, can_move: bool = True, needed: int, available: int
) -> Holding:
    """Return where a learner's tensors are between two updates.

    Args:
        device: device of the update.
        free_memory: `compute.trainer.free_memory`.
        can_move: whether the tensors can be moved: not if a move has failed, and not if DeepSpeed has buffers that only
            it knows, as at stage 3 of ZeRO and for what it offloads.
        needed: bytes of host memory that the tensors of all processes of this machine take in addition.
        available: bytes of host memory that are available.
    """
    if device.type != "cuda":
        return "nowhere" if free_memory else "device"
    if free_memory is False:
        return "device"
    if not can_move:
        return "nowhere"
    if available < needed + _MARGIN_BYTES:
        _log.warning(
            "%.1f GB of main memory are available and %.1f GB would be needed to keep weights and optimiser between "
            "updates: each update loads them again",
            available / 1e9,
            (needed + _MARGIN_BYTES) / 1e9,
        )
        return "nowhere"
    return "host"


def pins_memory(device: torch.device) -> bool:
    """Return whether host memory for tensors of `device` can be page-locked, which makes copies faster."""
    return device.type == "cuda"


def available_host_memory(cgroup: Path = _CGROUP, membership: Path = _MEMBERSHIP) -> int:
    """Return the bytes of main memory that are available to this process: of the machine, its container or its job."""
    limited = (_left_in(group) for group in _control_groups(cgroup, membership))
    return max(min([int(psutil.virtual_memory().available), *(left for left in limited if left is not None)]), 0)


def _control_groups(cgroup: Path, membership: Path) -> list[Path]:
    """Return the folders of the control groups that may limit this process's memory.

    A container shows its group as the outermost folder. A job of Slurm sees the groups of the whole machine, and the
    limit may be that of any group around its own.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        lines = []
    groups = [cgroup, cgroup / "memory"]
    for _, controllers, path in lines:
        if controllers in ("", "memory"):
            group = (cgroup / controllers / path.lstrip("/")).resolve()
            groups += [group, *(parent for parent in group.parents if parent.is_relative_to(cgroup))]
    return list(dict.fromkeys(groups))


def _left_in(group: Path) -> int | None:
    """Return the bytes that a control group leaves; None if it has no limit, or is no folder of such files."""
    for limit, used, cache in _GROUP_FILES:
        try:
            most, now = (int((group / name).read_text()) for name in (limit, used))
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # ValueError: the limit is "max"
            continue
        return most - now + int(statistics.get(cache, 0))  # the file cache counts as used, and gives way
    return None


def has_room_for_files(folder: Path, size: int, *, available: int) -> bool:
    """Return whether files of `size` bytes may be written to `folder`, which lies in main memory.

    `available`: bytes of main memory that are available. A container may show a folder with more room than that, or
    with far less (64 MB).
    """
    return min(shutil.disk_usage(folder).free, available) >= size + _MARGIN_BYTES


def release_cached_memory(device: torch.device) -> None:
    """Give memory that no tensor uses back to the system; without effect on a CPU except for garbage collection."""
    gc.collect()
    if device.type != "cuda":
        return
    # A workspace may lie in a large block of memory, all of which would stay reserved.
    clear_workspaces = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
    if clear_workspaces is not None:
        clear_workspaces()
    torch.cuda.empty_cache()


def reserved_memory(device: torch.device) -> int:
    """Return the bytes of GPU memory that this process has reserved for tensors, 0 on a CPU."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def holds_too_much(holding: Holding, reserved: int) -> bool:
    """Return whether a process should end because it keeps GPU memory although its tensors have left the GPU."""
    return holding != "device" and reserved > _MOST_HELD_BYTES


def try_to_move(move: Callable[[], None]) -> bool:
    """Do a move between host memory and device; return whether it worked. One warning says why not."""
    try:
        move()
    except RuntimeError as error:
        _log.warning(
            "weights and optimiser cannot be kept in main memory between updates: each update loads them again (%s)",
            " ".join(str(error).split())[:200],
        )
        return False
    return True


class HostMemory:
    """Moves the values of tensors to host memory and back.

    The tensors stay: their storages on the device are emptied, and filled again by `give_back`. So parameters,
    optimiser state, and views of either need no new links.
    """

    def __init__(self, device: torch.device) -> None:
        """Hold tensors of `device`. No memory is allocated before `reserve`."""
        self._device = device
        self._pinned = pins_memory(device)
        self._chunks: list[Tensor] = []
        self._places: dict[int, tuple[UntypedStorage, int, int]] = {}
        """A storage's id -> the storage, its first byte in host memory, its number of bytes."""
        self._empty: list[tuple[UntypedStorage, int]] = []
        """Storages that hold zeros, and their numbers of bytes."""
        self.away = False
        """Whether the tensors' values are in host memory only."""

    def missing_bytes(self, tensors: Iterable[Tensor]) -> int:
        """Return the bytes that `reserve` would allocate for these tensors."""
        size = sum(_aligned(storage.nbytes()) for storage in self._storages(tensors).values())
        return max(0, size - sum(chunk.nbytes for chunk in self._chunks))

    def reserve(self, tensors: Iterable[Tensor]) -> bool:
        """Allocate host memory for these tensors; return False, with none allocated, if there is not enough."""
        storages = self._storages(tensors)
        if self._places.keys() != storages.keys():
            self._places = {}
            end = 0
            for key, storage in storages.items():
                self._places[key] = storage, end, storage.nbytes()
                end += _aligned(storage.nbytes())
        try:
            while (missing := self.missing_bytes(tensors)) > 0:
                self._chunks.append(self._allocate(min(missing, CHUNK_BYTES)))
        except (RuntimeError, MemoryError) as error:
            _log.warning("no host memory for weights and optimiser: %s", " ".join(str(error).split())[:200])
            self.clear()
            return False
        return True

    def take(self, tensors: Iterable[Tensor], *, scratch: Iterable[Tensor] = (), changed: bool = True) -> None:
        """Move the values of tensors to host memory, which `reserve` has allocated for them.

        Args:
            tensors: those that `reserve` was called with.
            scratch: tensors that hold zeros; `give_back` fills them again.
            changed: whether values differ from those that `take` has moved before; if not, none are copied.
        """
        if changed:
            self._wait()  # for work of other streams too, such as communication
            for storage, start, size in self._places.values():
                for host, device in self._pieces(storage, start, size):
                    host.copy_(device, non_blocking=self._pinned)
            self._wait()
        self._empty = [(storage, storage.nbytes()) for storage in self._storages(scratch).values()]
        for storage in (*(place[0] for place in self._places.values()), *(storage for storage, _ in self._empty)):
            storage.resize_(0)
        self.away = True

    def give_back(self) -> None:
        """Move all values back to the device; without effect if they are there."""
        if not self.away:
            return
        for storage, start, size in self._places.values():
            storage.resize_(size)
            for host, device in self._pieces(storage, start, size):
                device.copy_(host, non_blocking=self._pinned)
        for storage, size in self._empty:
            storage.resize_(size)
            _bytes_of(storage, size).zero_()
        self._wait()
        self._empty = []
        self.away = False

    def read(self, tensor: Tensor, start: int = 0, size: int | None = None) -> Tensor:
        """Do what `learner.read_on_cpu` does, wherever the values of the tensor are."""
        if not self.away or (key := tensor.untyped_storage()._cdata) not in self._places:
            return read_on_cpu(tensor, start, size)
        _, first, nbytes = self._places[key]
        if not tensor.is_contiguous():
            whole = self._range(first, nbytes).view(tensor.dtype)
            return read_on_cpu(whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()), start, size)
        first += (int(tensor.storage_offset()) + start) * tensor.element_size()
        count = tensor.numel() if size is None else size
        values = self._range(first, count * tensor.element_size()).view(tensor.dtype)
        return values.view(tensor.shape) if size is None else values

    def clear(self) -> None:
        """Forget all values and release the host memory. Tensors whose values are away stay empty."""
        self._chunks, self._places, self._empty, self.away = [], {}, [], False
        empty_cache = getattr(torch._C, "_host_emptyCache", None)
        if self._pinned and empty_cache is not None:
            empty_cache()

    def _allocate(self, size: int) -> Tensor:
        size = 1 << max(size - 1, 0).bit_length()
        if self._pinned:
            try:
                return torch.empty(size, dtype=torch.uint8, pin_memory=True)
            except RuntimeError as error:
                _log.warning("host memory cannot be page-locked, copies are slower: %s", str(error).split("\n")[0])
                self._pinned = False
        return torch.empty(size, dtype=torch.uint8)

    def _pieces(self, storage: UntypedStorage, start: int, size: int) -> list[tuple[Tensor, Tensor]]:
        """Return the parts of a storage in host memory, each with the same part on the device."""
        device = _bytes_of(storage, size)
        pieces, done = [], 0
        for host in self._parts(start, size):
            pieces.append((host, device[done : done + host.nbytes]))
            done += host.nbytes
        return pieces

    def _range(self, start: int, size: int) -> Tensor:
        """Return bytes of host memory; a copy if they lie in several chunks."""
        parts = self._parts(start, size)
        # In numpy, a part of a tensor becomes one of its own, which writers of files take without copying it.
        return torch.from_numpy(parts[0].numpy()) if len(parts) == 1 else torch.cat(parts)

    def _parts(self, start: int, size: int) -> list[Tensor]:
        """Return the parts of the chunks that hold bytes `start` to `start + size`, at least one."""
        parts = []
        for chunk in self._chunks:
            if start < chunk.nbytes and size > 0:
                parts.append(chunk[start : start + size])
                size -= parts[-1].nbytes
            start = max(0, start - chunk.nbytes)
        return parts or [torch.empty(0, dtype=torch.uint8)]

    def _storages(self, tensors: Iterable[Tensor]) -> dict[int, UntypedStorage]:
        """Return the distinct storages on the device that can be emptied, by an id."""
        storages = (tensor.untyped_storage() for tensor in tensors if tensor.device.type == self._device.type)
        return {storage._cdata: storage for storage in storages if storage.nbytes() and storage.resizable()}

    def _wait(self) -> None:
        """Return when all copies have ended."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _bytes_of(storage: UntypedStorage, size: int) -> Tensor:
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage, 0, (size,), (1,))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
