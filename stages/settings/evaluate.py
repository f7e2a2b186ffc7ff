"""Settings of an evaluation: how policies are asked and how often."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from stages.settings.answers import AnswerConfig
from stages.settings.base import Settings, StopStrings
from stages.settings.benchmarks import Shots
from stages.settings.chat import ChatDate, TemplateArguments, ThinkingMarks
from stages.settings.sample import AnswerPrompt


class EvaluateSettings(Settings):
    """Protocol of an evaluation. Defaults are the published ones."""

    samples: NonNegativeInt = 16
    """Sampled responses per problem (k); 0 for greedy only."""
    prompt: AnswerPrompt = AnswerPrompt(template="{question}\n")
    """How a question is asked: plain, boxed, chat, chat_boxed, or a template with chat and system. A benchmark may set
    another prompt."""
    temperature: PositiveFloat = 1.0
    """Temperature of sampled responses; the greedy response has none."""
    top_p: PositiveFloat = Field(0.95, le=1)
    """Sample among the likeliest tokens that together have this probability."""
    max_tokens: PositiveInt = 1_024
    """New tokens per response, at most."""
    max_prompt_tokens: PositiveInt = 2_048
    """Longest prompt with worked examples; the last examples are left out until the prompt fits."""
    stop: StopStrings = ()
    """A response ends where its text first contains one of these."""
    template_arguments: TemplateArguments = Field(default_factory=dict)
    """Arguments of the policy's chat template, such as {enable_thinking: false}; used with prompts in a chat only."""


class BenchmarkProtocol(Settings):
    """How one benchmark's questions are asked and its answers read."""

    answers: AnswerConfig = AnswerConfig()
    """What counts as an answer."""
    prompt: AnswerPrompt
    """How a question is asked."""
    shots: Shots | None = None
    """Worked examples before each question."""
    samples: NonNegativeInt | None = None
    """Sampled responses per problem; null: the number in the evaluation's protocol."""

    @property
    def label(self) -> str:
        """Short description for tables of results."""
        return self.prompt.label + (f", {self.shots.count} examples" if self.shots else "")


class EvaluateConfig(EvaluateSettings):
    """`EvaluateSettings` with the values that other settings of the run decide."""

    benchmarks: dict[str, BenchmarkProtocol]
    """Every benchmark's protocol, its prompt included, by name."""
    chat_date: ChatDate = None
    """Date that the policy's chat template writes into the prompts; null if it writes none."""
    thinking_marks: ThinkingMarks = ()
    """As in the run's settings."""

    def samples_of(self, benchmark: str) -> int:
        """Return the number of sampled responses per problem of a benchmark."""
        samples = self.benchmarks[benchmark].samples
        return self.samples if samples is None else samples
