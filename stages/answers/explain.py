"""How an answer is read, step by step, and why it is equal to a gold answer or not.

Every step is taken by the function that votes and grades use, so that the explanation is what a stage does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stages.answers.algebra.readings import MAX_ANSWER, Reading
from stages.answers.canonical.numerals import number
from stages.answers.choice import ChoiceAnswer
from stages.answers.equality.parts import (
    Equation,
    Leaf,
    Matrix,
    Members,
    Numbers,
    Pair,
    Peculiar,
    Percent,
    Quantity,
    Ratio,
    Rounded,
    Structure,
    Words,
)
from stages.answers.equality.structure import structure
from stages.answers.kinds import Ambiguous, AnswerKind, Raised, extract_answer, part_that_counts
from stages.answers.marks import marks_of
from stages.answers.math import MathAnswer
from stages.answers.response.thinking import without_thinking
from stages.answers.text import TextAnswer
from stages.answers.voting import AnswerToGrade, Ballot, Comparer, FormsToGrade, canonical_form, grade, vote
from stages.settings.answers import AnswerConfig

MAX_SHOWN = 200
"""A longer text is shown by its beginning and its end."""
_MAX_MARKS = 4

REASONS = {
    "no_answer": "the response has no answer",
    "ambiguous": "it can be read in several ways that differ",
    "unparsable": "it is no answer of this kind",
    "timed_out": "math-verify did not finish within its time limit",
    "too_large": f"it has more than {MAX_ANSWER} characters, or needs too much memory",
    "error": "the kind of answers or math-verify raised an exception",
}
"""Why an answer with this status neither votes nor is correct."""
_UNREADABLE: tuple[tuple[type[AnswerKind], str], ...] = (
    (MathAnswer, "it has signs or words that are no mathematics"),
    (ChoiceAnswer, "it names no option, or more than one"),
    (TextAnswer, "it has no words, or declines to answer in words that the question does not hold"),
)
"""Kind -> why a text is no answer of this kind."""
_WITHOUT_MARK = {
    "math": "the last result in the last line counts",
    "choice": "only a line that chooses an option counts",
    "text": 'words count only in a box, in tags or after "answer is"',
}
"""Built-in kind -> what counts in a response without marks."""
STATUSES = ("ok", "correct", "wrong", *REASONS)
"""Every status that a row of `rewards`, `voter_answers` or `grades` may have."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of reading an answer."""

    name: str
    text: str
    """What the step has found, in one line."""


def explain(
    kind: AnswerKind,
    response: str,
    question: str,
    *,
    gold: str | None,
    truncated: bool,
    settings: AnswerConfig,
    comparer: Comparer,
) -> Iterator[Step]:
    """Yield the steps from a response to its answer, its status in a vote and, with a `gold` answer, its grade."""
    size = f"{len(response):,} characters" if response.strip() else "empty"
    yield Step("response", f"{size}{', cut off at the token limit' if truncated else ''}")
    text = without_thinking(response)
    yield Step("thinking", _thinking(response, text))
    counted = part_that_counts(response, truncated=truncated, settings=settings)
    if text is not None:
        yield Step("part", _part(text, counted))
    if settings.kind == "choice":
        yield Step("options", _options(question))
    marks = [] if counted is None or settings.path is not None else list(_marks(counted, settings))
    yield from marks
    answer = None if counted is None else extract_answer(kind, counted, question)
    is_marked = any(not step.text.startswith("none: ") for step in marks)
    unread = ": the marked text is read as no answer of this kind" if answer is None and is_marked else ""
    yield Step("answer", f"{_shown(answer)}{unread}")
    form, _ = canonical_form(answer, question, kind)
    if answer is not None and not isinstance(answer, Ambiguous | Raised):
        yield Step("canonical", _canonical(kind, answer, question, form))
    (status,) = vote([Ballot(question=question, answers=[answer])], kind, comparer)[0].statuses
    yield Step("vote", "ok: the answer votes" if status == "ok" else f"{status}: {_reason(kind, status)}")
    if gold is not None:
        yield from _grade(kind, AnswerToGrade(question=question, answer=answer, gold=gold), comparer)


