"""Rules for generated questions; bounds and word list from docs/explanation/method.md, 2."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.chat.control_tokens import TokenFinder
from stages.settings.filter import COPIES_EXAMPLE, REPEATS, QualityRules
from stages.text.quality import RULES, reject_reason

DEFAULT = QualityRules()
NOT_PUBLISHED = ("control_text", "unfinished", "refusal", "has_solution", "several_questions", "not_a_question")
PUBLISHED = QualityRules(use=tuple(name for name in RULES if name not in NOT_PUBLISHED))
EVERYTHING = QualityRules(use=tuple(RULES))
CONTROL_TEXTS = (
    "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|START_OF_TURN_TOKEN|>", "<|reserved_special_token_12|>",
    "<｜end▁of▁sentence｜>", "<｜User｜>", "<|turn>", "<turn|>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]",
    "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<end_of_utterance>", "<think>", "</think>", "<bos>",
    "<eos>", "<pad>", "<unk>", "<mask>", "<EOS_TOKEN>",
)  # fmt: skip


def only(*names: str, **settings: Any) -> QualityRules:
    return QualityRules(use=names, **settings)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("What is this", "too_short"),
        ("What is this now", None),
        (" ".join(["word"] * 150), None),
        (" ".join(["word"] * 151), "too_long"),
        ("What is the word " + "a" * 3_983, None),
        ("What is the word " + "a" * 3_984, "too_long"),
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
        ("¿Cuántas manzanas tiene Juan si compra tres?", "leading_non_ascii"),
        ("What is the café's total bill?", None),
    ],
)
def test_the_published_rules(question: str, reason: str | None) -> None:
    assert reject_reason(question, PUBLISHED) == reason


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        ("empty", " \n", "?"),
        ("too_short", "one two three", "one two three four"),
        ("too_long", "word " * 151, "word " * 150),
        ("banned_word", "a map", "a bitmap"),
        ("banned_phrase", "go to", "go on to"),
        ("banned_opening", "WRITE a program", "rewrite a program"),
        ("leading_punctuation", "$3", "3$"),
        ("leading_non_ascii", "é", "e é"),
        ("control_text", "</s>", "</ s>"),
        ("unfinished", "Find 1 and", "Find 1 and 2"),
        ("refusal", "I'm sorry, no.", "Ann is sorry."),
        ("has_solution", "What is 1+1? Answer: 2", "What is 1+1?"),
        ("several_questions", "1. What is 1? 2. What is 2?", "1. What is 1? 2. No."),
        ("not_a_question", "The sum of the two is 5.", "The sum of the two is ____."),
    ],
)
def test_each_rule_works_alone_and_can_be_switched_off(rule: str, broken: str, kept: str) -> None:
    assert (reject_reason(broken, only(rule)), reject_reason(kept, only(rule))) == (rule, None)
    assert reject_reason(broken, QualityRules(use=tuple(name for name in RULES if name != rule))) != rule


def test_without_rules_everything_passes() -> None:
    assert {reject_reason(question, only()) for question in ("", "$x$", "é", "draw", "go to", "</s>")} == {None}


def test_a_question_may_start_in_any_language_by_default() -> None:
    assert set(DEFAULT.use) == {*RULES, COPIES_EXAMPLE, REPEATS} - {"leading_non_ascii"}
    for question in (
        "¿Cuántas manzanas tiene Juan si compra tres y regala una?",
        "小明有3个苹果，又买了5个，现在一共有几个苹果？",
        "りんごが3個あります。2個食べると何個残りますか。",
        "إذا كان لدى أحمد ثلاث تفاحات واشترى أربعا فكم تفاحة لديه؟",
        "राम के पास तीन सेब हैं और वह दो और खरीदता है, कुल कितने सेब हैं?",
    ):
        assert reject_reason(question, DEFAULT) is None
        assert reject_reason(question, EVERYTHING) == "leading_non_ascii"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("1+1=? right", 2),
        ("a\u00a0b\tc\x1cd", 4),
        ("élan vital", 2),
        ("한국어 문장 입니다", 3),
        ("三加四", 3),
        ("三加四？", 4),
        ("x=3，求 x+1", 3),
    ],
)
def test_words_are_separated_by_spaces_or_are_characters(question: str, words: int) -> None:
    assert reject_reason(question, only("too_short", min_words=words)) is None
    assert reject_reason(question, only("too_short", min_words=words + 1)) == "too_short"
    assert reject_reason(question, only("too_long", min_words=1, max_words=words)) is None
    if words > 1:
        assert reject_reason(question, only("too_long", min_words=1, max_words=words - 1)) == "too_long"


@given(st.text(st.characters(max_codepoint=0x303F)))
def test_words_of_a_text_with_spaces_are_as_published(text: str) -> None:
    words = len(text.split())
    assert (reject_reason(text, only("too_short")) == "too_short") == (words < 4)


@pytest.mark.parametrize("text", CONTROL_TEXTS)
def test_control_text_is_refused_wherever_it_stands(text: str) -> None:
    for question in (f"{text} What is one plus one?", f"What is one{text}plus one?", f"What is one plus one?{text}"):
        assert reject_reason(question, only("control_text")) == "control_text"
    assert reject_reason(f"What is one plus one?{text} assistant", DEFAULT) == "control_text"


@pytest.mark.parametrize(
    "question",
    [
        "If $a<b$ and b>c, what is a?",
        "Solve |x|<3 and |y|>4.",
        "Is 1<|x|>0 sensible?",
        "When is a<|b-c|>d true?",
        "The inner product <x, y> of two vectors",
        "The vector <1, 2> and <s, t>",
        "What is <S>, the subgroup of S?",
        "Find the area [PAD] of triangle PAD.",
        "How many integers lie in [1, 5]?",
        "Is 1 << 3 larger than 4 >> 1?",
        "Compute $\\langle \\psi | \\phi \\rangle$.",
        "For $x<y<z$, sort |x|, |y| and |z|.",
        "Is <b>three</b> prime?",
    ],
)
def test_mathematics_is_not_taken_for_control_text(question: str) -> None:
    assert reject_reason(question, only("control_text")) is None


@pytest.mark.parametrize(
    "token", ["[THINK]", "[gMASK]", "<sop>", "[EOS]", "[|endofturn|]", "<seed:eos>", "<image_soft_token>", "]~b]"]
)
def test_control_tokens_of_a_model_are_refused_in_addition(token: str) -> None:
    finder = TokenFinder(["<s>", token])
    question = f"What is one{token}plus one?"
    assert reject_reason(question, DEFAULT) is None
    assert reject_reason(question, DEFAULT, finder) == "control_text"
    assert reject_reason(question, PUBLISHED, finder) is None
    assert reject_reason(question.replace(token, token[:-1]), DEFAULT, finder) is None
    assert reject_reason("What is one <|im_end|> plus one?", DEFAULT, finder) == "control_text"


def test_the_order_of_rules_decides_the_recorded_reason() -> None:
    assert reject_reason("$ draw", only("banned_word", "too_short")) == "banned_word"
    assert reject_reason("$ draw", only("too_short", "banned_word")) == "too_short"
    assert reject_reason("$ draw", DEFAULT) == "too_short"
    finder = TokenFinder(["[EOS]"])
    assert reject_reason("draw [EOS]", only("control_text", "banned_word"), finder) == "control_text"
    assert reject_reason("draw [EOS]", only("banned_word", "control_text"), finder) == "banned_word"


def test_each_word_of_the_published_list_is_banned() -> None:
    nouns = ["image", "graph", "picture", "file", "map"]
    words = [*nouns, *(f"{noun}s" for noun in nouns), "draw", "plot"]
    assert {reject_reason(f"Here is one {word} too many.", DEFAULT) for word in words} == {"banned_word"}


def test_keywords_are_settings() -> None:
    rules = QualityRules(banned_words=("dibuja", "图"), banned_phrases=("ve a",), banned_openings=("Escribe",))
    assert reject_reason("Si Ana Dibuja un triángulo, ¿qué área tiene?", rules) == "banned_word"
    assert reject_reason("Si Ana ve  a casa, ¿cuánto tarda?", rules) == "banned_phrase"
    assert reject_reason("escribe un programa que sume números", rules) == "banned_opening"
    assert reject_reason("Can you draw two cards and go to town?", rules) is None
    nothing = QualityRules(banned_words=(), banned_phrases=(), banned_openings=())
    assert reject_reason("Write a program to draw a map, then go to town.", nothing) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use": ("too_shrt",)}, r"unknown rule 'too_shrt'; did you mean too_short\? \(known: empty, too_short, "),
        ({"use": ("",)}, r"unknown rule '' \(known: empty, too_short, "),
        ({"use": ("empty", "too_long", "empty")}, "use names empty more than once"),
        ({"banned_words": ("draw", " ")}, "' ' is blank and would reject every question"),
        ({"banned_phrases": ("",)}, "'' is blank and would reject every question"),
        ({"banned_openings": ("\n",)}, "is blank and would reject every question"),
        ({"min_words": 151}, "min_words 151 is above max_words 150"),
        ({"min_words": 0}, "greater than or equal to 1"),
        ({"min_wrods": 3}, "min_wrods"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        QualityRules.model_validate(settings)


@given(st.text(st.characters()) | st.text("<|>/s[INST]｜▁_ $\0\ud800é图"))
def test_any_text_gets_a_reason_or_none(text: str) -> None:
    assert reject_reason(text, EVERYTHING) in {None, *RULES}
    for name in RULES:
        assert reject_reason(text, only(name)) in {None, name}


@pytest.mark.parametrize(
    "piece",
    [
        "<|",
        "<",
        "<|a",
        "<" + "a" * 64,
        "<start_of_" + "a" * 33,
        "</",
        "[/",
        "go ",
        "go  ",
        " ",
        "图",
        "a",
        "\0",
        "\udcff",
    ],
)
def test_time_is_linear_in_the_length_of_the_text(piece: str) -> None:
    """A million characters take seconds; a rule that backtracks would take minutes.

    The rules about chat models are tried in test_flaws.py.
    """
    tokens = TokenFinder(f"<|a{number}|>" for number in range(1_000))
    started = time.process_time()
    for name in (*PUBLISHED.use, "control_text"):
        reject_reason(f"x{piece * (1_000_000 // len(piece))}x", only(name), tokens)
    assert time.process_time() - started < 10


def test_many_halves_of_a_control_token_take_little_time() -> None:
    started = time.process_time()
    assert reject_reason("<|" * 50_000, only("control_text")) is None
    assert reject_reason("<|" * 50_000 + "im_end|>", only("control_text")) == "control_text"
    assert time.process_time() - started < 1
