"""Our readings of answers: against values worked out by hand, against math-verify, and against sympy's rewritings."""

import json
import math
import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.answers.algebra.expressions import letter_value
from stages.answers.algebra.readings import Reading, read_latex
from stages.answers.algebra.verifier import Verifier
from stages.answers.canonical.form import canonical
from stages.answers.canonical.numerals import number
from stages.answers.marks import gold_answer
from stages.answers.math import MathAnswer

DATA = Path(__file__).resolve().parents[3] / "../shared/data"
KIND = MathAnswer()


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as shared:
        yield shared


def read(answer: str) -> Reading | None:
    form = KIND.canonical(answer, "?")
    return None if form is None else KIND.read(answer, form)


X, Y = float(letter_value("x")), float(letter_value("y"))


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("7", 7.0),
        ("-\\frac{\\pi}{2}", -math.pi / 2),
        ("2\\sqrt{3}", 2 * math.sqrt(3)),
        ("\\sqrt[3]{2}", 2 ** (1 / 3)),
        ("2^{3}-1", 7.0),
        ("10^{-3}", 1e-3),
        ("-x^2", -(X**2)),
        ("2x^2y", 2 * X**2 * Y),
        ("\\frac{x+1}{2}", (X + 1) / 2),
        ("3(x+1)(x-1)", 3 * (X + 1) * (X - 1)),
        ("3\\cdot2+4\\times 5", 26.0),
        ("2x/3", 2 * X / 3),
        ("-(x-y)", Y - X),
        ("150^\\circ", 150.0),
        ("2\\frac{1}{3}", 7 / 3),
        ("\\sin x\\cos x", math.sin(X) * math.cos(X)),
        ("2\\sin^2 x+1", 2 * math.sin(X) ** 2 + 1),
        ("\\cos\\frac{x}{2}", math.cos(X / 2)),
        ("\\ln(x+1)", math.log(X + 1)),
        ("\\log 100", 2.0),
        ("\\log(100)", 2.0),
        ("X", X),  # math-verify ignores case
        ("x_1", float(letter_value("x_1"))),
        ("-\\infty", -math.inf),
        ("x=5", 5.0),
        ("6^4=36\\cdot6\\cdot6=1296", 1296.0),
    ],
)
def test_values_by_hand(answer: str, value: float | None) -> None:
    reading = read(answer)
    if value is None:
        assert reading is None
    else:
        assert reading is not None and reading.shape == "value"
        assert reading.numbers == (pytest.approx(value, rel=1e-14),)


@pytest.mark.parametrize(
    ("answer", "shape", "numbers"),
    [
        ("50\\%", "value", (50, 0.5)),
        ("(3, \\frac{1}{2})", "sequence", (3, 0.5)),
        ("[1,2)", "sequence", (1, 2)),
        ("1,2,3", "sequence", (1, 2, 3)),
        ("\\{5\\}", "sequence", (5,)),
        ("(-\\infty,\\frac12]", "sequence", (-math.inf, 0.5)),
        ("(-\\infty,1)\\cup(1,\\infty)", "union", (-math.inf, 1, 1, math.inf)),
        ("(0,1)\\cup[1,2)", "union", ()),  # which is (0,2)
        ("(0,3)\\cup(1,4)", "union", ()),
        ("x\\le 5", "inequality", ()),
        ("1<x<2", "inequality", ()),
        ("\\begin{pmatrix} 1 & 2 \\\\ 3 & -\\frac{1}{2} \\end{pmatrix}", "matrix", (1, 2, 3, -0.5)),
    ],
)
def test_shapes_by_hand(answer: str, shape: str, numbers: tuple[float, ...]) -> None:
    reading = read(answer)
    assert reading is not None and (reading.shape, reading.numbers) == (shape, numbers)


@pytest.mark.parametrize(
    "answer",
    [
        "2(3)", "(1)(2)", "x^23", "x^2h", "5\\text{ x}", "2ab", "f(x)", "f_0(x)", "a(b)", "e(x)",
        "2E", "dx", "I", "3 4", "x2", "2^3^2", "--3", "2\\cdot-3", "n!", "|x|y|", "x_{12}", "\\sin 2x",
        "\\sin(x)y", "\\log_2 8", "\\theta", "\\{1,2", "5<x=3",
        "\\sqrt{-2}", "(-2)^{0.5}", "1/0", "0^{-1}", "10^{400}", "2^{2^{2^{2^{2}}}}",
        "((((((((((((((((((((((1))))))))))))))))))))))", "10^{20}+1-10^{20}", "\\ln(-1)", "\\tan\\frac{\\pi}{2}", "",
        "\\", "=", "x=", ",", "()", "\\frac{1}{}", "^2", "_1", "\x00", "²", "\\begin{pmatrix}1&\\end{pmatrix}",
        "(0,1)\\cup 3",
    ],
)  # fmt: skip
def test_ambiguous_answers_are_left_to_math_verify(answer: str) -> None:
    assert read(answer) is None


