"""Few-shot prompts: the chat's wording, the choice of examples, and truncation by whole examples."""

import random
from collections.abc import Sequence

import pytest

from stages.settings.generate import GenerateConfig
from stages.text.prompts import (
    choose_examples,
    example_prompt,
    example_stops,
    fit_examples,
    question_list_messages,
    question_text,
    question_turns,
)
from storage.errors import InputError


def test_messages_end_with_the_next_number() -> None:
    messages = question_list_messages(["What is\n 1+1?", "Find $x$."], system="You are a teacher.", user="More:")
    assert messages == [
        {"role": "system", "content": "You are a teacher."},
        {"role": "user", "content": "More:\n1. What is 1+1?\n2. Find $x$.\n3."},
    ]


def test_an_empty_system_prompt_makes_no_message() -> None:
    assert [message["role"] for message in question_list_messages(["a"], system="", user="u")] == ["user"]


def test_in_turns_every_example_is_an_answer_as_written() -> None:
    examples = ["What is\n\n  1+1?", "Find $x$. "]
    messages = question_turns(examples, system="You are a teacher.", request="One more:")
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message["content"] for message in messages if message["role"] == "assistant"] == examples
    assert {message["content"] for message in messages if message["role"] == "user"} == {"One more:"}
    assert question_turns(["a"], system="", request="r")[0] == {"role": "user", "content": "r"}


def test_plain_text_ends_with_an_open_mark() -> None:
    text = question_text(["What is\n\n  1+1?", "Find $x$."], system="Be clear.", mark="Problem:")
    assert text == "Be clear.\n\nProblem: What is\n\n  1+1?\n\nProblem: Find $x$.\n\nProblem:"
    assert question_text(["a"], system="", mark="Q:") == "Q: a\n\nQ:"


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("Problem: Find $x$.", "Find $x$."),
        ("Add 1.\n \n  Problem: Then\nProblem:\nit ends.", "Add 1.\n Problem: Then Problem:\nit ends."),
        ("The word Problem: inside a line stays.", "The word Problem: inside a line stays."),
    ],
)
def test_no_example_begins_another_one(example: str, expected: str) -> None:
    text = question_text([example, "b"], system="", mark="Problem:")
    assert text == f"Problem: {expected}\n\nProblem: b\n\nProblem:"
    assert text.count("\nProblem:") == 2


def test_a_long_example_of_marks_takes_linear_time() -> None:
    hostile = "a" + "\n Problem:" * 20_000 + "\n \n" * 20_000
    assert question_text([hostile], system="", mark="Problem:").count("\nProblem:") == 1


def test_the_prompt_has_the_form_of_the_settings() -> None:
    config = GenerateConfig(system="S", user="More:")
    assert example_prompt(config, ["a"]) == question_list_messages(["a"], system="S", user="More:")
    turns = GenerateConfig(form="turns", questions_per_prompt=1, system="S", request="R")
    assert example_prompt(turns, ["a"]) == question_turns(["a"], system="S", request="R")
    plain = GenerateConfig(form="plain", questions_per_prompt=1, system="S", mark="Q:", stop=("END",))
    assert example_prompt(plain, ["a"], str.upper) == "S\n\nQ: A\n\nQ:"
    assert [example_stops(form) for form in (config, turns, plain)] == [(), (), ("END", "\nQ:")]


def test_prompts_share_all_that_stands_before_their_examples() -> None:
    """An engine with a prefix cache computes it once."""
    first, second = (question_turns([text], system="S", request="R") for text in ("a", "b"))
    assert first[:2] == second[:2] and first[2] != second[2]
    assert question_text(["a"], system="S", mark="Q:")[:6] == question_text(["b"], system="S", mark="Q:")[:6]


def test_examples_are_distinct_with_at_most_from_pool_generated() -> None:
    seeds = [f"seed {number}" for number in range(20)] + ["shared"]
    pool = ["kept 1", "kept 1", "kept 2", "kept 3", "shared"]
    for seed in range(200):
        chosen = choose_examples(random.Random(seed), pool=pool, seeds=seeds, total=8, from_pool=2)
        assert len(chosen) == len(set(chosen)) == 8
        assert 1 <= sum(text.startswith("kept") for text in chosen) <= 2


def test_generated_examples_are_shuffled_among_the_seeds() -> None:
    seeds = [f"seed {number}" for number in range(6)]
    indices = {
        choose_examples(random.Random(seed), pool=["kept"], seeds=seeds, total=4, from_pool=1).index("kept")
        for seed in range(100)
    }
    assert indices == {0, 1, 2, 3}


def test_the_choice_depends_on_the_seed_alone() -> None:
    seeds = [f"seed {number}" for number in range(50)]
    first, repeated, different = (
        choose_examples(random.Random(seed), pool=[], seeds=seeds, total=8, from_pool=2) for seed in (7, 7, 8)
    )
    assert first == repeated != different


def test_few_seeds_give_few_examples_and_none_is_an_error() -> None:
    chosen = choose_examples(random.Random(0), pool=["a"], seeds=["b", "b"], total=8, from_pool=2)
    assert sorted(chosen) == ["a", "b"]
    with pytest.raises(InputError, match="no example question"):
        choose_examples(random.Random(0), pool=[], seeds=[], total=8, from_pool=2)


def _render(examples: Sequence[str]) -> list[int]:
    """One token per character and three for the frame."""
    return [0] * (3 + sum(map(len, examples)))


def test_examples_are_dropped_from_the_end_until_the_prompt_fits() -> None:
    # Regression, a defect of the authors' release: the cut lost half of the last example and the number after it.
    examples = ["aaaa", "bbbb", "cccc"]
    assert fit_examples(examples, _render, 15) == (examples, [0] * 15)
    assert fit_examples(examples, _render, 14) == (["aaaa", "bbbb"], [0] * 11)
    assert fit_examples(examples, _render, 7) == (["aaaa"], [0] * 7)


def test_an_example_that_is_too_long_is_skipped() -> None:
    """Regression: a MATH seed of 1,342 tokens, which holds a drawing, ended the run when it came first."""
    assert fit_examples(["a" * 50, "bbbb", "cccc"], _render, 12) == (["bbbb", "cccc"], [0] * 11)


def test_examples_of_which_none_fits_are_an_error() -> None:
    with pytest.raises(InputError, match=r"fits into 6 tokens, the shortest has 7"):
        fit_examples(["aaaa", "bbbb"], _render, 6)
    with pytest.raises(InputError, match="at least one seed"):
        fit_examples([], _render, 6)
