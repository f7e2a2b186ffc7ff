"""Kinds of answers: how an answer is taken out of a response, brought to one form, and compared.

`math`, `choice` and `text` are built in. A kind of your own is a subclass of `AnswerKind` in a file of yours; the
settings name the file and an instance in it:

    # doses.py
    class Dose(AnswerKind):
        def extract(self, response, question):
            return anchored_line(response)
        def canonical(self, answer, question):
            found = re.fullmatch(r"(\\d+(?:\\.\\d+)?) ?(mg|g)", answer.strip())
            return str(float(found[1]) * {"mg": 1, "g": 1000}[found[2]]) if found else None
    DOSE = Dose()

    answers: {kind: "doses.py:DOSE"}
"""

import importlib.util
import re
import unicodedata
from pathlib import Path
from typing import Literal

from stages.answers.latex_values import Reading
from stages.answers.marks import MAX_TAIL, anchored_line, gold_answer, last_boxed
from stages.settings.answers import BUILT_IN, AnswerConfig, AnswerSettings
from storage.errors import InputError
from storage.fingerprint import digest_file

AnswerStatus = Literal["ok", "no_answer", "unparsable", "timed_out", "too_large", "error"]
"""What became of a response's answer. Only an "ok" one votes and earns; all count in the number of responses. "error":
a kind of one's own raised an exception."""

_STYLE = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf)|mbox)(?![a-z])|[{}]")


class AnswerKind:
    """The small protocol behind every vote and every grade. A kind of your own overrides `extract` at least.

    All methods are pure: the same arguments give the same result, whatever came before. They see model output, so they
    must be quick and never evaluate it.
    """

    def extract(self, response: str, question: str) -> str | None:
        """The final answer as the response writes it, None when it has none. The question may list options."""
        raise NotImplementedError

    def canonical(self, answer: str, question: str) -> str | None:
        """One spelling for all spellings of an answer; None when it is no answer of this kind ("unparsable")."""
        return normalised_text(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        """Whether two different canonical forms are one answer; None leaves it to math-verify."""
        return False

    def read(self, answer: str, form: str) -> Reading | None:
        """What an answer, given its canonical form, is read as; None where math-verify must be able to read it."""
        return Reading("ok")

    def gold(self, text: str, question: str) -> str:
        """The answer in a reference text, which may be the answer itself or a solution that ends in it."""
        return gold_answer(text)


class Raised(str):
    """Stands for the answer of a response at which a kind of one's own raised an exception; its text says which."""


def extract_answer(kind: AnswerKind, response: str, question: str) -> str | None:
    """The final answer of a response; `Raised` where the kind fails at it: one such response must not end a run."""
    try:
        return kind.extract(response, question)
    except Exception as error:
        return Raised(f"{type(error).__name__}: {error}")


class TextAnswer(AnswerKind):
    """Words, compared by normalised exact match. Only a box or an "answer is" marks one: prose must not vote."""

    def __init__(self, *, boxed_only: bool = False) -> None:
        self.boxed_only = boxed_only

    def extract(self, response: str, question: str) -> str | None:
        tail = response[-MAX_TAIL:]
        boxed = last_boxed(tail)
        return boxed if boxed or self.boxed_only else anchored_line(tail) or None


def normalised_text(text: str) -> str:
    """Letters of any script in one case and one Unicode form, white space single, no punctuation at either end.

    A single sign in front of a digit stays: -5 is not 5.
    """
    joined = " ".join(_STYLE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())
    start = next((place for place, mark in enumerate(joined) if _counts(joined, place, mark)), len(joined))
    end = next((place for place in range(len(joined), start, -1) if joined[place - 1].isalnum()), start)
    return joined[start:end]


def _counts(text: str, place: int, mark: str) -> bool:
    return mark.isalnum() or (mark in "+-−" and text[place + 1 : place + 2].isdigit())


def answer_config(settings: AnswerSettings) -> AnswerConfig:
    """Return the settings as stages take them. Raises InputError when a kind in a file cannot be used."""
    if settings.kind in BUILT_IN:
        return AnswerConfig(kind=settings.kind, boxed_only=settings.boxed_only)
    path, _, name = settings.kind.rpartition(":")
    if not Path(path).is_file():
        raise InputError(f"answers.kind {settings.kind}: {path} does not exist; expected a Python file")
    config = AnswerConfig(kind=name, path=path, sha256=digest_file(Path(path)))
    load_kind(config)
    return config


def load_kind(config: AnswerConfig) -> AnswerKind:
    """Return the kind of answers itself.

    Raises InputError when its file cannot be loaded, has changed or does not hold a kind.
    """
    if config.path is None:
        return _built_in(config.kind, config.boxed_only)
    if digest_file(Path(config.path)) != config.sha256:
        raise InputError(f"answers.kind {config.path} has changed since the run was started; start the run again")
    return _from_file(config.path, config.kind)


def _built_in(kind: str, boxed_only: bool) -> AnswerKind:
    if kind == "text":
        return TextAnswer(boxed_only=boxed_only)
    if kind == "choice":
        from stages.answers.choice import ChoiceAnswer

        return ChoiceAnswer(boxed_only=boxed_only)
    from stages.answers.math import MathAnswer

    return MathAnswer(boxed_only=boxed_only)


def _from_file(path: str, name: str) -> AnswerKind:
    what = f"answers.kind {path}:{name}"
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{what}: importing the file fails with {type(error).__name__}: {error}") from error
    kind = getattr(module, name, None)
    if not isinstance(kind, AnswerKind):
        raise InputError(
            f"{what}: found {'nothing' if kind is None else repr(kind)[:80]} of that name, expected an instance of a "
            "subclass of stages.answers.kinds.AnswerKind"
        )
    return kind
