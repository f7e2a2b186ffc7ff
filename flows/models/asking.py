"""How the models of a run are asked: one prompt of every kind, as the stages make it.

`serl check` and the start of a run render them (`flows.preflight.prompts`), and a chat template that writes the date
into one of them gets the date of the run's start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.config.evaluation import Benchmark
from flows.config.inputs import Voter
from flows.config.run import RunConfig
from flows.models.forms import asked_settings
from flows.models.tokenizers import options_of, tokenizer_in
from stages.chat.control_tokens import control_tokens
from stages.chat.options import ChatOptions
from stages.chat.template import Message, chat_messages
from stages.engines.base import encode_question
from stages.model_folder import CHAT_TEMPLATE_FILES, MORE_TEMPLATES
from stages.settings.generate import GenerateConfig
from stages.settings.sample import AnswerPrompt
from stages.text.prompts import example_prompt
from stages.warm_start import SPECIAL_TOKENS
from storage.errors import InputError

if TYPE_CHECKING:
    from stages.engines.tokenizer import PolicyTokenizer

QUESTION = "Tom has 3 apples and buys 4 more. How many apples does he have?"
"""A question for prompts that are rendered before a run starts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """One kind of prompt."""

    stage: str
    """The group of settings that decides about it: generate, sample, evaluate, or "voter NAME"."""
    label: str
    """What is asked, in words."""
    model: str
    """Whose prompt it is: "policy" or "voter NAME"."""
    folder: Path | None
    """The model's folder; None if it does not exist yet (warm start) or never will (fake engine)."""
    options: ChatOptions
    """How the model is asked as in a chat."""
    messages: Sequence[Message] = ()
    """The chat; empty for a plain prompt."""
    plain: AnswerPrompt | None = None
    """How `question` is asked; None for a chat."""
    question: str = ""
    """The question of a plain prompt."""

    def encode(self, tokenizer: "PolicyTokenizer") -> list[int]:
        """Return the token ids. Raises InputError if the model has no usable chat template."""
        if self.plain is not None:
            return encode_question(tokenizer, self.plain, self.question)
        return tokenizer.encode_chat(self.messages)


def prompts(
    config: RunConfig, folders: Mapping[str, Path | None], questions: Sequence[str] = (QUESTION,)
) -> list[Prompt]:
    """Return a prompt of every kind that the run makes.

    Args:
        config: the run's settings.
        folders: the folder of the policy and of each voter, by `Prompt.model`.
        questions: stand for the run's own.

    Raises InputError if the form of asking for new questions and the other settings contradict each other.
    """
    folder = folders["policy"]
    kinds: list[Prompt] = []
    if config.iterations and config.instructions == "self":
        generate = GenerateConfig(**asked_settings(config))
        options = options_of(config, generate.template_arguments)
        kind = Prompt(stage="generate", label="new questions", model="policy", folder=folder, options=options)
        asked = example_prompt(generate, questions[: generate.examples])
        if isinstance(asked, str):
            kinds.append(replace(kind, plain=AnswerPrompt(), question=asked))
        else:
            kinds.append(replace(kind, messages=asked))
    if config.iterations:
        options = options_of(config, config.sample.template_arguments)
        kinds.append(_answer("sample", "answers", "policy", folder, options, config.sample.prompt, questions[0]))
    for voter in config.voters if config.iterations else ():
        name, options = f"voter {voter.name}", options_of(config, voter_arguments(voter, config))
        prompt = voter.prompt or config.sample.prompt
        kinds.append(_answer(name, "votes", name, folders[name], options, prompt, questions[0]))
    options = options_of(config, config.evaluate.protocol.template_arguments)
    by_prompt: dict[AnswerPrompt, list[str]] = {}
    for benchmark in config.evaluate.benchmarks:
        by_prompt.setdefault(benchmark_prompt(benchmark, config), []).append(benchmark.name)
    for prompt, names in by_prompt.items():
        label = f"benchmark {', '.join(names)}"
        kinds.append(_answer("evaluate", label, "policy", folder, options, prompt, questions[0]))
    return kinds


def voter_arguments(voter: Voter, config: RunConfig) -> dict[str, Any]:
    """Return the arguments of a voter's chat template: its own, or else the policy's."""
    own = voter.template_arguments
    return dict(config.sample.template_arguments if own is None else own)


def benchmark_prompt(benchmark: Benchmark, config: RunConfig) -> AnswerPrompt:
    """Return how a benchmark's questions are asked."""
    record = benchmark.record
    return benchmark.prompt or (record.prompt if record else None) or config.evaluate.protocol.prompt


def dated_stages(config: RunConfig, folders: Mapping[str, Path | None]) -> set[str]:
    """Return the `stage` of every prompt into which a chat template writes the date. `folders`: as for `prompts`."""
    return {prompt.stage for prompt in prompts(config, folders) if _has_date(prompt)}


def known_control_tokens(config: RunConfig, folders: Mapping[str, Path | None]) -> set[str]:
    """Return the control tokens of the models that are asked. `folders`: as for `prompts`.

    Raises InputError if a file of a tokenizer is malformed.
    """
    tokens = set(SPECIAL_TOKENS) if config.policy and config.policy.warm_start else set()
    tokens.update(*(control_tokens(folder) for folder in folders.values() if folder is not None))
    return tokens


def tokenizer_of(prompt: Prompt) -> "PolicyTokenizer":
    """Return the tokenizer of a prompt's model, which has a folder; it asks as the prompt says.

    Raises InputError if the folder's tokenizer, configuration or stop tokens cannot be used.
    """
    assert prompt.folder is not None
    return tokenizer_in(prompt.folder, prompt.options)


def _answer(
    stage: str, label: str, model: str, folder: Path | None, options: ChatOptions, prompt: AnswerPrompt, question: str
) -> Prompt:
    kind = Prompt(stage=stage, label=label, model=model, folder=folder, options=options)
    if not prompt.chat:
        return replace(kind, plain=prompt, question=question)
    return replace(kind, messages=chat_messages(prompt.system, prompt.template.replace("{question}", question)))


def _has_date(prompt: Prompt) -> bool:
    """Return whether the chat template writes the date into a prompt."""
    if prompt.folder is None or not prompt.messages or not _knows_the_date(prompt.folder):
        return False
    try:
        return tokenizer_of(prompt).template.writes_date(prompt.messages)
    except InputError:  # check_prompts reports it
        return False


def _knows_the_date(folder: Path) -> bool:
    """Return whether a model folder's chat template may read the clock, which only this function does."""
    files = (*(folder / name for name in CHAT_TEMPLATE_FILES), *folder.glob(f"{MORE_TEMPLATES}/*.jinja"))
    return any(file.is_file() and b"strftime_now" in file.read_bytes() for file in files)