def _reason(kind: AnswerKind, status: str) -> str:
    """Return why an answer with this status does not count."""
    if status == "unparsable":
        return next((reason for type_, reason in _UNREADABLE if isinstance(kind, type_)), REASONS[status])
    return REASONS[status]


def _thinking(response: str, text: str | None) -> str:
    if text is None:
        return "it never ends, so there is no answer"
    return f"{len(response) - len(text):,} characters removed" if len(text) < len(response) else "none"


def _part(text: str, counted: str | None) -> str:
    if counted is None:
        return "none: the response was cut off, and no box and no announced answer was closed before the cut"
    return "the whole text" if counted == text else f"up to the last closed answer: {_shown(counted)}"


def _options(question: str) -> str:
    from stages.answers.options.listed import options_of

    options = options_of(question).texts
    if not options:
        return "the question lists none, so only a letter is an answer"
    return ", ".join(f"{letter}: {_shown(text)}" for letter, text in options.items())


def _marks(text: str, settings: AnswerConfig) -> Iterator[Step]:
    """Yield the marks of a text, the one that counts first."""
    marks = list(islice(marks_of(text, settings.announcements), _MAX_MARKS))
    for mark in marks:
        language = "" if mark.language == "en" else f" ({mark.language})"
        yield Step("mark", f"{mark.kind}{language}: {_shown(mark.text)}")
    if not marks:
        yield Step("mark", f"none: {'only a box counts' if settings.boxed_only else _WITHOUT_MARK[settings.kind]}")


def _canonical(kind: AnswerKind, answer: str, question: str, form: str | None) -> str:
    if form is not None:
        return _described(kind, form)
    try:
        reading = kind.canonical(answer, question)
    except Exception as error:  # a user's kind fails at text that a model wrote
        return f"none: {type(error).__name__}: {error}"
    return f"several: {reading}" if isinstance(reading, Ambiguous) else f"none: {_reason(kind, 'unparsable')}"


def _described(kind: AnswerKind, form: str) -> str:
    """Return a canonical form and, for mathematics, what it is: "5,105", a list, 2 members in any order."""
    if not isinstance(kind, MathAnswer) or isinstance(form, Ambiguous):
        return _shown(form)
    return f"{_shown(form)}, {_what_is(structure(form))}"


def _what_is(whole: Structure) -> str:
    """Return in words what an answer is made of."""
    match whole:
        case Leaf():
            return "a number" if number(whole.form) is not None else "an expression"
        case Members():
            order = "in any order" if whole.kind in ("list", "set") else "in this order"
            name = "values of letters" if whole.kind == "assignments" else f"a {whole.kind}"
            return f"{name}, {len(whole.items)} members {order}"
        case Quantity():
            return f"a quantity in {whole.unit}"
        case Pair():
            members = {"()": "a point", "[]": "a list, 2 members in any order"}.get(
                whole.opening[-1:] + whole.closing[-1:]
            )
            readings = [*([members] if members else []), *(["an interval"] if whole.region else [])]
            return " or ".join(readings) or "two members in brackets"
        case Equation():
            return f"{_what_is(whole.value)}, the value of {whole.name}" if whole.name else "an equation"
        case Percent():
            return f"a percentage, equal to {whole.number} and to its hundredth"
    return _NAMES[type(whole)]


_NAMES: dict[type[Structure], str] = {
    Words: "words", Peculiar: "a date, a time of day or a number in a base", Ratio: "a ratio",
    Numbers: "a set of real numbers (an interval or an inequality)", Rounded: "a value and its rounded value",
    Matrix: "a matrix",
}  # fmt: skip


