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
from pathlib import Path
from typing import Literal

from stages.answers.algebra.readings import Reading
from stages.answers.marks import closed_part, gold_answer
from stages.answers.response.thinking import without_thinking
from stages.settings.answers import BUILT_IN, AnswerConfig, AnswerSettings
from storage.errors import InputError
from storage.fingerprint import digest_file

AnswerStatus = Literal["ok", "no_answer", "ambiguous", "unparsable", "timed_out", "too_large", "error"]
"""Status of a response's answer. Only an "ok" answer votes and earns; every response counts in the number of responses.
"ambiguous": the answer can be read in several ways that differ. "error": a custom kind raised an exception."""


class AnswerKind:
    """How answers are extracted and compared, in votes and in grades. A custom kind overrides at least `extract`.

    All methods must be pure: equal arguments give equal results. Their arguments are model output, so the methods must
    be quick and must never evaluate it.

    Stages remove thinking from a response before `extract` sees it. Of a response that was cut off, `extract` sees only
    the part up to the last answer that was closed (see `part_that_counts`).
    """

    def extract(self, response: str, question: str) -> str | None:
        """Return the final answer as the response writes it, None if it has none. The question may list options.

        An answer that can be read in several ways that differ is returned as `Ambiguous`.
        """
        raise NotImplementedError

    def canonical(self, answer: str, question: str) -> str | None:
        """Return one form for all spellings of an answer; None if it is not an answer of this kind ("unparsable").

        Return `Ambiguous` if the answer can be read in several ways that differ.
        """
        from stages.answers.wording.form import normalised_text

        return normalised_text(answer) or None

    def context(self, question: str, label: str) -> str:
        """Return the text that `canonical` gets as the question when an answer is graded against a label."""
        return question

    def same(self, left: str, right: str) -> bool | None:
        """Return whether two different canonical forms are the same answer; None: math-verify decides."""
        return False

    def read(self, answer: str, form: str) -> Reading | None:
        """Return what is known about an answer, whose canonical form is `form`; None: math-verify has to read it."""
        return Reading("ok")

    def latex(self, answer: str, form: str) -> str:
        """Return the text of an answer, whose canonical form is `form`, for math-verify."""
        return answer

    def gold(self, text: str, question: str) -> str:
        """Return the answer in a reference text, which is the answer itself or a solution that ends in it."""
        return gold_answer(text)


class Raised(str):
    """Stands for the answer of a response if a custom kind raised an exception; the text names the exception."""


class Ambiguous(str):
    """Stands for an answer that can be read in several ways; its text names them.

    Such an answer does not vote, earns nothing and is not correct: a lost vote is better than a wrong one.
    """


def answer_of(kind: AnswerKind, response: str, question: str, *, truncated: bool, settings: AnswerConfig) -> str | None:
    """Return the final answer of a response as votes and grades see it; None if the response has none.

    Return `Raised` if the kind raises. `truncated`: whether the response was cut off at the token limit.
    """
    text = part_that_counts(response, truncated=truncated, settings=settings)
    return None if text is None else extract_answer(kind, text, question)


def part_that_counts(response: str, *, truncated: bool, settings: AnswerConfig) -> str | None:
    """Return the part of a response that may hold its answer; None if no part may.

    Thinking is removed. Of a response that was cut off, only the part up to its last closed answer counts, because what
    follows may be the middle of a calculation; with `count_truncated` all of it counts.
    """
    text = without_thinking(response)
    if text is None or not truncated or settings.count_truncated:
        return text
    return closed_part(text, settings.announcements)


def extract_answer(kind: AnswerKind, text: str, question: str) -> str | None:
    """Return the final answer in a text, or `Raised` if the kind raises: one response must not end a run."""
    try:
        return kind.extract(text, question)
    except Exception as error:
        return Raised(f"{type(error).__name__}: {error}")


def answer_config(settings: AnswerSettings) -> AnswerConfig:
    """Return the settings as stages use them. Raises InputError if a kind in a file cannot be used."""
    if settings.kind in BUILT_IN:
        return AnswerConfig(**settings.model_dump())
    path, _, name = settings.kind.rpartition(":")
    if not Path(path).is_file():
        raise InputError(f"answers.kind {settings.kind}: {path} does not exist; expected a Python file")
    values = {**settings.model_dump(), "kind": name}
    config = AnswerConfig(**values, path=path, sha256=digest_file(Path(path)))
    load_kind(config)
    return config


def load_kind(config: AnswerConfig) -> AnswerKind:
    """Return the kind of answers that the settings name.

    Raises InputError if its file cannot be loaded, has changed since the run started, or does not hold a kind.
    """
    if config.path is None:
        return _built_in(config)
    if digest_file(Path(config.path)) != config.sha256:
        raise InputError(f"answers.kind {config.path} has changed since the run was started; start the run again")
    return _from_file(config.path, config.kind)


def _built_in(config: AnswerConfig) -> AnswerKind:
    boxed_only, announcements = config.boxed_only, config.announcements
    if config.kind == "text":
        from stages.answers.text import TextAnswer

        return TextAnswer(boxed_only=boxed_only, announcements=announcements)
    if config.kind == "choice":
        from stages.answers.choice import ChoiceAnswer

        return ChoiceAnswer(boxed_only=boxed_only, announcements=announcements, several=config.several)
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
