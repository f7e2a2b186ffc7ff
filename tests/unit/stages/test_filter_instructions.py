"""Every candidate is accepted or rejected with a reason; diversity is judged against all that was known before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from stages import schemas
from stages.contract import Context
from stages.domains import arithmetic
from stages.filter_instructions import FILTER
from stages.settings.filter import FilterConfig
from stages.text.unfinished import CUT_OFF
from storage.artifact import ArtifactRef
from tests.helpers import Numbers, Tables, do, problem_row, put_table

SEED = "A farmer plants 12 rows of corn with 9 stalks in each row. How many stalks are there altogether?"
BANKED = "The perimeter of a square is 36 centimetres. Find its area in square centimetres."
EVALUATED = (
    "Janet sells the eggs that her ducks lay at the market every day for two dollars each and eats three. What is left?"
)
FRESH = "Lisa reads 15 pages each evening. After how many evenings has she finished a novel of 240 pages?"
OTHER = "What is the remainder when 2 to the power 20 is divided by seven?"


def seed_row(question: str) -> dict[str, Any]:
    answer = {"answer": None, "level": None, "subject": None}
    return {"question_id": schemas.question_id(question), "question": question, **answer}


def generation_row(examples: Sequence[str]) -> dict[str, Any]:
    ids = [schemas.question_id(text) for text in examples]
    written = {"prompt_ids": [1], "seed": 1, "response": "", "response_ids": [1], "finish_reason": "stop"}
    return {"prompt_id": 0, "example_ids": ids, **written}


def pool_row(question: str) -> dict[str, Any]:
    return {"question_id": schemas.question_id(question), "question": question, "added_in": 0, "share": 0.5}


def run_filter(
    context: Context,
    questions: list[str],
    *,
    seeds: Sequence[str] = (SEED,),
    problems: Sequence[tuple[str, str]] = (("eggs", EVALUATED),),
    bank: bool = True,
    limit: int = 100,
    examples: Sequence[str] = (),
    pool: Sequence[str] = (),
    more: Mapping[str, ArtifactRef] | None = None,
    **config: Any,
) -> tuple[Tables, Numbers]:
    candidates = [
        {"candidate_id": f"c{row}", "prompt_id": 0, "position": row, "question": text}
        for row, text in enumerate(questions)
    ]
    problem_rows = [problem_row(name, text, "1") for name, text in problems]
    banked = {"question_id": schemas.question_id(BANKED), "question": BANKED, "added_in": 0}
    inputs = {
        "candidates": put_table(context, "candidates", schemas.CANDIDATES, candidates),
        "seeds": put_table(context, "seeds", schemas.SEEDS, [seed_row(text) for text in seeds]),
        "problems": put_table(context, "problems", schemas.PROBLEMS, problem_rows),
    }
    if bank:
        inputs["bank"] = put_table(context, "bank", schemas.BANK, [banked])
    if examples:
        inputs["generations"] = put_table(context, "generations", schemas.GENERATIONS, [generation_row(examples)])
    if pool:
        inputs["pool"] = put_table(context, "pool", schemas.POOL, [pool_row(text) for text in pool])
    return do(FILTER, {**inputs, **(more or {})}, FilterConfig(questions=limit, **config), context)


def test_control_tokens_of_the_models_are_rejected(context: Context) -> None:
    questions = [f"{FRESH} [gMASK]", FRESH, f"{OTHER} [MASK]"]
    tables, metrics = run_filter(context, questions, control_tokens=("<sop>", "[gMASK]"))
    assert reasons(tables) == {"c0": "control_text"} and metrics["filter/rejected/control_text"] == 1
    assert tables["accepted"]["question"].to_list() == questions[1:]


def test_settings_without_control_tokens_are_dumped_as_before() -> None:
    assert "control_tokens" not in FilterConfig(questions=1).model_dump(mode="json")
    assert FilterConfig(questions=1, control_tokens=("<sop>",)).model_dump()["control_tokens"] == ("<sop>",)


def reasons(tables: Tables) -> dict[str, str]:
    return dict(tables["rejected"].select("candidate_id", "reason").iter_rows())


def rouge_l(left: str, right: str) -> float:
    return float(RougeScorer(["rougeL"]).score(left, right)["rougeL"].fmeasure)


def test_carried_over_questions_come_first(context: Context) -> None:
    """They are in the bank: not judged again, not added again, and part of the limit."""
    rows = [
        {"question_id": schemas.question_id(text), "question": text, "candidate_id": f"c0000-{use}", "similarity": 0.5,
         "round": 2, "use": use}
        for text, use in ((OTHER, "update"), (BANKED, "carried_over"))
    ]  # fmt: skip
    carried = {"carried_over": put_table(context, "chosen", schemas.CHOSEN, rows)}
    tables, metrics = run_filter(context, [BANKED, FRESH, OTHER], limit=2, more=carried)
    assert tables["accepted"]["candidate_id"].to_list() == ["c0000-carried_over", "c1"]
    assert tables["accepted"]["similarity"].to_list()[0] == 0.5
    assert reasons(tables) == {"c0": "similar", "c2": "surplus"}
    assert tables["bank"]["question"].to_list() == [BANKED, FRESH]
    assert (metrics["filter/accepted"], metrics["filter/carried_over"], metrics["filter/acceptance_rate"]) == (
        2,
        1,
        0.5,
    )
    tables, metrics = run_filter(context, [FRESH], limit=1, more=carried)
    assert tables["accepted"]["question"].to_list() == [BANKED] and metrics["filter/acceptance_rate"] is None
    assert "filter/carried_over" not in run_filter(context, [FRESH])[1]


def test_every_candidate_is_accepted_or_rejected_once(context: Context) -> None:
    questions = [FRESH, "Too short?", "Draw a graph of a straight line.", SEED, BANKED, FRESH, EVALUATED, OTHER]
    tables, metrics = run_filter(context, questions)
    assert tables["accepted"]["candidate_id"].to_list() == ["c0", "c7"]
    assert reasons(tables) == {
        "c1": "too_short",
        "c2": "banned_word",
        "c3": "similar",
        "c4": "similar",
        "c5": "similar",
        "c6": "evaluation_overlap",
    }
    assert metrics["filter/candidates"] == 8 == tables["accepted"].height + tables["rejected"].height
    assert metrics["filter/accepted"] == 2 and metrics["filter/acceptance_rate"] == 0.25
    assert metrics["filter/rejected/similar"] == 3 and metrics["filter/rejected/too_short"] == 1
    rejected = {name: count for name, count in metrics.items() if name.startswith("filter/rejected/")}
    assert sum(rejected.values()) == tables["rejected"].height
    names = ["too_short", "banned_word", "evaluation_overlap", "similar"]
    assert list(rejected) == [f"filter/rejected/{name}" for name in names]


def test_text_is_never_altered(context: Context) -> None:
    questions = [
        OTHER.upper() + r" $\Delta ABC$",
        r"If the discriminant \Delta = b^2 - 4ac is NEGATIVE, how many Real roots are there?",
        "Élodie’s café sells 3 ﬁgs — at ½ € each; what does Élodie earn?",
        "नमस्ते: राम के पास तीन सेब हैं, कुल कितने सेब हैं?",
    ]
    tables, _ = run_filter(context, questions)
    assert tables["accepted"]["question"].to_list() == questions
    assert tables["bank"]["question"].to_list() == [BANKED, *questions]


@pytest.mark.parametrize(
    ("question", "alike"),
    [
        (
            "¿Cuántas manzanas tiene Juan si compra tres y regala una a su hermana?",
            "¿Cuántas naranjas tiene Juan si compra tres y regala una a su hermana?",
        ),
        ("小明有3个苹果，又买了5个，现在他一共有几个苹果？", "小明有4个苹果，又买了6个，现在他一共有几个苹果？"),
        (
            "إذا كان لدى أحمد ثلاث تفاحات واشترى أربعا فكم تفاحة لديه الآن؟",
            "إذا كان لدى أحمد ثلاث تفاحات واشترى خمسا فكم تفاحة لديه الآن؟",
        ),
        (
            "राम के पास तीन सेब हैं और वह दो और खरीदता है, कुल कितने सेब हैं?",
            "राम के पास पाँच सेब हैं और वह दो और खरीदता है, कुल कितने सेब हैं?",
        ),
    ],
    ids=["Spanish", "Chinese", "Arabic", "Hindi"],
)
def test_other_languages_pass_and_are_compared(context: Context, question: str, alike: str) -> None:
    tables, _ = run_filter(context, [question, alike])
    assert tables["accepted"]["question"].to_list() == [question]
    (rejected,) = tables["rejected"].to_dicts()
    assert (rejected["reason"], rejected["nearest"]) == ("similar", question)


def test_the_rules_in_use_decide(context: Context) -> None:
    spanish = "¿Cuántas manzanas tiene Juan si compra tres?"
    rules = {"use": ["leading_non_ascii"], "min_words": 20}
    tables, _ = run_filter(context, [spanish, "Too short?", "Draw a graph of it. <|im_end|>"], rules=rules)
    assert reasons(tables) == {"c0": "leading_non_ascii"}
    assert reasons(run_filter(context, ["What is 1+1? <|im_end|>"])[0]) == {"c0": "control_text"}


def test_similarity_is_rouge_l_to_the_nearest_known(context: Context) -> None:
    near_seed = SEED.replace("corn", "wheat").replace("9 stalks", "8 plants")
    near_bank = "The perimeter of a triangle is 30 metres. Find the length of its longest side."
    tables, _ = run_filter(context, [near_seed, near_bank])
    (rejected,) = tables["rejected"].to_dicts()
    assert rejected["reason"] == "similar" and rejected["nearest"] == SEED
    assert rejected["similarity"] == pytest.approx(rouge_l(near_seed, SEED)) and rejected["similarity"] > 0.7
    (accepted,) = tables["accepted"].to_dicts()
    assert accepted["similarity"] == pytest.approx(max(rouge_l(near_bank, BANKED), rouge_l(near_bank, SEED)))


def test_the_bank_counts_and_may_be_missing(context: Context) -> None:
    assert reasons(run_filter(context, [BANKED])[0]) == {"c0": "similar"}
    tables, metrics = run_filter(context, [BANKED], bank=False)
    assert reasons(tables) == {} and metrics["filter/bank"] == 1


def test_within_a_batch_the_first_one_stays(context: Context) -> None:
    again = FRESH.replace("Lisa", "Mark")
    tables, _ = run_filter(context, [FRESH, again])
    assert tables["accepted"]["question"].to_list() == [FRESH]
    assert tables["rejected"]["nearest"].to_list() == [FRESH]
    assert tables["rejected"]["similarity"].to_list() == [pytest.approx(rouge_l(FRESH, again))]
    tables, _ = run_filter(context, [again, FRESH])
    assert tables["accepted"]["question"].to_list() == [again]


def test_rejected_candidates_do_not_reject_later_ones(context: Context) -> None:
    """Only what was accepted is known: of eight words the second shares 6 with the first (F = 0.75, rejected), the
    third 6 with the second but 4 with the first (F = 0.5)."""
    first = "alpha beta gamma delta epsilon zeta eta theta"
    second = "alpha beta gamma delta epsilon zeta lambda mu"
    third = "nu xi gamma delta epsilon zeta lambda mu"
    tables, _ = run_filter(context, [first, second, third])
    assert tables["accepted"]["question"].to_list() == [first, third]
    assert tables["accepted"]["similarity"].to_list()[1] == pytest.approx(0.5)


def test_exactly_the_limit_is_accepted(context: Context) -> None:
    """Two texts of ten words that share seven in order: F = 2 * 7 / 20 = 0.7."""
    first = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    second = "alpha beta gamma delta epsilon zeta eta lambda mu nu"
    tables, _ = run_filter(context, [first, second])
    assert tables["accepted"]["similarity"].to_list()[1] == pytest.approx(0.7)
    assert reasons(run_filter(context, [first, second], max_similarity=0.69)[0]) == {"c1": "similar"}


def test_surplus_is_rejected_without_being_judged(context: Context) -> None:
    tables, metrics = run_filter(context, [FRESH, OTHER, "Too short?", SEED], limit=1)
    assert reasons(tables) == {"c1": "surplus", "c2": "too_short", "c3": "surplus"}
    assert tables["rejected"].filter(reason="surplus")["similarity"].to_list() == [None, None]
    assert metrics["filter/acceptance_rate"] == 0.5
    assert tables["bank"]["question"].to_list() == [BANKED, FRESH]


def test_the_bank_grows_by_what_was_accepted(context: Context) -> None:
    tables, metrics = run_filter(replace(context, iteration=4), [FRESH, SEED])
    assert tables["bank"].select("question", "added_in").rows() == [(BANKED, 0), (FRESH, 4)]
    assert metrics["filter/bank"] == 2


def test_held_out_problems_of_the_domain_are_kept_apart(context: Context) -> None:
    held_out = arithmetic.problems("heldout", 1, 5)[0].question
    allowed = arithmetic.problems("warm", 1, 5)[0].question
    tables, _ = run_filter(context, [held_out, allowed], domain="arithmetic", max_similarity=0.99)
    assert reasons(tables) == {"c0": "held_out_problem"}
    assert reasons(run_filter(context, [held_out, allowed], max_similarity=0.99)[0]) == {}


def test_overlap_with_an_evaluation_set_is_named(context: Context) -> None:
    thirteen = " ".join(EVALUATED.split()[:13])
    tables, _ = run_filter(context, [f"Why is it that {thirteen}?", " ".join(EVALUATED.split()[:12]) + " week?"])
    assert reasons(tables) == {"c0": "evaluation_overlap"}
    assert tables["rejected"]["nearest"].to_list() == ["eggs"]


def test_the_first_set_that_has_it_is_recorded(context: Context) -> None:
    problems = [("other", OTHER), ("late", FRESH), ("eggs", EVALUATED), ("early", EVALUATED)]
    tables, _ = run_filter(context, [EVALUATED], problems=problems)
    assert tables["rejected"]["nearest"].to_list() == ["eggs"]


def test_seeds_that_overlap_are_reported_and_stay(context: Context) -> None:
    problems = [("a", OTHER), ("b", EVALUATED), ("c", EVALUATED)]
    tables, metrics = run_filter(context, [EVALUATED, FRESH, SEED], seeds=[SEED, EVALUATED, OTHER], problems=problems)
    assert tables["seed_overlaps"].rows() == [
        (schemas.question_id(EVALUATED), EVALUATED, "b"),
        (schemas.question_id(EVALUATED), EVALUATED, "c"),
        (schemas.question_id(OTHER), OTHER, "a"),
    ]
    assert metrics["filter/seeds_overlapping"] == 2
    assert reasons(tables) == {"c0": "evaluation_overlap", "c2": "similar"}
    tables, metrics = run_filter(context, [FRESH])
    assert tables["seed_overlaps"].height == 0 == metrics["filter/seeds_overlapping"]


def test_a_benchmark_made_of_the_seeds_is_no_overlap(context: Context) -> None:
    problems = [("own", SEED), ("own", FRESH), ("eggs", EVALUATED)]
    assert reasons(run_filter(context, [FRESH, EVALUATED], problems=problems)[0]) == {
        "c0": "evaluation_overlap",
        "c1": "evaluation_overlap",
    }
    tables, metrics = run_filter(context, [FRESH, EVALUATED], problems=problems, seed_sets=("own",))
    assert reasons(tables) == {"c1": "evaluation_overlap"}
    assert metrics["filter/seeds_overlapping"] == 0


def test_without_a_number_of_words_equal_questions_only_overlap(context: Context) -> None:
    thirteen = " ".join(EVALUATED.split()[:13])
    tables, _ = run_filter(context, [f"Why is it that {thirteen}?", EVALUATED.upper()], overlap_words=0)
    assert reasons(tables) == {"c1": "evaluation_overlap"}


def test_no_candidates_give_empty_tables(context: Context) -> None:
    tables, metrics = run_filter(context, [])
    assert tables["accepted"].height == tables["rejected"].height == 0
    assert metrics["filter/acceptance_rate"] is None
    assert tables["bank"].height == 1


def test_the_same_question_is_never_accepted_twice(context: Context) -> None:
    """With max_similarity 1 nothing is above the limit: one question_id twice, its rewards then joined crosswise."""
    tables, _ = run_filter(context, [FRESH, FRESH], max_similarity=1.0)
    assert tables["accepted"]["question"].to_list() == [FRESH]


EXAMPLE = "Find the maximum value of $3x - x^2$ for real numbers $x$ between 0 and 10."


@pytest.mark.parametrize(
    ("question", "copies"),
    [
        (EXAMPLE, True),
        (EXAMPLE.replace("maximum", "minimum"), True),
        (EXAMPLE.replace("3", "10").replace("0 and 10", "2 and 7"), True),
        ("What is the minimum value of $7x - x^2$ for real $x$ between 1 and 12?", True),
        ("A pool has three taps of 5 litres a minute each. How long do ten of them take for 200 litres?", True),
        ("What is the sum of the roots of $x^2 - 5x + 6 = 0$?", False),
        (FRESH, False),
    ],
)
def test_a_question_that_copies_an_example_of_its_prompt_is_rejected(
    context: Context, question: str, copies: bool
) -> None:
    kept = "A pool has two taps of 4 litres a minute each. How long do five of them take for 100 litres?"
    tables, metrics = run_filter(
        context, [question], seeds=[SEED, EXAMPLE], pool=[kept], examples=[EXAMPLE, kept], max_similarity=1.0
    )
    assert reasons(tables) == ({"c0": "copies_example"} if copies else {})
    assert metrics.get("filter/rejected/copies_example") == (1 if copies else None)
    if copies:
        (row,) = tables["rejected"].to_dicts()
        assert row["nearest"] in (EXAMPLE, kept) and 0.6 < row["similarity"] <= 1
    # A seed that was no example of the prompt is not copied.
    assert reasons(run_filter(context, [question], seeds=[EXAMPLE], examples=[EXAMPLE], pool=[kept],
                              max_similarity=1.0, rules={"use": ["empty"]})[0]) in ({}, {"c0": "similar"})  # fmt: skip


def test_a_question_that_repeats_an_accepted_one_with_other_numbers_is_rejected(context: Context) -> None:
    riddle = "A train of 5 cars at 60 mph and one of three cars at 80 mph are 140 miles apart. When do they meet?"
    again = "A train of 12 cars at 45 mph and one of nine cars at 30 mph are 2,150 miles apart. When do they meet?"
    other_banked = BANKED.replace("36", "1,024")
    questions = [riddle, again, other_banked, FRESH]
    tables, metrics = run_filter(context, questions, max_similarity=1.0)
    assert reasons(tables) == {"c1": "repeats", "c2": "repeats"} and metrics["filter/rejected/repeats"] == 2
    assert tables["rejected"]["nearest"].to_list() == [riddle, BANKED]
    rules = {"use": ["empty"]}
    assert reasons(run_filter(context, questions, max_similarity=1.0, rules=rules)[0]) == {}
    # Seeds are no questions of the policy.
    assert reasons(run_filter(context, [SEED.replace("12", "7")], max_similarity=1.0)[0]) == {}


def test_half_a_question_is_rejected_whichever_rules_are_in_use(context: Context) -> None:
    tables, metrics = run_filter(context, [f"What is the sum of 12 {CUT_OFF}", FRESH], rules={"use": ["empty"]})
    assert reasons(tables) == {"c0": "unfinished"} and metrics["filter/rejected/unfinished"] == 1


def test_refusals_alone_are_recorded(context: Context) -> None:
    tables, metrics = run_filter(context, ["I'm sorry, but I can't create any more questions."] * 50)
    assert set(reasons(tables).values()) == {"refusal"} and metrics["filter/rejected/refusal"] == 50
    assert metrics["filter/acceptance_rate"] == 0.0


def test_one_question_again_and_again_is_accepted_once(context: Context) -> None:
    questions = [FRESH.replace("15", str(number)) for number in range(10, 60)]
    tables, _ = run_filter(context, questions)
    assert tables["accepted"]["question"].to_list() == questions[:1]
    assert set(reasons(tables).values()) <= {"similar", "repeats"}
