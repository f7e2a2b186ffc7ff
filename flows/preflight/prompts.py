"""One prompt of every kind, rendered before a run starts: a run that cannot ask its models does not start."""

from collections.abc import Iterator
from itertools import groupby

from flows.config.run import RunConfig
from flows.models.asking import Prompt, prompts, tokenizer_of
from flows.models.folders import model_folders
from flows.preflight.estimates import count_folder_parameters
from flows.reporting.number_format import size_text
from stages.model_folder import read_model_config
from storage.errors import InputError

_SHOWN_CHARACTERS = 3_000
_SETTINGS = {
    "generate": "generate.system, generate.template_arguments, or instructions: seeds",
    "sample": "sample.prompt (plain or boxed need no chat template) or sample.template_arguments",
    "evaluate": "the `prompt` of evaluate.protocol or of the benchmark, or evaluate.protocol.template_arguments",
}
"""Stage -> the settings that decide about its prompts."""


def check_prompts(config: RunConfig) -> None:
    """Raise InputError if a prompt of the run cannot be made: no chat template, a broken one, or one that refuses."""
    for prompt in prompts(config, model_folders(config)):
        if prompt.folder is not None:
            _encode(prompt)


def describe_models(config: RunConfig, questions: list[str]) -> list[str]:
    """Return lines about each model that exists: its size, its tokens and template, and its prompts as rendered.

    `questions`: those that the prompts show. Raises InputError if a prompt cannot be made.
    """
    kinds = [prompt for prompt in prompts(config, model_folders(config), questions) if prompt.folder is not None]
    lines: list[str] = []
    for model, of_model in groupby(sorted(kinds, key=lambda prompt: prompt.model), key=lambda prompt: prompt.model):
        described = list(of_model)
        lines += [f"{model:<12} {line}" if not number else f"{'':13}{line}" for number, line in
                  enumerate(_model_lines(described))]  # fmt: skip
    return lines


def _model_lines(of_model: list[Prompt]) -> Iterator[str]:
    folder = of_model[0].folder
    assert folder is not None
    config = read_model_config(folder)
    architectures = config.values.get("architectures") or ["?"]
    parameters = count_folder_parameters(folder)
    yield (
        f"{config.values.get('model_type', '?')} ({architectures[0]}), {parameters / 1e6:,.1f} M parameters, "
        f"{size_text(parameters * config.bytes_per_weight)} of weights"
    )
    for prompt in of_model:
        tokenizer = tokenizer_of(prompt)
        if prompt is of_model[0]:
            ending = ", ".join(map(tokenizer.show, ([token] for token in tokenizer.eos_ids)))
            beginning = tokenizer.beginning or "no BOS token"
            yield f"a prompt begins with {beginning}; a response ends with {ending or 'nothing'}"
            marks = ", ".join(tokenizer.thinking_tokens)
            yield f"thinking: {f'between {marks}' if marks else 'no marks among its tokens'}"
        if prompt.messages:
            template = tokenizer.template
            system = "takes a system turn" if template.traits.takes_system else (
                "takes no system turn: the system text is put in front of the question"
            )  # fmt: skip
            yield f"chat template: {system}"
        yield f"{prompt.label}, asked{' in a chat' if prompt.messages else ''} as:"
        text = tokenizer.show(_encode(prompt))
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[:_SHOWN_CHARACTERS]} … ({len(text):,} characters)"
        yield from (f"  {line}" for line in text.splitlines())


def _encode(prompt: Prompt) -> list[int]:
    """Return the token ids of a prompt. Raises InputError, with the settings that help, if there are none."""
    try:
        return prompt.encode(tokenizer_of(prompt))
    except InputError as error:
        settings = _SETTINGS.get(prompt.stage, f"`prompt` or `template_arguments` of {prompt.stage}")
        raise InputError(f"{prompt.model}, {prompt.label}: {error}; or change {settings}") from None
