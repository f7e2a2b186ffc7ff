"""Grades on the cases of public test suites and of public bug reports.

`public_cases.tsv` has one case a line: whether the source calls the response right, the gold answer, the response and,
for a choice, the texts of the options; "↵" is a new line. `public_differences.tsv` has the cases in which the grade
here is another one, and why. Every other case must be graded as its source grades it.

Only facts are taken over, inputs and their right values, and no code. Long responses are shortened to their end.
Sources:

- Apache-2.0: math-verify, open-r1 and TRL (Hugging Face), Gym and Skills (NVIDIA NeMo), sieval, tinker-cookbook,
  open-instruct.
- MIT: lighteval, lm-evaluation-harness, MATH (Hendrycks et al.), PRM800K and simple-evals (OpenAI), Qwen2.5-Math,
  verifiers.
- Inputs that users of these projects, of MMLU-Pro, AGIEval, HELM and of other graders reported as bugs.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from math_verify import ExprExtractionConfig, LatexExtractionConfig
from math_verify.metric import math_metric

from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import answer_of, load_kind
from stages.answers.voting import AnswerToGrade, grade
from stages.settings.answers import AnswerConfig

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    source: str
    gold: str
    response: str
    options: str
    is_right: bool

    @property
    def question(self) -> str:
        texts = self.options.split(" | ") if self.options else []
        return "\n".join(["Which?", *(f"{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", texts, strict=False))])


def _rows(name: str) -> list[list[str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line.replace("↵", "\n").split("\t") for line in lines]


def _cases() -> Iterator[Case]:
    kind = source = ""
    for first, *rest in _rows("public_cases.tsv"):
        if first.startswith("# "):
            kind, source = first[2:].split(": ", 1)
        elif first:
            gold, response, *options = rest
            yield Case(kind, source, gold, response, "".join(options), first == "right")


CASES = tuple(_cases())
DIFFERENCES = {(gold, response): reason for reason, gold, response in _rows("public_differences.tsv")}
"""Gold answer and response -> why the grade here differs from the value of the source."""


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as shared:
        yield shared


@pytest.mark.parametrize("kind", ["math", "choice"])
def test_grades(verifier: Verifier, kind: str) -> None:
    settings = AnswerConfig(kind=kind)
    reader = load_kind(settings)
    cases = [case for case in CASES if case.kind == kind]
    rows = [
        AnswerToGrade(
            question=case.question,
            answer=answer_of(reader, case.response, case.question, truncated=False, settings=settings),
            gold=case.gold,
        )
        for case in cases
    ]
    grades = grade(rows, reader, verifier)
    differing = {
        (case.gold, case.response): (row.answer, status)
        for case, row, status in zip(cases, rows, grades, strict=True)
        if (status == "correct") != case.is_right
    }
    listed = DIFFERENCES.keys() & {(case.gold, case.response) for case in cases}
    assert {key: value for key, value in differing.items() if key not in listed} == {}
    assert listed - differing.keys() == set()


def test_every_difference_has_a_case_and_a_reason() -> None:
    assert DIFFERENCES.keys() <= {(case.gold, case.response) for case in CASES}
    assert all(DIFFERENCES.values())
    assert len(CASES) > 600


FORMS = "forms of math-verify's tests"
MATH_VERIFY_DIFFERENCES: dict[tuple[str, str], str] = {
    ("2", "The answer is $2^{10}.$"): "it reads the price $2 out of the formula",
    ("1000.99", r"The answer is \$1,000.99"): "an escaped dollar sign hides the number",
    ("4.5e33", r"\boxed{4.5 \times 10^{33}}"): "in LaTeX its e is Euler's number",
    (r"\frac{1}{3}", r"$\frac{1}{3}.$"): "a full stop inside the formula hides it (mended in a later version)",
}
"""Cases of `FORMS` that the metric of math-verify grades differently. To it, every expression is a candidate."""


def test_grades_of_math_verifys_metric() -> None:
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    metric = math_metric((LatexExtractionConfig(),), (ExprExtractionConfig(), LatexExtractionConfig()))
    differing = {
        (case.gold, case.response)
        for case in CASES
        if case.source == FORMS and (metric([f"${case.gold}$"], [case.response])[0] == 1.0) != case.is_right
    }
    assert differing == MATH_VERIFY_DIFFERENCES.keys()
