"""Votes per second against the pairwise way, which verifies each pair of responses in both directions.

    python -m tests.benchmarks.voting [FILE]

FILE (default: the MATH seeds in shared/data next to the repository) has questions with solutions. Each group of 16
responses is derived from one solution: some keep its answer, respelled; some have the answer to another question or a
near number; some have no answer.

The pairwise way is that of the released code: 120 pairs, each parsed and verified by math-verify in both directions; a
second figure parses each response only once. Both sides run on one core (the process and its worker are pinned to it).
The last line is one JSON object. `agree` is the share of groups with equal rewards, among those in which the pairwise
relation is an equivalence with one largest class. `scaling` is how much faster all cores are than one at the part left
to math-verify: pairs of answers, compared by warm workers.
"""

import json
import os
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from math_verify import parse, verify

from stages.answers.algebra.verifier import Verifier
from stages.answers.math import MathAnswer
from stages.answers.voting import Ballot, Vote, vote

SEEDS = Path(__file__).resolve().parents[2] / "../shared/data/seeds/math_seed_500.jsonl"
RESPONSES = 16
PAIRWISE_GROUPS = 100
"""Few, because the pairwise way takes 0.2 s for a group."""


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    if not path.is_file():
        raise SystemExit(f"{path} does not exist; expected a JSONL file with the fields problem, solution and answer")
    problems = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    groups = make_groups(problems)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    sample = random.Random(1).sample(range(len(groups)), PAIRWISE_GROUPS)

    ours, seconds = our_way([groups[index] for index in sample], workers=1)
    started = time.perf_counter()
    pairwise_rewards = [pairwise(groups[index]) for index in sample]
    pairwise_seconds = time.perf_counter() - started
    started = time.perf_counter()
    for index in sample:
        pairwise(groups[index], parse_once=True)
    parse_once_seconds = time.perf_counter() - started
    comparable = [
        (rewards_of(our_vote), rewards)
        for our_vote, rewards in zip(ours, pairwise_rewards, strict=True)
        if rewards is not None
    ]
    agree = sum(our_rewards == rewards for our_rewards, rewards in comparable) / len(comparable)
    ratio, parse_once_ratio = pairwise_seconds / seconds, parse_once_seconds / seconds
    print(f"one core, {PAIRWISE_GROUPS} groups: ours {1000 * seconds / PAIRWISE_GROUPS:8.1f} ms a group")
    print(f"                     pairwise {1000 * pairwise_seconds / PAIRWISE_GROUPS:8.1f} ms a group, {ratio:.0f} x")
    print(
        f"   pairwise, each parsed once {1000 * parse_once_seconds / PAIRWISE_GROUPS:8.1f} ms, {parse_once_ratio:.0f} x"
    )
    print(f"                              equal rewards in {agree:.1%} of {len(comparable)} groups")

    groups = make_groups(problems, times=10)
    _, many_seconds = our_way(groups, workers=1)
    print(f"one core, {len(groups)} groups: {many_seconds:.2f} s")
    one_core = comparing(problems, workers=1)
    os.sched_setaffinity(0, cores)
    all_cores = comparing(problems, workers=len(cores))
    scaling = one_core / all_cores
    print(f"comparing alone: one core {one_core:.2f} s, {len(cores)} cores {all_cores:.2f} s, {scaling:.2f} x")
    result = {
        "ratio": round(ratio, 1),
        "ratio_parsed_once": round(parse_once_ratio, 1),
        "agree": agree,
        "groups_compared": len(comparable),
        "groups_per_second_per_core": round(len(groups) / many_seconds, 1),
        "cores": len(cores),
        "scaling": round(scaling, 2),
    }
    print(json.dumps(result))


