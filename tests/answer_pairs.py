"""Pairs of answers that are equal or different by construction, for each built-in kind of answers.

An equal pair writes one value in two ways: other notation, spaces, order, units, wrapping. A different pair changes one
thing of the value: a sign, a digit, a unit, a bracket or a letter.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one question."""

    left: str
    right: str
    equal: bool
    rule: str
    """What the responses write, and how the two differ."""
    question: str = "?"


Value = tuple[str, ...]
"""Ways to write one value, each as it could stand in a box."""
Maker = Callable[[random.Random], tuple[Value, Value]]
"""Returns the ways to write a value, and the ways to write one that differs from it in one thing."""

MATH_WRAPS = (
    "\\boxed{{{}}}",
    "So we get $\\boxed{{{}}}$.",
    "First \\boxed{{7919}}, no.\nThe final answer is \\boxed{{{}}}",
    "Adding up.\n\n**Answer:** ${}$",
    "The answer is ${}$.",
    "It follows.\n#### {}",
    "<answer>{}</answer>",
)


def pairs(kind: str, count: int, seed: int) -> Iterator[Pair]:
    """Yield `count` pairs for a kind of answers: math, choice or text."""
    rng = random.Random(f"{kind} {seed}")
    for _ in range(count):
        yield {"math": _math_pair, "choice": _choice_pair, "text": _text_pair}[kind](rng)


def _math_pair(rng: random.Random) -> Pair:
    rule = rng.choice(list(MATH))
    value, other = MATH[rule](rng)
    left, right = rng.choice(value), rng.choice(value)
    if equal := rng.random() < 0.5:
        return Pair(_wrapped(rng, left), _wrapped(rng, right), equal, rule)
    return Pair(_wrapped(rng, left), _wrapped(rng, rng.choice(other)), equal, rule)


def _wrapped(rng: random.Random, answer: str) -> str:
    return rng.choice(MATH_WRAPS).format(answer)


def _digit_changed(rng: random.Random, number: int) -> int:
    """Return a positive number that differs from `number` in one digit and has as many."""
    digits = str(number)
    place = rng.randrange(len(digits))
    choices = [digit for digit in "0123456789" if digit != digits[place] and (place or digit != "0")]
    return int(digits[:place] + rng.choice(choices) + digits[place + 1 :])


def _integer_forms(number: int) -> Value:
    sign, size = "-" if number < 0 else "", abs(number)
    forms = [f"{sign}{size}", f"{sign}{size}.0", f"{sign} {size}" if sign else f"+{size}", f"{sign}{2 * size}/2"]
    if sign:
        forms += [f"\u2212{size}", f"-{size}."]
    if size >= 1_000:
        forms += [f"{sign}{size:,}", f"{sign}{size:,}".replace(",", "{,}"), f"{sign}{size:,}".replace(",", "\\,")]
    return tuple(forms)


def _integer(rng: random.Random) -> tuple[Value, Value]:
    number = rng.choice((1, -1)) * rng.randint(2, 10 ** rng.randint(1, 7))
    other = -number if rng.random() < 0.3 else _digit_changed(rng, abs(number)) * (1 if number > 0 else -1)
    return _integer_forms(number), _integer_forms(other)


def _fraction_forms(value: Fraction) -> Value:
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    forms = [
        f"{sign}{top}/{bottom}",
        f"{sign}\\frac{{{top}}}{{{bottom}}}",
        f"{sign}\\dfrac{{{3 * top}}}{{{3 * bottom}}}",
        f"{sign} {top} / {bottom}" if sign else f"{top} / {bottom}",
    ]
    whole, rest = divmod(top, bottom)
    if whole and rest:
        forms += [f"{sign}{whole} {rest}/{bottom}", f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}"]
    return tuple(forms)


def _fraction(rng: random.Random) -> tuple[Value, Value]:
    top, bottom = rng.randint(1, 60), rng.randint(2, 13)
    value = Fraction(top, bottom) * rng.choice((1, -1))
    change = rng.choice(("sign", "top", "bottom"))
    other = {
        "sign": -value,
        "top": Fraction(top + 1, bottom) * (1 if value > 0 else -1),
        "bottom": Fraction(top, bottom + 1) * (1 if value > 0 else -1),
    }[change]
    return _whole_or_fraction(value), _whole_or_fraction(other)


