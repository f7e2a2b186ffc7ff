"""The few-shot prompt that asks the policy for more questions, in one of three forms, fitted to a number of tokens.

The part that all prompts share stands in front of the examples, so that an engine computes it once.

Departs from the authors' release in one point: whole examples are left out of a prompt that is too long. The release
cuts the prompt after 1024 tokens, which removes half a question and the number at the end.
"""

import random
from collections.abc import Callable, Sequence

from stages.chat.template import Message, chat_messages
from stages.settings.generate import GenerateConfig
from storage.errors import InputError

Prompt = list[Message] | str
"""A chat, or a text without the chat template."""


def example_prompt(config: GenerateConfig, examples: Sequence[str], as_text: Callable[[str], str] = str) -> Prompt:
    """Return the prompt that shows examples and asks for more questions, in the form that the settings name.

    `as_text`: makes control text in an example of form plain ordinary text (`Engine.as_text`); a chat does that itself.
    """
    if config.form == "list":
        return question_list_messages(examples, system=config.system, user=config.user)
    if config.form == "turns":
        return question_turns(examples, system=config.system, request=config.request)
    return question_text([as_text(example) for example in examples], system=config.system, mark=config.mark)


def example_stops(config: GenerateConfig) -> tuple[str, ...]:
    """Return the texts that end a response to `example_prompt`: those of the settings, and the next mark."""
    return (*config.stop, f"\n{config.mark}") if config.form == "plain" else config.stop


def question_list_messages(questions: Sequence[str], *, system: str, user: str) -> list[Message]:
    """Return chat messages: the text `user`, then the questions numbered from 1, then the next number alone.

    The policy continues after that number. White space inside a question is collapsed, so that a question is one line.
    An empty `system` gives no system message.
    """
    lines = [f"{number}. {' '.join(question.split())}" for number, question in enumerate(questions, start=1)]
    content = "\n".join([user, *lines, f"{len(questions) + 1}."])
    return chat_messages(system, content)


def question_turns(questions: Sequence[str], *, system: str, request: str) -> list[Message]:
    """Return a chat in which the user makes the same request again and again, and each answer is a question as written.

    The policy answers the last request. An empty `system` gives no system message.
    """
    messages = chat_messages(system, request)
    for question in questions:
        messages += [{"role": "assistant", "content": question}, {"role": "user", "content": request}]
    return messages


def question_text(questions: Sequence[str], *, system: str, mark: str) -> str:
    """Return the text `system` and the questions, each behind the mark, and the mark alone at the end.

    The policy continues after that mark. Questions stay as written, except that none of their lines begins with the
    mark: it would begin another question.
    """
    blocks = [f"{mark} {_without_marks(question, mark)}" for question in questions]
    return "\n\n".join([*([system] if system else []), *blocks, mark])


def _without_marks(question: str, mark: str) -> str:
    """Return a question of which no line begins with the mark: such a line is joined with the one before."""
    lines: list[str] = []
    for line in question.strip().removeprefix(mark).lstrip().split("\n"):
        if lines and line.lstrip().startswith(mark):
            lines[-1] = f"{lines[-1].rstrip()} {line.lstrip()}"
        else:
            lines.append(line)
    return "\n".join(lines)


def choose_examples(
    rng: random.Random, *, pool: Sequence[str], seeds: Sequence[str], total: int, from_pool: int
) -> list[str]:
    """Return `total` different questions in random order: at most `from_pool` from the pool, the rest seeds.

    `pool`: questions that the policy wrote and that were kept. The result is shorter when `pool` and `seeds` hold too
    few different questions. Raises InputError when it would be empty.
    """
    distinct_pool = list(dict.fromkeys(pool))
    generated = rng.sample(distinct_pool, min(from_pool, total, len(distinct_pool)))
    unused_seeds = [seed for seed in dict.fromkeys(seeds) if seed not in generated]
    chosen = generated + rng.sample(unused_seeds, min(total - len(generated), len(unused_seeds)))
    if not chosen:
        raise InputError(
            f"no example question to choose: {len(seeds)} seeds, {len(distinct_pool)} in the pool, {total} wanted"
        )
    rng.shuffle(chosen)
    return chosen


def fit_examples(
    examples: Sequence[str], render: Callable[[Sequence[str]], list[int]], max_tokens: int
) -> tuple[list[str], list[int]]:
    """Return the examples that fit, in order, and the token ids of their prompt, at most `max_tokens`.

    `render` turns examples into the token ids of the whole prompt. An example that does not fit is skipped and the next
    example is tried, so that a single long seed does not prevent a prompt. Raises InputError when there is no example
    or none fits alone.
    """
    ids = render(examples)
    if examples and len(ids) <= max_tokens:
        return list(examples), ids
    fitting: list[str] = []
    for example in examples:
        if len(longer := render([*fitting, example])) <= max_tokens:
            fitting, ids = [*fitting, example], longer
    if fitting:
        return fitting, ids
    raise InputError(
        f"no prompt with a single one of its {len(examples)} example questions fits into {max_tokens} tokens, the "
        f"shortest has {min(len(render([example])) for example in examples)}; raise max_prompt_tokens or remove "
        "over-long seed questions"
        if examples
        else "no example question to put into the prompt; at least one seed question is needed"
    )
