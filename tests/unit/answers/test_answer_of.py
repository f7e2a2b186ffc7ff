"""What of a response is read: no thinking and, if it was cut off, nothing after its last closed answer."""

import pytest

from stages.answers.kinds import Ambiguous, AnswerKind, Raised, answer_of, load_kind, part_that_counts
from stages.settings.answers import AnswerConfig, AnswerSettings

MEDICAL = "Which drug causes a dry cough?\nA. statins\nB. ACE inhibitors\nC. nitrates"
OLD_WAY = {"count_truncated": True}


def read(response: str, kind: str = "math", *, truncated: bool = True, question: str = "?", **settings: bool) -> str:
    """Return the canonical form of the response's answer, "none" without one, or "ambiguous"."""
    config = AnswerConfig(kind=kind, **settings)
    loaded = load_kind(config)
    answer = answer_of(loaded, response, question, truncated=truncated, settings=config)
    if isinstance(answer, Ambiguous):
        return "ambiguous"
    return "none" if answer is None else str(loaded.canonical(answer, question))


CUT_OFF = [
    # In the middle of a calculation
    ("= 9, then 9 + 3", "none"),
    ("so 9 + 3 = 12, and 12", "none"),
    ("The total is 16.", "none"),  # the next word may change it: "The total is 16. No, wait"
    ("Let $x = 3$. Then $x + 4", "none"),
    ("Let $x = 3$. Then $x + 4 = 7$", "none"),
    ("12 apples at 3 dollars make 36", "none"),
    ("", "none"),
    # Boxes
    (r"\boxed{16}", "16"),
    (r"So it is $\boxed{16}$. Let me check: 9 + 3", "16"),
    (r"\boxed{16", "none"),
    (r"\boxed{\frac{1}{2", "none"),
    (r"\boxed{\frac{1}{2}}", "1/2"),
    (r"So far \boxed{12}. Now \boxed{1", "12"),
    (r"They are \boxed{12} and \boxed{1", "none"),  # half of an answer
    (r"\boxed{}", "none"),
    (r"\fbox{7}. It is", "7"),
    # Tags and announced answers
    ("<answer>42</answer>", "42"),
    ("<answer>42</answer> since 9 + 3", "42"),
    ("<answer>42", "none"),
    ("<answer>4", "none"),
    ("The answer is 4", "none"),  # it may go on: 42
    ("The answer is 42.\nLet me verify: 9 + 3", "42"),
    ("The answer is 42. Let me verify: 9 + 3", "42"),
    ("**Answer**: 42\n\nCheck: 9 + 3", "42"),
    ("答案是42\n检验：9 + 3", "42"),
    ("La réponse est 42.\nVérifions : 9 + 3", "42"),
    ("#### 42\nCheck: 9 + 3", "42"),
    ("#### 4", "none"),
    ("The answer is 7.\nNo, the answer is 1", "7"),
    ("**Final Answer**\n\n42", "none"),
    ("**Final Answer**\n\n\\[\n\\frac{1}{2}\n\\]\n", "1/2"),
    ("**Final Answer**\n\n\\[\n\\frac{1}{2}\n", "none"),
    ("### Final Answer\n\nThe total is **42** app", "none"),
    ("### Final Answer\n\nThe total is **42** apples.\n\nWe", "42"),
    ('{"answer": 42, "expl', "42"),
    ('{"answer": 4', "none"),
    ("The answers are:\n1. 3\n2. 5\n", "none"),  # the list may go on
    ("The answers are:\n1. 3\n2. 5\n\nSo", "3,5"),
    ("Final Answer:\nx = 3\n", "none"),
    ("The answer is 42.\n\nQuestion: 2 + 3?\nAnswer: 5. So", "42"),
    ("<answer>\nThe total is 42.\nSince", "none"),
    (r"So \boxed{42}. Wait, that's wrong. It should be 4", "none"),
    (r"Not \boxed{5}. It is 4", "none"),
    (r"They are \boxed{3}, \boxed{5}, \bo", "none"),
]


@pytest.mark.parametrize(("response", "answer"), CUT_OFF)
def test_a_response_that_was_cut_off_counts_up_to_its_last_closed_answer(response: str, answer: str) -> None:
    assert read(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("= 9, then 9 + 3", "ambiguous"),
        ("The total is 16.", "16"),
        (r"\boxed{1} then 2 = \boxed{3", "1"),
        ("no number", "none"),
    ],
)
def test_count_truncated_reads_a_cut_off_response_like_any_other(response: str, answer: str) -> None:
    assert read(response, **OLD_WAY) == read(response, truncated=False) == answer


