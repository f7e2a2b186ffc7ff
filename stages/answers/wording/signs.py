"""Signs in answers of words: one spelling for Unicode's variants, Markdown, HTML and LaTeX.

Signs that carry a meaning stay: `Rh+` is not `Rh-`, `C++` not `C`, `5%` not `5`.
"""

import re
from collections.abc import Callable

Replacement = str | Callable[[re.Match[str]], str]
Rules = tuple[tuple[str, Replacement, str, str], ...]
"""Each rule: pattern, replacement, and an example with the form that it has after all rules."""
Groups = tuple[tuple[str, Rules], ...]
"""Each group: a clue, and rules that change no text in which this pattern has no match. Most texts skip most rules."""

_NOT_ASCII = r"[^\x00-\x7f]"


def _genotype(match: re.Match[str]) -> str:
    """Return pairs of alleles with a mark on the recessive ones, which case alone tells apart: AA, Aa, aa."""
    return "".join(f"{allele}'" if allele.islower() else allele for allele in match[0])


# The rules are applied in order, the first ones before
# Unicode's compatibility forms (NFKC) are resolved, which would make 10² the number 102 and 3½ the number 31/2.
BEFORE_UNICODE: Groups = (
    (_NOT_ASCII, (
        (r"([⁺⁻]?[⁰¹²³⁴-⁹]+)", r"^\1", "10²", "10^2"),
        (r"(?<=\d)(?=[¼½¾⅐-⅞])", " ", "3½", "3 1/2"),
        ("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]", "", "co\u00adoperate", "cooperate"),
        (r"—+$|^—+", "", "Paris—", "paris"),
    )),
    ("<", (
        (r"<sup>([^<>]{1,20})</sup>", r"^{\1}", "x<sup>2</sup>", "x^2"),
        (r"</?(?:b|i|u|p|em|br|sub|strong|span|code|mark)\s?/?>", "", "<b>Rome</b>", "rome"),
    )),
    (rf"{_NOT_ASCII}|\A\s", (
        (
            r"^[\s✅✔✓☑⭐➡👉\ufe0f\U0001f300-\U0001faff]{1,20}(?=.{0,9}\w)|(?<=\w)[.!]?\s?[✅✔✓☑⭐\ufe0f\U0001f300-\U0001faff]{1,20}\s{0,9}$",
            "",
            "✅ Rome",
            "rome",
        ),
    )),
    # Upper case that tells units and formulas apart
    (r"\d\s", (
        (r"(?<=\d)\sM(?![^\W_])", " molar", "5 M", "5molar"),
        (r"(?<=\d)\sG(?![^\W_])", " gauss", "5 G", "5gauss"),
        (r"(?<=\d)\sT(?![^\W_])", " tesla", "5 T", "5tesla"),
    )),
    ("ß", (
        (r"(?i)(?<![^\W_])(ma|bu|flo|scho)ß(?=(?:en?|es)?(?![^\W_]))", r"\1sz", "Maße", "masze"),  # not Masse
    )),
    (r"[nN]\.|\A>", (
        (r"(?<![^\W_])[nN]\.\s?[aA]\.?(?=\W*$)", "N/A", "n.a.", "n/a"),
        (r"^>\s(?=[^\W\d_])", "", "> Rome", "rome"),
    )),
    ("Co", (
        (r"(?<![A-Za-z])Co(?=Cl|Br|SO|O\d?(?![^\W_])|\(|\d|$)", "cobalt", "CoCl2", "cobaltcl2"),
    )),
    (r"\A[A-Za-z]{2,6}$", (
        (r"^(?:([A-Za-z])(?i:\1)){1,3}$", _genotype, "AaBB", "aa'bb"),
    )),
    (_NOT_ASCII, (
        ("[\u0640]", "", "محـمد", "محمد"),
        ("ی", "ي", "علی", "علي"),
        ("ک", "ك", "کتاب", "كتاب"),
        ("´", "'", "O´Brien", "o'brien"),
        ("[œŒ]", "oe", "Œdipus", "oedipus"),
        ("[æÆ]", "ae", "vitæ", "vitae"),
    )),
)  # fmt: skip
AFTER_UNICODE: Groups = (
    (rf"`|{_NOT_ASCII}", (
        (r"`([^`]{1,400})`", r"\1", "`O‘Brien`", "o'brien"),
        ("[‘’‛ʼʻ′`´]", "'", "O’Brien", "o'brien"),
        ("[“”„‟″«»「」『』]", '"', "„Paris“", "paris"),
    )),
    ('"', (
        (r"(?<![^\W_])\"(?=[^\"]{0,200}[^\W\d_])(?![\s,;])([^\"]{1,200})(?<!\s)\"(?![^\W_])", r"\1",
         "the novel „Emma“", "novel emma"),
    )),
    (_NOT_ASCII, (
        ("[‐‑‒–—―−﹣]", "-", "–5", "-5"),
        ("⁄", "/", "½", "1/2"),
        ("i\u0307", "i", "İstanbul", "istanbul"),
        ("♯", "#", "C♯", "c#"),
    )),
    (r"->|→|\\", (
        (r"\s?(?:->|→|\\to(?![a-z])|\\rightarrow(?![a-z]))\s?", "→", "A -> B", "a→b"),
    )),
    (_NOT_ASCII, (
        ("[・‧]", "·", "レオナルド・ダ・ヴィンチ", "レオナルド·ダ·ヴィンチ"),
        ("(?<=[\u3040-\u9fff\uac00-\ud7a3])\\s?[,、]\\s?", ",", "中国、日本", "中国,日本"),
        ("[。．]", ".", "北京。", "北京"),
    )),
    (r"\s\s|[^\S ]", (
        (r"\s+", " ", "habeas  corpus", "habeas corpus"),
    )),
    # LaTeX
    (r"\\", (
        (r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf)|mbox)\s?\{([^{}]{0,400})\}", r"\1", r"\text{2,4-D}",
         "2,4-d"),
        (r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf)|mbox|ce|operatorname|displaystyle|left|right)"
         r"(?![a-z])", "", r"\text{Habeas corpus}", "habeas corpus"),
    )),
    (r"\$", (
        (r"(?<!\\)\$(?=[^\s$])((?:\\.|[^$\\])*)(?<!\s)\$(?!\d)", r"\1", r"$\$5$", "$5"),
    )),
    (r"\*\*", (
        (r"(?<![^\W_])\*\*(?=\S)([^*]{1,400})\*\*(?![^\W_])", r"\1", "**A**", "a"),
    )),
    (r"[\\~]", (
        (r"\\[()\[\]]", "", r"\(x\)", "x"),
        (r"\\[,;:! ]|(?<=\S)~(?=[a-z])", " ", r"5\,mg", "5mg"),
    )),
    (r"\\", (
        (r"(?<=\d)\s?(?=\\[dtc]?frac(?![a-z]))", " ", r"3\frac12", "3 1/2"),
        (r"\\[dtc]?frac\s?(?:\{(\d{1,9})\}\s?\{(\d{1,9})\}|(\d)\s?(\d))", r"\1\3/\2\4", r"\dfrac{1}{2}", "1/2"),
        (r"\\[dtc]frac(?![a-z])", r"\\frac", r"\dfrac{a}{b}", "fraca/b"),
    )),
    (r"\{", (
        (r"\}\s?\{", "/", r"\frac{ab}{c}", "fracab/c"),
        (r"([\^_])\{(\w|-?\d{1,9}|\d{0,2}[+-])\}", r"\1\2", "x^{2}y", "x^2y"),
        (r"([\^_])\{([^{}]{2,40})\}", r"\1(\2)", "x^{2y}", "x^(2y)"),
    )),
    (r"\\|°", (
        (r"\^\s?\{?\\circ(?![a-z])\}?|\\degree(?![a-z])", "°", r"5^\circ", "5°"),
        (r"°\s(?=[cfnsew]\b)", "°", "37° C", "37°c"),
    )),
    (r"[\\<>!]", (
        (r"\\(?:leq?|leqslant)(?![a-z])|<=", "≤", r"\le 5", "≤5"),
        (r"\\(?:geq?|geqslant)(?![a-z])|>=", "≥", r"\geq 5", "≥5"),
        (r"\\lt(?![a-z])", "<", r"\lt 5", "<5"),
        (r"\\gt(?![a-z])", ">", r"\gt 5", ">5"),
        (r"\\neq?(?![a-z])|!=", "≠", r"\ne 5", "≠5"),
        (r"\\pm(?![a-z])", "±", r"\pm 5", "±5"),
    )),
    (r"\\", (
        (r"\\(?=(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|"
         r"omega)(?![a-z]))", "", r"\beta-blocker", "beta blocker"),
    )),
    (r"[{}]", (
        (r"^\s*\{([^{}\\]*,[^{}\\]*)\}\s*$", r"\{\1\}", "{1, 2}", r"\{1, 2\}"),
        (r"(?<!\\)[{}]", "", "{rome}", "rome"),
    )),
    (r"\\", (
        (r"\\([$%&#_])", r"\1", r"5\%", "5%"),
    )),
    (r"[_×^\\]|\sx\s", (
        (r"_(?=n?\d)", "", "H_2O", "h2o"),
        (r"\s?(?:×|\\times(?![a-z]))\s?|(?<=\d)\sx\s(?=\d)", "×", "3 x 10⁸", "3×10^8"),
        (r"\^(\d{0,2}[+-])(?!\w)", r"\1", "Ca²⁺", "ca2+"),
    )),
)  # fmt: skip
