"""One prompt of every kind, rendered before a run starts: a run that cannot ask its models does not start."""

from collections.abc import Iterator, Sequence

from flows.config.run import RunConfig
from flows.models.asking import Prompt, prompts, tokenizer_of
from flows.models.folders import model_folders
from flows.reporting.number_format import size_text
from stages.chat.switches import switches, unread
from stages.chat.template import ChatTemplate
from stages.chat.turns import check_turns
from stages.model_folder import read_model_config
from stages.model_shape import count_parameters
from storage.errors import InputError

_SHOWN_CHARACTERS = 3_000
_SETTINGS = {
    "generate": "generate.form (plain needs no chat template), generate.system or generate.template_arguments",
    "sample": "sample.prompt (plain or boxed need no chat template) or sample.template_arguments",
    "evaluate": "the `prompt` of evaluate.protocol or of the benchmark, or evaluate.protocol.template_arguments",
}
"""Stage -> the settings that decide about its prompts."""
_PLAIN = {True: "without the model's chat template as:", False: "as:"}
"""Whether the model has a chat template -> how a plain prompt is announced."""


def check_prompts(config: RunConfig) -> None:
    """Raise InputError if a prompt of the run cannot be made: no chat template, a broken one, or one that refuses."""
    for prompt in prompts(config, model_folders(config)):
        if prompt.folder is not None:
            _encode(prompt)


def describe_models(config: RunConfig, questions: Sequence[str]) -> dict[str, list[str]]:
    """Return lines about each model that has a folder: its size, tokens and template, and its prompts as rendered.

    `questions`: those that the prompts show. The keys are "policy" and "voter NAME". Raises InputError if a prompt
    cannot be made.
    """
    of_models: dict[str, list[Prompt]] = {}
    for prompt in prompts(config, model_folders(config), questions):
        if prompt.folder is not None:
            of_models.setdefault(prompt.model, []).append(prompt)
    return {model: [*_model_lines(kinds, config), *_prompt_lines(kinds, config)] for model, kinds in of_models.items()}


def _model_lines(kinds: Sequence[Prompt], run_config: RunConfig) -> Iterator[str]:
    """Yield lines about the model of the prompts."""
    prompt = kinds[0]
    assert prompt.folder is not None
    config, parameters, tokenizer = (
        read_model_config(prompt.folder),
        count_parameters(prompt.folder),
        tokenizer_of(prompt),
    )
    architectures = config.values.get("architectures")
    name = architectures[0] if isinstance(architectures, list) and architectures else architectures or "?"
    yield (
        f"{config.values.get('model_type', '?')} ({name}), {parameters / 1e6:,.1f} M parameters, "
        f"{size_text(parameters * config.bytes_per_weight)} of weights"
    )
    endings = ", ".join(tokenizer.show([token]) for token in tokenizer.eos_ids) or "nothing"
    yield f"a prompt begins with {tokenizer.beginning or 'no BOS token'}; a response ends with {endings}"
    marks = ", ".join(tokenizer.thinking_tokens)
    if marks:
        limits = dict.fromkeys(_max_tokens(kind, run_config) for kind in kinds)
        yield f"thinking is marked with {marks} and counts in max_tokens ({', '.join(limits)})"
    else:
        yield "no control token marks thinking"


def _max_tokens(prompt: Prompt, config: RunConfig) -> str:
    """Return how long a response to a prompt may be, with the group of settings that says so."""
    if prompt.stage == "generate":
        return f"generate {config.generate.max_tokens:,}"
    if prompt.stage == "evaluate":
        return f"evaluate.protocol {config.evaluate.protocol.max_tokens:,}"
    return f"sample {config.sample.max_tokens:,}"


def _prompt_lines(kinds: Sequence[Prompt], config: RunConfig) -> Iterator[str]:
    """Yield the prompts of one model, equal ones once, each with what its chat template takes."""
    labels: dict[tuple[int, ...], list[str]] = {}
    for prompt in kinds:
        labels.setdefault(tuple(_encode(prompt)), []).append(prompt.label)
    described = ""
    for prompt in kinds:
        ids, tokenizer = tuple(_encode(prompt)), tokenizer_of(prompt)
        if prompt.messages and (names := unread(tokenizer.template, prompt.options.arguments)):
            yield f"the chat template does not read {', '.join(names)}, which template_arguments set for {prompt.label}"
        if ids not in labels:
            continue
        if prompt.messages and (description := _template(tokenizer.template)) != described:
            described = description
            yield description
        label = ", ".join(labels.pop(ids))
        yield f"{label}, asked {'in a chat as:' if prompt.messages else _PLAIN[tokenizer.has_template]}"
        text = tokenizer.show(ids)
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[:_SHOWN_CHARACTERS]} … ({len(text):,} characters)"
        elif not prompt.messages and text.endswith("\n"):
            text = f"{text[:-1]} ⏎"  # else two prompts that differ would look alike
        yield from (f"  {line}" for line in text.splitlines())
        limit = config.generate.max_prompt_tokens
        if prompt.stage == "generate" and len(ids) > limit:
            yield (
                f"this prompt has {len(ids):,} tokens, and generate.max_prompt_tokens is {limit:,}: examples are "
                "left out until a prompt fits"
            )


def _template(template: ChatTemplate) -> str:
    names = ", ".join(switches(template))
    known = f"switches (template_arguments): {names}" if names else "it has no switches"
    if template.traits.takes_system:
        return f"the chat template takes a system turn; {known}"
    return f"the chat template takes no system turn: the system text is put in front of the question; {known}"


def _encode(prompt: Prompt) -> list[int]:
    """Return the token ids of a prompt.

    Raises InputError, with the settings that help, if there are none, or if the model does not know one of them.
    """
    tokenizer = tokenizer_of(prompt)
    try:
        ids = prompt.encode(tokenizer)
        if any(message["role"] == "assistant" for message in prompt.messages):
            check_turns(tokenizer.template)
    except InputError as error:
        settings = _SETTINGS.get(prompt.stage, f"`prompt` or `template_arguments` of {prompt.stage}")
        raise InputError(f"{prompt.model}, {prompt.label}: {error}; or change {settings}") from None
    tokenizer.check_tokens(ids, f"{prompt.model}, {prompt.label}: the prompt")
    return ids
