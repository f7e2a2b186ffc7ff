"""The built-in domain: short word problems with a running total, made, split and solved without a model or data.

    Rosa has 30 coins, buys 8, then loses 2 and finds 5. How many are there now?

The paper starts from 500 MATH questions. This domain takes their place, so that the whole method runs on a laptop.

A hash of the numbers of a problem, in their order and without signs, decides its split. So a question that a model
wrote has a split even if it is not well formed, and two problems that differ only in whether a step adds or subtracts
are in the same split. The final question names neither the person nor the item, so that a small model that writes
questions cannot name a wrong one there.
"""

import hashlib
import random
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

Split = Literal["warm", "seed", "heldout"]
"""warm: for the warm start; seed: for the run's seed questions; heldout: for evaluation."""

# Ranges (least, greatest) of problems made here.
STEPS = (2, 4)
STARTS = (15, 45)
OPERANDS = (2, 9)
TOTALS = (2, 60)
"""Range of every running total."""
# Ranges (least, greatest) that are accepted in questions that a model wrote.
READ_STEPS = (1, 6)
READ_TOTALS = (0, 99)
"""Wider than `TOTALS`: any question that makes sense is accepted."""

# fmt: off
NAMES = (
    "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack",
    "Kate", "Leo", "Maria", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tara", "Vera",
)
ITEMS = (
    "badges", "balls", "beads", "bells", "books", "bottles", "buttons", "candles", "cards", "coins",
    "cups", "keys", "marbles", "mugs", "pens", "rings", "shells", "stamps", "tickets", "toys",
)
GAINS = ("borrows", "buys", "collects", "earns", "finds", "gets", "receives", "wins")
LOSSES = ("discards", "donates", "drops", "lends", "loses", "mails", "returns", "sells")
# fmt: on
OPENINGS = ("has", "owns", "keeps", "counts", "starts with", "begins with")
MIDDLE_CONNECTORS = (", ", ", then ")
LAST_CONNECTORS = (" and ", " and then ", ", and ", ", and then ")
ENDINGS = (
    "How many are there now?",
    "How many are there in the end?",
    "How many does that make?",
    "How many is that in all?",
    "What is the final count?",
    "What is the total now?",
)

MAX_QUESTION_CHARS = 300
"""A longer text is not a question of this domain: the longest one made here has about 130 characters."""

_WARM_SHARE, _SEED_SHARE = 0.85, 0.10
_VERB = "|".join(GAINS + LOSSES)
_STEP = rf"(?:{_VERB}) [{OPERANDS[0]}-{OPERANDS[1]}]"
_QUESTION = re.compile(
    rf"(?:{'|'.join(NAMES)}) (?:{'|'.join(OPENINGS)}) (?P<start>[1-9][0-9]?) (?:{'|'.join(ITEMS)})"
    rf"(?P<steps>(?:(?:{'|'.join(MIDDLE_CONNECTORS)}){_STEP}){{{READ_STEPS[0] - 1},{READ_STEPS[1] - 1}}}"
    rf"(?:{'|'.join(LAST_CONNECTORS)}){_STEP})\. (?:{'|'.join(map(re.escape, ENDINGS))})"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem with its solution."""

    question: str
    """The text shown to the policy."""
    chain: tuple[int, ...]
    """The start, then one signed number per step: (30, 8, -2)."""
    answer: int
    """The total after the last step."""


def split_of(chain: tuple[int, ...]) -> Split:
    """Return the split of a problem with these numbers, in order and without signs.

    85 % of all problems are in "warm", 10 % in "seed" and 5 % in "heldout".
    """
    text = ",".join(str(abs(number)) for number in chain)
    uniform = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
    if uniform < _WARM_SHARE:
        return "warm"
    return "seed" if uniform < _WARM_SHARE + _SEED_SHARE else "heldout"


def is_held_out(question: str) -> bool:
    """Return whether the numbers of a text, well formed or not, are those of a held-out problem."""
    numbers = re.findall(r"[0-9]{1,4}", question[:MAX_QUESTION_CHARS])
    return split_of(tuple(int(number) for number in numbers)) == "heldout"


def make_problem(rng: random.Random, split: Split | None) -> Problem:
    """Return a random problem of a split; of any split if `split` is None.

    The same state of `rng` and the same `split` give the same problem.
    """
    chain = _make_chain(rng)
    while split is not None and split_of(chain) != split:
        chain = _make_chain(rng)
    return Problem(question=_write_question(rng, chain), chain=chain, answer=sum(chain))


def problems(split: Split, count: int, seed: int) -> list[Problem]:
    """Return `count` problems of a split with different chains, hence different questions; the same for one seed.

    The smallest split, "heldout", has over 50,000 chains. `count` must not be larger than the number of chains, or
    the function never returns.
    """
    rng = random.Random(seed)
    by_chain: dict[tuple[int, ...], Problem] = {}
    while len(by_chain) < count:
        problem = make_problem(rng, split)
        by_chain.setdefault(problem.chain, problem)
    return list(by_chain.values())


def solve(question: str) -> Problem | None:
    """Return the problem that a question states; None if the question is not of this domain.

    The wording must be exactly that of the grammar, and every total within `READ_TOTALS`.
    """
    match = _QUESTION.fullmatch(question) if len(question) <= MAX_QUESTION_CHARS else None
    if match is None:
        return None
    steps = re.findall(r"([a-z]+) ([0-9])", match["steps"])
    chain = (int(match["start"]), *(int(number) if verb in GAINS else -int(number) for verb, number in steps))
    if not all(READ_TOTALS[0] <= total <= READ_TOTALS[1] for total in accumulate(chain)):
        return None
    return Problem(question=question, chain=chain, answer=sum(chain))


def worked_response(problem: Problem) -> str:
    r"""Return a response with every step and total, then the answer: `30+8=38-2=36 \boxed{36}`."""
    totals = list(accumulate(problem.chain))
    steps = "".join(f"{number:+d}={total}" for number, total in zip(problem.chain[1:], totals[1:], strict=True))
    return f"{problem.chain[0]}{steps} {direct_response(problem)}"


def direct_response(problem: Problem) -> str:
    r"""Return a response with the answer alone: `\boxed{36}`."""
    return rf"\boxed{{{problem.answer}}}"


def _make_chain(rng: random.Random) -> tuple[int, ...]:
    chain = [rng.randint(*STARTS)]
    total = chain[0]
    for _ in range(rng.randint(*STEPS)):
        operand = rng.randint(*OPERANDS)
        possible_steps = [number for number in (operand, -operand) if TOTALS[0] <= total + number <= TOTALS[1]]
        chain.append(rng.choice(possible_steps))
        total += chain[-1]
    return tuple(chain)


def _write_question(rng: random.Random, chain: tuple[int, ...]) -> str:
    text = f"{rng.choice(NAMES)} {rng.choice(OPENINGS)} {chain[0]} {rng.choice(ITEMS)}"
    for position, number in enumerate(chain[1:], start=2):
        connector = rng.choice(LAST_CONNECTORS if position == len(chain) else MIDDLE_CONNECTORS)
        text += f"{connector}{rng.choice(GAINS if number > 0 else LOSSES)} {abs(number)}"
    return f"{text}. {rng.choice(ENDINGS)}"
