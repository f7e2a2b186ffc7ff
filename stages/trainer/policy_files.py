"""Where the files of a new policy are written: in main memory or on disk."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from stages.trainer.holding import available_host_memory, has_room_for_files

_log = logging.getLogger(__name__)


def write_policy(
    write: Callable[[Path], None], target: Path, *, memory: Path | None, weights: Mapping[str, Tensor]
) -> None:
    """Call `write` with a folder that it makes and fills; after that `target` is this folder or a link to it.

    Args:
        write: writes the files of the policy.
        target: path that the policy is read from.
        memory: an empty folder in main memory, where the files lie if there is room for them; None: they lie in
            `target`.
        weights: the weights that `write` writes; there is room if they fit.
    """
    size = sum(weight.nbytes for weight in weights.values())
    if memory is not None:
        folder = memory / target.name
        try:
            if has_room_for_files(memory, size, available=available_host_memory()):
                write(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(folder)
                return
        except (OSError, SafetensorError) as error:  # another process may have filled the memory meanwhile
            _log.warning("the policy is written to %s, because main memory cannot hold it: %s", target, error)
            shutil.rmtree(folder, ignore_errors=True)
    write(target)
