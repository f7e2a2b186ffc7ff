"""Thinking is removed before an answer is read."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.response.thinking import MARKS, count_unfinished, without_thinking

SAME = "The answer is 6."


@pytest.mark.parametrize(
    ("response", "rest"),
    [
        ("<think>So the answer is 5? No.</think>\nThere are 6 apples.", "\nThere are 6 apples."),
        ("<think>\nSo \\boxed{5}.\n</think>\n\nThere are 6 apples.", "\n\nThere are 6 apples."),
        ("<think>\n\n</think>\n\n\\boxed{6}", "\n\n\\boxed{6}"),  # thinking switched off
        ("So the answer is 5? No.</think>6", "6"),  # the prompt opened the thinking
        ("Hm.\n</think>\nHm.\n</think>\n6", "\n6"),
        ("<think>5</think>5?<think>no</think>6", "6"),
        ("<think>5 <think>no</think>6", "6"),
        ("<THINK>5</THINK>6", "6"),
        ("< think >5</ think >6", "6"),
        ("<thinking>5</thinking>6", "6"),
        ("<think>5</thinking>6", "6"),
        ("<thought>5</thought>6", "6"),
        ("<reasoning>\n5\n</reasoning>\n<answer>\n6\n</answer>", "\n<answer>\n6\n</answer>"),
        ("<think>a<reasoning>5</reasoning>b</think>6", "6"),
        ("[THINK]5[/THINK]6", "6"),
        ("◁think▷5◁/think▷6", "6"),
        ("<seed:think>5</seed:think>6", "6"),
        ("<longcat_think>5</longcat_think>6", "6"),
        ("<mm:think>5</mm:think>6", "6"),
        ("<antThinking>5</antThinking>6", "6"),
        ("<internal_monologue>5</internal_monologue>6", "6"),
        ("<chain_of_thought>5</chain_of_thought>6", "6"),
        ("<thinking_process>5</thinking_process>6", "6"),
        ('<thinking time="3">5</thinking>6', "6"),
        ("<think/>6", "6"),
        ("<think>5<\\/think>6", "6"),
        ("<|thinking|>5<|/thinking|>6", "6"),
        ("<|begin_of_thinking|>5<|end_of_thinking|>6", "6"),
        ("\\boxed{<think>5</think>6}", "6}"),
        ("<|begin_of_thought|>5<|end_of_thought|><|begin_of_solution|>6", "<|begin_of_solution|>6"),
        ("<|START_THINKING|>5<|END_THINKING|><|START_RESPONSE|>6", "<|START_RESPONSE|>6"),
        ("<|inner_prefix|>5<|inner_suffix|>6", "6"),
        ("<|channel>thought\nMaybe 5.<channel|>6", "6"),
        ("<unused94>thought\nMaybe 5.<unused95>6", "6"),
        ("<|channel|>analysis<|message|>5?<|end|><|start|>assistant<|channel|>final<|message|>6", "6"),
        ("<|channel|>analysis<|message|>5?<|end|><|channel|>final <|constrain|>json<|message|>6", "6"),
        ("analysisNeed 2. Or 5?assistantfinal6", "6"),
        ("Here is my thought process: 5? Here is my response: 6", " 6"),
        # Thinking that never ends leaves nothing.
        ("<think>\nFirst, 12 - 3 = 9. But wait, maybe they sold 4", None),
        ("<think>So \\boxed{5}", None),
        ("<think>The answer is 5.\n<answer>5</answer>", None),
        ("<think>5</think>Well. <think>The answer is 6.", None),
        ("<think>a<reasoning>5</reasoning>The answer is 5.", None),
        ("[THINK]The answer is 5.", None),
        ("<|channel|>analysis<|message|>The answer is 5.", None),
        ("analysisWe need 5. The answer is 5.", None),
        ("Here's my thought process:\nThe answer is 5.", None),
        # Nothing is left behind the last end.
        ("<think>The answer is 5.</think>", ""),
        ("\\boxed{5}</think>", ""),
        # Ordinary text stays as it is.
        (SAME, SAME),
        ("", ""),
        ("I think the answer is 5.", "I think the answer is 5."),
        ("My thought: 5", "My thought: 5"),
        ("analysis of the data: 5", "analysis of the data: 5"),
        ("The channel is 5 m wide.", "The channel is 5 m wide."),
        ("For reasons of symmetry 3 < 5 and 7 > 5.", "For reasons of symmetry 3 < 5 and 7 > 5."),
    ],
)
def test_thinking_is_removed(response: str, rest: str | None) -> None:
    assert without_thinking(response) == rest


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.example[:20])
def test_each_family_of_marks_has_an_example(marks) -> None:  # type: ignore[no-untyped-def]
    rest = without_thinking(marks.example)
    assert rest is not None and "6" in rest and "5" not in rest
    end = [match.start() for match in marks.ending.finditer(marks.example)][-1]
    assert without_thinking(marks.example[:end]) is None


@given(st.lists(st.sampled_from(["<think>", "</think>", "5", " ", "[THINK]", "[/THINK]", "A", "\n"]), max_size=9))
def test_no_thinking_is_left(pieces: list[str]) -> None:
    text = "".join(pieces)
    rest = without_thinking(text)
    if rest is not None:
        assert text.endswith(rest)
        assert "think>" not in rest and "THINK]" not in rest
        assert without_thinking(rest) == rest


def test_responses_whose_thinking_never_ends_are_counted() -> None:
    assert count_unfinished([]) == 0
    assert count_unfinished(["<think>5", "<think>5</think>6", "6", "", "[THINK]5", "5</think>"]) == 2


def test_thousands_of_long_responses_are_counted_quickly() -> None:
    """32,000 responses of 1,000 tokens take 1.3 s to 4 s, by how many of them name thinking in words."""
    text = "We think that the sum of 12 and 5 is 17, for that reason the analysis gives 17. " * 50
    began = time.process_time()
    assert count_unfinished(text + str(number) for number in range(3_200)) == 0
    assert time.process_time() - began < 5


def test_megabytes_of_marks_are_removed_quickly() -> None:
    rng = random.Random(0)
    pieces = ["<think>", "</think>", "<", " ", "think", "<|channel|>", "analysis", "final", "Here is my response:"]
    began = time.process_time()
    for text in ["<think>" * 10**5, "<" * 10**6, "< " * 10**6, " " * 10**6, "".join(rng.choices(pieces, k=200_000))]:
        without_thinking(text)
    assert time.process_time() - began < 10.0
