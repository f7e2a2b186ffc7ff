"""Errors of vLLM in one line, with the cause that its processes wrote and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.engines.child_errors import Stderr
from stages.engines.memory_advice import with_memory
from stages.settings.engines import VllmPlacement
from storage.errors import InputError, StageFailed

_SECONDS_FOR_A_CAUSE = 2.0
"""What a process of vLLM writes before it dies arrives so much later, at most."""
_OF_MODEL = (ValueError, RuntimeError, OSError, KeyError, AssertionError, MemoryError)
"""Errors that vLLM raises for a model that it cannot run."""


def died_while_answering(stderr: Stderr, error: str, placement: VllmPlacement, folder: Path) -> StageFailed:
    """Return the error of a stage whose vLLM has died, with the cause that its processes wrote, or else `error`.

    `folder`: of the policy that vLLM held.
    """
    cause, memory = with_memory(stderr.last_error(_SECONDS_FOR_A_CAUSE) or error, placement, folder)
    return StageFailed(
        f"vLLM died while it answered ({cause}){memory}; run the same command again, which goes on from the parts that "
        "are finished"
    )


@contextmanager
def as_input_error(
    folder: Path, placement: VllmPlacement, purpose: str = "policy", stderr: Stderr | None = None
) -> Iterator[None]:
    """Turn the errors that vLLM raises for a model that it cannot run into an InputError of one line.

    If vLLM's process has ended, the error is a StageFailed instead.

    The message has the cause, even if another process had the error. If memory is short, it says what holds how much
    and names settings. `stderr` keeps what processes that vLLM starts write for as long as they live.
    """
    stderr = stderr or Stderr()
    try:
        with stderr.of_children():
            yield
    except Exception as error:
        if type(error).__name__ == "EngineDeadError":
            cause, memory = with_memory(stderr.last_error(_SECONDS_FOR_A_CAUSE) or "it says nothing", placement, folder)
            raise StageFailed(f"vLLM's process has ended ({cause}){memory}; run the same command again") from error
        # What fails in vLLM's own process while it runs arrives as a plain Exception.
        if type(error) is not Exception and not isinstance(error, _OF_MODEL):
            raise
        own = " ".join(str(error).split()) or type(error).__name__
        cause, memory = with_memory((stderr.last_error() if "root cause" in own else None) or own, placement, folder)
        raise InputError(f"vLLM cannot run the model of {purpose}, {folder}: {cause}{memory}") from error
