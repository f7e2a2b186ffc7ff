"""Kinds of answers: how an answer is extracted from a response, brought to one form, and compared.

`math`, `choice` and `text` are built in. A custom kind is a subclass of `AnswerKind` in a file of yours; the settings
name the file and an instance in it:

    # doses.py
    class Dose(AnswerKind):
        def extract(self, response, question):
            return anchored_line(response)
        def canonical(self, answer, question):
            match = re.fullmatch(r"(\\d+(?:\\.\\d+)?) ?(mg|g)", answer.strip())
            return str(float(match[1]) * {"mg": 1, "g": 1000}[match[2]]) if match else None
    DOSE = Dose()

    answers: {kind: "doses.py:DOSE"}
"""

import importlib.util
import re
import unicodedata
from pathlib import Path
from typing import Literal

from stages.answers.marks import MAX_TAIL, anchored_line, gold_answer, last_boxed
from stages.answers.readings import Reading
from stages.settings.answers import BUILT_IN, AnswerConfig, AnswerSettings
from storage.errors import InputError
from storage.fingerprint import digest_file

AnswerStatus = Literal["ok", "no_answer", "unparsable", "timed_out", "too_large", "error"]
"""Status of a response's answer. Only an "ok" answer votes and earns; every response counts in the number of responses.
"error": a custom kind raised an exception."""

_STYLE = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf)|mbox)(?![a-z])|[{}]")


class AnswerKind:
    """How answers are extracted and compared, in votes and in grades. A custom kind overrides at least `extract`.

    All methods must be pure: equal arguments give equal results. Their arguments are model output, so the methods must
    be quick and must never evaluate it.
    """

    def extract(self, response: str, question: str) -> str | None:
        """Return the final answer as the response writes it, None if it has none. The question may list options."""
        raise NotImplementedError

    def canonical(self, answer: str, question: str) -> str | None:
        """Return one form for all spellings of an answer; None if it is not an answer of this kind ("unparsable")."""
        return normalised_text(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        """Return whether two different canonical forms are the same answer; None: math-verify decides."""
        return False

    def read(self, answer: str, form: str) -> Reading | None:
        """Return what is known about an answer, whose canonical form is `form`; None: math-verify has to read it."""
        return Reading("ok")

    def gold(self, text: str, question: str) -> str:
        """Return the answer in a reference text, which is the answer itself or a solution that ends in it."""
        return gold_answer(text)


class Raised(str):
    """Stands for the answer of a response if a custom kind raised an exception; the text names the exception."""


class Ambiguous(str):
    """Stands for an answer that can be read in several ways; its text names them."""


def extract_answer(kind: AnswerKind, response: str, question: str) -> str | None:
    """Return the final answer of a response, or `Raised` if the kind raises: one response must not end a run."""
    try:
        return kind.extract(response, question)
    except Exception as error:
        return Raised(f"{type(error).__name__}: {error}")


class TextAnswer(AnswerKind):
    """Words, compared by normalised exact match. A box or "answer is" marks an answer; other text never votes."""

    def __init__(self, *, boxed_only: bool = False) -> None:
        self.boxed_only = boxed_only

    def extract(self, response: str, question: str) -> str | None:
        tail = response[-MAX_TAIL:]
        boxed = last_boxed(tail)
        return boxed if boxed or self.boxed_only else anchored_line(tail) or None


def normalised_text(text: str) -> str:
    """Return a text in one case and one Unicode form, with single spaces and no punctuation at either end.

    Letters of all scripts stay. A single sign in front of a digit stays: -5 is not 5.
    """
    joined = " ".join(_STYLE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())
    start = next((i for i in range(len(joined)) if _counts(joined, i)), len(joined))
    end = next((i for i in range(len(joined), start, -1) if joined[i - 1].isalnum()), start)
    return joined[start:end]


def _counts(text: str, index: int) -> bool:
    """Return whether a character is a letter, a digit or the sign of a number."""
    return text[index].isalnum() or (text[index] in "+-−" and text[index + 1 : index + 2].isdigit())


def answer_config(settings: AnswerSettings) -> AnswerConfig:
    """Return the settings as stages use them. Raises InputError if a kind in a file cannot be used."""
    if settings.kind in BUILT_IN:
        return AnswerConfig(kind=settings.kind, boxed_only=settings.boxed_only, announcements=settings.announcements)
    path, _, name = settings.kind.rpartition(":")
    if not Path(path).is_file():
        raise InputError(f"answers.kind {settings.kind}: {path} does not exist; expected a Python file")
    config = AnswerConfig(kind=name, announcements=settings.announcements, path=path, sha256=digest_file(Path(path)))
    load_kind(config)
    return config


def load_kind(config: AnswerConfig) -> AnswerKind:
    """Return the kind of answers that the settings name.

    Raises InputError if its file cannot be loaded, has changed since the run started, or does not hold a kind.
    """
    if config.path is None:
        return _built_in(config.kind, config.boxed_only, config.announcements)
    if digest_file(Path(config.path)) != config.sha256:
        raise InputError(f"answers.kind {config.path} has changed since the run was started; start the run again")
    return _from_file(config.path, config.kind)


def _built_in(kind: str, boxed_only: bool, announcements: tuple[str, ...]) -> AnswerKind:
    if kind == "text":
        return TextAnswer(boxed_only=boxed_only)
    if kind == "choice":
        from stages.answers.choice import ChoiceAnswer

        return ChoiceAnswer(boxed_only=boxed_only)
    from stages.answers.math import MathAnswer

    return MathAnswer(boxed_only=boxed_only, announcements=announcements)


def _from_file(path: str, name: str) -> AnswerKind:
    label = f"answers.kind {path}:{name}"
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{label}: importing the file fails with {type(error).__name__}: {error}") from error
    kind = getattr(module, name, None)
    if not isinstance(kind, AnswerKind):
        raise InputError(
            f"{label}: found {'nothing' if kind is None else repr(kind)[:80]} of that name, expected an instance of a "
            "subclass of stages.answers.kinds.AnswerKind"
        )
    return kind
