"""One notation for mathematics: Unicode signs and plain functions become LaTeX.

Every rule is a line of a table with an example, and takes linear time. A text is never evaluated.
"""

import re
import unicodedata

from stages.answers.canonical.latex_style import TEXT, TEXT_END, replaced, rules, with_braces
from stages.answers.canonical.numerals import TwoReadingsError
from stages.answers.canonical.units import is_unit_word

_GREEK_LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ϵ": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ϑ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "ϕ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma",
    "Φ": "Phi", "Ψ": "Psi", "\u03a9": "Omega", "\u2126": "Omega",
}  # fmt: skip
_COMMANDS = {
    "×": "times", "·": "cdot", "⋅": "cdot", "∙": "cdot", "•": "cdot", "∞": "infty", "≤": "le", "⩽": "le", "≦": "le",
    "≥": "ge", "⩾": "ge", "≧": "ge", "≠": "ne", "≈": "approx", "≅": "approx", "∪": "cup", "∩": "cap", "∅": "emptyset",
    "⌀": "emptyset", "∈": "in", "∉": "notin", "⊂": "subset", "⊆": "subseteq", "∖": "setminus", "→": "to", "±": "pm",
    "∓": "mp", "∑": "sum", "∏": "prod", "∫": "int", "∂": "partial", "∇": "nabla", "⌊": "lfloor", "⌋": "rfloor",
    "⌈": "lceil", "⌉": "rceil", "∠": "angle", "…": "ldots", "⋯": "ldots", "∧": "land", "∨": "lor", "¬": "neg",
    "△": "triangle", "∥": "parallel", "⊥": "perp", "⟂": "perp", "∝": "propto", "⇒": "to", "⇔": "leftrightarrow",
    "↔": "leftrightarrow", "⟺": "leftrightarrow", "⟶": "to", "⇌": "rightleftharpoons",
    "⟨": "langle", "⟩": "rangle", "∀": "forall", "∃": "exists", "≡": "equiv", "∘": "circ",
}  # fmt: skip
_PLAIN_SIGNS = {
    "−": "-", "–": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "－": "-", "➖": "-", "﹢": "+", "∗": "*",
    "＊": "*", "÷": "/",
    "∕": "/", "⁄": "/", "∶": ":", "：": ":", "﹕": ":", "∣": "|", "｜": "|", "。": ".", "．": ".", "｡": ".",
    "，": ", ", "、": ", ", "､": ", ", "،": ", ", "﹐": ", ", "；": "; ", "؛": "; ", "٫": ".", "٬": ",", "٪": "%",
    "‖": "\\|",
    "﹪": "%", "′": "'", "″": "''", "＇": "'", "º": "°", "˚": "°", "℃": "°C", "℉": "°F", "￥": "¥", "￡": "£",
    "￠": "¢", "￦": "₩", "﹩": "$", "⩵": "==", "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}", "㎡": "m^2", "㎥": "m^3", "㎠": "cm^2", "㎤": "cm^3", "㎢": "km^2",
    "㎟": "mm^2", "\u2063": ", ", "\u2064": " ",
}  # fmt: skip
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\r\n\v\f"
_INVISIBLE = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\ufeff\u180e\ue000\ue001" + "".join(
    map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFE00, 0xFE10)])
)
_TABLE = str.maketrans(
    {sign: f"\\{name} " for sign, name in (_GREEK_LETTERS | _COMMANDS).items()}
    | _PLAIN_SIGNS
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_INVISIBLE, "")
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣ", "0123456789+-=()aeoxhklmnpstijr")
_RAISED_FRACTION = re.compile(r"([⁰¹²³⁴-⁹]+)[⁄/]([₀-₉]+)")
_RAISED_RUN = re.compile(r"[⁰¹²³⁴-⁹⁺⁻⁽⁾ⁿⁱ]+")
_LOWERED_RUN = re.compile(r"[₀-₉₊₋ₐ-ₜᵢⱼᵣ]+")
_COMPATIBLE = re.compile(r"[！-～①-⑳Ⅰ-ⅿﬀ-ﬆ℀-ℂℊ-ℓℕ℘-ℝⅅ-ⅉ㎀-㏟\U0001d400-\U0001d7ff]")
_VULGAR = re.compile(r"[¼-¾⅐-⅞↉]")
_WIDE_THOUSANDS = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_LONG_DASH = re.compile(r"^—(?=[\d.√π])")
_BAR_OVER_DIGIT = re.compile(r"(\d)[\u0305\u0304\u0307]")
_ROOT = re.compile(r"([√∛∜]) ?(?:(\d+(?:\.\d+)?|[a-zA-Zπ])|(?=[({]))")
_ROOT_INDEX = {"√": "", "∛": "[3]", "∜": "[4]"}


