"""Kinds of answers outside mathematics, and a kind from a user's file."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.choice import ChoiceAnswer
from stages.answers.kinds import answer_config, load_kind
from stages.answers.marks import anchored_line, last_boxed
from stages.answers.math import MathAnswer
from stages.answers.text import TextAnswer
from stages.settings.answers import AnswerConfig, AnswerSettings
from storage.errors import InputError

MEDICAL = (
    "A 54-year-old man with hypertension needs vitamin A. Which drug causes a dry cough?\n"
    "A. Amlodipine\nB. Lisinopril\nC. Metoprolol\nD. Hydrochlorothiazide"
)


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