@pytest.mark.parametrize("answer", ["3:2", "\\pm 3", "[5,3]", "[1,2,3]", "x=1,y=2", "10:30am", "no solution", "3 m"])
def test_answers_of_known_structure_need_no_math_verify(answer: str) -> None:
    assert read(answer) == Reading("ok")


@pytest.mark.parametrize(
    ("left", "right", "may_equal"),
    [
        ("x+1", "1+x", True),
        ("x+1", "x+2", False),
        ("2", "x", False),
        ("0.333333", "\\frac{x}{3x}", True),
        ("1000000.1\\pi", "1000000.2\\pi", False),
        ("(1,2)", "(2,1)", True),  # a set would be equal
        ("(1,2)", "(1,3)", False),
        ("(1,2)", "1", False),
        ("\\{5\\}", "5", True),
        ("50\\%", "0.5", True),
        ("50\\%", "5", False),
        ("x=5", "5", True),
        ("x=5", "6", False),
        ("x=5", "y=5", False),
        ("y=x", "x=y", True),
        ("y=2x+1", "y-1=2x", True),
        ("y=2x+1", "y=2x+2", False),
        ("x+y-z+1=0", "x+y-z+2=0", False),
        ("x+y-z+1=0", "2z=2x+2y+2", True),
        ("x=5", "y=-3x+30", False),
        ("x=2\\frac{1}{3}", "x=3\\frac{1}{3}", False),
        ("x=\\infty", "x=5", False),
        ("10^{-12}x^2=10^{-12}\\cdot2", "x^2=2", True),
        ("18=2\\cdot9", "5=5", True),
        ("x^2=4", "x=2", True),  # not the same equation, but one point does not tell
        ("x<5", "5", False),
        ("x<5", "5>x", True),
        ("x<5", "(1,2)", True),
        ("x<5", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", False),
        ("(0,1)\\cup(2,3)", "(0,1)\\cup(2,4)", False),
        ("(0,1)\\cup(2,3)", "(2,3)\\cup(0,1)", True),
        ("(0,1)\\cup(1,2)", "(0,2)", False),
        ("(0,1)\\cup[1,2)", "(0,2)", True),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\3\\end{pmatrix}", False),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "2", False),
        ("ab", "bca", True),  # compared as words
        ("f(x)", "3", True),
    ],
)  # fmt: skip
def test_what_may_be_equal(left: str, right: str, may_equal: bool) -> None:
    left_reading, right_reading = (read(answer) or Reading("ok") for answer in (left, right))
    assert left_reading.may_equal(right_reading) is may_equal
    assert right_reading.may_equal(left_reading) is may_equal


def test_a_long_or_deep_answer_is_left_to_math_verify() -> None:
    for answer in (
        "(" * 300,
        "1+" * 150,
        "\\frac{" * 50,
        "x^" * 100,
        "-" * 300,
        "1" * 301,
        "\\sqrt{" * 60,
        "9^9^" * 70,
    ):
        assert read_latex(answer) is None


TOKENS = [
    *"0123456789xye.,=<>+-*/^_(){}[]|% ",
    *["\\frac{", "\\sqrt{", "\\sqrt[", "\\pi", "\\sin", "\\ln(", "\\cup", "\\infty", "\\\\", "&", "\\{", "\\}"],
]


@settings(max_examples=2_000)
@given(tokens=st.lists(st.sampled_from([*TOKENS, "10^{200}", "10^{-200}", "\\frac{1}{"]), max_size=25))
def test_any_text_is_read_or_left_to_math_verify(tokens: list[str]) -> None:
    reading = read_latex("".join(tokens))
    for other in (reading, Reading("ok", "value", (1.0,)), read_latex("x=5"), read_latex("y=\\frac{1}{x}")):
        if reading is not None and other is not None:
            assert reading.may_equal(other) or other is not reading
            assert not any(math.isnan(number) for number in reading.numbers)


FORMS = (
    "5", "x+1", "1+x", "(x+1)^2", "x^2+2x+1", "\\frac{2x}{2}", "x", "X", "x_1", "y=x", "x=y", "y=x+1", "y-1=x", "x=5",
    "y=5", "2x=10", "2.5", "\\frac{5}{2}", "2\\frac{1}{2}", "\\sqrt{8}", "2\\sqrt{2}", "2.828427", "\\pi", "3.141593",
    "(1,2)", "[1,2]", "1,2", "2,1", "\\{1,2\\}", "\\{2,1\\}", "\\{5\\}", "\\{5,5\\}", "[5,5]", "150^\\circ", "150",
    "50\\%", "50", "0.5", "x<5", "5>x", "x\\le 5", "(-\\infty,5)", "(-\\infty,5]", "(0,1)\\cup(2,3)",
    "(2,3)\\cup(0,1)", "(0,2)", "(0,1)\\cup(1,2)", "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
    "\\begin{pmatrix}1&2\\end{pmatrix}", "\\sin^2 x+\\cos^2 x", "1", "1323_4", "1323", "\\ln x", "\\log(100)", "2",
    "abc", "a b c", "ABC", "-\\infty", "x-x+5", "3\\cdot4=12", "12", "\\frac{1}{x}", "x^{-1}", "\\frac{x-1}{x^2-1}",
    "\\frac{1}{x+1}", "10^{-7}", "0",
)  # fmt: skip


@pytest.mark.slow
def test_pairs_that_math_verify_calls_equal_are_not_ruled_out(verifier: Verifier) -> None:
    readings = {form: read(form) or Reading("ok") for form in FORMS}
    assert sum(reading.shape is not None for reading in readings.values()) > 0.9 * len(FORMS)
    ruled_out = [pair for pair in combinations(FORMS, 2) if not readings[pair[0]].may_equal(readings[pair[1]])]
    assert len(ruled_out) > 1_500
    verdicts = dict(zip(ruled_out, verifier.equal(ruled_out), strict=True))
    assert {pair for pair, verdict in verdicts.items() if verdict == "equal"} == set()


@pytest.mark.slow
def test_readings_are_those_of_math_verify(verifier: Verifier) -> None:
    """The golds of every benchmark, and every formula in the solutions of the seeds."""
    answers = set()
    for path in sorted(DATA.glob("*/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            answers.add(gold_answer(str(row.get("answer", ""))))
            answers |= {formula for formula in str(row.get("solution", "")).split("$")[1::2] if len(formula) < 120}
    if not answers:
        pytest.skip("no benchmarks beside the repository")
    readings = {
        answer: reading for answer in sorted(answers) if (reading := read(answer)) is not None and reading.shape
    }
    readings = {
        answer: reading
        for answer, reading in readings.items()
        if number(canonical(answer)) is None and "%" not in answer
    }
    assert len(readings) > 1_200
    disagreements = []
    for (answer, ours), theirs in zip(
        readings.items(), verifier.read([KIND.latex(answer, canonical(answer)) for answer in readings]), strict=True
    ):
        numbers_agree = len(ours.numbers) == len(theirs.numbers) or ours.shape == "union"
        # `latex` ends "x y" in "\\cdot 1", which keeps math-verify from dropping a unit.
        words_agree = " " in answer or ours.letters_only == theirs.letters_only
        if (theirs.status, ours.shape) != ("ok", theirs.shape) or not (
            words_agree and numbers_agree and ours.may_equal(theirs) and bool(ours.sides) == bool(theirs.sides)
        ):
            disagreements.append(answer)
    # math-verify cannot read a list that ends in c or m, which are units to it, and evaluates chains of equal numbers.
    assert len(disagreements) <= 8, disagreements


expressions = st.recursive(
    st.integers(1, 9).map(sympy.Integer) | st.sampled_from([*sympy.symbols("x y a"), sympy.pi, sympy.Rational(2, 3)]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, st.integers(2, 3)).map(lambda pair: pair[0] ** pair[1]),
        inner.map(lambda term: sympy.sqrt(term**2 + 1)),
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(expression=expressions)
def test_rewritings_of_an_expression_may_be_equal(expression: sympy.Expr) -> None:
    """Sympy rewrites and prints an expression; the result may equal it and has the same value."""
    ways = {sympy.latex(way) for way in (expression, sympy.expand(expression), sympy.factor(expression))}
    readings = [reading for way in ways if (reading := read(way)) is not None]
    for left, right in combinations(readings, 2):
        assert left.may_equal(right), ways
    for reading in readings:
        letter_values = {symbol: sympy.Rational(letter_value(symbol.name)) for symbol in expression.free_symbols}
        assert reading.numbers == (pytest.approx(float(expression.subs(letter_values)), rel=1e-9, abs=1e-9),)


def test_random_pairs_of_near_answers(verifier: Verifier) -> None:
    """Answers that differ by one digit or sign are ruled out nearly always, and never wrongly."""
    rng = random.Random(7)
    pairs = []
    for form in FORMS:
        for _ in range(3):
            index = rng.randrange(len(form))
            near = form[:index] + rng.choice("123456789+-x") + form[index + 1 :]
            pairs.append((form, near))
    known = [pair for pair in pairs if all(read(answer) is not None for answer in pair)]
    ruled_out = [
        pair for pair in known if not (read(pair[0]) or Reading("ok")).may_equal(read(pair[1]) or Reading("ok"))
    ]
    assert len(ruled_out) > 60
    assert "equal" not in verifier.equal(ruled_out)
