"""The few-shot prompt that asks the policy for more questions, fitted to a number of tokens.

Departs from the authors' release in one point: whole examples are left out of a prompt that is too long. The release
cuts the prompt after 1024 tokens, which removes half a question and the number at the end.
"""

import random
from collections.abc import Callable, Sequence

from stages.chat.template import Message, chat_messages
from storage.errors import InputError


def question_list_messages(questions: Sequence[str], *, system: str, user: str) -> list[Message]:
    """Return chat messages: the text `user`, then the questions numbered from 1, then the next number alone.

    The policy continues after that number. White space inside a question is collapsed, so that a question is one line.
    An empty `system` gives no system message.
    """
    lines = [f"{number}. {' '.join(question.split())}" for number, question in enumerate(questions, start=1)]
    content = "\n".join([user, *lines, f"{len(questions) + 1}."])
    return chat_messages(system, content)


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
