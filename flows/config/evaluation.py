"""What a run evaluates its policies on, when, and how."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from flows.config.exactly_one import require_exactly_one
from flows.config.inputs import DataSetName, Domain, HubData, check_goes_with_hub
from stages.benchmarks.catalogue import CATALOGUE
from stages.settings import Settings, left_out
from stages.settings.answers import AnswerSettings
from stages.settings.benchmarks import Record, Shots
from stages.settings.evaluate import EvaluateSettings
from stages.settings.questions import OnBadRow, QuestionFormat
from stages.settings.sample import AnswerPrompt

Examples = Annotated[
    # An error is about the form that was meant. It contains the tag, which is empty for that reason.
    Annotated[str, Tag("path")] | Annotated[HubData, Tag("")],
    Discriminator(lambda value: "path" if isinstance(value, str) else ""),
]
"""Worked examples: a file, or a split of a data set of the hub."""


class Benchmark(Settings):
    """An evaluation set: a named set (`serl benchmarks` lists them), a file of your own, a data set of the Hugging Face
    hub, held-out problems of a built-in domain, or the seeds that have an answer."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    """Name of a known set, or a name of your own."""
    path: str | None = None
    """File of questions, or a folder of such files; for a named set by default NAME.jsonl or NAME.parquet under
    evaluate.data. A named set without such a file comes from the hub."""
    hub: DataSetName | None = left_out(None)
    """Data set of the Hugging Face hub: OWNER/NAME, such as openai/gsm8k, or OWNER/NAME@REVISION. Without a revision,
    a run takes the newest commit when it starts, and stays with it."""
    config: str | None = left_out(None)
    """Configuration of the data set; not needed if there is only one, or if one is the default."""
    split: str | None = left_out(None)
    """Split of the data set, such as test; not needed if there is only one. A named set knows its own."""
    domain: Domain | None = None
    """Built-in domain that held-out problems are drawn from."""
    count: PositiveInt | None = Field(None, le=10_000)
    """Number of problems drawn from the domain."""
    seed: int = 0
    """Selects which held-out problems of the domain are drawn."""
    seeds: Literal[True] | None = None
    """Use the labelled seeds, to measure how far the votes on them can be trusted. Their answers are used nowhere else,
    except as labels with `instructions: seeds` and `rewards: verified`."""
    answers: AnswerSettings | None = None
    """What counts as an answer; the run's own setting if not set."""
    prompt: AnswerPrompt | None = None
    """Prompt for this set; the protocol's prompt if not set."""
    format: QuestionFormat | None = None
    """Meaning of each field of a row; a named set knows its own. If not set, the shape of the rows is recognised."""
    on_bad_row: OnBadRow = "error"
    """error: rows that cannot be used stop the run before it starts; skip: they are left out and counted."""
    shots: Shots | None = None
    """Worked examples before each question."""
    examples: Examples | None = None
    """File of the worked examples, or `{hub: …, config: …, split: …}`. By default NAME_examples.* under evaluate.data;
    without such a file, those of a named set come from the hub."""
    samples: NonNegativeInt | None = None
    """Sampled responses per problem; the protocol's number if not set."""
    validation: bool = False
    """Whether policies may be chosen by this set. Its numbers then count as no result; the other sets only report."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, values: Any) -> Any:
        return {"name": values} if isinstance(values, str) else values

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {"path": self.path, "hub": self.hub, "domain": self.domain, "seeds": self.seeds}
        if self.record is None or any(value is not None for value in sources.values()):
            unknown = "" if self.record else " is not in the catalogue (`serl benchmarks` lists it), so it"
            require_exactly_one(f"benchmark {self.name}{unknown}", **sources)
        if (self.domain is None) != (self.count is None):
            raise ValueError("`count` goes with `domain`; a file or data set is read whole")
        check_goes_with_hub(self.hub, self.config, self.split)
        return self

    @property
    def record(self) -> Record | None:
        """The catalogue's record of a set with this name; None for a set of your own."""
        return None if self.domain or self.seeds else CATALOGUE.get(self.name)

    @property
    def worked_examples(self) -> Shots | None:
        """The worked examples before each question: the setting, or else the catalogue's."""
        return self.shots or (self.record.shots if self.record else None)


class Evaluation(Settings):
    """When policies are evaluated, and on which sets. Iteration 0 and the last iteration are always evaluated."""

    every: PositiveInt = 1
    """Iterations from one evaluation to the next."""
    data: str = "data"
    """Folder that holds the files of named evaluation sets without a `path`."""
    benchmarks: tuple[Benchmark, ...] = Field(min_length=1)
    """Evaluation sets, the headline set first."""
    protocol: EvaluateSettings = EvaluateSettings()
    """How all sets are asked, unless a set says otherwise."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [benchmark.name for benchmark in self.benchmarks]
        if len(set(names)) < len(names):
            raise ValueError(f"benchmark names must differ, found {names}")
        return self

    @property
    def validation(self) -> list[str]:
        """Names of the validation sets, which may be used to choose policies."""
        return [benchmark.name for benchmark in self.benchmarks if benchmark.validation]
