"""Styles of LaTeX: the many ways to set one formula become one.

Delimiters, sizes, colours, fonts and spaces are removed; each sign has one command; the arguments of \\frac and \\sqrt
stand in braces. Every rule is a line of a table with an example, and takes linear time: no quantifier repeats a part
that another quantifier repeats too.
"""

import re
from collections.abc import Callable

TEXT, TEXT_END = "\ue000", "\ue001"
"""Marks around the words of \\text{...}. Words there may be a unit; letters outside may be variables."""

Replacement = str | Callable[[re.Match[str]], str]
Rules = tuple[tuple[re.Pattern[str], Replacement], ...]


def rules(*lines: tuple[str, Replacement, str]) -> Rules:
    """Compile lines of pattern, replacement and example."""
    return tuple((re.compile(pattern), replacement) for pattern, replacement, _ in lines)


def replaced(text: str, table: Rules) -> str:
    """Return a text after all replacements of a table, in order."""
    for pattern, replacement in table:
        text = pattern.sub(replacement, text)
    return text


_GROUP = r"\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
_STYLES = rules(
    (r"(?<!\\)\\[()\[\]]", "", r"\(5\)"),
    (r"\$(\^\{?-?\d\}?)\$", r"\1", "cm$^2$"),
    (r"(?<=[^\s$\\])\$(\s*(?:[,;]|and|or)\s*)\$(?=[^\s$])", r"\1", "69$, $84"),
    (r"(?<!\\)\$\$", "", "$$5$$"),
    (r"(?<!\\)\$[.,;: ]+$", "$", "$5$."),
    (r"^\$([^$]*[^$\\])\$$", r"\1", "$5$"),
    (r"(?<![\\$])\$(?=[^\s$])([^$]*?[^\s$\\])\$(?![\d$])", r"\1", "$5$ apples"),
    (r"\\\$", "$", r"\$5"),
    (r"\\(?:left|right|middle)(?![a-zA-Z])\s*\.?", "", r"\left. x \right)"),
    (r"\\[bB]igg?[lrm]?(?![a-zA-Z])", "", r"\bigl("),
    (r"\\(?:display|text|script|scriptscript)style(?![a-zA-Z])\s*", " ", r"\displaystyle.5"),
    (r"\{\s*\\(?:rm|bf|it|sf|tt)(?![a-zA-Z])\s*([^{}]*)\}", r"\\text{\1}", r"{\rm cm}"),
    (r"\\(?:rm|bf|it|sf|tt|limits|nolimits|allowbreak|nobreak|null)(?![a-zA-Z])", " ", r"{\rm cm}"),
    (r"\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![a-zA-Z])", " ", r"\large 5"),
    (r"(?<=\d),\s*\\!\s*(?=\d{3})", "", r"5,\!105"),
    (r"(?<=\d)(?:\{,\}|\{, \})(?=\d{3}(?!\d))", "", "5{,}105"),
    (r"(?<=\d)\{,\}(?=\d)", ".", "3{,}5"),
    (r"(?<!\\)\\!|\\negthinspace(?![a-zA-Z])", "", r"5\!"),
    (r"\{\\[,;:>]\}", " ", r"5{\,}105"),
    (r"\\[hvm]?(?:space|skip|phantom)\*?\s*\{[^{}]*\}", " ", r"\hspace{2pt}"),
    (r"\\q?quad", " ", r"x=1,\quadx=2"),
    (r"(?<!\\)\\[,;:> ]|~|\\(?:enspace|thinspace|medspace|thickspace|space)(?![a-zA-Z])", " ", r"5\,m"),
    (r"\\(?:textcolor|colorbox)\s*\{[^{}]*\}" + _GROUP, r"\1", r"\textcolor{red}{5}"),
    (r"\\color\s*\{[^{}]*\}|\\tag\*?\s*\{[^{}]*\}|\\label\s*\{[^{}]*\}", "", r"5\tag{1}"),
    (r"\\(?:underline|emph|ensuremath|bm|boldsymbol|mathstrut)" + _GROUP, r"\1", r"\underline{5}"),
    (r"\\(?:[dtcs]|nice)frac(?![a-zA-Z])", r"\\frac", r"\dfrac12"),
    (r"(?:\{\})?\^\{?(\d+)\}? ?/ ?_\{?(\d+)\}?", r"\\frac{\1}{\2}", "{}^1/_2"),
    (r"(?<=\d)\\(?:math|text)(?:rm)?\{([eE])\}(?=[-+]?\d)", r"\1", r"1.2\mathrm{e}5"),
    (r"\s*\(?\s*\\p?(?:mod|pmod|bmod)(?![a-zA-Z])\s*\{?\s*(\w+)\s*\}?\)?|\s*\(mod ?(\w+)\)|(?<=\w) mod (\d+)$",
     lambda match: f"\\pmod{{{match[1] or match[2] or match[3]}}}", "3 (mod 7)"),
    (r"\^ ?\{? ?((?:\\prime ?){1,3})\}?", lambda match: "'" * match[1].count("prime"), r"30^\circ15^\prime"),
    (r"\\math(?:cal|scr)\{?O\}?(?![a-zA-Z])", "O", r"\mathcal{O}(n)"),
    (r"\\([lr])brace(?![a-zA-Z])", lambda match: "\\{" if match[1] == "l" else "\\}", r"\lbrace"),
    (r"\\([lr])brack(?![a-zA-Z])", lambda match: "[" if match[1] == "l" else "]", r"\lbrack"),
    (r"\\([lr])paren(?![a-zA-Z])", lambda match: "(" if match[1] == "l" else ")", r"\lparen"),
    (r"\\(?:leq|leqslant|leqq|le)(?![a-zA-Z])|<=|=<", r"\\le ", r"x\leq 3"),
    (r"\\(?:geq|geqslant|geqq|ge)(?![a-zA-Z])|>=", r"\\ge ", "x>=3"),
    (r"\\(?:neq|ne)(?![a-zA-Z])|\\not\s*=|(?<!\d)!=", r"\\ne ", "x!=3"),
    (r"(?<=\d)!=", "! =", "5!=120"),
    (r"\\lt(?![a-zA-Z])", "<", r"x\lt 3"),
    (r"\\gt(?![a-zA-Z])", ">", r"x\gt 3"),
    (r"==", "=", "x==3"),
    (r"(?<=\d)\{:\}(?=\d)", ":", "2{:}15"),
    (r"\\(?:hat|vec)\s*\{?\\?([ijk])(?:math)?\}?(?![a-zA-Z])", r"\1", r"3\hat{i}"),
    (r"\\(?:colon|ratio)(?![a-zA-Z])", ":", r"3\colon 4"),
    (r"\\(?:v|lv|rv)?ert(?![a-zA-Z])|\\mid(?![a-zA-Z])", "|", r"\lvert x\rvert"),
    (r"\\(?:varnothing|emptyset)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset ", r"\varnothing"),
    (r"\\(?:rightarrow|longrightarrow|Rightarrow|Longrightarrow|implies)(?![a-zA-Z])", r"\\to ", r"\rightarrow"),
    (r"\\(?:iff|Leftrightarrow|Longleftrightarrow)(?![a-zA-Z])", r"\\leftrightarrow ", r"\iff"),
    (r"\\(?:Bbb|mathbb)\s*\{?([RZNQC])\}?(?![a-zA-Z])|\\(R|Z|N|Q|C|reals)(?![a-zA-Z])",
     lambda match: f"\\mathbb{{{(match[1] or match[2])[0].upper()}}}", r"\mathbb R"),
    (r"\\div(?![a-zA-Z])", "/", r"1\div 2"),
    (r"\\lg(?![a-zA-Z])", r"\\log", r"\lg 100"),
    (r"\\(arc)?(c)?tg(?![a-zA-Z])", lambda match: f"\\{match[1] or ''}{'cot' if match[2] else 'tan'}", r"\arctg 1"),
    (r"\\(?:infin|infty)(?![a-zA-Z])", r"\\infty ", r"\infin"),
    (r"\\(?:dots|dotsc|dotsb|ldots|cdots|dotsm)(?![a-zA-Z])", r"\\ldots ", r"1,2,\dots"),
    (r"\\(?:degree|textdegree)(?![a-zA-Z])|\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-zA-Z])|°", r"^\\circ ", "30°"),
    (r"(?<=\d)\^\s*\{?o\}?(?![a-zA-Z])", r"^\\circ ", "30^o"),
    (r"\\(?:euro|texteuro)(?:\{\})?(?![a-zA-Z])", "€", r"\euro 5"),
    (r"\\(?:pounds|textsterling)(?:\{\})?(?![a-zA-Z])", "£", r"\pounds 5"),
    (r"\\(?:textcent|cent)(?:\{\})?(?![a-zA-Z])", "¢", r"5\textcent"),
    (r"\\(?:yen|textyen)(?:\{\})?(?![a-zA-Z])", "¥", r"\yen 5"),
    (r"\\([%#&_])", r"\1", r"50\%"),
    (r"\+\s*/\s*-|\+-", r"\\pm ", "+/-3"),
    (r"(?<=[\w)}]) ?\+ +-(?=[\d.(\\])", "-", "14.0 + -1.0i"),
)  # fmt: skip
_TEXT_COMMAND = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal|up)?|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|operatorname|unit|si|ce)\*?"
    r"(?![a-zA-Z])" + _GROUP
)
_QUOTES = re.compile(r"(\*\*|__|\*|`+|[\"'“„«])\s*(\S.*?)\s*(\*\*|__|\*|`+|[\"'“”»])")
_OUTER = re.compile(r"^(?:\\approx(?![a-zA-Z])|\\sim(?![a-zA-Z])|=|~)\s*|[\s.,;:\\]+$")
_DOTS = re.compile(r"(\.\d+|,)\s*\.{3,}(?=$|,)")  # 0.333... and 2, 4, ...


