"""Answers of mathematics in whole responses: marks first, then the text of the mark, else the last line."""

import pytest

from stages.answers.kinds import Ambiguous, answer_config, load_kind
from stages.answers.math import MathAnswer, extract_math_answer
from stages.settings.answers import AnswerSettings

RESPONSES: dict[str, list[tuple[str, str | None]]] = {
    "a remark is no answer": [
        ("The final answer is 42. I hope this answer is helpful!", "42"),
        ("The answer is 42.\nThis answer is the same as in step 3.", "42"),
        ("The answer is 42. The answer is correct.", "42"),
        ("So the total is 42.\nI hope this helps!", "42"),
        ("The total is 42.\nLet me know if you need 3 more examples!", "42"),
    ],
    "marks around the word": [
        ("**Answer:** 42 apples on 3 trees", "42"),
        ("*Answer*: 42 apples on 3 trees", "42"),
        ("**Final Answer**\n\n**42**", "42"),
        ("### Answer: $x = 5$", "x = 5"),
        ("Answer:\n\n42", "42"),
    ],
    "signs": [
        ("Profit is −5", "-5"),
        ("The answer is −3 degrees", "-3 degrees"),
        ("–3 degrees", "-3 degrees"),
        ("The temperature is -3 degrees.", "-3 degrees"),
        ("So the change is −$12.50.", "-$12.50"),
    ],
    "numbers": [
        ("It takes 3 1/2 cups", "3 1/2 cups"),
        ("Result: 1.5e-3", "0.0015"),
        ("2.5e6 people", "2500000"),
        ("There are 10^3 people.", "1000"),
        ("There are 5 x 10^3 people", "5000"),
        ("The answer is 1 234 567.", "1234567"),
    ],
    "languages": [
        ("答案是42", "42"),
        ("一共有42个苹果", "42"),
        ("答えは４２です", "42"),
        ("La réponse est 3,5", "3.5"),
        ("La réponse est \\boxed{3,5}", "3.5"),
        ("Die Antwort ist 3,5 Meter.", "3.5 m"),
        ("La respuesta es 42 manzanas en 3 árboles.", "42"),
        ("A resposta é 3,5.", "3.5"),
        ("La risposta è 42.", "42"),
        ("Ответ: 3,5", "3.5"),
        ("정답은 42입니다.", "42"),
        ("उत्तर: ४२", "42"),
        ("الجواب هو ٤٢", "42"),
    ],
    "tails": [
        ("Therefore f(x) = x^2 + 3", "x^2 + 3"),
        ("So f(x) = 2x", "2x"),
        ("So the point is (3, 4).", "(3, 4)"),
        ("```\nSo the total is 42\n```", "42"),
        ("So the total is 42.\n---", "42"),
        ("So the total is 42</s>", "42"),
        ("The answer is 42.\n\nQuestion: What is 2 + 3?\nAnswer: 5", "42"),
    ],
    "words": [
        ("The answer is yes", "yes"),
        ("The answer is no solution", "no solution"),
        ("The answer is infinity.", "infinity"),
        ("The answer is unknown.", None),
    ],
    "boxes": [
        ("$\\boxed{1}$ and $\\boxed{2}$", "1, 2"),
        ("\\boxed{\\text{The answer is 460}}", "460"),
        ("The answer is 5.\n\\boxed{5, 105}", "5, 105"),
    ],
    "several readings": [
        ("The score was 5-3", "?"),
        ("The answer is 3,5", "?"),
        ("He drove 240 miles in 4 hours.", "?"),
    ],
}


@pytest.mark.parametrize(
    ("response", "answer"),
    [pytest.param(text, answer, id=f"{kind}: {text}") for kind, rows in RESPONSES.items() for text, answer in rows],
)
def test_answers_of_responses(response: str, answer: str | None) -> None:
    extracted = extract_math_answer(response)
    assert ("?" if isinstance(extracted, Ambiguous) else extracted) == answer


def test_the_words_that_announce_an_answer_are_a_setting() -> None:
    kind = load_kind(answer_config(AnswerSettings(announcements=("verdict",))))
    assert isinstance(kind, MathAnswer)
    assert kind.extract("Verdict: 42\nI checked 3 cases.", "?") == "42"
    assert MathAnswer().extract("Verdict: 42\nI checked 3 cases.", "?") == "3"


def test_a_mark_without_a_readable_answer_is_stepped_over() -> None:
    assert extract_math_answer("The answer is 42.\nAnswer: see above") == "42"
    assert extract_math_answer("So 3 + 4 = 7.\nAnswer: see above") is None
