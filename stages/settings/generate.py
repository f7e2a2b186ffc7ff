"""Settings of how an iteration gets its questions: the policy writes them, or they are drawn from given ones."""

import math

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from stages.settings.base import Settings, StopStrings, left_out
from stages.settings.chat import ChatDate, TemplateArguments, ThinkingMarks
from stages.settings.draw import ByDifficulty

PAPER_SYSTEM = (
    "You are a professional math teacher. You write new, clear and self-contained mathematics questions for your "
    "students. You only create questions; you never solve them."
)


class GenerateSettings(Settings):
    """Settings of the few-shot prompts and their sampling. Defaults are the published ones."""

    questions: PositiveInt = 2_000
    """Accepted questions to reach in each iteration; with `questions_per_update`, in each round."""
    over_generation: float = Field(1.5, ge=1, le=20)
    """Questions requested for each question to accept."""
    questions_per_prompt: PositiveInt = 8
    """Questions that one continuation is expected to hold."""
    examples: PositiveInt = 8
    """Questions shown in each prompt."""
    examples_from_pool: NonNegativeInt = 2
    """At most this many examples are kept questions of earlier iterations; the rest are seeds."""
    system: str = PAPER_SYSTEM
    """System prompt; empty for none."""
    user: str = "Come up with a series of questions:"
    """First line of the user's turn."""
    temperature: NonNegativeFloat = 0.8
    """0 always takes the likeliest token; 1 samples from the policy as it is."""
    top_p: PositiveFloat = Field(0.95, le=1)
    """Sample among the likeliest tokens that together have this probability."""
    presence_penalty: float = Field(2.0, ge=-2, le=2)
    """Subtracted from the logits of tokens that the response already contains."""
    max_prompt_tokens: PositiveInt = 1_024
    """Longest prompt; examples are left out until the prompt fits."""
    max_tokens: PositiveInt = 1_024
    """New tokens per continuation, at most."""
    stop: StopStrings = ()
    """A response ends where its text first contains one of these."""
    template_arguments: TemplateArguments = Field(default_factory=dict)
    """Arguments of the policy's chat template, such as {enable_thinking: false}; `serl check` lists its switches."""

    @property
    def prompts(self) -> int:
        """Prompts per iteration, or per round."""
        return math.ceil(self.questions * self.over_generation / self.questions_per_prompt)


class GenerateConfig(GenerateSettings):
    """`GenerateSettings` with the values that other settings of the run decide."""

    chat_date: ChatDate = None
    """Date that the policy's chat template writes into the prompts; null if it writes none."""
    thinking_marks: ThinkingMarks = ()
    """As in the run's settings."""


class DrawConfig(Settings):
    """Which of the given questions an iteration trains on."""

    questions: PositiveInt
    """Questions per iteration; with `questions_per_update`, per round."""
    position: NonNegativeInt | None = left_out(None)
    """With `questions_per_update`: how many questions earlier rounds and iterations drew or passed over."""
    by_difficulty: ByDifficulty | None = left_out(None)
    """How the votes on a question decide when it is drawn again (`draw.prefer_uncertain`); null: they do not."""
    labelled_only: bool
    """Draw only questions that have an answer (for rewards by label)."""
    drop_overlaps: bool
    """Leave out questions that overlap an evaluation set. Seeds stay, as in the method, and are reported."""
    overlap_words: NonNegativeInt
    """Words in a row that count as an overlap; 0 for equal texts only."""
