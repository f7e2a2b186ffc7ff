"""Rules for generated questions; bounds and word list from METHOD section 2."""

import pytest
from pydantic import ValidationError

from stages.text.quality import QualityRules, reject_reason

RULES = QualityRules()


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("What is this", "too_short"),
        ("What is this now", None),
        (" ".join(["word"] * 150), None),
        (" ".join(["word"] * 151), "too_long"),
        ("What is the word " + "a" * 4_000, "too_long"),
        ("What does the graph of f show?", "banned_word"),
        ("What do the GRAPHS of f show?", "banned_word"),
        ("Open the file, then count its lines.", "banned_word"),
        ("Draw a square of side 3.", "banned_word"),
        ("How large is the paragraph of a photographer?", None),
        ("A bitmap of 8 by 8 has how many cells?", None),
        ("They plotted against the king; how many fled?", None),
        ("Where did they Go  to after school?", "banned_phrase"),
        ("They go together; how many are they?", None),
        ("Write a program that adds two numbers.", "banned_opening"),
        ("write a program that adds two numbers.", "banned_opening"),
        ("Please write a program that adds numbers.", None),
        ("$x$ is 3, what is x+1?", "leading_punctuation"),
        ("\\(x\\) is 3, what is x+1?", "leading_punctuation"),
        ("- what is one plus one?", "leading_punctuation"),
        ("3 apples and 2 pears make how many?", None),
        ("Élodie has 3 apples, how many more?", "leading_non_ascii"),
        ("“What is one plus one?” she asked.", "leading_non_ascii"),
        ("What is the café's total bill?", None),
    ],
)
def test_reason(question: str, reason: str | None) -> None:
    assert reject_reason(question, RULES) == reason


def test_each_word_of_the_published_list_is_banned() -> None:
    nouns = ["image", "graph", "picture", "file", "map"]
    words = [*nouns, *(f"{noun}s" for noun in nouns), "draw", "plot"]
    assert {reject_reason(f"Here is one {word} too many.", RULES) for word in words} == {"banned_word"}


def test_settings_turn_rules_off_and_refuse_unknown_ones() -> None:
    lenient = QualityRules(
        reject_leading_punctuation=False,
        reject_leading_non_ascii=False,
        banned_words=(),
        banned_phrases=(),
        banned_openings=(),
        min_words=1,
    )
    for question in ("$x$", "Élodie", "draw", "go to", "Write a program"):
        assert reject_reason(question, lenient) is None
    with pytest.raises(ValidationError):
        QualityRules.model_validate({"min_wrods": 3})
    with pytest.raises(ValidationError):
        QualityRules(min_words=0)