def in_one_style(text: str) -> str:
    """Return LaTeX without styles: no delimiters, sizes, colours and fonts, one command for each sign, `\\frac{1}{2}`.

    The words of \\text{...} are put between `TEXT` and `TEXT_END`.
    """
    if (quoted := _QUOTES.fullmatch(text)) and _closes(quoted[1], quoted[3]):
        text = quoted[2]
    for _ in range(2):  # \text{ 5 \text{cm}}
        text = _TEXT_COMMAND.sub(_text, replaced(text, _STYLES))
    text = _DOTS.sub(r"\1\\ldots ", text.strip())
    text = _OUTER.sub("", text)
    return " ".join(with_braces(text).split())


def _closes(left: str, right: str) -> bool:
    return left == right or (left, right) in {("“", "”"), ("„", "“"), ("„", "”"), ("«", "»")}


def _text(match: re.Match[str]) -> str:
    """Return the words of \\text{...} with marks around them. A number or a formula in it gets none."""
    content = match[1].strip()
    is_words = bool(content) and (content[0].isalpha() or content[0] in "$€£¥₹₩₽¢^/°") and "\\" not in content[1:]
    return f" {TEXT}{content}{TEXT_END} " if is_words else f" {content} "


_NAME = r"[a-zA-Z]|\\(?:pi|theta|alpha|beta|lambda|infty)(?![a-zA-Z])"
_FIRST_ARGUMENTS = rules(
    (r"\{([^{}]*)\\over(?![a-zA-Z])([^{}]*)\}", r"\\frac{\1}{\2}", r"{1\over 2}"),
    (rf"\\frac(?![a-zA-Z]) *(?:(\d|{_NAME})|(?=\{{))", lambda match: _in_braces("\\frac", match[1]), r"\frac1{72}"),
    (rf"\\sqrt(?![a-zA-Z]) *(\[[^\[\]]*\])? *(?:(\d+(?:\.\d+)?|{_NAME})|(?=[{{(]))",
     lambda match: _in_braces("\\sqrt" + (match[1] or ""), match[2]), r"\sqrt10, which is the root of 10, not 0"),
)  # fmt: skip
_FRACTION = re.compile(r"\\frac\{")
_SECOND_ARGUMENT = re.compile(rf" *(\d|{_NAME})")