def in_latex_signs(text: str) -> str:
    """Return a text without Unicode signs: `√2` is `\\sqrt{2}`, `x²` is `x^{2}`, `½` is `\\frac{1}{2}`, `４２` is 42.

    Characters that are not seen are removed, and all spaces are ordinary ones. Letters of all scripts stay.
    """
    if text.isascii():
        return " ".join(text.split())
    text = _LONG_DASH.sub("-", _WIDE_THOUSANDS.sub(",", text))
    text = _RAISED_FRACTION.sub(
        lambda match: f"\\frac{{{match[1].translate(_RAISED)}}}{{{match[2].translate(_LOWERED)}}}", text
    )
    text = _RAISED_RUN.sub(lambda match: f"^{{{match[0].translate(_RAISED)}}}", text)
    text = _LOWERED_RUN.sub(lambda match: f"_{{{match[0].translate(_LOWERED)}}}", text)
    text = _VULGAR.sub(_vulgar_fraction, text)
    text = _BAR_OVER_DIGIT.sub(r"\\overline{\1}", text).replace("}\\overline{", "")
    text = _ROOT.sub(_root, text)
    text = text.translate(_TABLE)
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return " ".join(with_ascii_digits(text).split())


def _vulgar_fraction(match: re.Match[str]) -> str:
    top, bottom = unicodedata.normalize("NFKC", match[0]).split("⁄")
    return f"\\frac{{{top}}}{{{bottom}}}"


def _root(match: re.Match[str]) -> str:
    command = f"\\sqrt{_ROOT_INDEX[match[1]]}"
    return f"{command}{{{match[2]}}}" if match[2] else command


