"""An engine without a model, for tests of the pipeline: the fake writes questions and answers them like a policy.

Every response depends on the prompt's text, the seed, the token limit, the stop strings and whether the temperature is
0, and on nothing else, whichever policy is loaded. The fake misbehaves as real policies do. Some questions repeat an
example, are too short, ask for a picture or are cut by the token limit, and some responses have no answer. The
responses to some questions hardly agree and to others always, so that the difficulty filter has something to drop.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stages.chat.options import PLAIN, ChatOptions
from stages.chat.template import Message
from stages.engines.base import (
    AnyBatch,
    Completion,
    EngineCounters,
    Progress,
    Responses,
    SamplingParams,
    check_request,
    cut_at_stop,
)

# Token ids 0 to 255 are the bytes of UTF-8; these two follow.
EOS, START = 256, 257
# A numbered list that ends with the number of its next item; the start of an assistant's turn may follow.
OPEN_LIST = re.compile(r"(?:^|\n)[ \t]*(\d{1,9})\.\s*(?:assistant\s*)?\Z")
ITEM = re.compile(r"(?m)^[ \t]*\d{1,9}\.[ \t]*(\S.*)$")

NAMES = ("Anna", "Ben", "Carla", "Dev", "Ella", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Liam")
ITEMS = ("apples", "books", "coins", "stamps", "shells", "pencils", "marbles", "cards", "keys", "buttons")
GAINS = ("buys", "finds", "wins", "collects", "receives", "borrows")
LOSSES = ("loses", "sells", "gives away", "breaks", "lends out", "drops")
ENDINGS = ("How many {item} does {name} have now?", "What is the final number of {item}?", "How many {item} are left?")


class FakeEngine:
    """An `Engine` (see base) that needs neither weights nor torch; `load` only records the key."""

    max_model_tokens = 16_384
    on_gpu = False
    starting = ""

    def __init__(self) -> None:
        self.counters = EngineCounters()
        self.policy_key: str | None = None

    def start(self, folder: Path) -> None:
        """Do nothing."""

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        self.counters.loads += key != self.policy_key
        self.policy_key = key

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def as_text(self, content: str) -> str:
        return content  # no text reads as EOS or START

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        turns = (
            [START, *self.encode(f"{message['role']}\n{message['content']}"), EOS, *self.encode("\n")]
            for message in messages
        )
        return [token for turn in turns for token in turn] + [START, *self.encode("assistant\n")]

    def decode(self, token_ids: Sequence[int]) -> str:
        return bytes(i for i in token_ids if i < EOS).decode(errors="replace")

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        if self.policy_key is None:
            raise RuntimeError("the engine holds no policy: call load(folder, key) first")
        rows = tokens = 0
        for batch in batches:
            check_request(batch, self.max_model_tokens)
            responses: Responses = []
            for prompt, seeds in zip(batch.prompts, batch.seeds, strict=True):
                responses.append([self._respond(prompt, batch.params, seed) for seed in seeds])
                rows, tokens = rows + len(seeds), tokens + sum(len(c.token_ids) for c in responses[-1])
                if progress is not None:
                    progress(rows, tokens)
            yield batch, responses

    def sleep(self) -> None:
        self.policy_key = None

    def close(self) -> None:
        self.sleep()

    def _respond(self, prompt: Sequence[int], params: SamplingParams, seed: int) -> Completion:
        question = self.decode(prompt).strip()
        rng = random.Random(f"{0 if params.temperature == 0 else seed} {question}")
        limit = min(params.max_tokens, self.max_model_tokens - len(prompt))
        if open_list := OPEN_LIST.search(question):
            text = _more_questions(rng, int(open_list[1]), ITEM.findall(question), limit)
        elif examples := _examples_before(question):
            text = " " + _question(rng, examples)
        else:
            text = _answer(rng, question, greedy=params.temperature == 0)
        tokens = [*self.encode(text), EOS]
        fits = len(tokens) <= limit
        tokens = tokens[:limit]
        completion = Completion(
            token_ids=tokens,
            logprobs=[-2.0 * rng.random() for _ in tokens],
            finish_reason="stop" if fits else "length",
            text=self.decode(tokens),
        )
        return cut_at_stop(completion, params.stop, self.decode)


def _examples_before(prompt: str) -> list[str]:
    """Return the examples of a prompt that ends as it has begun each of them: with a user's turn, or with a mark."""
    text = f"\n{prompt}"
    start = text.rfind("\nuser\n") if text.endswith("\nassistant") else text.rfind("\n")
    _, *examples = text[:start].split(text[start:])
    return [example.strip() for example in examples]


def _more_questions(rng: random.Random, number: int, examples: Sequence[str], limit: int) -> str:
    """Return the rest of a list after "`number`.": 1 to 4 questions or, one time in seven, more than `limit` tokens."""
    too_long = rng.random() < 1 / 7
    count = rng.randint(1, 4)
    text = " " + _question(rng, examples)
    while len(text) <= limit if too_long else count > 1:
        number, count = number + 1, count - 1
        text += f"\n{number}. {_question(rng, examples)}"
    return text


def _question(rng: random.Random, examples: Sequence[str]) -> str:
    kind = rng.random()
    if kind < 0.08 and examples:
        return rng.choice(examples).strip()
    if kind < 0.14:
        return rng.choice(("How many?", "What now?", "Why?"))
    name, item, start = rng.choice(NAMES), rng.choice(ITEMS), rng.randint(10, 40)
    if kind < 0.20:
        return f"{name} has {start} {item}. Draw a graph of the number of {item} that {name} has."
    steps = (f"{rng.choice(rng.choice((GAINS, LOSSES)))} {rng.randint(2, 9)}" for _ in range(rng.randint(1, 3)))
    return f"{name} has {start} {item}, {' and '.join(steps)}. " + rng.choice(ENDINGS).format(item=item, name=name)


def _answer(rng: random.Random, question: str, *, greedy: bool) -> str:
    """Return worked steps and a boxed number, or a response without an answer.

    Each question has a usual answer, and a probability (0.1 to 1, 0.6 on average) with which a response gives it.
    """
    question_rng = random.Random(question)
    usual, agreement = question_rng.randint(2, 60), question_rng.triangular(0.1, 1.0, 0.7)
    drawn = rng.random()
    if greedy or drawn < agreement:
        answer = usual
    elif drawn < agreement + 0.15 * (1 - agreement):
        return "I am not sure how to do this one."
    else:
        answer = rng.choice([n for n in range(2, 61) if n != usual])
    first = rng.randint(1, answer)
    return f"{first}+{answer - first}={answer} \\boxed{{{answer}}}"