def with_braces(text: str) -> str:
    """Return a text in which the arguments of \\frac and \\sqrt stand in braces: `\\frac{270}7`, `\\frac12`."""
    text = replaced(text, _FIRST_ARGUMENTS)
    closing = _closing_braces(text)
    pieces, index = [], 0
    arguments = {}
    for fraction in _FRACTION.finditer(text):
        end = closing.get(fraction.end() - 1)
        if end is not None and (argument := _SECOND_ARGUMENT.match(text, end + 1)):
            arguments[argument.start()] = argument
    for start, argument in sorted(arguments.items()):
        pieces += [text[index:start], f"{{{argument[1]}}}"]
        index = argument.end()
    return "".join([*pieces, text[index:]])


def _in_braces(command: str, argument: str | None) -> str:
    return f"{command}{{{argument}}}" if argument else command


def _closing_braces(text: str) -> dict[int, int]:
    """Return index of an opening brace -> index of its closing brace."""
    opened: list[int] = []
    closing = {}
    for index, character in enumerate(text):
        if character == "{":
            opened.append(index)
        elif character == "}" and opened:
            closing[opened.pop()] = index
    return closing


_SPACING = rules(
    (r"(\\[a-zA-Z]+) (?=[^a-zA-Z])", r"\1", r"\pm 2 is \pm2"),
    (
        r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9\\])|(?<=\d) (?=[A-Za-z\\])",
        "",
        r"a + b is a+b; \pi r, a b and 1 2 keep theirs",
    ),
    (r"(?<=[a-zA-Z0-9]) (?=\\)", "", r"r \pi is r\pi"),
    (r"([\^_])\{([\w+-])\}(?!\d)", r"\1\2", "x^{2} is x^2; a_{1}0 is not a_{10}"),
)


def without_spaces(text: str) -> str:
    """Return LaTeX without spaces that carry no meaning, and without the marks of words."""
    for mark in (TEXT, TEXT_END):
        text = text.replace(mark, " ")
    return replaced(" ".join(text.split()), _SPACING)
