"""Kinds of answers outside mathematics, and a kind from a user's file."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.choice import ChoiceAnswer, listed_options
from stages.answers.kinds import answer_config, load_kind
from stages.answers.text import TextAnswer, normalised_text
from stages.answers.marks import anchored_line, last_boxed
from stages.answers.math import MathAnswer
from stages.settings.answers import AnswerConfig, AnswerSettings
from storage.errors import InputError

MEDICAL = (
    "A 54-year-old man with hypertension needs vitamin A. Which drug causes a dry cough?\n"
    "A. Amlodipine\nB. Lisinopril\nC. Metoprolol\nD. Hydrochlorothiazide"
)


def choice(response: str, question: str = MEDICAL, *, boxed_only: bool = False) -> str | None:
    """Return the letter that a response votes for, None if it has none."""
    kind = ChoiceAnswer(boxed_only=boxed_only)
    answer = kind.extract(response, question)
    return None if answer is None else kind.canonical(answer, question)


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        (r"ACE inhibitors do. \boxed{B}", "B"),
        (r"So \boxed{\text{(B)}}.", "B"),
        (r"\boxed{b}", "B"),
        (r"\boxed{\textbf{B. Lisinopril}}", "B"),
        (r"\boxed{Lisinopril}", "B"),
        (r"First \boxed{A}, no: \boxed{D}", "D"),
        ("The answer is (C) because it blocks beta receptors.", "C"),
        ("The answer is C because it blocks beta receptors.", "C"),
        ("**Answer:** B", "B"),
        ("answer: lisinopril.", "B"),
        ("Answer: option B", "B"),
        ("#### D", "D"),
        ("It is an ACE inhibitor.\n\n(B)", "B"),
        ("It is an ACE inhibitor.\nB) Lisinopril", "B"),
        ("The answer is A.", "A"),
        ("The answer is a drug of the first line.", None),  # "a" is a word here
        ("A patient like this should see a doctor.", None),
        ("B vitamins do not cough.", None),
        ("I do not know.", None),
        ("", None),
        (r"\boxed{E}", None),  # not among the options
        (r"\boxed{7}", None),
        ("Options A, B and C are wrong", None),
    ],
)
def test_a_choice_is_a_letter_among_the_options(response: str, letter: str | None) -> None:
    assert choice(response) == letter


def test_boxed_only_reads_no_other_letter() -> None:
    assert choice("The answer is (C).", boxed_only=True) is None
    assert choice(r"\boxed{C}", boxed_only=True) == "C"


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (MEDICAL, {"A": "amlodipine", "B": "lisinopril", "C": "metoprolol", "D": "hydrochlorothiazide"}),
        ("Is it so? (A) yes (B) no", {"A": "yes", "B": "no"}),
        ("Pick one.\nA) 1\nB) 2\nD) 4", {"A": "1", "B": "2"}),
        ("Vitamin A. is it good?", {}),
        ("No options at all", {}),
    ],
)
def test_options_are_read_off_the_question(question: str, options: dict[str, str]) -> None:
    listed = listed_options(question)
    assert list(listed) == list(options)
    for letter in list(options)[:-1]:
        assert listed[letter] == options[letter]


def test_without_listed_options_letters_up_to_j_count() -> None:
    assert choice(r"\boxed{J}", "Which one?") == "J"
    assert choice(r"\boxed{K}", "Which one?") is None


def test_an_options_text_counts_if_no_other_option_has_it() -> None:
    twice = "Which?\nA. the same\nB. the same\nC. other"
    assert choice(r"\boxed{the same}", twice) is None
    assert choice(r"\boxed{Other}", twice) == "C"


@pytest.mark.parametrize("reference", ["B", "(B)", r"\boxed{B}", "B. Lisinopril", "Lisinopril"])
def test_reference_answers_of_a_choice(reference: str) -> None:
    assert ChoiceAnswer().gold(reference, MEDICAL) == "B"


def test_text_is_compared_after_normalization() -> None:
    kind = TextAnswer()
    same = ["Habeas corpus", "habeas  CORPUS.", r"\text{Habeas corpus}", '"habeas corpus"', "\\textbf{habeas corpus}"]
    assert {kind.canonical(answer, "") for answer in same} == {"habeas corpus"}
    assert kind.canonical("Straße", "") == kind.canonical("STRASSE", "")
    assert kind.canonical("ﬁling", "") == kind.canonical("filing", "")
    assert kind.canonical("ὈΔΎΣΣΕΥΣ", "") == kind.canonical("ὀδύσσευς", "")
    assert kind.canonical("北京。", "") == "北京"
    assert kind.canonical("-5", "") != kind.canonical("5", "")
    assert kind.canonical("?!", "") is None
    assert not kind.same("habeas corpus", "corpus")


def test_prose_without_a_mark_is_no_text_answer() -> None:
    # Refusals are all alike, so they must not vote.
    kind = TextAnswer()
    assert kind.extract("I am sorry, I cannot answer this question.", "?") is None
    assert kind.extract("The answer is habeas corpus.\nThat is all.", "?") == "habeas corpus."
    assert kind.extract(r"So \boxed{res judicata}", "?") == "res judicata"
    assert TextAnswer(boxed_only=True).extract("The answer is habeas corpus.", "?") is None


DOSES = """
import re
from stages.answers.kinds import AnswerKind
from stages.answers.marks import anchored_line