def with_ascii_digits(text: str) -> str:
    """Return a text whose digits of all scripts are ASCII digits: `٣` is 3. Other characters stay."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)


# --- Plain functions ---------------------------------------------------------------------------------------------

_FUNCTIONS = (
    "arcsin", "arccos", "arctan", "arccot", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sin", "cos", "tan", "cot",
    "sec", "csc", "ln", "log", "exp", "gcd", "sqrt", "cbrt",
)  # fmt: skip
_LONG_FUNCTIONS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_CONSTANTS = {name: name for name in _GREEK_LETTERS.values()} | {
    "infinity": "infty", "inf": "infty", "oo": "infty", "infty": "infty", "Infinity": "infty", "Pi": "pi",
}  # fmt: skip
_WORD = re.compile(rf"\\[a-zA-Z]+|{TEXT}[^{TEXT_END}]*{TEXT_END}|[^\W\d_]+")
_NAMES = "|".join(sorted({*_FUNCTIONS, *_CONSTANTS}, key=len, reverse=True))
_GLUED = re.compile(r"(?<![A-Za-z\\])(?:(sin|cos|tan|ln)([xyztn])|([nk])(pi))(?![A-Za-z])")  # sinx, npi
_NAME = re.compile(rf"(?<![A-Za-z\\])({_NAMES})(?![A-Za-z])")
_HAS_ARGUMENT = re.compile(r" ?[a-zA-Z0-9({\\^_|]")
_HAS_PLAIN = re.compile(r"[A-Za-z]{2}|[*^/xX∪U~]")
_INFINITY = rules(
    (r"(?i)^(?:\+|plus |positive )? ?(?:infinity|inf|infinite)$", r"\\infty", "infinity"),
    (r"(?i)^(?:- ?|minus |negative )(?:infinity|inf|infinite)$", r"-\\infty", "negative infinity"),
    (r"^\+ ?\\infty$", r"\\infty", r"+\infty"),
)
_BEFORE_NAMES = rules(
    (r"\b(?:np|numpy|math|sp|sympy)\.(?=[a-z])", "", "np.arcsin(10/13)"),
    (r" ?\*\* ?([-+]?\d+(?:\.\d+)?)", lambda match: _power(match[1]), "x**10"),
    (r" ?\*\* ?", "^", "x**y"),
    (r"->", r"\\to ", "x->0"),
    (r"(?<=\d) ?[xX] ?(?=10 ?\^)|(?<=\d) [xX] (?=\d)|(?<=\d)(?<!\b0)[xX](?=\d)", r"\\times ", "5 x 10^3"),
    (r"([)\]]) ?U ?([(\[])", r"\1\\cup \2", "(0,1) U (2,3)"),
    (r"\blog_?(\d+) ?\(", r"log_{\1}(", "log2(8)"),
)
_AFTER_NAMES = rules(
    (r"(?<![\w.^}/)])(\d+)/(\d+) ?\* ?(?=[a-zA-Z(\\])", r"\\frac{\1}{\2}", "1/2*b*h is half of b*h"),
    (r"\^ ?-([a-zA-Z])(?![a-zA-Z])", r"^{-\1}", "e^-x"),
    (r"\^ ?([-+]\d+(?:\.\d+)?)(?![\d.])", lambda match: _power(match[1]), "10^-3"),
    (r"(?<=[\d)}]) ?\^ ?(\d+(?:\.\d+)?)(?![\d.])", lambda match: _power(match[1]), "2^10; x^23 is left as it is"),
    (r"(?<=\d) ?(?:\*|\\cdot(?![a-zA-Z])) ?(?=[a-zA-Z]|\\(?:pi|sqrt)(?![a-zA-Z]))", "", r"3*\pi/4 is 3\pi/4"),
    (r" ?\* ?", r"\\cdot ", "2*(x+1)"),
    (
        r"(?<![\w.^}/)])(\d+)/(\d+)(?! [LNJWVKCFA]$) ?(?=[a-zA-Z](?![a-zA-Z])|\([^()]*[a-zA-Z])",
        r"\\frac{\1}{\2}",
        "1/2x is half of x",
    ),
    (r"(?<![\w.^}/)])(\d+)/(\d+) ?(?=\\(?:sin|cos|tan|ln|log)(?![a-zA-Z]))", r"\\frac{\1}{\2}", r"1/2\ln 2"),
    (r"(?<![\w.^}/)])(\d+)/(\d+) ?(?=\\(?:pi|sqrt\{\d+\}) *[a-zA-Z](?![a-zA-Z]))", r"\\frac{\1}{\2}", r"4/3\pi r^3"),
)
_CALLS = (
    (re.compile(r"\\sqrt *(\[\d\])? *\("), "\\sqrt{0}{{{1}}}"),  # sqrt(2)
    (re.compile(r"\\cbrt *()\("), "\\sqrt[3]{{{1}}}"),
    (re.compile(r"\\exp *()\("), "e^{{{1}}}"),
    (re.compile(r"\^ ?()\("), "^{{{1}}}"),  # x^(1/2)
    (re.compile(r"(?<![A-Za-z\\])(?:abs|Abs)()\("), "|{1}|"),
    (re.compile(r"(?<![A-Za-z\\])floor()\("), "\\lfloor {1}\\rfloor "),
    (re.compile(r"(?<![A-Za-z\\])ceil()\("), "\\lceil {1}\\rceil "),
)
_MAX_CALLS = 20
_DIGIT = re.compile(r"\d")
_QUOTIENT_OR_FACTOR = re.compile(r"(?<![\w.^}/)])\d+/\d+ ?\\(?:pi|sqrt)(?![a-zA-Z])")


def in_latex(text: str) -> str:
    """Return a text whose plain functions are LaTeX: `sqrt(2)`, `2pi`, `x**2`, `10^-3`, `theta`, `infinity`.

    Names in words stay: the "pi" of "pi day" and the "beta" of "beta receptor". Raises TwoReadingsError for `1/2pi`.
    """
    if not _HAS_PLAIN.search(text):
        return text
    text = replaced(replaced(text, _INFINITY), _BEFORE_NAMES)
    if _NAME.search(text) or _GLUED.search(text):
        text = _GLUED.sub(lambda match: f"{match[1] or match[3]} {match[2] or match[4]}", text)
        if _is_mathematics(text):
            text = _NAME.sub(_command, text)
    for pattern, form in _CALLS:
        text = _without_brackets(text, pattern, form)
    text = replaced(with_braces(text), _AFTER_NAMES)
    if match := _QUOTIENT_OR_FACTOR.search(text):
        raise TwoReadingsError(f"{match[0]} with the last factor above or below the line")
    return text


def _is_mathematics(text: str) -> bool:
    """Return whether a text has no words but names of mathematics, and units or counted things at its end."""
    names_so_far = things_so_far = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if word[0] == "\\" or len(word) == 1 or _NAME.fullmatch(word):
            if things_so_far and word[0] != "\\":
                return False
            names_so_far += 1
        elif word not in ("and", "or") and not is_unit_word(word.strip(TEXT + TEXT_END)):
            things_so_far += 1
            if not names_so_far or not _DIGIT.search(text, 0, match.start()):
                return False
    return True


def _command(match: re.Match[str]) -> str:
    """Return the command of a function or constant. A function needs an argument; "30 psi" is a pressure."""
    name, text = match[1], match.string
    before = text[: match.start()].rstrip()
    if is_unit_word(name) and before[-1:].isdigit() and not _HAS_ARGUMENT.match(text, match.end()):
        return name
    if name in _FUNCTIONS:
        command = f"\\{_LONG_FUNCTIONS.get(name, name)} "
        return command if _HAS_ARGUMENT.match(text, match.end()) else name
    return f"\\{_CONSTANTS[name]} "


def _power(exponent: str) -> str:
    exponent = exponent.removeprefix("+")
    return f"^{exponent}" if len(exponent) == 1 else f"^{{{exponent}}}"


def _without_brackets(text: str, pattern: re.Pattern[str], form: str) -> str:
    """Return a text in which calls such as `sqrt(...)` have the form of LaTeX. The pattern ends with the bracket."""
    start = 0
    for _ in range(_MAX_CALLS):
        match = pattern.search(text, start)
        end = _closing_bracket(text, match.end() - 1) if match else None
        if match is None or end is None:
            break
        inside = text[match.end() : end]
        text = text[: match.start()] + form.format(match[1] or "", inside) + text[end + 1 :]
        start = match.start()
    return text


def _closing_bracket(text: str, start: int) -> int | None:
    """Return the index of the bracket that closes the one at `start`; None if it is not closed."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return None
