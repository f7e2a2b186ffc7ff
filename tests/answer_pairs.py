"""Generated pairs of responses whose answers are equal or different by construction.

An equal pair writes one value in two ways: other notation, spaces, order, units, wrapping. A different pair changes one
thing of the value: a sign, a digit, a unit, a bracket, a letter or a word.
"""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

Rng = random.Random


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one question."""

    left: str
    right: str
    equal: bool
    question: str = "?"


Ways = Sequence[str]
"""Ways to write one value, each as it could stand in a box. Any two of them are equal."""
Maker = Callable[[Rng], tuple[Ways, Ways]]
"""Returns the ways to write a value, and the ways to write one that differs from it in one thing."""

BOXES = (
    "\\boxed{{{}}}", "So we get $\\boxed{{{}}}$.", "First \\boxed{{7919}}, no.\nThe final answer is \\boxed{{{}}}",
)  # fmt: skip
MATH_WRAPS = (
    *BOXES, "Adding up.\n\n**Answer:** ${}$", "The answer is ${}$.", "It follows.\n#### {}", "<answer>{}</answer>",
)  # fmt: skip


def pairs(name: str, count: int) -> Iterator[Pair]:
    """Yield `count` pairs of a name in `NAMES`, the same in every run."""
    rng = Rng(f"{name} {count}")
    for _ in range(count):
        yield _choice_pair(rng) if name == "choice" else _text_pair(rng) if name == "text" else _math_pair(rng, name)


def _math_pair(rng: Rng, name: str) -> Pair:
    ways, other_ways = MATH[name](rng)
    equal = rng.random() < 0.5
    answers = rng.choice(ways), rng.choice(ways if equal else other_ways)
    left, right = (rng.choice(BOXES if name in IN_BOXES else MATH_WRAPS).format(answer) for answer in answers)
    return Pair(left, right, equal)


# --- Numbers --------------------------------------------------------------------------------------------------------


def _digit_changed(rng: Rng, number: int) -> int:
    """Return a positive number that differs from `number` in one digit and has as many."""
    digits = str(number)
    i = rng.randrange(len(digits))
    choices = [digit for digit in string.digits if digit != digits[i] and (i or digit != "0")]
    return int(digits[:i] + rng.choice(choices) + digits[i + 1 :])


def _integer_ways(number: int) -> Ways:
    sign, size = "-" if number < 0 else "", abs(number)
    ways = [f"{sign}{size}", f"{sign}{size}.0", f"{sign} {size}" if sign else f"+{size}", f"{sign}{2 * size}/2",
            f"\\text{{{sign}{size}}}", f"{sign}{size}."]  # fmt: skip
    if sign:
        ways.append(f"\u2212{size}")
    if size >= 1_000:
        ways += [f"{sign}{size:,}".replace(",", separator) for separator in (",", "{,}", "\\,", "\u202f")]
    return ways


def _integer(rng: Rng) -> tuple[Ways, Ways]:
    sign = rng.choice((1, -1))
    size = rng.randint(2, 10 ** rng.randint(1, 7))
    other = -sign * size if rng.random() < 0.3 else sign * _digit_changed(rng, size)
    return _integer_ways(sign * size), _integer_ways(other)


def _fraction_ways(value: Fraction) -> Ways:
    if value.denominator == 1:
        return _integer_ways(int(value))
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    ways = [f"{sign}{top}/{bottom}", f"{sign}\\frac{{{top}}}{{{bottom}}}",
            f"{sign}\\dfrac{{{3 * top}}}{{{3 * bottom}}}",
            f"{sign} {top} / {bottom}"]  # fmt: skip
    if top > bottom:
        whole, rest = divmod(top, bottom)
        ways += [f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"]
    if 10**6 % bottom == 0:
        ways.append(f"{sign}{float(abs(value)):.6f}".rstrip("0"))
    return ways


def _fraction(rng: Rng) -> tuple[Ways, Ways]:
    top, bottom, sign = rng.randint(1, 60), rng.randint(2, 13), rng.choice((1, -1))
    others = Fraction(-top, bottom), Fraction(top + 1, bottom), Fraction(top, bottom + 1)
    return _fraction_ways(Fraction(sign * top, bottom)), _fraction_ways(sign * rng.choice(others))


def _decimal(rng: Rng) -> tuple[Ways, Ways]:
    digits, places = rng.randint(11, 99_999), rng.randint(1, 3)

    def ways(digits: int) -> Ways:
        text = f"{digits / 10**places:.{places}f}"
        return (text, f"{text}0", f"\\displaystyle {text}", text.removeprefix("0"), f"{digits}e-{places}",
                f"{digits} \\times 10^{{-{places}}}", f"\\frac{{{digits}}}{{{10**places}}}")  # fmt: skip

    return ways(digits), ways(_digit_changed(rng, digits))


def _percent(rng: Rng) -> tuple[Ways, Ways]:
    """50% is 50 or 0.5, and these two are different."""
    number = rng.randint(2, 99)

    def ways(number: int) -> Ways:
        return (f"{number}%", f"{number}\\%", f"{number} \\%", f"{number}.0%", f"{number} percent")

    bare = rng.choice((str(number), f"{number / 100:.2f}"))
    return (*ways(number), bare), (*ways(_digit_changed(rng, number)), str(10 * number), f"{number / 1000:.3f}")


def _base(rng: Rng) -> tuple[Ways, Ways]:
    digits = "1" + "".join(rng.choices("01", k=rng.randint(2, 6)))
    base, other = rng.sample(range(2, 10), 2)

    def ways(digits: str, base: int) -> Ways:
        return (f"{digits}_{base}", f"{digits}_{{{base}}}", f"({digits})_{{{base}}}", f"{digits}_{{\\text{{{base}}}}}")

    return ways(digits, base), rng.choice((ways(digits, other), ways(f"{digits}0", base)))


def _time(rng: Rng) -> tuple[Ways, Ways]:
    hour, minute, half = rng.randint(1, 12), rng.randint(0, 59), rng.choice("ap")

    def ways(minute: int, half: str) -> Ways:
        time = f"{hour}:{minute:02d}"
        return (f"{time} {half}m", f"{time}{half}m", f"{time} {half}.m.", f"{time} {half.upper()}M")

    if rng.random() < 0.5:
        return ways(minute, half), ways(minute, "a" if half == "p" else "p")
    return (*ways(minute, half), f"{hour}:{minute:02d}"), ways((minute + 15) % 60, half)


# --- Quantities -----------------------------------------------------------------------------------------------------

UNITS = (
    ("cm", "\\text{ cm}", "centimeters"), ("km", "\\text{ km}", "kilometers"), ("m", "\\text{ m}", "meters"),
    ("kg", "\\text{ kg}", "kilograms"), ("g", "\\text{ g}", "grams"), ("hours", "\\text{ hours}", "h"),
    ("minutes", "\\text{ minutes}", "min"), ("seconds", "\\text{ seconds}", "sec"),
    ("km/h", "\\text{ km/h}", "kilometers per hour"), ("miles per hour", "\\text{ mph}", "mph"),
    ("m^2", "\\text{ m}^2", "square meters"), ("cm^3", "\\text{ cm}^3", "cubic centimeters"),
    ("cents", "\\text{ cents}"), ("N", "\\text{ N}", "newtons"),
)  # fmt: skip
CONVERSIONS = (("km", "m", 1000), ("m", "cm", 100), ("kg", "g", 1000), ("hours", "minutes", 60), ("L", "mL", 1000))


def _quantity(rng: Rng) -> tuple[Ways, Ways]:
    """A bare number equals a quantity."""
    number = rng.randint(2, 999)
    unit, other_unit = rng.sample(UNITS, 2)

    def ways(number: int, unit: Ways) -> Ways:
        return [f"{number}{name}" if name.startswith("\\") else f"{number} {name}" for name in unit]

    if rng.random() < 0.5:
        return ways(number, unit), ways(number, other_unit)
    other = _digit_changed(rng, number)
    return (*ways(number, unit), str(number)), (*ways(other, unit), str(other))


def _count(rng: Rng) -> tuple[Ways, Ways]:
    number, things = rng.randint(2, 9_999), rng.choice(("apples", "people", "dollars", "weeks", "red marbles"))

    def ways(number: int) -> Ways:
        return (str(number), f"{number} {things}", f"{number}\\text{{ {things}}}", f"{number:,} \\text{{{things}}}")

    return ways(number), ways(_digit_changed(rng, number))


def _conversion(rng: Rng) -> tuple[Ways, Ways]:
    value = Fraction(rng.randint(1, 900), rng.choice((1, 1, 2, 4)))
    large, small, factor = rng.choice(CONVERSIONS)

    def ways(value: Fraction) -> Ways:
        numbers = (value, large), (value * factor, small)
        return [f"{text.rstrip('.')} {unit}" for number, unit in numbers for text in _fraction_ways(number)]

    return ways(value), rng.choice((ways(value + 1), ways(value / factor), ways(value * factor)))


def _angle(rng: Rng) -> tuple[Ways, Ways]:
    degrees = rng.choice([n for n in range(3, 360, 3) if n != 180])

    def ways(degrees: int) -> Ways:
        half_turns = Fraction(degrees, 180)
        top = "" if half_turns.numerator == 1 else half_turns.numerator
        return (f"{degrees}^\\circ", f"{degrees}°", f"{degrees}^{{\\circ}}", f"{degrees} degrees",
                f"\\frac{{{top}\\pi}}{{{half_turns.denominator}}}", f"{top}π/{half_turns.denominator}",
                f"\\frac{{{top}\\pi}}{{{half_turns.denominator}}} \\text{{ rad}}")  # fmt: skip

    return ways(degrees), ways(rng.choice([degrees + 3, 2 * degrees + 3]))


# --- Lists, points and sets of numbers ------------------------------------------------------------------------------


def _members(rng: Rng) -> list[int]:
    return [rng.choice((1, -1)) * rng.randint(1, 10 ** rng.randint(1, 3)) for _ in range(rng.randint(2, 4))]


def _member_changed(rng: Rng, members: list[int]) -> list[int]:
    changed = list(members)
    i = rng.randrange(len(members))
    changed[i] = -changed[i] if rng.random() < 0.4 else changed[i] + rng.choice((1, 10, 100))
    return changed if set(changed) != set(members) else [*members[:-1], members[-1] + 2_000]


def _list(rng: Rng) -> tuple[Ways, Ways]:
    members = _members(rng)

    def ways(members: list[int]) -> Ways:
        orders = [", ".join(map(str, order)) for order in (members, members[::-1], sorted(members))]
        last = f"{', '.join(map(str, members[:-1]))} \\text{{ and }} {members[-1]}"
        return (*orders, last, " and ".join(map(str, members)) if len(members) == 2 else last)

    return ways(members), ways(rng.choice(([*members, members[0]], _member_changed(rng, members))))


def _set(rng: Rng) -> tuple[Ways, Ways]:
    members = sorted(set(_members(rng)))

    def ways(members: list[int]) -> Ways:
        text, reverse = (", ".join(map(str, order)) for order in (members, members[::-1]))
        return (f"\\{{{text}\\}}", f"\\{{{reverse.replace(' ', '')}\\}}", f"\\left\\{{ {reverse} \\right\\}}")

    point = [f"({members[0]}, {members[-1]})"] if len(members) > 1 else []
    return ways(members), rng.choice((ways(_member_changed(rng, members)), point or ways([*members, 5_000])))


def _solutions(rng: Rng) -> tuple[Ways, Ways]:
    left, right = rng.sample(range(-50, 50), 2)

    def ways(left: int, right: int) -> Ways:
        return (f"x={left} \\text{{ or }} x={right}", f"x = {right}, x = {left}", f"x={left} or {right}",
                f"x_1 = {left}, x_2 = {right}", f"x \\in \\{{{right}, {left}\\}}", f"\\{{{left}, {right}\\}}",
                f"{right}, {left}")  # fmt: skip

    others = ways(left, right + 101), ways(left, -right - 101), (f"x={left}", str(right), f"x={left}, y={right}")
    return ways(left, right), rng.choice(others)


def _point(rng: Rng) -> tuple[Ways, Ways]:
    left, right = rng.sample(range(-50, 50), 2)

    def ways(left: int, right: int) -> Ways:
        return (f"({left},{right})", f"({left}, {right})", f"\\left({left}, {right}\\right)",
                f"(x, y) = ({left}, {right})",
                f"x = {left}, y = {right}", f"y={right}, x={left}", f"\\langle {left}, {right} \\rangle",
                f"\\begin{{pmatrix}} {left} \\\\ {right} \\end{{pmatrix}}", f"({left}, {right})^T")  # fmt: skip

    return ways(left, right), rng.choice((ways(right, left), ways(left, right + 1), ways(left + 100, right)))


def _points(rng: Rng) -> tuple[Ways, Ways]:
    a, b, c, d = rng.sample(range(-50, 50), 4)

    def ways(a: int, b: int, c: int, d: int) -> Ways:
        return (f"({a},{b}), ({c},{d})", f"({c}, {d}) \\text{{ and }} ({a}, {b})", f"\\{{({a},{b}),({c},{d})\\}}",
                f"(x,y) = ({a},{b}), ({c},{d})", f"x={a}, y={b} \\text{{ or }} x={c}, y={d}")  # fmt: skip

    return ways(a, b, c, d), rng.choice((ways(b, a, c, d), ways(a, d, c, b), ways(a, b, c, d + 100)))


def _matrix(rng: Rng) -> tuple[Ways, Ways]:
    a, b, c, d = rng.sample(range(-20, 20), 4)

    def ways(a: int, b: int, c: int, d: int) -> Ways:
        entries = f"{a} & {b} \\\\ {c} & {d}"
        environments = [f"\\begin{{{name}}} {entries} \\end{{{name}}}" for name in ("pmatrix", "bmatrix")]
        array = f"\\left[\\begin{{array}}{{cc}} {entries} \\end{{array}}\\right]"
        transposed = f"\\begin{{pmatrix}}{a}&{c}\\\\{b}&{d}\\end{{pmatrix}}^T"
        return (*environments, array, f"A = {environments[0]}", transposed, f"[[{a}, {b}], [{c}, {d}]]")

    return ways(a, b, c, d), rng.choice((ways(a, c, b, d), ways(a, b, c, d + 1), ways(a, b, c, d + 100)))


def _interval(rng: Rng) -> tuple[Ways, Ways]:
    low = rng.randint(-40, 40)
    high = low + rng.randint(1, 40)
    closed = rng.random() < 0.5, rng.random() < 0.5

    def ways(low: int, high: int, closed: tuple[bool, bool]) -> Ways:
        left, right = "[" if closed[0] else "(", "]" if closed[1] else ")"
        less, less_too = "\\le" if closed[0] else "<", "\\leq" if closed[1] else "<"
        text = f"{left}{low}, {high}{right}"
        return (text, text.replace(" ", ""), f"{low} {less} x {less_too} {high}", f"x \\in {text}",
                f"\\{{x \\mid {low} {less} x {less_too} {high}\\}}",
                f"{left}{low},\\infty)\\cap(-\\infty,{high}{right}")  # fmt: skip

    changed = rng.choice(((not closed[0], closed[1]), (closed[0], not closed[1])))
    return ways(low, high, closed), rng.choice((ways(low, high + 1, closed), ways(low, high, changed)))


def _ray(rng: Rng) -> tuple[Ways, Ways]:
    end, closed, to_right = rng.randint(-50, 50), rng.random() < 0.5, rng.random() < 0.5

    def ways(end: int, closed: bool, to_right: bool) -> Ways:
        more, less = ("\\ge", "\\leq") if closed else (">", "<")
        if to_right:
            return (f"{'[' if closed else '('}{end},\\infty)", f"x {more} {end}", f"{end} {less} x")
        return (f"(-\\infty, {end}{']' if closed else ')'}", f"x {less} {end}", f"{end} {more} x")

    others = ways(end, not closed, to_right), ways(end, closed, not to_right), ways(end + 1, closed, to_right)
    return ways(end, closed, to_right), rng.choice(others)


def _without_points(rng: Rng) -> tuple[Ways, Ways]:
    low, high = sorted(rng.sample(range(-50, 50), 2))

    def ways(low: int, high: int) -> Ways:
        return (f"(-\\infty,{low})\\cup({low},{high})\\cup({high},\\infty)", f"x \\neq {low}, {high}",
                f"\\mathbb{{R}} \\setminus \\{{{high}, {low}\\}}", f"x \\ne {low} \\text{{ and }} x \\ne {high}",
                f"\\{{x \\in \\mathbb{{R}} : x \\neq {high}, x \\neq {low}\\}}")  # fmt: skip

    return ways(low, high), rng.choice(
        (ways(low, high + 1), (f"({low}, {high})", f"x = {low}, {high}", f"x \\ne {low}"))
    )


# --- Expressions ----------------------------------------------------------------------------------------------------


def _root(rng: Rng) -> tuple[Ways, Ways]:
    factor, radicand = rng.randint(2, 9), rng.choice((2, 3, 5, 6, 7, 10))

    def ways(factor: int, radicand: int) -> Ways:
        value = factor * radicand**0.5
        return (f"{factor}\\sqrt{{{radicand}}}", f"{factor}√{radicand}", f"{factor}*sqrt({radicand})", f"{value:.8f}",
                f"\\sqrt{{{factor**2 * radicand}}}", f"\\sqrt{{{radicand}}} \\cdot {factor}",
                f"{factor}\\sqrt{{{radicand}}} \\approx {value:.2f}")  # fmt: skip

    rounded = f"{factor * radicand**0.5:.3f}9"
    others = ways(factor + 1, radicand), (f"-{factor}\\sqrt{{{radicand}}}", f"{factor}{radicand}", rounded)
    return ways(factor, radicand), rng.choice(others)


def _pi(rng: Rng) -> tuple[Ways, Ways]:
    top, bottom = rng.randint(1, 11), rng.randint(2, 7)

    def ways(top: int, bottom: int) -> Ways:
        times = "" if top == 1 else str(top)
        return (f"\\frac{{{times}\\pi}}{{{bottom}}}", f"{times}π/{bottom}", f"{times}pi/{bottom}",
                f"\\frac{{{top}}}{{{bottom}}}\\pi")  # fmt: skip

    return ways(top, bottom), rng.choice((ways(top + bottom, bottom), ways(top, bottom + 1)))


def _polynomial(rng: Rng) -> tuple[Ways, Ways]:
    a, b, c = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)

    def ways(a: int, b: int, c: int) -> Ways:
        return (f"{a}x^2+{b}x+{c}", f"{a}x^{{2}} + {b}x + {c}", f"{c}+{b}x+{a}x^2", f"{a} x² + {b} x + {c}",
                f"{a}*x**2 + {b}*x + {c}", f"f(x) = {a}x^2 + {b}x + {c}", f"y={c}+{b}x+{a}x^2")  # fmt: skip

    return ways(a, b, c), rng.choice((ways(a + 1, b, c), ways(a, b, c + 1), (f"{a}x^2-{b}x+{c}",)))


TERMS = ("x", "2x", "x^2", "\\sqrt{2}", "\\pi", "3\\pi", "\\frac{x}{2}", "xy", "y", "5", "\\frac{1}{3}", "\\sqrt{3}x",
         "\\ln x", "e^x", "\\sin x")  # fmt: skip


def _sum(rng: Rng) -> tuple[Ways, Ways]:
    terms = [(rng.choice("+-"), term) for term in rng.sample(TERMS, rng.randint(2, 4))]

    def ways(terms: list[tuple[str, str]]) -> Ways:
        orders = [rng.sample(terms, len(terms)) for _ in range(4)]
        return ["".join(sign + term for sign, term in order).removeprefix("+") for order in orders]

    (sign, term), *rest = terms
    return ways(terms), ways([("+" if sign == "-" else "-", term), *rest])


def _equation(rng: Rng) -> tuple[Ways, Ways]:
    value = Fraction(rng.randint(-900, 900) or 1, rng.choice((1, 1, 2, 3, 4, 7)))
    name = rng.choice(("x", "y", "k", "x_1", "f(2)", "S_{10}", "AB", "m+n", "\\theta", "\\lambda", "|AB|"))

    def ways(name: str, value: Fraction) -> Ways:
        return [f"{name} = {text.rstrip('.')}" for text in _fraction_ways(value)]

    return (*ways(name, value), str(value)), ways(name, rng.choice((-value, value + 1)))


MATH: dict[str, Maker] = {
    "integer": _integer, "fraction": _fraction, "decimal": _decimal, "percent": _percent, "base": _base, "time": _time,
    "quantity": _quantity, "count": _count, "conversion": _conversion, "angle": _angle, "list": _list, "set": _set,
    "solutions": _solutions, "point": _point, "points": _points, "matrix": _matrix, "interval": _interval, "ray": _ray,
    "without points": _without_points, "root": _root, "pi": _pi, "polynomial": _polynomial, "sum": _sum,
    "equation": _equation,
}  # fmt: skip
IN_BOXES = frozenset(("list", "solutions", "point", "points", "sum", "conversion"))
"""Answers that are generated in boxes only: outside, "and" and "or" may separate answers, and xy may be a word."""
NAMES = (*MATH, "choice", "text")

# --- Options and words ----------------------------------------------------------------------------------------------

OPTIONS = (
    *string.ascii_uppercase[:12], "A+", "A-", "B+", "O-", "AB", "vitamin A", "vitamin K", "E. coli", "S. aureus", "5",
    "5%", "$5", "€5", "-5", "<5", ">5", "3.5 mg", "none of these", "all of the above", "both (A) and (B)", "N/A",
    "yes", "no", "I. only", "x > 3", "x: 3", "a beta blocker", "the heart", "11 and 121", "(0, 1)", "Rh+", "12 m/s",
    "two: one each", "$x^2$", "B cells",
)  # fmt: skip
OPTION_STYLES = (
    "\n{}. {}", "\n({}) {}", "\n{}) {}", " ({}) {}", "\n**{}.** {}", "\n{}、{}", "\n[{}] {}", " {}) {}", "\n{}: {}",
    "\n<{}> {}", "\n| {} | {} |", "\n{} . {}", "\n{}){}", "\n({}){}", "\n- {}) {}", "\n> {}) {}",
    "\nOption {}: {}", "\n`{}` {}",
)  # fmt: skip
CHOICE_WRAPS = (
    "\\boxed{{{letter}}}", "\\boxed{{({letter})}}", "\\boxed{{\\text{{({letter})}}}}", "The answer is {letter}.",
    "The answer is ({letter}).", "The answer is **{letter}**.", "Answer: {letter}", "**Answer:** {letter}",
    "**Answer**: {letter}", "Answer: {letter}. {text}", "The answer is ({letter}) {text}.",
    "The answer is {letter}: {text}", "\\boxed{{{letter}. {text}}}", "\\boxed{{\\textbf{{({letter})}} {text}}}",
    "Let us see.\n{letter}", "Let us see.\n({letter}) {text}", "So I choose {letter}.", "Therefore, {letter}.",
    "Therefore, ({letter}) is correct.", "Hence the correct option is {letter}.", "<answer>{letter}</answer>",
    "So option {letter} is the correct one.", "#### {letter}", "Final answer: **{letter}**", "Antwort: {letter}",
    "答案：{letter}", "Answer: I think it is {letter}", "The answer is {text}.", "\\boxed{{{text}}}", "Answer: {text}",
)  # fmt: skip


def _choice_pair(rng: Rng) -> Pair:
    texts, style = rng.sample(OPTIONS, rng.randint(3, 7)), rng.choice(OPTION_STYLES)
    question = "Which one?" + "".join(map(style.format, string.ascii_uppercase, texts))
    left = rng.randrange(len(texts))
    right = left if rng.random() < 0.5 else rng.randrange(len(texts))
    return Pair(_chosen(rng, texts, left), _chosen(rng, texts, right), left == right, question)


def _chosen(rng: Rng, texts: list[str], i: int) -> str:
    """Return a response. Texts shorter than three characters are never stated alone: C is also a letter."""
    wraps = CHOICE_WRAPS if len(texts[i]) > 2 else [wrap for wrap in CHOICE_WRAPS if "{letter}" in wrap]
    return rng.choice(wraps).format(letter=string.ascii_uppercase[i], text=texts[i])


WORDS = (
    "habeas corpus", "res judicata", "Rome", "O'Brien", "E. coli", "U.S. Congress", "J. S. Bach", "St. Paul", "बेटा",
    "बेटी", "北京", "東京", "Ελλάδα", "Москва", "vitamin C", "vitamin B12", "factor VIII", "Henry V", "C", "C++", "C#",
    "F#", "A*", "Yes", "No", "naïve", "Ångström", "x-ray", "rock 'n' roll", "Saint-Étienne", "2,4-D", "pH 7.4",
    "U.S.A.", "Na+", "K+", "K-", "Ca2+", "Fe2+", "Fe3+", "Cl-", "Rh+", "Rh-", "A+", "A-", "AB+", "AB-", "O+", "O-",
)  # fmt: skip
SIGNS = ("", "-", "<", ">", "≤", "≥", "±", "$", "€", "£", "¥")
ENDS = ("", "%", "‰", "°", " mg", " kg", " g", " mL", " m", " km", " V", " mV", " MV", "€", "!")
TEXT_WRAPS = (
    "\\boxed{{{}}}", "The answer is {}.", "The answer is {}. I hope this answer is helpful.", "**Answer:** {}",
    "Answer: {}\n", "#### {}", "<answer>{}</answer>", "Final answer: **{}**", "\\boxed{{\\text{{{}}}}}", "答案：{}",
    "\\boxed{{**{}**}}", '\\boxed{{"{}"}}', "\\boxed{{“{}”}}", "\\boxed{{`{}`}}", "<answer> {}. </answer>",
)  # fmt: skip


def _text(rng: Rng) -> str:
    if rng.random() < 0.6:
        return rng.choice(WORDS)
    return rng.choice(SIGNS) + f"{rng.randint(0, 120)}{rng.choice(('', '.5', '.25'))}" + rng.choice(ENDS)


def _spelling(rng: Rng, answer: str) -> str:
    """Return another spelling of the same answer."""
    text = answer.replace("'", rng.choice("'’‘")).replace("-", rng.choice("-−–"))
    if rng.random() < 0.3 and not any(unit in text for unit in "mM"):
        text = rng.choice((str.upper, str.lower, str.title))(text)
    return text.replace(" ", rng.choice((" ", "  "))).replace("%", rng.choice(("%", "\\%")))


def _text_pair(rng: Rng) -> Pair:
    left = _text(rng)
    right = left if rng.random() < 0.5 else _text(rng)
    responses = (rng.choice(TEXT_WRAPS).format(_spelling(rng, answer)) for answer in (left, right))
    return Pair(*responses, left == right)