class Dose(AnswerKind):
    def extract(self, response, question):
        return anchored_line(response)
    def canonical(self, answer, question):
        found = re.match(r"([0-9.]{1,9}) ?(mg|g)", answer)
        return str(float(found[1]) * {"mg": 1, "g": 1000}[found[2]]) if found else None
    def same(self, left, right):
        return abs(float(left) - float(right)) <= 0.01 * float(left)

DOSE = Dose()
NOT_ONE = 5
"""


def test_a_kind_is_loaded_from_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "doses.py"
    path.write_text(DOSES)
    config = answer_config(AnswerSettings(kind=f"{path}:DOSE"))
    kind = load_kind(config)
    assert kind.canonical(kind.extract("Answer: 0.5 g daily", "?") or "", "?") == "500.0"
    assert kind.canonical("a spoonful", "?") is None
    assert kind.same("500.0", "502.0") and not kind.same("500.0", "600.0")
    # Its key depends on its content alone, so that the file may lie elsewhere on another machine.
    dumped = json.dumps(config.model_dump(mode="json"))
    assert str(tmp_path) not in dumped and config.sha256 in dumped


def test_a_changed_file_is_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "doses.py"
    path.write_text(DOSES)
    before = answer_config(AnswerSettings(kind=f"{path}:DOSE"))
    path.write_text(DOSES + "\n# changed\n")
    after = answer_config(AnswerSettings(kind=f"{path}:DOSE"))
    assert before.sha256 != after.sha256
    with pytest.raises(InputError, match="has changed since the run was started"):
        load_kind(AnswerConfig(**before.model_dump(), path=str(path)))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("doses.py:NOT_ONE", "found 5 of that name, expected an instance of a subclass"),
        ("doses.py:MISSING", "found nothing of that name"),
        ("doses.py:Dose", "expected an instance"),
        ("broken.py:DOSE", "importing the file fails with SyntaxError"),
        ("nowhere.py:DOSE", "nowhere.py does not exist"),
    ],
)
def test_a_kind_that_cannot_be_loaded_is_an_error(
    kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("doses.py").write_text(DOSES)
    Path("broken.py").write_text("def (")
    with pytest.raises(InputError, match=message):
        answer_config(AnswerSettings(kind=kind))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown kind of answers 'maths'; expected math, choice, text, or file\.py"):
        AnswerSettings(kind="maths")
    with pytest.raises(ValueError, match="boxed_only goes with math, choice, text"):
        AnswerSettings(kind="doses.py:DOSE", boxed_only=True)


def test_marks_of_an_answer() -> None:
    assert last_boxed(r"\boxed{1} and \fbox{\frac{1}{2}}") == r"\frac{1}{2}"
    assert last_boxed(r"\boxed{1} then \boxed{2") == "1"  # the last was cut off
    assert last_boxed(r"\boxed 5.") == "5"
    assert last_boxed(r"\boxed{\{1, 2\}}") == r"\{1, 2\}"
    assert last_boxed(r"{ \boxed{3}") == "3"
    assert last_boxed(r"\boxed{} \boxed{  }") is None
    assert last_boxed("}}}{{{") is None
    assert last_boxed(r"\boxed{" + "7" * 1_000 + "}") == "7" * 1_000
    assert anchored_line("The answer is 4.\nSo the answer is: 5\nok") == "5"
    assert anchored_line("no mark") is None


@pytest.mark.parametrize("kind", [MathAnswer(), ChoiceAnswer(), TextAnswer()], ids=["math", "choice", "text"])
@given(text=st.text(st.characters(), max_size=300), question=st.text(max_size=100))
def test_no_text_breaks_a_kind(kind: MathAnswer | ChoiceAnswer | TextAnswer, text: str, question: str) -> None:
    answer = kind.extract(text, question)
    for spelling in (text, answer or ""):
        form = kind.canonical(spelling, question)
        assert form is None or (form and kind.canonical(spelling, question) == form)
        if form is not None:
            assert kind.same(form, form) in (True, False, None)


@pytest.mark.parametrize("kind", [MathAnswer(), ChoiceAnswer(), TextAnswer()], ids=["math", "choice", "text"])
def test_megabytes_are_read_quickly(kind: MathAnswer | ChoiceAnswer | TextAnswer) -> None:
    rng = random.Random(0)
    pieces = [r"\boxed", "{", "}", "$", r"\(", "answer is ", "1,", "(A) ", "\n", "*", r"\text{", "7" * 50]
    for text in ["{" * 10**6, r"\boxed{" * 10**5, "answer is " * 10**5, "".join(rng.choices(pieces, k=200_000))]:
        kind.extract(text, MEDICAL)


def test_normalised_text_of_nothing_is_empty() -> None:
    assert normalised_text(" .,") == ""
    assert normalised_text("−5°") == "−5"
