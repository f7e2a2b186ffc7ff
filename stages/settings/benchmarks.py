"""Settings of evaluation sets: how the rows of a file are read, and the records of sets that have a name."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt, field_validator

from stages.settings.answers import AnswerSettings
from stages.settings.base import Settings
from stages.settings.sample import AnswerPrompt

Names = Annotated[tuple[str, ...], BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)]
"""Names of fields; a single name needs no list."""


class Fields(Settings):
    """Which fields of a row hold the question, the answer and so on. Of several names, the first field that exists and
    is not empty counts; for `context`, all of them count."""

    question: Names = ("question", "problem")
    """The question."""
    context: Names = ()
    """Texts that belong before the question, in this order; a text that the question already contains is left out."""
    options: Names = ()
    """Options to choose from: a list, or a single text."""
    answer: Names = ("answer",)
    """The reference answer."""
    reasoning: Names = ()
    """The reasoning of a worked example."""
    level: Names = ("level",)
    """The difficulty; results are given by level."""
    subject: Names = ("subject",)
    """The subject; results are given by subject."""


class Shots(Settings):
    """Worked examples before each question, of the question's own subject if rows have a subject."""

    count: PositiveInt
    """Number of examples."""
    header: str = ""
    """Text before the examples; {subject} stands for the question's subject."""


class BenchmarkFormat(Settings):
    """How rows become questions and answers."""

    fields: Fields = Fields()
    """Which fields of a row hold the question, the answer and so on."""
    question_pattern: str | None = None
    """Regular expression; if it matches the question, its first group is the question."""
    answer_pattern: str | None = None
    """Regular expression; if it matches the reference, its first group is the answer."""
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

    def group_of(self, subject: str | None) -> str | None:
        """Return the group that a subject counts in: "other" if no group lists it, None without any groups."""
        if not self.groups:
            return None
        name = (subject or "").strip().casefold()
        return next(
            (group for group, subjects in self.groups.items() if name in (s.casefold() for s in subjects)), "other"
        )


class Record(Settings):
    """An evaluation set that has a name."""

    title: str
    """Full name."""
    source: str
    """Dataset on the Hugging Face hub (repository, or repository:configuration), or the address of a JSONL file."""
    split: str = "test"
    """Split of the dataset."""
    problems: int
    """Number of problems in the whole set."""
    answers: AnswerSettings = AnswerSettings()
    """What counts as an answer."""
    prompt: AnswerPrompt | None = None
    """How a question is asked; null: as the evaluation's protocol says."""
    shots: Shots | None = None
    """Worked examples before each question."""
    shots_split: str | None = None
    """Split that the worked examples come from."""
    format: BenchmarkFormat = BenchmarkFormat()
    """How rows are read."""

    @property
    def is_file(self) -> bool:
        """Whether the source is the address of a file."""
        return self.source.startswith("https://")

    def download(self, name: str, split: str | None = None) -> str:
        """Return a command that writes the set to NAME.jsonl (a file) or NAME.parquet (a dataset on the hub).

        For a dataset on the hub, the command needs the package datasets.
        """
        if self.is_file:
            return f"curl -fL --create-dirs -o {name}.jsonl {self.source}"
        repository, _, configuration = self.source.partition(":")
        dataset = f"'{repository}', '{configuration}'" if configuration else f"'{repository}'"
        loaded = f"load_dataset({dataset}, split='{split or self.split}')"
        return f"python -c \"from datasets import load_dataset; {loaded}.to_parquet('{name}.parquet')\""
