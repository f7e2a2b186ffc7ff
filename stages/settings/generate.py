"""Settings of how an iteration gets its questions: the policy writes them, or they are drawn from given ones."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from stages.settings.base import Settings, StopStrings, left_out
from stages.settings.chat import ChatDate, TemplateArguments, ThinkingMarks
from stages.settings.draw import ByDifficulty

PAPER_SYSTEM = (
    "You are a professional math teacher. You write new, clear and self-contained mathematics questions for your "
    "students. You only create questions; you never solve them."
)
REQUEST = "Write one new, self-contained mathematics problem."
Form = Literal["list", "turns", "plain"]
"""How the policy is asked for questions; see `GenerateSettings.form`."""
Reading = Literal["published", "clean"]
DEFAULTS: dict[Form, dict[str, Any]] = {
    "list": {"questions_per_prompt": 8, "presence_penalty": 2.0},
    "turns": {"questions_per_prompt": 1, "presence_penalty": 0.0},
    "plain": {"questions_per_prompt": 1, "presence_penalty": 0.0},
}
"""Form -> the values of settings that are not set. A penalty is for lists, whose questions would else be alike."""
_UNUSED: dict[Form, tuple[str, ...]] = {
    "list": ("request", "mark"),
    "turns": ("user", "mark"),
    "plain": ("user", "request"),
}
"""Form -> the settings of the wording that it does not use."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError(f"found {text[:80]!r}, expected text")
    return text


def _one_line(text: str) -> str:
    if not text.strip() or len(text.splitlines()) > 1:
        raise ValueError(f"found {text[:80]!r}, expected one line of text")
    return text.strip()


class GenerateSettings(Settings):
    """Settings of the few-shot prompts and their sampling. Defaults are published ones, except `form` with what
    follows from it, and `read`."""

    form: Literal["auto", Form] = "auto"
    """How the policy is asked. list (published): one user turn with a numbered list of examples, which the policy
    continues. turns: each example is an answer of the policy in a chat; each response is one question. plain: the
    examples as text without the chat template; each response is one question. auto: turns if the policy's chat template
    takes such a chat, else plain; `serl check` says which and why, and a run keeps it."""
    questions: PositiveInt = 2_000
    """Accepted questions to reach in each iteration; with `questions_per_update`, in each round."""
    over_generation: float = Field(1.5, ge=1, le=20)
    """Questions requested for each question to accept."""
    questions_per_prompt: PositiveInt | None = None
    """Questions that one continuation is expected to hold. If not set: 8 for a list, else 1, which is all that the
    other forms take."""
    examples: PositiveInt = 8
    """Questions shown in each prompt."""
    examples_from_pool: NonNegativeInt = 2
    """At most this many examples are kept questions of earlier iterations; the rest are seeds."""
    system: str = PAPER_SYSTEM
    """System prompt; empty for none."""
    user: str = "Come up with a series of questions:"
    """Form list: first line of the user's turn."""
    request: Annotated[str, Field(max_length=10_000), AfterValidator(_not_blank)] = REQUEST
    """Form turns: each turn of the user."""
    mark: Annotated[str, Field(max_length=100), AfterValidator(_one_line)] = "Problem:"
    """Form plain: what stands before each question. A response ends at the next line that begins with it."""
    temperature: NonNegativeFloat = 0.8
    """0 always takes the likeliest token; 1 samples from the policy as it is."""
    top_p: PositiveFloat = Field(0.95, le=1)
    """Sample among the likeliest tokens that together have this probability."""
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    """Subtracted from the logits of tokens that the response already contains. If not set: 2 for a list, as published,
    else 0."""
    max_prompt_tokens: PositiveInt = 1_024
    """Longest prompt; examples are left out until the prompt fits."""
    max_tokens: PositiveInt = 1_024
    """New tokens per continuation, at most."""
    stop: StopStrings = ()
    """A response ends where its text first contains one of these."""
    read: Reading = "clean"
    """published: a list as the paper's parser reads it; in the other forms the whole response is the question. clean:
    also headings, emphasis, preambles and lists that start again; solutions and remarks behind a question are cut, and
    a question that the token limit cut is rejected as unfinished."""
    template_arguments: TemplateArguments = Field(default_factory=dict)
    """Arguments of the policy's chat template, such as {enable_thinking: false}; `serl check` lists its switches."""

    @model_validator(mode="after")
    def _one_question_per_response(self) -> Self:
        if self.form in ("turns", "plain") and (self.questions_per_prompt or 1) > 1:
            raise ValueError(
                f"questions_per_prompt is {self.questions_per_prompt}, but with form {self.form} each response is one "
                "question; leave questions_per_prompt out, or set form: list"
            )
        return self

    def asked_in(self, form: Form) -> dict[str, Any]:
        """Return the values of `GenerateConfig` for these settings, if the policy is asked in a form.

        Settings that are not set get the default of the form. Wording that the form does not use is empty, so that it
        is in no key.
        """
        values = {**self.model_dump(), "form": form, **dict.fromkeys(_UNUSED[form], "")}
        return {**values, **{name: value for name, value in DEFAULTS[form].items() if values[name] is None}}


class GenerateConfig(GenerateSettings):
    """`GenerateSettings` with the values that other settings of the run decide.

    Defaults are those of a list. What only the other forms have is left out of dumps then, so that the keys of runs
    from before these settings stay the same.
    """

    form: Form = left_out("list")
    """How the policy is asked."""
    questions_per_prompt: PositiveInt = 8
    """Questions that one continuation is expected to hold."""
    request: str = left_out("")
    """Each turn of the user; used with form turns only."""
    mark: str = left_out("")
    """What stands before each question; used with form plain only."""
    presence_penalty: float = Field(2.0, ge=-2, le=2)
    """As in the run's settings."""
    # Left out of dumps when published: the keys of runs from before this setting stay the same.
    read: Reading = left_out("published")
    """As in the run's settings."""
    chat_date: ChatDate = None
    """Date that the policy's chat template writes into the prompts; null if it writes none."""
    thinking_marks: ThinkingMarks = ()
    """As in the run's settings."""

    @property
    def prompts(self) -> int:
        """Prompts per iteration, or per round."""
        return math.ceil(self.questions * self.over_generation / self.questions_per_prompt)


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
