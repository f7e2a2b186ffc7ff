"""Settings of what counts as an answer. `stages.answers.kinds` turns them into an `AnswerKind`."""

from typing import Self

from pydantic import Field, model_validator

from stages.settings.base import Settings

BUILT_IN = ("math", "choice", "text")
"""Kinds of answers that need no file."""
ANNOUNCEMENTS: tuple[str, ...] = ()
"""The default of `AnswerSettings.announcements`."""


class AnswerSettings(Settings):
    """What counts as an answer to this run's questions."""

    kind: str = "math"
    """math, choice (a letter among the options of the question), text (normalised exact match), or file.py:NAME, an
    AnswerKind that you wrote."""
    boxed_only: bool = False
    """Only \\boxed{} counts as an answer; otherwise the text after "answer is", or the last line, may count too."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        path, _, name = self.kind.rpartition(":")
        if self.kind not in BUILT_IN and not (path.endswith(".py") and name.isidentifier()):
            raise ValueError(
                f"unknown kind of answers {self.kind!r}; expected {', '.join(BUILT_IN)}, or file.py:NAME of your own"
            )
        if self.boxed_only and self.kind not in BUILT_IN:
            raise ValueError(f"boxed_only goes with {', '.join(BUILT_IN)}; a kind of your own finds its answers itself")
        return self


class AnswerConfig(Settings):
    """`AnswerSettings` as they enter a key: a kind in a file is identified by the file's content, not by its path."""

    kind: str = "math"
    """A built-in kind, or the instance's name in the file."""
    boxed_only: bool = False
    """As in `AnswerSettings`."""
    path: str | None = Field(None, exclude=True)
    """The file; null for a built-in kind."""
    sha256: str | None = None
    """Digest of the file."""
