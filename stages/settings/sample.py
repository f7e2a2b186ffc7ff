"""Settings of how a model is asked a question, and how responses are sampled."""

from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from stages.settings.answers import AnswerConfig
from stages.settings.base import Settings, StopStrings
from stages.settings.chat import ChatDate, TemplateArguments, ThinkingMarks

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
"""The instruction that most mathematics models are trained with."""
PROMPTS: dict[str, dict[str, Any]] = {
    "plain": {"template": "{question}\n"},
    "boxed": {"template": f"{{question}}\n{BOXED}\n"},
    "chat": {"template": "{question}", "chat": True},
    "chat_boxed": {"template": f"{{question}}\n{BOXED}", "chat": True},
}
"""Prompts that have a name: the question alone, as published; with an instruction; through the chat template."""


class AnswerPrompt(Settings):
    """How a model is asked a question. The prompt is part of what a reward or a result means."""

    template: str = Field("{question}", pattern=r"\{question\}")
    """Text with {question} in it."""
    chat: bool = False
    """Apply the model's chat template."""
    system: str = ""
    """System prompt; used with `chat` only."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, values: Any) -> Any:
        if isinstance(values, str) and values not in PROMPTS:
            raise ValueError(
                f"unknown prompt {values!r}; expected {', '.join(PROMPTS)}, or its template, chat and system"
            )
        return PROMPTS[values] if isinstance(values, str) else values

    @property
    def label(self) -> str:
        """Short name for tables: the name of the prompt in `PROMPTS` that is equal up to white space, or "own"."""
        for name, known in PROMPTS.items():
            same_text = self.template.strip() == known["template"].strip()
            if same_text and self.chat == bool(known.get("chat")):
                return name + (" with system prompt" if self.chat and self.system else "")
        return "own, chat" if self.chat else "own"


class SampleSettings(Settings):
    """Settings of the sampled responses. Defaults are the published ones."""

    responses: PositiveInt = 16
    """Responses per question."""
    prompt: AnswerPrompt = AnswerPrompt()
    """How a question is asked: plain, boxed, chat, chat_boxed, or a template with chat and system."""
    temperature: PositiveFloat = 1.0
    """1 samples from the policy as it is."""
    top_p: PositiveFloat = Field(1.0, le=1)
    """Sample among the likeliest tokens that together have this probability."""
    max_prompt_tokens: PositiveInt = 1_024
    """Longest prompt; a question whose prompt is longer gets no responses."""
    max_tokens: PositiveInt = 1_024
    """New tokens per response, at most."""
    stop: StopStrings = ()
    """A response ends where its text first contains one of these."""
    template_arguments: TemplateArguments = Field(default_factory=dict)
    """Arguments of the policy's chat template, such as {enable_thinking: false}; used with a prompt in a chat only."""


class SampleConfig(SampleSettings):
    """`SampleSettings` with the values that other settings of the run decide."""

    chat_date: ChatDate = None
    """Date that the policy's chat template writes into the prompts; null if it writes none."""
    thinking_marks: ThinkingMarks = ()
    """As in the run's settings."""


class TryConfig(SampleConfig):
    """`SampleConfig` of the responses that are sampled first (`filter.answerable`); `responses` is their number."""

    answers: AnswerConfig
    """What counts as an answer."""


class VoterSampling(Settings):
    """How one voter other than the policy answers."""

    name: str
    """The voter's name in tables."""
    responses: PositiveInt
    """Responses per question."""
    prompt: AnswerPrompt
    """How the voter is asked."""
    template_arguments: TemplateArguments = Field(default_factory=dict)
    """Arguments of the voter's chat template."""
    chat_date: ChatDate = None
    """Date that the voter's chat template writes into the prompts; null if it writes none."""


class SampleVotersConfig(SampleConfig):
    """`SampleConfig` with the voters. What the voters have themselves (`responses`, `prompt`, `template_arguments`,
    `chat_date`) is the policy's here, and not used."""

    voters: tuple[VoterSampling, ...]
    """The voters, in the order in which they answer."""
