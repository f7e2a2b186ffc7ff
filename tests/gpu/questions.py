"""Questions for a machine without data sets: short word problems written by code, and real ones where they are."""

import json
import random
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data"
"""Where data sets lie, next to the checkout."""
MATH_SEEDS = DATA / "seeds" / "math_seed_500.jsonl"
GSM8K = ("train/gsm8k_train.jsonl", "benchmarks/gsm8k.jsonl")
"""GSM8K's training and test part, in a folder of data sets."""
_NAMES = ("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack")
_THINGS = ("apples", "books", "coins", "marbles", "pencils", "stamps", "tickets", "shells")


def problems(count: int, seed: int) -> list[dict[str, Any]]:
    """Return `count` different problems with their answers; the same for one seed."""
    rng = random.Random(seed)
    found: dict[str, int] = {}
    while len(found) < count:
        question, answer = rng.choice(_KINDS)(rng)
        found.setdefault(question, answer)
    return [{"question": question, "answer": answer} for question, answer in found.items()]


def write_seeds(folder: Path, count: int = 100, *, coded: bool = False) -> Path:
    """Write the seed questions to `folder`, MATH's seeds if they are on this machine; return the file.

    `coded`: the problems written by code in any case.
    """
    path = folder / "seeds.jsonl"
    if MATH_SEEDS.exists() and not coded:
        rows = [json.loads(line) for line in MATH_SEEDS.read_text().splitlines() if line.strip()]
        questions = [{"question": row["problem"]} for row in rows]
    else:
        questions = [{"question": problem["question"]} for problem in problems(count, seed=1)]
    return _write(path, questions)


def write_benchmark(folder: Path, count: int) -> Path:
    """Write held-out problems with their answers to `folder`; return the file."""
    # No question of the seeds: those are the first hundred of seed 1.
    known = {problem["question"] for problem in problems(100, seed=1)}
    rows = [problem for problem in problems(count + len(known), seed=2) if problem["question"] not in known]
    return _write(folder / "heldout.jsonl", rows[:count])


def write_gsm8k(folder: Path, data: Path, first: tuple[int, int] | None) -> tuple[Path, Path]:
    """Return the files of GSM8K's training and test part in a folder of data sets.

    `first`: only so many questions of each, of those with few words, written to `folder`; None: the files as they are.
    """
    paths = data / GSM8K[0], data / GSM8K[1]
    if first is None:
        return paths
    short = []
    for path, count in zip(paths, first, strict=True):
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        rows = sorted(rows[:500], key=lambda row: len(row["question"]))[:count]
        short.append(_write(folder / path.name, rows))
    return short[0], short[1]


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def _shopping(rng: random.Random) -> tuple[str, int]:
    name, thing, count, price = rng.choice(_NAMES), rng.choice(_THINGS), rng.randint(3, 19), rng.randint(2, 12)
    paid = count * price + rng.randint(1, 30)
    text = f"{name} buys {count} {thing} at {price} dollars each and pays with {paid} dollars. "
    return text + f"How many dollars does {name} get back?", paid - count * price


def _speed(rng: random.Random) -> tuple[str, int]:
    hours, speed, more = rng.randint(2, 9), rng.randint(20, 90), rng.randint(2, 6)
    text = (
        f"A train travels {speed} miles each hour for {hours} hours, then {speed // 2} miles each hour for {more} more "
    )
    return text + "hours. How many miles does it travel in all?", speed * hours + speed // 2 * more


def _rectangle(rng: random.Random) -> tuple[str, int]:
    length, width = rng.randint(5, 40), rng.randint(2, 25)
    text = f"A rectangle is {length} centimetres long and {width} centimetres wide. "
    if rng.random() < 0.5:
        return text + "What is its area in square centimetres?", length * width
    return text + "What is its perimeter in centimetres?", 2 * (length + width)


def _remainder(rng: random.Random) -> tuple[str, int]:
    number, divisor = rng.randint(50, 999), rng.randint(3, 17)
    return f"What is the remainder when {number} is divided by {divisor}?", number % divisor


def _expression(rng: random.Random) -> tuple[str, int]:
    a, b, c = rng.randint(2, 40), rng.randint(2, 15), rng.randint(2, 60)
    return f"What is the value of {a} times {b} minus {c}?", a * b - c


def _equation(rng: random.Random) -> tuple[str, int]:
    x, a, b = rng.randint(2, 30), rng.randint(2, 9), rng.randint(1, 50)
    return f"If ${a}x + {b} = {a * x + b}$, what is the value of $x$?", x


_KINDS = (_shopping, _speed, _rectangle, _remainder, _expression, _equation)