THINKING = [
    ("<think>So the answer is 5? No.</think>\nThere are 6 apples.", False, "6"),
    (r"<think>It is \boxed{5}.</think>I cannot say.", False, "none"),
    (r"<think>It is \boxed{5}.</think>It is \boxed{6}.", False, "6"),
    ("<think>The answer is 5.", False, "none"),
    (r"<think>\boxed{5}", True, "none"),
    (r"<think>\boxed{5}</think> So 9 + 3", True, "none"),
    (r"<think>No.</think> So \boxed{12}. Check: 9", True, "12"),
    ("We get 5?</think>\nThere are 6.", False, "6"),  # the prompt opened the thinking
]


@pytest.mark.parametrize(("response", "truncated", "answer"), THINKING)
def test_no_answer_comes_from_thinking(response: str, truncated: bool, answer: str) -> None:
    assert read(response, truncated=truncated) == answer


def test_thinking_is_removed_with_count_truncated_too() -> None:
    assert read(r"<think>\boxed{5}", **OLD_WAY) == "none"
    assert read(r"<think>\boxed{5}</think>So 9 + 3 = 12", **OLD_WAY) == "12"


@pytest.mark.parametrize(
    ("kind", "response", "truncated", "answer"),
    [
        ("choice", r"\boxed{B} because", True, "B"),
        ("choice", "B) ACE", True, "none"),
        ("choice", "B) ACE", False, "B"),
        ("choice", r"<think>\boxed{A}</think>\boxed{B}", False, "B"),
        ("text", r"It is \boxed{res judicata}. That", True, "res judicata"),
        ("text", r"It is \boxed{res judi", True, "none"),
        ("text", "The answer is res judi", True, "none"),
        ("text", "The answer is res judicata.\nIt bars", True, "res judicata"),
        ("choice", "The answer is (B).\nACE inhibitors", True, "B"),
        ("choice", "The answer is (B", True, "none"),
        ("choice", "The best option is probably B", True, "none"),
        ("text", "The answer is res judicata", False, "res judicata"),
    ],
)
def test_every_kind_of_answers_is_read_so(kind: str, response: str, truncated: bool, answer: str) -> None:
    assert read(response, kind, truncated=truncated, question=MEDICAL) == answer


class Whole(AnswerKind):
    """A custom kind that takes all that it sees."""

    def extract(self, response: str, question: str) -> str | None:
        if "bug" in response:
            raise ValueError("no number")
        return response


def whole(response: str, *, truncated: bool = False) -> str | None:
    return answer_of(Whole(), response, "?", truncated=truncated, settings=AnswerConfig())


def test_custom_kind_sees_no_thinking_and_only_the_closed_part() -> None:
    assert whole("<think>5</think>6") == "6"
    assert whole(r"It is \boxed{6}", truncated=True) == r"It is \boxed{6}"
    assert whole("It is 6 or", truncated=True) is None
    assert whole("It is 6 or") == "It is 6 or"


def test_exception_of_a_kind_is_an_answer_that_says_so() -> None:
    answer = whole("a bug")
    assert isinstance(answer, Raised) and answer == "ValueError: no number"


def test_part_that_counts_of_a_whole_response_is_the_response() -> None:
    assert part_that_counts("9 + 3", truncated=False, settings=AnswerConfig()) == "9 + 3"
    assert part_that_counts("9 + 3", truncated=True, settings=AnswerConfig()) is None
    assert part_that_counts("9 + 3", truncated=True, settings=AnswerConfig(count_truncated=True)) == "9 + 3"


def test_ambiguous_answer_names_its_readings() -> None:
    answer = Ambiguous("3 or 5")
    assert answer == "3 or 5" and str(answer) == "3 or 5"


def test_settings_stay_out_of_keys_while_default() -> None:
    assert AnswerConfig().model_dump(mode="json") == {"kind": "math", "boxed_only": False, "sha256": None}
    assert AnswerSettings().model_dump(mode="json") == {"kind": "math", "boxed_only": False}
    changed = AnswerConfig(kind="choice", count_truncated=True, several=True, announcements=("Svar",))
    assert AnswerConfig.model_validate(changed.model_dump(mode="json")) == changed


def test_several_goes_with_choice_only() -> None:
    assert AnswerSettings(kind="choice", several=True).several
    with pytest.raises(ValueError, match="several goes with kind choice, whose answers are letters; found math"):
        AnswerSettings(several=True)
