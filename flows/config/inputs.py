"""What a run starts from: seed questions, a data set, the starting policy, voters."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from flows.config.exactly_one import require_exactly_one
from stages.hub.names import parse_name
from stages.settings import Settings, left_out
from stages.settings.chat import TemplateArguments
from stages.settings.questions import OnBadRow, QuestionFormat
from stages.settings.sample import AnswerPrompt
from stages.settings.vote import POLICY
from stages.settings.warm_start import WarmStartConfig

Domain = Literal["arithmetic"]


def _checked_name(name: str) -> str:
    if parse_name(name, "dataset") is None:
        raise ValueError(
            f"found {name[:200]!r}, expected OWNER/NAME of a data set of the Hugging Face hub, such as openai/gsm8k, "
            "or OWNER/NAME@REVISION; a file of this machine is set as `path`"
        )
    return name


DataSetName = Annotated[str, AfterValidator(_checked_name)]
"""A data set of the Hugging Face hub: OWNER/NAME or OWNER/NAME@REVISION."""


def check_goes_with_hub(hub: str | None, config: str | None, split: str | None) -> None:
    """Raise ValueError if a configuration or a split is set without a data set of the hub."""
    if hub is None and (config is not None or split is not None):
        raise ValueError(f"`{'split' if config is None else 'config'}` goes with `hub`")


class HubData(Settings):
    """A split of a data set of the Hugging Face hub."""

    hub: DataSetName
    """OWNER/NAME, such as openai/gsm8k, or OWNER/NAME@REVISION. Without a revision, a run takes the newest commit when
    it starts, and stays with it."""
    config: str | None = None
    """Configuration of the data set; not needed if there is only one, or if one is the default."""
    split: str | None = None
    """Split of the data set, such as train; not needed if there is only one."""


class Seeds(Settings):
    """Seed questions: a file of questions (JSON, JSON lines, CSV, TSV, Parquet or Arrow), a data set of the Hugging
    Face hub, or questions drawn from a built-in domain."""

    path: str | None = None
    """File of questions, or a folder of such files."""
    hub: DataSetName | None = left_out(None)
    """Data set of the Hugging Face hub: OWNER/NAME, such as openai/gsm8k, or OWNER/NAME@REVISION. Without a revision,
    a run takes the newest commit when it starts, and stays with it."""
    config: str | None = left_out(None)
    """Configuration of the data set; not needed if there is only one, or if one is the default."""
    split: str | None = left_out(None)
    """Split of the data set, such as train; not needed if there is only one."""
    format: QuestionFormat | None = None
    """Meaning of each field of a row. If not set, the shape of the rows is recognised."""
    on_bad_row: OnBadRow = "error"
    """error: rows that cannot be used stop the run before it starts; skip: they are left out and counted."""
    domain: Domain | None = None
    """Built-in domain that questions are drawn from."""
    count: PositiveInt | None = Field(None, le=10_000)
    """Number of questions drawn from the built-in domain."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        require_exactly_one(type(self).__name__.lower(), path=self.path, hub=self.hub, domain=self.domain)
        if (self.domain is None) != (self.count is None):
            raise ValueError("`count` goes with `domain`; a file or data set is read whole")
        if self.format is not None and self.domain is not None:
            raise ValueError("`format` goes with `path` or `hub`")
        check_goes_with_hub(self.hub, self.config, self.split)
        return self


class Dataset(Seeds):
    """Questions for `instructions: dataset`: a file or a data set of the hub as for seeds, or questions drawn from a
    built-in domain."""


class Policy(Settings):
    """The starting policy: a warm start, a Hugging Face model, or a policy of another run."""

    warm_start: WarmStartConfig | None = None
    """A tiny policy that the run creates and trains itself."""
    model: str | None = None
    """Model with safetensors and tokenizer: a folder, or a name of the Hugging Face hub (OWNER/NAME, or
    OWNER/NAME@REVISION), which is downloaded once."""
    adapter: str | None = None
    """LoRA adapter for `model`, in peft's format: a folder or a name of the hub. Merged into a copy of the model at
    import."""
    run: str | None = None
    """Folder or URI of another run."""
    iteration: int | None = Field(None, ge=0)
    """Iteration of that run. If not set: its newest one, or the last good one if the watchdog stopped that run."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        require_exactly_one("policy", warm_start=self.warm_start, model=self.model, run=self.run)
        if self.iteration is not None and self.run is None:
            raise ValueError("`iteration` goes with `run`")
        if self.adapter is not None and self.model is None:
            raise ValueError("`adapter` goes with `model`")
        return self


class Voter(Settings):
    """A model that votes in addition to the policy. Only the policy's responses are trained on."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    """Name of the voter in tables and metrics."""
    model: str | None = None
    """Model with safetensors and tokenizer: a folder or a name of the Hugging Face hub, as for `policy`."""
    adapter: str | None = None
    """LoRA adapter for `model`, in peft's format: a folder or a name of the hub. Merged into a copy of the model at
    import."""
    iteration: int | None = Field(None, le=0)
    """An earlier policy of this run: 0 is the starting policy; -3 is the policy from three iterations before the
    current policy, or the starting policy if there is none yet."""
    weight: PositiveFloat = 1.0
    """Weight of each of its votes; a vote of the policy has weight 1."""
    responses: PositiveInt = 16
    """Responses per question."""
    prompt: AnswerPrompt | None = None
    """Prompt for this voter; the policy's prompt if not set."""
    template_arguments: TemplateArguments | None = left_out(None)
    """Arguments of this voter's chat template; the policy's arguments (`sample.template_arguments`) if not set."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        require_exactly_one(f"voter {self.name}", model=self.model, iteration=self.iteration)
        if self.adapter is not None and self.model is None:
            raise ValueError(f"voter {self.name}: `adapter` goes with `model`")
        if self.name == POLICY:
            raise ValueError(f"a voter cannot be called {POLICY}, which always votes")
        return self
