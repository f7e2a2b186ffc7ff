"""Settings of the stages that import a run's inputs: questions, evaluation sets and models.

Inputs are identified by content: dumps hold the sha256 of a file or folder and leave out its path. A data set of the
Hugging Face hub is identified by its commit.
"""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from stages.settings.base import Settings, left_out
from stages.settings.questions import OnBadRow, QuestionFormat


class HubSplit(Settings):
    """A split of a data set of the Hugging Face hub, at one commit."""

    repository: str
    """OWNER/NAME."""
    config: str
    """Configuration, such as main."""
    split: str
    """Split, such as train."""
    commit: str
    """Commit of the repository's files, or of the hub's conversion of them to Parquet."""
    folder: str = Field("", exclude=True)
    """Folder of this machine that holds the files."""
    files: tuple[str, ...] = Field((), exclude=True)
    """Files with the rows, in this order, relative to `folder`."""

    @property
    def name(self) -> str:
        """The split in messages, such as `openai/gsm8k (main, train)`."""
        return f"{self.repository} ({self.config}, {self.split})"


class ImportSeeds(Settings):
    """Questions from a file (`path` and `sha256`), from a data set of the hub (`hub`), or from a built-in domain
    (`domain` and `count`)."""

    path: str | None = Field(None, exclude=True)
    """File of questions, or a folder of files."""
    sha256: str | None = None
    """Digest of the file or folder."""
    hub: HubSplit | None = left_out(None)
    """Data set of the hub."""
    domain: Literal["arithmetic"] | None = None
    """Built-in domain that questions are drawn from."""
    count: PositiveInt | None = None
    """Questions drawn from the domain."""
    format: QuestionFormat = left_out(QuestionFormat())
    """How rows of the file are read."""
    on_bad_row: OnBadRow = Field("error", exclude=True)
    """Whether rows that cannot be used are an error."""
    skipped_rows: NonNegativeInt = left_out(0)
    """Number of rows that are left out because they cannot be used."""

    @property
    def source(self) -> str | HubSplit | None:
        """The file, folder or data set of the hub; None for a built-in domain."""
        return self.hub or self.path


class ImportPolicy(Settings):
    """A Hugging Face model folder, whose files are recorded by digest. With an adapter (peft's format), a merged copy
    is written.

    A folder is identified by its digest. A model of the hub is identified by its repository and commit, because other
    programs may add files to its folder in the cache.
    """

    path: str = Field(exclude=True)
    """The model folder."""
    sha256: str | None = left_out(None)
    """Digest of the model folder; None for a model of the hub."""
    repository: str | None = left_out(None)
    """OWNER/NAME of a model of the hub."""
    commit: str | None = left_out(None)
    """Commit of that repository."""
    adapter: str | None = Field(None, exclude=True)
    """The adapter's folder."""
    adapter_sha256: str | None = left_out(None)
    """Digest of the adapter; None for an adapter of the hub."""
    adapter_repository: str | None = left_out(None)
    """OWNER/NAME of an adapter of the hub."""
    adapter_commit: str | None = left_out(None)
    """Commit of that repository."""

    @model_validator(mode="after")
    def _has_identity(self) -> Self:
        if (self.sha256 is None) == (self.commit is None) or (self.repository is None) != (self.commit is None):
            raise ValueError("a model is identified by `sha256`, or by `repository` and `commit`")
        return self


class ImportVoters(Settings):
    """Models that vote next to the policy."""

    models: dict[str, ImportPolicy]
    """Voter's name -> its model."""


class ProblemSet(Settings):
    """One evaluation set: from a file, from a data set of the hub, from the held-out split of a built-in domain, or the
    seeds that have an answer."""

    name: str
    """The benchmark's name."""
    seeds: bool = False
    """The set consists of the seeds that have an answer."""
    path: str | None = Field(None, exclude=True)
    """File of questions, or a folder of files."""
    sha256: str | None = None
    """Digest of the file or folder."""
    hub: HubSplit | None = left_out(None)
    """Data set of the hub."""
    domain: Literal["arithmetic"] | None = None
    """Built-in domain that held-out problems are drawn from."""
    count: PositiveInt | None = None
    """Problems drawn from the domain."""
    seed: int = 0
    """Decides which held-out problems of the domain are drawn."""
    format: QuestionFormat = QuestionFormat()
    """How rows of the file are read."""
    on_bad_row: OnBadRow = Field("error", exclude=True)
    """Whether rows that cannot be used are an error."""
    skipped_rows: NonNegativeInt = left_out(0)
    """Number of rows that are left out because they cannot be used."""
    shots_path: str | None = Field(None, exclude=True)
    """File of the worked examples."""
    shots_sha256: str | None = None
    """Digest of the file of worked examples."""
    shots_hub: HubSplit | None = left_out(None)
    """Data set of the hub with the worked examples."""

    @property
    def source(self) -> str | HubSplit | None:
        """The file, folder or data set of the hub; None for a built-in domain and for seeds."""
        return self.hub or self.path

    @property
    def shots_source(self) -> str | HubSplit | None:
        """The file, folder or data set of the hub with the worked examples; None if there are none."""
        return self.shots_hub or self.shots_path


class ImportProblems(Settings):
    """All evaluation sets of a run."""

    sets: tuple[ProblemSet, ...]
    """The sets, in the order of the results."""
    overlap_words: NonNegativeInt = 13
    """A problem overlaps a seed if they share this many words in a row; 0 for equal texts only."""
