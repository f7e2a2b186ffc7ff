"""Runs of mathematics in a line: "3 + 4 = 7", "f(x) = x^2 + 3", "60 km / 2 h", without the prose around them.

A run alternates operands and operators. Words end it, apart from names of functions, units, and nouns inside a
computation ("48 clips / 2 = 24 clips").
"""

import re

from stages.answers.canonical.number_words import ENGLISH, SIGN_WORDS
from stages.answers.canonical.quantities import MONEY_POWERS
from stages.answers.prose.line import Line, Part, Role, Run, is_product
from stages.answers.prose.tokens import scaled
from stages.answers.prose.units import unit_end
from stages.answers.prose.vocabulary import (
    BY_WORDS,
    COMMA_LANGUAGES,
    MAGNIFIED,
    OPERATOR_WORDS,
    RESULT_WORDS,
    UNREAD_OPERATORS,
)

_COMPARISONS = frozenset(
    ("<", ">", "≤", "≥", "≠", "<=", ">=", "!=", "\\le", "\\ge", "\\leq", "\\geq", "\\lt", "\\gt", "≡")
)
_RELATIONS = frozenset(("=", "≈"))
_MEMBER = frozenset(("∈", "\\in"))
_SIGNS = frozenset(("-", "–", "+", "±", "\\pm", "√"))
_NOT_OPERANDS = frozenset(
    ("\\boxed", "\\fbox", "\\item", "\\hline", "\\begin", "\\end", "\\dots", "\\ldots", "\\cdots")
)
_UNIT_LETTERS = frozenset("mgshlLKNJWVF")
_WORDS_THAT_ARE_LETTERS = frozenset("aAI")
_MAX_GROUPS = 8
"""Most groups in braces after a command."""
_NOUN_OPERATORS = frozenset(("+", "-", "–", "*", "/", "×", "÷", "=", "\\times"))
"""Operators between numbers of things."""
_MAX_NOUNS = 10
"""Most words between a number of things and an operator."""
_MAX_SIGNS = 4
"""Most signs before an operand."""


