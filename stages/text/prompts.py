"""The few-shot prompt that asks the policy for more questions, and how it is made to fit.

Departs from the authors' release in one point: a prompt that is too long loses whole examples from its end, where
theirs is cut at 1024 tokens from the right, which loses the next number and half a question with it.
"""

import random
from collections.abc import Callable, Sequence

from storage.errors import InputError


def question_list_messages(questions: Sequence[str], *, system: str, user: str) -> list[dict[str, str]]:
    """Chat messages: `user`, then the questions numbered from 1, then the bare next number, where the policy goes on.

    White space inside a question is collapsed, so that one line is one question. An empty `system` gives no system
    message (some chat templates refuse one).
    """
    lines = [f"{number}. {' '.join(question.split())}" for number, question in enumerate(questions, start=1)]
    content = "\n".join([user, *lines, f"{len(questions) + 1}."])
    messages = [{"role": "user", "content": content}]
    return [{"role": "system", "content": system}, *messages] if system else messages


def choose_examples(
    rng: random.Random, *, pool: Sequence[str], seeds: Sequence[str], total: int, from_pool: int
) -> list[str]:
    """`total` different questions in random order: at most `from_pool` kept generated ones, the rest seeds.

    Fewer come back when `pool` and `seeds` together hold fewer different texts. Raises InputError when there are none.
    """
    kept = list(dict.fromkeys(pool))
    generated = rng.sample(kept, min(from_pool, total, len(kept)))
    others = [seed for seed in dict.fromkeys(seeds) if seed not in generated]
    chosen = generated + rng.sample(others, min(total - len(generated), len(others)))
    if not chosen:
        raise InputError(f"no example question to choose: {len(seeds)} seeds, {len(kept)} in the pool, {total} wanted")
    rng.shuffle(chosen)
    return chosen


def fit_examples(
    examples: Sequence[str], render: Callable[[Sequence[str]], list[int]], max_tokens: int
) -> tuple[list[str], list[int]]:
    """The longest leading run of `examples` whose rendered prompt has at most `max_tokens` tokens, and those ids.

    `render` turns examples into the token ids of the whole prompt. Raises InputError when one example is too long.
    """
    smallest = 0
    for count in range(len(examples), 0, -1):
        ids = render(examples[:count])
        if len(ids) <= max_tokens:
            return list(examples[:count]), ids
        smallest = len(ids)
    raise InputError(
        f"the prompt with a single example question has {smallest} tokens, the limit is {max_tokens}; "
        "raise the prompt limit or remove over-long seed questions"
        if examples
        else "no example question to put into the prompt; at least one seed question is needed"
    )
