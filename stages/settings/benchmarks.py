"""Settings of evaluation sets: worked examples, and the records of sets that have a name."""

from pydantic import PositiveInt

from stages.settings.answers import AnswerSettings
from stages.settings.base import Settings
from stages.settings.questions import QuestionFormat
from stages.settings.sample import AnswerPrompt


class Shots(Settings):
    """Worked examples before each question, of the question's own subject if rows have a subject."""

    count: PositiveInt
    """Number of examples."""
    header: str = ""
    """Text before the examples; {subject} stands for the question's subject."""


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
    format: QuestionFormat = QuestionFormat()
    """How rows are read."""

    @property
    def is_file(self) -> bool:
        """Whether the source is the address of a file."""
        return self.source.startswith("https://")

    @property
    def repository(self) -> str:
        """The dataset on the hub, without its configuration."""
        return self.source.partition(":")[0]

    @property
    def configuration(self) -> str | None:
        """The configuration of the dataset on the hub; None if the source names none."""
        return self.source.partition(":")[2] or None

    def download(self, name: str, split: str | None = None) -> str:
        """Return a command that writes the set to NAME.jsonl (a file) or NAME.parquet (a dataset on the hub).

        For a dataset on the hub, the command needs the package datasets.
        """
        if self.is_file:
            return f"curl -fL --create-dirs -o {name}.jsonl {self.source}"
        dataset = f"'{self.repository}', '{self.configuration}'" if self.configuration else f"'{self.repository}'"
        loaded = f"load_dataset({dataset}, split='{split or self.split}')"
        return f"python -c \"from datasets import load_dataset; {loaded}.to_parquet('{name}.parquet')\""
