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
    """The examples that fit, in order, and the ids of their prompt of at most `max_tokens` tokens.

    Examples are taken whole or left out: one that would not fit any more is passed over, so a single over-long seed
    costs itself and not the prompt. `render` turns examples into the token ids of the whole prompt. Raises InputError
    when no example fits alone.
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