def make_groups(problems: Sequence[dict[str, str]], times: int = 1) -> list[list[str]]:
    """Return groups of sixteen responses to one problem.

    Each response is the problem's solution with another final answer: in 4 to 14 of them the right answer respelled, in
    the others a near number or an answer of another problem. Then about 5 % of all responses are cut off before their
    answer. Each problem gets `times` groups.
    """
    groups = []
    for index, problem in enumerate([*problems] * times):
        rng = random.Random(index)
        solution, answer = problem["solution"], problem["answer"]
        head, _, tail = solution.rpartition(answer)
        wrong = [rng.choice(problems)["answer"] for _ in range(3)] + [_near(answer, rng) for _ in range(2)]
        finals = [_respelled(answer, rng) for _ in range(rng.randint(4, 14))]
        finals += [rng.choice(wrong) for _ in range(RESPONSES - len(finals))]
        responses = [head + final + tail for final in finals]
        for i in range(RESPONSES):
            if rng.random() < 0.05:
                responses[i] = head[: len(head) // 2].rsplit("\\boxed", 1)[0]
        rng.shuffle(responses)
        groups.append(responses)
    return groups


def _respelled(answer: str, rng: random.Random) -> str:
    spellings = [
        answer,
        answer,
        answer.replace(" ", ""),
        f" {answer} ",
        answer.replace("\\frac", "\\dfrac"),
        answer.replace("\\left", "").replace("\\right", ""),
        f"{answer}.0" if answer.isdigit() else answer,
        answer.replace("+", " + ").replace(",", ", "),
    ]
    return rng.choice(spellings)


def _near(answer: str, rng: random.Random) -> str:
    return re.sub(r"\d+", lambda match: str(int(match[0]) + rng.randint(1, 3)), answer, count=1)


def our_way(groups: Sequence[Sequence[str]], workers: int) -> tuple[list[Vote], float]:
    """Return the votes, and the seconds from responses to votes without the workers' start."""
    kind = MathAnswer()
    with Verifier(workers=workers) as verifier:
        verifier.read([f"x+{number}" for number in range(200)])  # starts the workers
        started = time.perf_counter()
        ballots = [Ballot(question="?", answers=[kind.extract(text, "?") for text in group]) for group in groups]
        votes = vote(ballots, kind, verifier)
        return votes, time.perf_counter() - started


def comparing(problems: Sequence[dict[str, str]], workers: int) -> float:
    """Return the seconds for 2,000 pairs of answers, by workers that have compared 2,000 other pairs before."""
    answers = sorted({problem["answer"] for problem in problems})
    rng = random.Random(1)
    warm_up, pairs = ([(rng.choice(answers), rng.choice(answers)) for _ in range(2_000)] for _ in range(2))
    with Verifier(workers=workers) as verifier:
        verifier.equal(warm_up)
        started = time.perf_counter()
        verifier.equal(pairs)
        return time.perf_counter() - started


def rewards_of(our_vote: Vote) -> list[float]:
    return [float(our_vote.status == "majority" and class_id == 0) for class_id in our_vote.class_ids]


def pairwise(responses: Sequence[str], *, parse_once: bool = False) -> list[float] | None:
    """Return the rewards of the pairwise way, None if its relation is no equivalence or has no single largest class."""
    parsed = [parse(text) for text in responses] if parse_once else None
    size = len(responses)
    equal = [[False] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1, size):
            for left, right in ((i, j), (j, i)):
                gold, answer = (
                    (parsed[left], parsed[right]) if parsed else (parse(responses[left]), parse(responses[right]))
                )
                equal[left][right] = verify(gold, answer)
    # Responses without an answer are left out: the pairwise way has no rule for them.
    answered = [index for index, text in enumerate(responses) if "boxed" in text]
    classes = [frozenset([i, *(j for j in answered if equal[i][j])]) for i in answered]
    if any(a != b and a & b for a in classes for b in classes):
        return None
    sizes = sorted(map(len, set(classes)), reverse=True)
    if len(sizes) > 1 and sizes[0] == sizes[1]:
        return None
    top = max(set(classes), key=len)
    return [float(index in top) for index in range(size)]


if __name__ == "__main__":
    main()
