"""The canonical form of mathematical answers: tables of what people write and the form it has."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.canonical.form import MAX_GOLD, canonical
from stages.answers.canonical.numerals import number
from tests.hostile_answers import hostile_answers

OPTIONS = [
    ("\\textbf{(B)}\\ 12", "12"),
    ("\\text{(C) } \\frac{2}{3}", "2/3"),
    ("\\mathrm{(D)}~5", "5"),
    ("(A) $5", "5 USD"),
    ("B. 12", "12"),
    ("(A) \\cup (B)", "A\\cup B"),
    ("(A)", "A"),
]
"""A letter of an option before its value."""

UNICODE = [
    ("√2", "\\sqrt{2}"),
    ("2√3", "2\\sqrt{3}"),
    ("√(x+1)", "\\sqrt{x+1}"),
    ("√x", "\\sqrt{x}"),
    ("√2/2", "\\sqrt{2}/2"),
    ("√12.5", "\\sqrt{12.5}"),
    ("∛8", "\\sqrt[3]{8}"),
    ("∞", "\\infty"),
    ("-∞", "-\\infty"),
    ("+∞", "\\infty"),
    ("(−∞, 5]", "(-\\infty,5]"),
    ("½", "1/2"),
    ("⅓", "1/3"),
    ("½x", "\\frac{1}{2}x"),
    ("³⁄₄", "3/4"),
    ("x²", "x^2"),
    ("x⁻¹", "x^{-1}"),
    ("10⁻³", "0.001"),
    ("2ⁿ", "2^n"),
    ("x₁", "x_1"),
    ("aₙ", "a_n"),
    ("log₂8", "\\log_{2}8"),
    ("2·3", "2\\cdot3"),
    ("2⋅3", "2\\cdot3"),
    ("5×3", "5\\times3"),
    ("6÷2", "3"),
    ("2π", "2\\pi"),
    ("π/2", "\\pi/2"),
    ("θ", "\\theta"),
    ("x≤3", "x\\le3"),
    ("x≥3", "x\\ge3"),
    ("x≠3", "x\\ne3"),
    ("(0,1)∪(2,3)", "(0,1)\\cup(2,3)"),
    ("∅", "\\emptyset"),
    ("±3", "\\pm3"),
    ("４２．５", "42.5"),
    ("（1，2）", "(1,2)"),
    ("（０，１）", "(0,1)"),
    ("［０，１］", "[0,1]"),
    ("｛1，2｝", "\\{1,2\\}"),
    ("42。", "42"),
    ("42．", "42"),
    ("１２３", "123"),
    ("4\u200b2", "42"),
    ("\ufeff42", "42"),
    ("42\u200e", "42"),
    ("4\u00ad2", "42"),
    ("𝑥²", "x^2"),
    ("𝟒𝟐", "42"),
    ("5 ∕ 2", "5/2"),
    ("−5", "-5"),
    ("“42”", "42"),
    ("`42`", "42"),
    ("**42**", "42"),
    ("90°", "90^\\circ"),
    ("x∈ℝ", "x\\in\\mathbb{R}"),
    ("42!", "42!"),  # a factorial
]

FORMULAS = [
    ("CO2", "CO_2"),
    ("C₆H₁₂O₆", "C_6H_{12}O_6"),
    ("Ca(OH)2", "Ca(OH)_2"),
    ("Na⁺", "Na^+"),
    ("Na+", "Na^+"),
    ("SO4^2-", "SO_4^{2-}"),
    ("\\ce{H2O}", "H_2O"),
    ("O2", "O_2"),
    ("‖v‖", "\\|v\\|"),
    ("Ⅳ", "IV"),
    ("2{:}15", "2:15"),
    ("3\\hat{i}+4\\hat{j}", "3i+4j"),
    ("5 x 3 cm", "5 by 3 cm"),
    ("4/3*pi*r^3", "\\frac{4}{3}\\pi\\cdot r^3"),
]
CHEMISTRY = [
    ("Ca2+", "Ca^{2+}"),  # the charge of a metal
    ("Fe³⁺", "Fe^{3+}"),
    ("NH4+", "NH_4^+"),  # a count, and the charge 1
    ("NO3-", "NO_3^-"),
    ("SO42-", "SO_4^{2-}"),
    ("O2-", "O2-"),  # an oxide or a superoxide
    ("[Co(NH3)6]3+", "[Co(NH_3)_6]^{3+}"),
    ("K4[Fe(CN)6]", "K_4[Fe(CN)_6]"),
    ("CuSO4·5H2O", "CuSO_4\\cdot 5H_2O"),
    ("^{14}_{6}\\text{C}", "^{14}C"),
    ("sp3", "sp^3"),
    ("1s² 2s² 2p⁶", "1s^2 2s^2 2p^6"),
    ("[Ar]3d^{10}4s^1", "[Ar]3d^{10} 4s^1"),
    ("2H2 + O2 -> 2H2O", "2H_2+O_2\\to 2H_2O"),
    ("\\ce{2H2 + O2 -> 2H2O}", "2H_2+O_2\\to 2H_2O"),
    ("2H2(g) + O2(g) → 2H2O(l)", "2H_2+O_2\\to 2H_2O"),
    ("Fe^{3+} + e^- \\to Fe^{2+}", "Fe^{3+}+e^-\\to Fe^{2+}"),
    ("pH 7.4", "pH=7.4"),
    ("B \\to C", "B\\to C"),  # a map
    ("B12", "B12"),
]
COUNTS = [
    ("\\binom{5}{2}", "10"),
    ("\\dbinom52", "10"),
    ("{5 \\choose 2}", "10"),
    ("5 choose 2", "10"),
    ("C(5,2)", "10"),
    ("nCr(5, 2)", "10"),
    ("5C2", "10"),
    ("_5C_2", "10"),
    ("{}^{5}C_{2}", "10"),
    ("C_5^2", "10"),
    ("C^2_5", "10"),
    ("C_{5}^{1}C_{4}^{2}", "5\\cdot6"),
    ("x_5^2", "x_5^2"),
    ("A_5^2", "20"),
    ("5P2", "20"),
    ("\\frac{C(5,2)}{C(10,2)}", "2/9"),
    ("\\binom{5}{2}\\binom{4}{2}", "10\\cdot6"),
    ("\\frac{1}{2}\\binom{5}{2}", "\\frac{1}{2}\\cdot10"),
    ("2\\cdot\\binom{5}{2}", "2\\cdot10"),
    ("\\binom{n}{2}", "\\binom{n}{2}"),
    ("\\binom{2}{5}", "\\binom{2}{5}"),
    ("5!", "120"),
    ("5 factorial", "120"),
    ("5!!", "15"),
    ("3!7!", "6\\cdot5040"),
    ("5! = 120", "120=120"),
    ("5!=120", "120=120"),
    ("n!", "n!"),
    ("C(2,5)", "C=(2,5)"),  # a point
    ("A(3,4)", "A=(3,4)"),
    ("f(3,4)", "f(3,4)"),
]
NUMBER_WORDS = [
    ("twelve", "12"),
    ("Twenty-one.", "21"),
    ("one hundred and five", "105"),
    ("two million five hundred thousand", "2500000"),
    ("a thousand", "1000"),
    ("nineteen hundred", "1900"),
    ("minus three", "-3"),
    ("one half", "1/2"),
    ("three-quarters", "3/4"),
    ("two thirds of the class", "2/3"),
    ("three and a half", "7/2"),
    ("3 et demi", "7/2"),
    ("one and a half hours", "3/2 h"),
    ("half an hour", "1/2 h"),
    ("\\text{Twelve dollars}", "12 USD"),
    ("ten percent", "10%"),
    ("seventy-three apples", "73 apple"),
    ("two or three", "2,3"),
    ("two, three, and five", "2,3,5"),
    ("12 (twelve)", "12"),
    ("twelve (12) apples", "12 apple"),
    ("first", "1 th"),
    ("zwölf", "12"),
    ("doce", "12"),
    ("двенадцать", "12"),
    ("十二", "12"),
    ("二十三个苹果", "23 苹果"),
    ("三分之二", "2/3"),
    ("百分之五十", "50%"),
    ("1億2000万円", "120000000 JPY"),
    ("2万5千", "25000"),
    ("3千米", "3 km"),
    # Words that stay words.
    ("三角形", "三角形"),  # a triangle
    ("one-to-one", "one-to-one"),
    ("twenty-fifth", "twenty-fifth"),
    ("half past three", "half past three"),
    ("one of them", "one of them"),
    ("none", "none"),
]
PLAIN_FUNCTIONS = [
    ("pi/2", "\\pi/2"),
    ("pi", "\\pi"),
    ("2pi", "2\\pi"),
    ("3*pi/4", "3\\pi/4"),
    ("3pi/4", "3\\pi/4"),
    ("pi r^2", "\\pi r^2"),
    ("npi", "n\\pi"),
    ("ln(2)", "\\ln(2)"),
    ("ln 2", "\\ln2"),
    ("log(2)", "\\log(2)"),
    ("log_2(8)", "\\log_2(8)"),
    ("log2(8)", "\\log_2(8)"),
    ("x**2", "x^2"),
    ("x**10", "x^{10}"),
    ("2**10", "2^{10}"),
    ("2^10", "2^{10}"),
    ("10^-3", "0.001"),
    ("2^-3", "2^{-3}"),
    ("x^(1/2)", "x^{1/2}"),
    ("e^(2x)", "e^{2x}"),
    ("e^-x", "e^{-x}"),
    ("1/2x", "\\frac{1}{2}x"),
    ("y = 1/2x + 3", "y=\\frac{1}{2}x+3"),
    ("3/4(x+1)", "\\frac{3}{4}(x+1)"),
    ("4/3 pi r^3", "\\frac{4}{3}\\pi r^3"),
    ("1/2 ln(2)", "\\frac{1}{2}\\ln(2)"),
    ("x/2", "x/2"),
    ("1/(2x)", "1/(2x)"),
    ("theta", "\\theta"),
    ("2theta", "2\\theta"),
    ("alpha + beta", "\\alpha+\\beta"),
    ("sqrt(2)", "\\sqrt{2}"),
    ("sqrt2", "\\sqrt{2}"),
    ("2sqrt(3)", "2\\sqrt{3}"),
    ("2*sqrt(3)", "2\\sqrt{3}"),
    ("sqrt(2+sqrt(3))", "\\sqrt{2+\\sqrt{3}}"),
    ("sqrt(3)/2", "\\sqrt{3}/2"),
    ("\\sqrt10", "\\sqrt{10}"),
    ("\\sqrt(10)", "\\sqrt{10}"),
    ("cbrt(8)", "\\sqrt[3]{8}"),
    ("sin(x)", "\\sin(x)"),
    ("sin x", "\\sin x"),
    ("sinx", "\\sin x"),
    ("sin^2(x)", "\\sin^2(x)"),
    ("cos(theta)", "\\cos(\\theta)"),
    ("atan(1)", "\\arctan(1)"),
    ("np.arcsin(10/13)", "\\arcsin(10/13)"),
    ("math.pi/2", "\\pi/2"),
    ("exp(2)", "e^2"),
    ("abs(x)", "|x|"),
    ("infinity", "\\infty"),
    ("Infinity", "\\infty"),
    ("inf", "\\infty"),
    ("-inf", "-\\infty"),
    ("negative infinity", "-\\infty"),
    ("(-inf, 5)", "(-\\infty,5)"),
    ("[2, oo)", "[2,\\infty)"),
    ("x >= 3", "x\\ge3"),
    ("x<=3", "x\\le3"),
    ("x != 3", "x\\ne3"),
    ("x == 3", "x=3"),
    ("+/-3", "\\pm3"),
    ("2*3", "2\\cdot3"),
    ("5*x", "5x"),
    ("5 x 3", "5\\times3"),
    ("(0,1) U (2,3)", "(0,1)\\cup(2,3)"),
    # Words stay words.
    ("beta blocker", "beta blocker"),
    ("gamma ray", "gamma ray"),
    ("30 psi", "30 psi"),
    ("5 sec", "5 s"),
    ("exponential", "exponential"),
    ("sine", "sine"),
]

LISTS = [
    ("5, 105", "5,105"),
    ("105, 5", "105,5"),
    ("11 and 121", "11,121"),
    ("-2 \\text{ or } -12", "-2,-12"),
    ("1, 2, and 3", "1,2,3"),
    ("1, 2 and 3", "1,2,3"),
    ("$3$ and $4$", "3,4"),
    ("3 y 4", "3,4"),
    ("3 und 4", "3,4"),
    ("3 et 4", "3,4"),
    ("3 и 4", "3,4"),
    ("3和4", "3,4"),
    ("1; 2", "1,2"),
    ("1.5; 2.5", "1.5,2.5"),
    ("69$,$84", "69,84"),
    ("$5, $6", "5 USD,6 USD"),
    ("(1;2)", "(1,2)"),
    ("{1, 2}", "\\{1,2\\}"),
    ("\\{ 1, 2 \\}", "\\{1,2\\}"),
    ("\\lbrace 1, 2 \\rbrace", "\\{1,2\\}"),
    ("\\{\\}", "\\emptyset"),
    ("{x | x > 0}", "\\{x|x>0\\}"),
    ("\\varnothing", "\\emptyset"),
    ("(1, 2) and (3, 4)", "(1,2),(3,4)"),
    ("(\\frac12, 0.50)", "(1/2,0.5)"),
    ("x=1 and y=2", "x=1,y=2"),
    ("x=2 \\text{ or } x=3", "x=2,x=3"),
    ("x = 5.0", "x=5"),
    ("f(n)=n$, $g(n)=1", "f(n)=n,g(n)=1"),
    ("]0, 1[", "(0,1)"),
    ("[0,1[\\cup]2,3]", "[0,1)\\cup(2,3]"),
    ("x > 2 and x < 5", "x>2 and x<5"),
    ("x<1 or x>3", "x<1 or x>3"),
    ("2 \\leqslant x < 5", "2\\le x<5"),
    ("all real numbers", "(-\\infty,\\infty)"),
    ("\\mathbb R", "(-\\infty,\\infty)"),
    ("\\begin{bmatrix} 1 & 0.50 \\\\ 0 & \\frac{1}{2} \\end{bmatrix}", "\\begin{pmatrix}1&0.5\\\\0&1/2\\end{pmatrix}"),
    ("\\text{A and B}", "A,B"),
    ("Alice, Bob, and Carol", "Alice,Bob,Carol"),
    ("salt and pepper", "salt and pepper"),
    ("\\text{no solution}", "no solution"),
    ("even.", "even"),
]

TIMES_AND_DATES = [
    ("10:30 am", "10:30am"),
    ("10:30 a.m.", "10:30am"),
    ("10:30AM", "10:30am"),
    ("10:30\\text{ a.m.}", "10:30am"),
    ("10.30 am", "10:30am"),
    ("09:30 am", "9:30am"),
    ("10:45 am", "10:45am"),
    ("10:30 pm", "10:30pm"),
    ("5 pm", "5:00pm"),
    ("5:00 p.m.", "5:00pm"),
    ("10:30", "10:30"),
    ("09:24", "9:24"),
    ("10:30:15", "10:30:15"),
    ("10 o'clock", "10:00"),
    ("10:30 Uhr", "10:30"),
    ("3 : 5", "3:5"),  # a ratio
    ("2024-05-01", "2024-05-01"),
    ("2024/05/01", "2024-05-01"),
    ("May 1, 2024", "2024-05-01"),
    ("1 May 2024", "2024-05-01"),
    ("1st of May, 2024", "2024-05-01"),
    ("2024年5月1日", "2024-05-01"),
    ("31/12/2024", "2024-12-31"),
    ("1/5/2024", "1/5/2024"),
    ("5 May", "May 5"),
    ("May 5th", "May 5"),
    ("Wednesday, May 1, 2024", "2024-05-01"),
    ("1. Mai 2024", "2024-05-01"),
    ("1er mai 2024", "2024-05-01"),
    ("1 de mayo de 2024", "2024-05-01"),
    ("1 de maio de 2024", "2024-05-01"),
    ("1 maggio 2024", "2024-05-01"),
    ("1 мая 2024 года", "2024-05-01"),
    ("2024년 5월 1일", "2024-05-01"),
    ("12月25日", "Dec 25"),
    ("the 25th of December", "Dec 25"),
    ("2024年5月", "May 2024"),
    ("Januar 2024", "Jan 2024"),
    ("1990s", "the 1990s"),
    ("500 BCE", "500 bc"),
    ("noon", "12:00pm"),
    ("12 noon", "12:00pm"),
    ("midnight", "12:00am"),
    ("7:00 in the morning", "7:00am"),
    ("15.30 Uhr", "15:30"),
    ("下午3点", "3:00pm"),
    ("Montag, 3. Mai 2024", "2024-05-03"),
    ("lundi 3 mai 2024", "2024-05-03"),
    ("понедельник, 5 мая 2024 года", "2024-05-05"),
    ("3点半", "3:30"),
    ("오후 2시 30분", "2:30pm"),
]


FORMS = OPTIONS + UNICODE + FORMULAS + CHEMISTRY + COUNTS + NUMBER_WORDS + PLAIN_FUNCTIONS + LISTS + TIMES_AND_DATES


@pytest.mark.parametrize(("answer", "form"), FORMS)
def test_the_form_of_an_answer(answer: str, form: str) -> None:
    assert canonical(answer) == form


@pytest.mark.parametrize("answer", [answer for answer, _ in TIMES_AND_DATES])
def test_times_and_dates_are_no_numbers(answer: str) -> None:
    assert number(canonical(answer)) is None


@pytest.mark.parametrize(
    "spellings",
    [
        [
            "5",
            "05",
            "5.0",
            "5.",
            "+5",
            "$5$",
            "\\(5\\)",
            " 5 ",
            "\\text{5}",
            "5.00",
            "10/2",
            "\\frac{10}{2}",
            "{5}",
            "(5)",
        ],
        ["0", "-0", "0.0", "-0.00", "\\frac{0}{3}"],
        ["1234", "1,234", "1{,}234", "1,\\!234", "1,234.0", "1 234"],
        [
            "-1/3",
            "-\\frac{1}{3}",
            "\\frac{-1}{3}",
            "\\frac{1}{-3}",
            "-\\dfrac13",
            "-\\tfrac{2}{6}",
            "−1/3",
            "-\\frac1{3}",
        ],
        ["0.5", ".5", "0.50", "00.5", "\\displaystyle.5"],
        ["50%", "50\\%", "50 \\%", "50.0\\%", "50 percent"],
        ["4.5e33", "4.5E33", "4.5 \\times 10^{33}", "4.50\\cdot10^{33}", "45e32"],
        [
            "(3,\\frac{\\pi}{2})",
            "\\left( 3, \\frac{\\pi}{2} \\right)",
            "$(3, \\dfrac{π}{2})$",
            "\\bigl(3,\\frac\\pi2\\bigr)",
        ],
        ["x=5", "x = 5", "$x = 5.$", "x = 5.0"],
        ["even", "\\text{even}", "\\textbf{ even }", "\\mathrm{even}."],
        ["A", "(A)", "\\text{(A)}", "\\mathbf{A}", "\\textbf{(A)}"],
        ["C", "\\mathbf{C}"],
        ["10-4n", "10 - 4 n", "10-4\\,n", "10-4*n"],
        ["30^\\circ", "30^{\\circ}", "30°", "30 degrees", "30^o"],
        ["\\sqrt{2}", "\\sqrt2", "\\sqrt 2", "sqrt(2)", "√2"],
        ["x^2", "x^{2}", "x**2", "x²"],
        ["x\\le 3", "x \\leq 3", "x<=3", "x≤3"],
        ["\\pm 3", "\\pm3", "±3"],
        ["(M, 2 M]", "(M, 2M]", "\\left(M,2M\\right]"],
        ["3 \\pmod{7}", "3 (mod 7)", "3 \\bmod 7", "3 mod 7"],
        ["1, \\dots, 10", "1,\\ldots,10", "1, \\cdots, 10"],
        ["O(n\\log n)", "\\mathcal{O}(n \\log n)"],
        ["p \\implies q", "p ⇒ q", "p \\Rightarrow q"],
        ["1/2", "\\sfrac{1}{2}", "\\nicefrac12", "{}^1/_2", "^1\\!/_2"],
        ["A'", "A^\\prime", "A^{\\prime}"],
        ["\\textcolor{red}{5}", "\\color{red} 5", "\\underline{5}", "5"],
    ],
    ids=lambda spellings: spellings[0],
)
def test_spellings_of_one_answer_are_one(spellings: list[str]) -> None:
    assert {canonical(spelling) for spelling in spellings} == {canonical(spellings[0])}


@pytest.mark.parametrize(
    "different",
    [
        ["50", "50\\%", "0.5"],
        ["5", "x=5", "y=5"],
        ["(1,234)", "1234", "(1,2,34)"],
        ["5, 105", "5,105", "5.105", "(5,105)"],
        ["1 2", "12"],
        ["30", "30^\\circ", "30 °C", "30 rad"],
        ["\\pi r", "\\pir"],
        ["[1,2]", "(1,2)", "[1,2)", "\\{1,2\\}", "1,2"],
        ["1\\frac{1}{2}", "\\frac{11}{2}"],
        ["\\frac{1}{0}", "1/0", "0/0", "0", "1"],
        ["5", "-5", "5i", "5!", "|5|x"],
        ["1,23", "123"],
        [
            "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
            "\\begin{pmatrix}12\\end{pmatrix}",
            "\\begin{pmatrix}1&2\\end{pmatrix}",
        ],
        ["\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"],
        ["101_2", "101_3", "101"],
        ["10:30 am", "10:45 am", "10:30 pm", "10:30"],
        ["2024-05-01", "2024-05-02", "2018"],
        ["5 hours", "5 minutes", "5"],
        ["12 m", "12 km", "12 m^2", "12"],
        ["$5", "€5", "£5", "5 cents", "5"],
        ["x>2 and x<5", "x>2 or x<5", "x>2, x<5"],
        ["1/2x", "1/(2x)", "\\frac{1}{2x}"],
        ["x^2", "x_2", "x2"],
        ["\\sqrt{2}x", "\\sqrt{2x}"],
        ["1/2^{99}", "1/2^{98}"],
        ["2.5", "2,5"],
        ["(M, 2 M]", "(M, 2]"],
        ["50% increase", "50% decrease", "50%"],
        ["$500 profit", "$500 loss", "$500"],
        ["120/80 mmHg", "1.5 mmHg"],
        ["\\mathbb{Z}_5", "\\mathbb{Z}_7"],
        ["3 \\pmod 7", "3 \\pmod 5", "3"],
    ],
    ids=lambda different: different[0],
)
def test_different_answers_stay_different(different: list[str]) -> None:
    assert len({canonical(answer) for answer in different}) == len(different)


@given(st.text(alphabet="0123456789.,-+/%$\\{}()=x ^frac", max_size=30))
def test_canonical_is_stable(answer: str) -> None:
    """The canonical form of a number is its own canonical form, and no text raises an exception."""
    form = canonical(answer)
    if number(form) is not None:
        assert canonical(form) == form


PIECES = [
    "(", ")", "[", "]", "{", "}", "\\{", "\\}", ",", ";", "1", "111", "1,", "0.", "\\frac", "\\sqrt", "^", "_",
    "x", " ", "e",
    " and ", " or ", " of ", "km ", "/", "per ", "€", "$", "\\text{", "½", "√", "²", "°", "million ", "=", "<",
    "\\cup ", "&",
    "\\\\", "\\begin{pmatrix}", "\\end{pmatrix}", "–", "-", ":", "am", "\\overline{", "...", "\ue000",
    "\ud800", "\x00", "pi",
    "sin", "个", "%", "!", "\\circ", "base 2",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_text_has_a_form(pieces: list[str]) -> None:
    form = canonical("".join(pieces))
    assert isinstance(form, str) and "\ue000" not in form


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_take_linear_time(piece: str) -> None:
    began = time.process_time()
    canonical((piece * MAX_GOLD)[:MAX_GOLD])
    assert time.process_time() - began < 0.5


def test_hostile_texts_are_bounded() -> None:
    began = time.process_time()
    for answer in hostile_answers(1_000, seed=5):
        canonical(answer[:MAX_GOLD])
    assert time.process_time() - began < 20