def _whole_or_fraction(value: Fraction) -> Value:
    return _integer_forms(int(value)) if value.denominator == 1 else _fraction_forms(value)


def _decimal(rng: random.Random) -> tuple[Value, Value]:
    digits, places = rng.randint(11, 99_999), rng.randint(1, 3)

    def forms(digits: int) -> Value:
        text = f"{digits / 10**places:.{places}f}"
        return (text, f"{text}0", f"\\displaystyle {text}", f"{text.removeprefix('0')}", f"{digits}e-{places}",
                f"{digits} \\times 10^{{-{places}}}", f"\\frac{{{digits}}}{{{10**places}}}")  # fmt: skip

    return forms(digits), forms(_digit_changed(rng, digits))


UNITS = (
    ("cm", "\\text{ cm}", "centimeters"),
    ("km", "\\text{ km}", "kilometers"),
    ("m", "\\text{ m}", "meters"),
    ("kg", "\\text{ kg}", "kilograms"),
    ("g", "\\text{ g}", "grams"),
    ("hours", "\\text{ hours}", "h"),
    ("minutes", "\\text{ minutes}", "min"),
    ("seconds", "\\text{ seconds}", "sec"),
    ("km/h", "\\text{ km/h}", "kilometers per hour"),
    ("miles per hour", "\\text{ mph}", "mph"),
    ("m^2", "\\text{ m}^2", "square meters"),
    ("cm^3", "\\text{ cm}^3", "cubic centimeters"),
    ("cents", "\\text{ cents}"),
    ("N", "\\text{ N}", "newtons"),
)


def _quantity(rng: random.Random) -> tuple[Value, Value]:
    number = rng.randint(2, 999)
    unit, other_unit = rng.sample(UNITS, 2)

    def forms(number: int, unit: tuple[str, ...]) -> Value:
        return tuple(f"{number}{spelling if spelling.startswith(chr(92)) else ' ' + spelling}" for spelling in unit)

    if rng.random() < 0.5:
        return forms(number, unit), forms(number, other_unit)
    return (*forms(number, unit), str(number)), (*forms(_digit_changed(rng, number), unit),)


def _count(rng: random.Random) -> tuple[Value, Value]:
    number, noun = rng.randint(2, 9_999), rng.choice(("apples", "people", "dollars", "weeks", "red marbles"))

    def forms(number: int) -> Value:
        return (str(number), f"{number} {noun}", f"{number}\\text{{ {noun}}}", f"{number:,} \\text{{{noun}}}")

    return forms(number), forms(_digit_changed(rng, number))


def _percent(rng: random.Random) -> tuple[Value, Value]:
    number = rng.randint(2, 99)

    def forms(number: int) -> Value:
        return (f"{number}%", f"{number}\\%", f"{number} \\%", f"{number}.0%", f"{number} percent")

    return forms(number), forms(_digit_changed(rng, number))


def _members(rng: random.Random) -> list[int]:
    return [rng.choice((1, -1)) * rng.randint(1, 10 ** rng.randint(1, 3)) for _ in range(rng.randint(2, 4))]


def _one_member_changed(rng: random.Random, members: list[int]) -> list[int]:
    changed = list(members)
    place = rng.randrange(len(members))
    changed[place] = -changed[place] if rng.random() < 0.4 else changed[place] + rng.choice((1, 10, 100))
    return changed if sorted(changed) != sorted(members) else [*members[:-1], members[-1] + 1_000]


def _list(rng: random.Random) -> tuple[Value, Value]:
    members = _members(rng)

    def forms(members: list[int]) -> Value:
        written = [", ".join(map(str, order)) for order in (members, members[::-1], sorted(members))]
        return (*written, " and ".join(map(str, members)) if len(members) == 2 else written[0])

    if rng.random() < 0.2:
        return forms(members), forms([*members, members[0]])
    return forms(members), forms(_one_member_changed(rng, members))