class RunParser(Line):
    """Parses the runs of a line."""

    def run_at(self, index: int) -> Run | None:
        """Return the run that starts at a token, None if none does."""
        run = Run(index, index)
        token = self.tokens[index]
        if token.kind == "operator" and not self._is_sign(index):
            sign = token.text in _RELATIONS and self.token(index + 1).text in _SIGNS
            if token.text in ("~", "|") or not self._starts_operand(index + 1 + sign):
                return None
            run.end = index + 1
            if token.text in _RELATIONS:
                run.parts.append(Part("relation", token.text, token.start, token.end))
            else:
                run.opening = token.text
        elif not self._starts_run(index):
            return None
        while self._operand(run) and self._operator(run):
            pass
        self._trim(run)
        return run if any(part.role == "operand" for part in run.parts) else None

    def _is_sign(self, index: int) -> bool:
        """Return whether a sign starts a run: "-5", "is - 5", but neither "total - 5" nor "- 5" after a bullet."""
        token, before = self.token(index), self.token(index - 1)
        if token.text in ("±", "\\pm", "√"):
            return True
        if token.text == "|":
            return not self.spaced(index + 1) and self.spaced(index)
        if token.text not in _SIGNS:
            return False
        if self.spaced(index + 1):
            return before.kind == "word" and before.text.lower() in RESULT_WORDS
        return self.spaced(index) or before.kind not in ("word", "letter", "number") or not before.text.isascii()

    def _starts_run(self, index: int) -> bool:
        """Return whether a word or letter starts a run: "minus 5", "x + 3", "xy + 3"; True for all other tokens."""
        token, before = self.token(index), self.token(index - 1)
        if token.kind == "letter":
            return self._letter_starts(index)
        if token.kind != "word":
            return True
        if token.text.lower() in SIGN_WORDS:
            return self._starts_operand(index + 1) and before.text.lower() not in ENGLISH
        return (
            is_product(token)
            and self.token(index + 1).text in ("+", "-", "*", "/", "^")
            and self._starts_operand(index + 2)
        )

    def _starts_operand(self, index: int) -> bool:
        token = self.token(index)
        if token.kind == "open":
            return self.is_mathematical(index)
        if token.kind == "letter":
            return token.text not in _WORDS_THAT_ARE_LETTERS or self.token(index + 1).kind != "word"
        if token.kind == "operator":
            return token.text in _SIGNS and not self.spaced(index + 1) and self.token(index + 1).kind != "operator"
        return token.kind in ("number", "mixed", "formula", "function", "command", "currency", "text", "ratio", "time")

    def _letter_starts(self, index: int) -> bool:
        """Return whether a letter at the start of a run is a variable of an expression, and not a word or a name."""
        token, after = self.token(index), self.token(index + 1)
        if after.kind == "operator":
            is_even = self.spaced(index + 1) == self.spaced(index + 2)
            sign = after.text in _RELATIONS and self.token(index + 2).text in _SIGNS
            return self._starts_operand(index + 2 + sign) and (is_even or token.text not in _WORDS_THAT_ARE_LETTERS)
        attached = not self.spaced(index + 1)
        if after.kind == "open":
            return attached and self.is_mathematical(index + 1)
        if token.text in _WORDS_THAT_ARE_LETTERS:
            return False
        return attached and (after.kind in ("letter", "command", "function", "number") or after.text == "!")

    def _operand(self, run: Run) -> bool:
        """Append the operand at the end of a run, with its signs, currency and unit."""
        index, prefix, is_money = run.end, "", False
        start = self.token(index).start
        while self.token(index).kind in ("operator", "currency", "word") and index < run.end + _MAX_SIGNS:
            token = self.token(index)
            if is_product(token) or (token.text == "|" and not self.spaced(index + 1)):
                break
            if token.kind == "operator" and token.text in prefix:
                return False  # "--42"
            if token.kind == "currency" or token.text in _SIGNS:
                is_money = is_money or token.kind == "currency"
                prefix += "-" if token.text == "–" else token.text
            elif token.text.lower() in SIGN_WORDS and self._starts_operand(index + 1):
                prefix += "-"
            else:
                return False
            index += 1
        part = self._base(index)
        if part is None:
            return False
        body, end = part
        if body.kind == "number" and is_money:
            end = self._currency_scale(body, end)
        body.text, body.start = prefix + body.text, start
        if prefix and prefix not in ("-", "+") and body.kind != "number":
            body.kind = "other"
        token = self.token(end - 1)
        run.doubt = run.doubt or (token.doubt if end == index + 1 else None)
        run.parts.append(body)
        run.end = end
        if body.kind in ("number", "formula", "other", "group"):
            self._unit(run)
        return True

    def _base(self, index: int) -> tuple[Part, int] | None:
        """Return the operand at a token without signs, and the index after it."""
        token = self.token(index)
        part = Part("operand", token.text, token.start, token.end, "other")
        end = index + 1
        if token.text in _NOT_OPERANDS or (token.kind == "formula" and "\\boxed" in token.text):
            return None
        if token.kind == "open":
            if not self.is_mathematical(index):
                return None
            end = self.closing[index] + 1
            part.kind, part.end = "group", self.token(end - 1).end
            part.text = self._group_text(index, part.end)
        elif token.kind == "operator" and token.text == "|":
            bars = [i for i in range(index + 1, min(index + 20, len(self.tokens))) if self.tokens[i].text == "|"]
            if not bars or self.has_words(index, bars[0]) or self.spaced(index + 1):
                return None
            end = bars[0] + 1
            part.end = self.token(bars[0]).end
            part.text = self.text[part.start : part.end]
        elif token.kind == "command":
            end = self._after_groups(index)
            part.end = self.token(end - 1).end
            part.text = self.text[part.start : part.end]
        elif token.kind in ("number", "mixed"):
            part.kind = "number"
        elif token.kind in ("formula", "letter", "function"):
            part.kind = token.kind
        elif is_product(token):
            part.kind = "letter"
        elif token.kind not in ("text", "time", "ratio"):
            return None
        return part, end

    def _group_text(self, opening: int, end: int) -> str:
        """Return a bracket as an answer spells it: a set has escaped braces."""
        text = self.text[self.token(opening).start : end]
        if self.language in COMMA_LANGUAGES and ";" in text:
            text = text.replace(",", ".").replace(";", ",")
        return f"\\{text[:-1]}\\}}" if text[0] == "{" and text[-1] == "}" else text

    def _after_groups(self, index: int) -> int:
        """Return the index after a command and its groups: \\sqrt[3]{2}, \\frac{1}{2}, \\frac12, \\sqrt 2."""
        end = index + 1
        for _ in range(_MAX_GROUPS):
            if self.token(end).text not in ("{", "[") or self.spaced(end) or end not in self.closing:
                break
            end = self.closing[end] + 1
        if end == index + 1 and self.token(index).text in ("\\sqrt", "\\frac", "\\dfrac", "\\tfrac"):
            return end + (self.token(end).kind == "number")
        return end

    def _currency_scale(self, body: Part, end: int) -> int:
        """Multiply an amount of money by the letter after it: $3M."""
        token = self.token(end)
        if token.text not in MONEY_POWERS or self.spaced(end) or not re.fullmatch(r"\d+(?:\.\d+)?", body.text):
            return end
        body.text = scaled(body.text, MONEY_POWERS[token.text])
        body.end = token.end
        return end + 1

    def _unit(self, run: Run) -> None:
        """Append the measured unit right after the last operand, if there is one."""
        start = run.parts[-1].end
        end = unit_end(self.text, start)
        if end is None:
            return
        while run.end < len(self.tokens) and (token := self.tokens[run.end]).start < end:
            if token.end > end and not self.text[end].isascii():
                token.start, token.text = end, self.text[end : token.end]  # 3天后他有12元
                break
            run.end += 1
        run.parts.append(Part("unit", self.text[start:end].strip(), start, end))

    def _operator(self, run: Run) -> bool:
        """Append the operator at the end of a run, and what stands before it; return whether an operand follows."""
        while True:
            index = run.end
            token = self.token(index)
            if token.kind == "postfix":
                run.parts.append(Part("postfix", token.text, token.start, token.end))
                run.end += 1
                self._unit(run)
            elif token.text == "√":
                return True
            elif token.text in ("^", "_") and self.token(index + 1).kind == "open":
                if not self._append_script(run):
                    return False
            elif token.text == "/" and self.is_noun(index) and self._is_rate(run):
                if not self._skip_nouns(run):
                    return False
            elif token.kind == "operator" or self._is_times(index):
                return self._append_operator(run)
            elif token.kind == "word" and (self.spaced(index) or not is_product(token)):
                if not self._skip_words(run):
                    return False
            elif not self._juxtaposed(run):
                return False

    def _is_times(self, index: int) -> bool:
        """Return whether a letter x is a sign of multiplication: "5 x 10^3"."""
        before, after = self.token(index - 1), self.token(index + 1)
        return (
            self.token(index).text in ("x", "X")
            and before.kind in ("number", "word", "close")
            and after.kind in ("number", "currency")
            and self.spaced(index) == self.spaced(index + 1)
        )

    def _append_operator(self, run: Run) -> bool:
        token = self.token(run.end)
        text = "\\times" if token.text in ("x", "X") else token.text
        is_dash = text in ("-", "–")
        if is_dash and self.spaced(run.end) and self.spaced(run.end + 1) and not self._starts_operand(run.end + 1):
            return False
        is_hyphen = is_dash and not self.spaced(run.end)
        if is_hyphen and (self.spaced(run.end + 1) or self.token(run.end + 1).kind in ("word", "stop")):
            return False  # "5-year"
        if text == "|" and (self.spaced(run.end) or self.token(run.end + 1).kind in ("word", "stop")):
            return False
        run.parts.append(Part(_role(text), text, token.start, token.end))
        run.end += 1
        return True

    def _append_script(self, run: Run) -> bool:
        """Append ^{..} or ^(..) to a run; return whether the bracket is mathematical."""
        opening = run.end + 1
        if not self.is_mathematical(opening):
            return False
        start, end = self.token(run.end).start, self.closing[opening] + 1
        last = self.token(end - 1)
        run.parts.append(Part("postfix", self.text[start : last.end], start, last.end))
        run.end = end
        return True

    def _juxtaposed(self, run: Run) -> bool:
        """Append an operand that is a factor without a sign: 2x, 3(x+1), 2\\pi, 5 m."""
        index = run.end
        token, after, spaced = self.token(index), self.token(index + 1), self.spaced(index)
        if token.kind == "letter":
            if (
                token.text == "x"
                and not spaced
                and after.text.lower() in MAGNIFIED
                and self.token(index - 1).kind == "number"
            ):
                run.end += 1
                return False  # "16x faster"
            if spaced and token.text in _WORDS_THAT_ARE_LETTERS:
                return False
            if self.joins(index):
                return False
            if spaced and after.kind == "number" and token.text not in _UNIT_LETTERS and self.spaced(index + 1):
                return self._give_up(run, index + 1)  # "17 R 2"
            if spaced and after.kind == "word" and token.text not in _UNIT_LETTERS:
                return False
        elif is_product(token):
            if spaced:
                return False
        elif token.kind == "open":
            if not self.is_mathematical(index) or (spaced and not self.has_letters(index)):
                return False
            if run.parts[-1].kind == "letter" and not spaced:
                run.parts[-1].kind = "call"
        elif token.kind == "number":
            texts = [part.text for part in run.parts[-3:]]
            if run.parts[-1].kind != "function" and not (len(texts) == 3 and texts[:2] == ["log", "_"]):
                return False
        elif token.kind not in ("command", "function", "text", "formula") or (token.kind == "formula" and spaced):
            return False
        part = self._base(index)
        if part is None:
            return False
        is_call = run.parts[-1].kind == "call" and part[0].kind == "group"
        part[0].kind = "arguments" if is_call else part[0].kind
        if token.text in _UNIT_LETTERS and spaced and run.parts[-1].kind == "number" and after.kind != "open":
            part[0].kind = "unit"
        run.parts.append(part[0])
        run.end = part[1]
        if part[0].kind not in ("function", "unit"):
            self._unit(run)
        return True

    def _skip_words(self, run: Run) -> bool:
        """Step over nouns inside a computation, or read "plus", "times" and the like; return whether."""
        index = run.end
        token = self.token(index)
        if token.text.lower() in UNREAD_OPERATORS and (
            token.text != "over" or (self.token(index + 1).kind == "number" and run.parts[-1].is_plain)
        ):
            return self._give_up(run, index + 1)
        if self.token(index + 1).text == "by" and token.text in BY_WORDS and self._starts_operand(index + 2):
            run.end, operator = index + 1, BY_WORDS[token.text]
        else:
            operator = OPERATOR_WORDS.get(token.text.lower(), "") if self._starts_operand(index + 1) else ""
        if operator:
            self.tokens[run.end].kind, self.tokens[run.end].text = "operator", operator
            return True
        return self._skip_nouns(run)

    def _is_rate(self, run: Run) -> bool:
        """Return whether a word after "/" says what a value is for: $5/bar, 5 minutes/sip. "2/ab" is a quotient."""
        return not run.parts[-1].is_plain or not is_product(self.token(run.end + 1))

    def _skip_nouns(self, run: Run) -> bool:
        """Step over nouns that an operator follows, with what they are per or from; return whether there are some."""
        index = end = run.end
        if run.parts[-1].kind == "formula":
            return False
        while end < index + _MAX_NOUNS and self.is_noun(end):
            end += 1
        sign = self.token(end)
        is_spaced = self.spaced(end) and (self.spaced(end + 1) or sign.text == "=")
        is_spaced = is_spaced or sign.text == "+"
        if end == index or sign.text not in _NOUN_OPERATORS or not is_spaced or not self._starts_operand(end + 1):
            return False
        run.end = end
        return True

    def _give_up(self, run: Run, index: int) -> bool:
        """Note that a run goes on in a way that is not read, with the number at a token if there is one."""
        run.end = index + (self.token(index).kind == "number")
        run.doubt = run.doubt or f"{self.text[run.parts[0].start : self.token(run.end - 1).end]}: not read"
        return False

    def _trim(self, run: Run) -> None:
        """Remove operators without an operand from the end of a run."""
        while run.parts and run.parts[-1].role in ("operator", "relation", "comparison", "member"):
            part = run.parts.pop()
            before, after = run.end - 1, run.end
            is_slash = part.text == "/" and self.token(after).kind == "word"
            if part.text not in ("*", "|", "_") and not is_slash:
                run.trailing = part.text
            run.end = before


def _role(operator: str) -> Role:
    if operator in _RELATIONS:
        return "relation"
    return "comparison" if operator in _COMPARISONS else "member" if operator in _MEMBER else "operator"
