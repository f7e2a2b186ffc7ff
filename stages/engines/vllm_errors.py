"""Errors of vLLM in one line, with the cause that its processes wrote and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.engines.child_errors import Stderr
from stages.engines.memory_advice import memory_advice
from storage.errors import InputError, StageFailed

_SECONDS_FOR_A_CAUSE = 2.0
"""What a process of vLLM writes before it dies arrives so much later, at most."""
_OF_MODEL = (ValueError, RuntimeError, OSError, KeyError, AssertionError)
"""Errors that vLLM raises for a model that it cannot run."""


def died_while_answering(stderr: Stderr, error: str) -> StageFailed:
    """Return the error of a stage whose vLLM has died, with the cause that its processes wrote, or else `error`."""
    cause = stderr.last_error(_SECONDS_FOR_A_CAUSE) or error
    return StageFailed(
        f"vLLM died while it answered ({cause[:600]}){memory_advice(cause)}; run the same command again, which goes on "
        "from the parts that are finished"
    )


@contextmanager
def as_input_error(folder: Path, purpose: str = "policy", stderr: Stderr | None = None) -> Iterator[None]:
    """Turn the errors that vLLM raises for a model that it cannot run into an InputError of one line.

    If vLLM's process has ended, the error is a StageFailed instead.

    The message has the cause, even if another process had the error; settings of memory are named only if memory is
    short. `stderr` keeps what processes that vLLM starts write for as long as they live.
    """
    stderr = stderr or Stderr()
    try:
        with stderr.of_children():
            yield
    except Exception as error:
        if type(error).__name__ == "EngineDeadError":
            cause = stderr.last_error(_SECONDS_FOR_A_CAUSE) or "it says nothing"
            raise StageFailed(
                f"vLLM's process has ended ({cause[:600]}){memory_advice(cause)}; run the same command again"
            ) from error
        # What fails in vLLM's own process while it runs arrives as a plain Exception.
        if type(error) is not Exception and not isinstance(error, _OF_MODEL):
            raise
        own = " ".join(str(error).split()) or type(error).__name__
        message = ((stderr.last_error() if "root cause" in own else None) or own)[:600]
        raise InputError(
            f"vLLM cannot run the model of {purpose}, {folder}: {message}{memory_advice(message)}"
        ) from error