def _set(rng: random.Random) -> tuple[Value, Value]:
    members = sorted(set(_members(rng))) or [1]

    def forms(members: list[int]) -> Value:
        written = [separator.join(map(str, order)) for order in (members, members[::-1]) for separator in (",", ", ")]
        return (*(f"\\{{{text}\\}}" for text in written), f"\\left\\{{ {written[1]} \\right\\}}")

    return forms(members), forms(_one_member_changed(rng, members))


def _point(rng: random.Random) -> tuple[Value, Value]:
    left, right = rng.sample(range(-50, 50), 2)

    def forms(left: int, right: int) -> Value:
        return (f"({left},{right})", f"({left}, {right})", f"\\left({left}, {right}\\right)")

    if rng.random() < 0.3:
        return forms(left, right), (forms(right, left))
    return forms(left, right), forms(left, right + rng.choice((1, 10)))


def _interval(rng: random.Random) -> tuple[Value, Value]:
    low = rng.randint(-40, 40)
    high = low + rng.randint(1, 40)
    left_closed, right_closed = rng.random() < 0.5, rng.random() < 0.5

    def forms(low: int, high: int, left_closed: bool, right_closed: bool) -> Value:
        left, right = "[" if left_closed else "(", "]" if right_closed else ")"
        less, less_too = "\\le" if left_closed else "<", "\\leq" if right_closed else "<"
        return (f"{left}{low},{high}{right}", f"{left}{low}, {high}{right}", f"{low} {less} x {less_too} {high}",
                f"x \\in {left}{low}, {high}{right}")  # fmt: skip

    value = forms(low, high, left_closed, right_closed)
    change = rng.choice(("left", "right", "end"))
    if change == "end":
        return value, forms(low, high + 1, left_closed, right_closed)
    changed = (left_closed ^ (change == "left"), right_closed ^ (change == "right"))
    return value, forms(low, high, *changed)


def _ray(rng: random.Random) -> tuple[Value, Value]:
    end = rng.randint(-50, 50)

    def forms(end: int, closed: bool) -> Value:
        bracket, more, less = ("[", "\\ge", "\\leq") if closed else ("(", ">", "<")
        return (f"{bracket}{end},\\infty)", f"x {more} {end}", f"{end} {less} x")

    closed = rng.random() < 0.5
    return forms(end, closed), forms(end, not closed) if rng.random() < 0.5 else forms(end + 1, closed)


def _root(rng: random.Random) -> tuple[Value, Value]:
    factor, radicand = rng.randint(2, 9), rng.choice((2, 3, 5, 6, 7, 10))

    def forms(factor: int, radicand: int) -> Value:
        return (f"{factor}\\sqrt{{{radicand}}}", f"{factor}√{radicand}", f"{factor}*sqrt({radicand})",
                f"\\sqrt{{{factor**2 * radicand}}}", f"\\sqrt{{{radicand}}} \\cdot {factor}")  # fmt: skip

    return forms(factor, radicand), forms(factor + 1, radicand)


def _pi(rng: random.Random) -> tuple[Value, Value]:
    top, bottom = rng.randint(1, 11), rng.randint(2, 7)

    def forms(top: int, bottom: int) -> Value:
        times = "" if top == 1 else str(top)
        return (f"\\frac{{{times}\\pi}}{{{bottom}}}", f"{times}π/{bottom}", f"{times}pi/{bottom}",
                f"\\frac{{{top}}}{{{bottom}}}\\pi")  # fmt: skip

    return forms(top, bottom), forms(top + bottom, bottom) if rng.random() < 0.5 else forms(top, bottom + 1)


def _polynomial(rng: random.Random) -> tuple[Value, Value]:
    a, b, c = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)

    def forms(a: int, b: int, c: int) -> Value:
        return (f"{a}x^2+{b}x+{c}", f"{a}x^{{2}} + {b}x + {c}", f"{c}+{b}x+{a}x^2", f"{a} x² + {b} x + {c}",
                f"{a}*x**2 + {b}*x + {c}")  # fmt: skip

    return forms(a, b, c), rng.choice((forms(a + 1, b, c), forms(a, b, c + 1), (f"{a}x^2-{b}x+{c}",)))


