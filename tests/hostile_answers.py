"""Answers that a hostile or a broken policy might write: for tests of everything that reads answers."""

import random
from collections.abc import Callable

Rng = random.Random

CANARY = "serl-was-here"
"""Name of the file that every injected command would make."""

_COMMAND = f"open('{CANARY}', 'w').close()"
_PIECES = (
    "\\frac", "\\sqrt", "{", "}", "(", ")", "[", "]", "^", "_", "\\left", "\\right", "\\text{", "\\begin{matrix}", "&",
    "\\\\", "\\end{matrix}", "x", "7", "+", "-", "=", ",", "\\le", "\\infty", "\\pm", "\\%", "$", "|", "\\sum", "\\int",
    "\\lim", "\\binom", "!", "\\ldots", "\\cup", "\\{", "\\}", ".", "/", " ", "\\mathbb{R}", "\\begin{cases}", "\\to",
)  # fmt: skip


def _tower(rng: Rng) -> str:
    height, base = rng.randint(3, 12), rng.choice(["9", "7", "x", "2.5", "\\pi"])
    return f"{base}^{{" * height + base + "}" * height


def _factorials(rng: Rng) -> str:
    return rng.choice(["9" * rng.randint(1, 6) + "!" * rng.randint(1, 6), "(" * 9 + "99!" + ")!" * 9])


def _digits(rng: Rng) -> str:
    return str(rng.randint(1, 9)) * rng.choice([200, 299, 301, 4_000, 1_000_000])


def _nested(rng: Rng) -> str:
    opening, closing = rng.choice(
        [("\\frac{1}{", "}"), ("(", ")"), ("{", "}"), ("\\sqrt{", "}"), ("\\left(", "\\right)")]
    )
    depth = rng.choice([10, 30, 49, 5_000])
    return opening * depth + "x" + closing * (depth - rng.randint(0, 1))


def _strange(rng: Rng) -> str:
    return "".join(
        rng.choices("\x00\ud800\udfff\u202e\u0301\ufeff\u2028٣३五⅓²½∞≠√π−–·×÷\n\r\t 7x", k=rng.randint(1, 60))
    )


def _megabyte(rng: Rng) -> str:
    return "".join(rng.choices(_PIECES, k=40)) * 12_000


def _unbalanced(rng: Rng) -> str:
    return "".join(rng.choices(["{", "}", "\\{", "\\boxed{", "(", "]", "7"], k=rng.randint(1, 80)))


def _injection(rng: Rng) -> str:
    return rng.choice(
        [
            f"__import__('os').system('touch {CANARY}')",
            _COMMAND,
            f'eval("{_COMMAND}")',
            f"\\text{{{_COMMAND}}}",
            f"(lambda: {_COMMAND})()",
            f"().__class__.__base__.__subclasses__()  # {_COMMAND}",
            f"\\input{{|touch {CANARY}}}",
            f"\\write18{{touch {CANARY}}}",
            f"$(touch {CANARY})",
            f"`touch {CANARY}`",
            f"7; {_COMMAND}",
            "{0.__class__.__mro__}",
            "%s%s%s%n",
            f"!!python/object/apply:os.system ['touch {CANARY}']",
            "Symbol('x').subs(x, exit())",
            '"]\n["ready"]\n',
        ]
    )


def _soup(rng: Rng) -> str:
    return "".join(rng.choices(_PIECES, k=rng.randint(1, 50)))


def _matrix(rng: Rng) -> str:
    rows, columns = rng.randint(1, 30), rng.randint(1, 30)
    row = "&".join(str(rng.randint(0, 99)) for _ in range(columns))
    return "\\begin{pmatrix}" + "\\\\".join([row] * rows) + "\\end{pmatrix}"


def _bounds(rng: Rng) -> str:
    far = "9" * rng.randint(2, 9)
    return rng.choice(
        [
            f"\\sum_{{n=1}}^{{{far}}} n^{{{far}}}",
            f"\\prod_{{n=1}}^{{{far}}} n",
            f"\\int_0^{{{far}}} e^{{x^{{9}}}} \\sin(x^{{x}}) dx",
            f"\\lim_{{x \\to {far}}} x^{{x^{{x}}}}",
            f"\\binom{{{far}}}{{{far[:-1]}}}",
            f"\\gcd({far}, {far[::-1]}7)",
        ]
    )


def _scientific(rng: Rng) -> str:
    power = "9" * rng.randint(1, 12)
    return rng.choice(
        [f"1e{power}", f"1.5e-{power}", f"10^{{{power}}}", f"10^{{-{power}}}", f"\\frac{{1}}{{10^{{{power}}}}}"]
    )


def _product(rng: Rng) -> str:
    terms = [f"(x_{{{n}}}+{rng.randint(1, 9)})^{{{rng.randint(1, 40)}}}" for n in range(rng.randint(2, 16))]
    return "".join(terms)


def _system(rng: Rng) -> str:
    return ",".join(f"x^{{{rng.randint(2, 9)}}}+{rng.randint(1, 9)}y^{{{n}}}={rng.randint(1, 99)}" for n in range(2, 9))


def _ordinary(rng: Rng) -> str:
    number = rng.randint(-99, 99)
    return rng.choice(
        [str(number), f"\\frac{{{number}}}{{7}}", f"{number}x+1", f"{number}\\%", f"({number},{number + 9}]"]
    )


KINDS: tuple[Callable[[Rng], str], ...] = (
    _factorials, _digits, _nested, _strange, _megabyte, _unbalanced, _injection, _soup, _matrix, _bounds, _scientific,
    _product, _system, _ordinary, _tower,
)  # fmt: skip


def hostile_answers(count: int, seed: int) -> list[str]:
    """`count` answers; the same for the same seed. Most are soup and strange text, each other kind is among them."""
    rng = random.Random(seed)
    weights = [1, 1, 3, 20, 0.02, 10, 5, 40, 1, 0.3, 3, 0.3, 0.3, 10, 1]
    return [rng.choices(KINDS, weights)[0](rng) for _ in range(count)]
