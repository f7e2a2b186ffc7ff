"""The built-in domain: problems are solved, splits share no numbers, and hostile text is not taken for a problem."""

import random
import time
from itertools import combinations

import pytest
from rouge_score.rouge_scorer import RougeScorer

from stages.domains import arithmetic
from stages.domains.arithmetic import Problem, is_held_out, make_problem, problems, solve, split_of

BY_HAND = Problem(
    question="Rosa has 30 coins, buys 8, then loses 2 and finds 5. How many are there now?",
    chain=(30, 8, -2, 5),
    answer=41,
)


def test_reads_a_question_written_by_hand() -> None:
    assert solve(BY_HAND.question) == BY_HAND


def test_writes_both_kinds_of_response() -> None:
    assert arithmetic.worked_response(BY_HAND) == r"30+8=38-2=36+5=41 \boxed{41}"
    assert arithmetic.direct_response(BY_HAND) == r"\boxed{41}"


@pytest.mark.parametrize("split", [None, "warm", "seed", "heldout"])
def test_every_made_problem_is_solved(split: arithmetic.Split | None) -> None:
    rng = random.Random(3)
    for _ in range(300):
        problem = make_problem(rng, split)
        assert solve(problem.question) == problem
        assert split is None or split_of(problem.chain) == split
        assert 2 <= len(problem.chain) - 1 <= 4
        assert 15 <= problem.chain[0] <= 45
        totals = [sum(problem.chain[:end]) for end in range(1, len(problem.chain) + 1)]
        assert min(totals) >= 2 and max(totals) <= 60 and totals[-1] == problem.answer


def test_problems_are_distinct_and_depend_on_the_seed() -> None:
    first = problems("heldout", 500, seed=4)
    assert len({problem.question for problem in first}) == len({problem.chain for problem in first}) == 500
    assert problems("heldout", 500, seed=4) == first
    assert problems("heldout", 500, seed=5) != first


def test_splits_share_no_numbers_whatever_their_signs() -> None:
    splits: tuple[arithmetic.Split, ...] = ("warm", "seed", "heldout")
    numbers = [{tuple(map(abs, problem.chain)) for problem in problems(split, 800, seed=1)} for split in splits]
    assert all(left.isdisjoint(right) for left, right in combinations(numbers, 2))


def test_shares_of_the_splits() -> None:
    rng = random.Random(0)
    chains = [make_problem(rng, None).chain for _ in range(4000)]
    splits = [split_of(chain) for chain in chains]
    # Standard errors at 4,000 draws: 0.6, 0.5 and 0.3 points; the bounds are at least three of them.
    assert 0.83 < splits.count("warm") / 4000 < 0.87
    assert 0.085 < splits.count("seed") / 4000 < 0.115
    assert 0.035 < splits.count("heldout") / 4000 < 0.065


def test_held_out_numbers_are_found_in_any_wording() -> None:
    problem = problems("heldout", 1, seed=0)[0]
    numbers = [abs(number) for number in problem.chain]
    assert is_held_out(problem.question)
    assert is_held_out("Somebody has " + " and then loses ".join(map(str, numbers)))
    assert not is_held_out(problems("warm", 1, seed=0)[0].question)
    assert not is_held_out(problems("seed", 1, seed=0)[0].question)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is the final count?",
        "Rosa has 30 coins. How many are there now?",
        "Rosa has 30 coins, buys 8. How many are there now?",
        "Rosa has 30 coins, buys 8 and loses. How many are there now?",
        "Rosa has 30 coins, buys 8 and eats 2. How many are there now?",
        "Rosa has 30 coins, buys 8 and loses 12. How many are there now?",
        "Rosa has 30 coins, buys 8 and loses 2.",
        "Rosa has 30 coins, buys 8 and loses 2. How many are there now? 36",
        "Rosa has 30 coins, buys 8 and loses 2. How many are there now?\n",
        "Rosa has 030 coins, buys 8 and loses 2. How many are there now?",
        "Rosa has 30 unicorns, buys 8 and loses 2. How many are there now?",
        "Xena has 30 coins, buys 8 and loses 2. How many are there now?",
        "Rosa has \u0663\u0660 coins, buys \u0668 and loses \u0662. How many are there now?",
        "Rosa has 10 coins, loses 9 and loses 2. How many are there now?",
        "Rosa has 98 coins, loses 9, buys 9 and buys 2. How many are there now?",
        "Rosa has 30 coins, buys 2, buys 2, buys 2, buys 2, buys 2, buys 2 and buys 2. How many are there now?",
    ],
)
def test_other_text_has_no_solution(question: str) -> None:
    assert solve(question) is None


def test_a_models_question_may_have_larger_numbers() -> None:
    one_step = solve("Rosa has 9 coins and loses 9. What is the total now?")
    assert one_step is not None and one_step.chain == (9, -9) and one_step.answer == 0
    five_steps = solve("Ben owns 70 pens, buys 8, buys 9, then buys 4, sells 2, and finds 7. What is the total now?")
    assert five_steps is not None and five_steps.answer == 96


@pytest.mark.parametrize(
    "text", ["Rosa has 30 coins" + ", buys 8" * 200_000, "9" * 1_000_000, "Rosa has " * 100_000, "1, " * 500_000]
)
def test_hostile_text_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert solve(text) is None
    is_held_out(text)
    assert time.process_time() - start < 0.1


def test_random_problems_are_unlike_each_other() -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    questions = [problem.question for problem in problems("seed", 64, seed=2)]
    scores = [scorer.score(left, right)["rougeL"].fmeasure for left, right in combinations(questions, 2)]
    assert sum(score > 0.7 for score in scores) / len(scores) < 0.005
