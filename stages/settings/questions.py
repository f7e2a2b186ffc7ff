"""Settings of question files: how the rows of a file become questions, options and labels."""

import codecs
import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from stages.settings.base import Settings, left_out

Names = Annotated[tuple[str, ...], BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)]
"""Names of fields; a single name needs no list. A dot leads into a field: `question.stem`, `prompt.0.content`."""


class Fields(Settings):
    """Which fields of a row hold the question, the answer and so on. Of several names, the first field that exists and
    is not empty counts; for `context`, `input` and `incorrect`, all of them count."""

    question: Names = ("question", "problem")
    """The question: a text, or the messages of a conversation, whose last turn of the user is the question."""
    context: Names = ()
    """Texts that belong before the question, in this order; a text that the question already contains is left out."""
    input: Names = left_out(())
    """Texts that belong after the question and before its options."""
    options: Names = ()
    """Options to choose from: one field with a list, an object (`{"A": "argon", …}`, `{"text": […], "label": […]}`) or
    a text; or one field for each option, in their order."""
    answer: Names = ("answer",)
    """The reference answer. With options: a letter, the number of an option (see `answer_base`), an option's text, or
    several of these. With options, all fields that name a right option must name the same."""
    correct: Names = left_out(())
    """The text of the right option, in rows that have right and wrong options in different fields. The options then
    come in an order that depends on their texts alone."""
    incorrect: Names = left_out(())
    """The texts of the wrong options: one field with a list, or one field for each."""
    reasoning: Names = ()
    """The reasoning of a worked example."""
    level: Names = ("level",)
    """The difficulty; results are given by level."""
    subject: Names = ("subject",)
    """The subject; results are given by subject."""

    @model_validator(mode="after")
    def _options_once(self) -> Self:
        if self.options and (self.correct or self.incorrect):
            raise ValueError("options are in `options`, or in `correct` and `incorrect`; found both")
        if bool(self.correct) != bool(self.incorrect):
            raise ValueError("`correct` goes with `incorrect`")
        return self


class QuestionFormat(Settings):
    """How the rows of a file become questions and answers. Without `preset` and `fields`, a file whose rows have a
    known shape is read in that shape; `serl check` names it."""

    preset: str | None = left_out(None)
    """Name of a known shape (`serl data presets` lists them). Other settings given here replace those of the shape."""
    encoding: str | None = left_out(None)
    """Encoding of a text file, such as cp1252 or gb18030. If not set: UTF-8, what a byte-order mark says, or for CSV
    and TSV what the bytes look like."""
    rows: str | None = left_out(None)
    """Field of a JSON file that holds the rows, such as `data`, or `passages.questions` for rows that lie inside other
    objects. A row also has the other fields of the objects around it."""
    columns: tuple[str, ...] = left_out(())
    """Names of the columns of a CSV or TSV file without a header."""
    fields: Fields = Fields()
    """Which fields of a row hold the question, the answer and so on."""
    question_pattern: str | None = None
    """Regular expression; if it matches the question, its first group is the question."""
    answer_pattern: str | None = None
    """Regular expression; if it matches the reference, its first group is the answer."""
    answer_base: Literal[0, 1, "text"] | None = left_out(None)
    """Number of the first option, if answers are numbers of options; "text" if such numbers are the options' texts. If
    not set, the numbers of the whole file decide."""
    options_style: Literal["inline", "lines", "unlettered"] = "inline"
    """How options are added to a question that does not list them. inline: (A) … (B) …; lines: a line each; unlettered:
    without letters."""
    groups: dict[str, tuple[str, ...]] = Field({})
    """Group name -> the subjects that count in this group."""

    @field_validator("question_pattern", "answer_pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        try:
            if pattern is None or re.compile(pattern).groups:
                return pattern
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        raise ValueError(f"{pattern!r} has no group ( ) that holds what counts")

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(
                f"unknown encoding {encoding!r}; expected a name such as utf-8, cp1252 or gb18030"
            ) from None

    def group_of(self, subject: str | None) -> str | None:
        """Return the group that a subject counts in: "other" if no group lists it, None without any groups."""
        if not self.groups:
            return None
        name = (subject or "").strip().casefold()
        return next(
            (group for group, subjects in self.groups.items() if name in (s.casefold() for s in subjects)), "other"
        )


OnBadRow = Literal["error", "skip"]
"""What becomes of a file with rows that cannot be used. error: the first five are named and nothing is read; skip:
they are left out, and counted in `serl check` and in the record of the run."""