def _base(rng: random.Random) -> tuple[Value, Value]:
    digits = "1" + "".join(rng.choice("01") for _ in range(rng.randint(2, 6)))
    base, other = rng.sample((2, 3, 4, 5, 6, 7, 8, 9), 2)

    def forms(base: int) -> Value:
        return (f"{digits}_{base}", f"{digits}_{{{base}}}", f"{digits}_{{\\text{{{base}}}}}")

    return forms(base), forms(other)


MATH: dict[str, Maker] = {
    "integer": _integer, "fraction": _fraction, "decimal": _decimal, "quantity": _quantity, "count": _count,
    "percent": _percent, "list": _list, "set": _set, "point": _point, "interval": _interval, "ray": _ray, "root": _root,
    "pi": _pi, "polynomial": _polynomial, "base": _base,
}  # fmt: skip

OPTIONS = (
    "aspirin", "S. aureus", "x > 3", "both (A) and (B)", "vitamin K", "3.5 mg", "I. only", "Rh+", "none of these", "C",
    "12 m/s", "N/A", "two: one each", "the heart", "A", "$x^2$", "B cells",
)  # fmt: skip
OPTION_STYLES = (
    *("{}. {}", "({}) {}", "{}) {}", "**{}.** {}", "{}: {}", "[{}] {}"),
    *(
        "<{}> {}",
        "| {} | {} |",
        "{} . {}",
        "{}){}",
        "({}){}",
        "- {}) {}",
        "> {}) {}",
        "Option {}: {}",
        "`{}` {}",
        "{}、{}",
    ),
)
CHOICE_WRAPS = (
    "\\boxed{{{}}}", "The answer is {}.", "The correct answer is ({}).", "**Answer**: {}", "Answer: {}",
    "So I choose {}.",
    "Hence the correct option is {}.", "Reasons.\n\n({})", "<answer>{}</answer>", "Therefore, ({}) is correct.",
    "\\boxed{{\\text{{({})}}}}", "#### {}", "Final answer: **{}**", "Antwort: {}", "答案：{}",
)  # fmt: skip


def _choice_pair(rng: random.Random) -> Pair:
    options, style = rng.sample(OPTIONS, rng.randint(3, 6)), rng.choice(OPTION_STYLES)
    letters = "ABCDEF"[: len(options)]
    listed = "\n".join(style.format(letter, option) for letter, option in zip(letters, options, strict=True))
    left = rng.choice(letters)
    right = left if rng.random() < 0.5 else rng.choice(letters)
    return Pair(
        rng.choice(CHOICE_WRAPS).format(left),
        rng.choice(CHOICE_WRAPS).format(right),
        left == right,
        f"options like {style.format('A', 'x')}",
        f"Which of these?\n{listed}",
    )


TEXTS = (
    "habeas corpus", "Rome", "O'Brien", "U.S.A.", "Rh+", "A+", "C++", "<5", ">5", "5%", "€5", "$5", "बेटा", "बेटी",
    "北京", "Saint-Étienne", "vitamin B12", "2,4-D", "pH 7.4", "-5", "5", "Rh-", "A-", "C", "C#", "res judicata",
)  # fmt: skip
TEXT_WRAPS = (
    "\\boxed{{{}}}", "The answer is {}.", "The answer is {}. I hope this answer is helpful.", "**Answer:** {}",
    "Answer: {}\n",
    "#### {}", "<answer>{}</answer>", "Final answer: **{}**", "\\boxed{{\\text{{{}}}}}", "答案：{}",
)  # fmt: skip


def _text_pair(rng: random.Random) -> Pair:
    left = rng.choice(TEXTS)
    right = left if rng.random() < 0.5 else rng.choice(TEXTS)
    spelled = rng.choice((right, right.upper() if right.isascii() else right, f"  {right} "))
    return Pair(rng.choice(TEXT_WRAPS).format(left), rng.choice(TEXT_WRAPS).format(spelled), left == right, "text")