def _grade(kind: AnswerKind, row: AnswerToGrade, comparer: Comparer) -> Iterator[Step]:
    """Yield how the gold answer is read, and the grade with its reason."""
    forms = FormsToGrade.of(row, kind, {})
    label = "" if forms.gold == row.gold else f"{_shown(row.gold)}, read as "
    is_read = isinstance(forms.gold, Ambiguous) or kind.canonical(forms.gold, kind.context(row.question, row.gold))
    unread = "" if is_read else "; this is no answer of this kind, so only the same text equals it"
    yield Step("gold", f"{label}{_shown(forms.gold)}, canonical {_described(kind, forms.gold_form)}{unread}")
    (status,) = grade([row], kind, comparer)
    if forms.form is None or row.answer is None:
        reason = _reason(kind, status)
    elif forms.gold_is_ambiguous:
        reason = f"the gold answer can be read in several ways: {forms.gold_form}"
    else:
        reason = _why(kind, (row.answer, forms.form), (forms.gold, forms.gold_form), status)
    yield Step("verdict", f"{status}: {reason}")


def _why(kind: AnswerKind, answer: tuple[str, str], gold: tuple[str, str], status: str) -> str:
    """Return why an answer got its grade. `answer` and `gold`: (text, canonical form)."""
    if answer[1] == gold[1]:
        return "both have the same canonical form"
    try:
        verdict = kind.same(answer[1], gold[1])
    except Exception as error:  # a user's kind of answers fails
        return f"they cannot be compared: {type(error).__name__}: {error}"
    if verdict is not None:
        return _why_decided(kind, answer[1], gold[1], verdict)
    left, right = kind.read(*answer), kind.read(*gold)
    if left is not None and right is not None and not left.may_equal(right):
        return f"their values differ: {_values(left)} and {_values(right)}"
    outcomes = {
        "correct": "math-verify finds them equal",
        "wrong": "math-verify finds them different",
        "unparsable": "math-verify cannot read one of them",
    }
    return outcomes.get(status, REASONS.get(status, status))


def _why_decided(kind: AnswerKind, form: str, gold: str, verdict: bool) -> str:
    """Return why the rules of a kind call two different canonical forms equal or not."""
    if isinstance(kind, TextAnswer):
        return (
            "one is the other with an article, an explanation or an abbreviation"
            if verdict
            else "the canonical forms are different words"
        )
    if not isinstance(kind, MathAnswer):
        return f"by the rules of this kind the canonical forms are {'equal' if verdict else 'different'}"
    left, right = structure(form), structure(gold)
    if isinstance(left, Quantity) and isinstance(right, Quantity) and left.unit != right.unit:
        return f"{left.unit} and {right.unit}: {'equal after conversion' if verdict else 'different amounts or units'}"
    if isinstance(left, Quantity) != isinstance(right, Quantity) and verdict:
        return "the same value; one has no unit, which may be any unit"
    names = _what_is(left), _what_is(right)
    if names[0] == names[1]:
        return f"both are {names[0]}: {'equal' if verdict else 'different values'}"
    return f"the answer is {names[0]}; the gold answer is {names[1]}; they are {'equal' if verdict else 'different'}"


def _values(reading: Reading) -> str:
    numbers = " or ".join(f"{number:.12g}" for number in reading.numbers[:4]) or "no number"
    return numbers if reading.shape in (None, "value") else f"{reading.shape} {numbers.replace(' or ', ', ')}"


def _shown(text: str | None) -> str:
    """Return a text in quotes, on one line; only the ends of a long text. What cannot be seen is escaped."""
    if text is None:
        return "none"
    if isinstance(text, Ambiguous | Raised):
        return f"{'several' if isinstance(text, Ambiguous) else 'exception'}: {text}"
    if len(text) > MAX_SHOWN:
        text = f"{text[: MAX_SHOWN // 2]} … {text[-MAX_SHOWN // 2 :]}"
    escaped = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return f'"{"".join(escaped)}"'
