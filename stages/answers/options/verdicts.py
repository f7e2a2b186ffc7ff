"""Lines at the end of a response that judge each option: "A: incorrect", "B: correct", "C: incorrect"."""

import re

from stages.answers.kinds import Ambiguous
from stages.answers.options.listed import options_of

_POSITIVE = (
    r"correct|right|true|yes|richtig|korrekt|vraie?|exacte?|verdader[oa]|correct[oa]|верно|正确|正確|对|✅|✓|✔|☑"
)
_NEGATIVE = (
    r"incorrect|wrong|false|no|not correct|not right|not true|too (?:small|large|low|high|short|long|slow|fast)|falsch|"
    r"faux|fausse|inexacte?|fals[oa]|incorrect[oa]|неверно|错误|錯誤|错|不正确|❌|✗|✘|✖|×"
)
_LABEL = re.compile(
    r"\s{0,8}(?:[-*•]\s{1,3})?[*_]{0,3}(?:(?:Option|Choice)\s)?[(\[]?([A-Za-z])[)\].:：、]{0,2}[*_]{0,3}"
    r"(?=[\s.:：—–对對错錯正不项項-])"
)
_VERDICT = re.compile(
    rf"(?:\s?(?:is|was|ist|est|es|é|è|[项項]|:|：|=|→|->|[-–—])?[\s*_(]{{0,4}})"
    rf"(?:(?P<no>{_NEGATIVE})|(?P<yes>{_POSITIVE}))"
    r"(?![^\W_])[\s*_)]{0,4}(?:[.,;:!]|because|since|as|\Z|[-–—])",
    re.IGNORECASE,
)
_VERDICT_LAST = re.compile(
    rf"(?:[:：=→>–—-]|is|\()[\s*_]{{0,4}}(?:(?P<no>{_NEGATIVE})|(?P<yes>{_POSITIVE}))[\s*_).!]{{0,4}}\Z|(?P<cross>[❌✗✘✖])\s{{0,3}}\Z|(?P<tick>[✅✓✔☑])\ufe0f?\s{{0,3}}\Z",
    re.IGNORECASE,
)
_ASKS_FOR_WRONG = re.compile(
    r"\b(?:not|except|false|incorrect|incorrectly|wrong|least|untrue|never|cannot|nicht|falsch|faux|pas|excepto?|неверн\w{0,3})\b|n't\b|"
    r"不|错误|錯誤|ない|誤|않|틀린|옳지",
    re.IGNORECASE,
)
_LONGEST_LINE = 400


def verdict_on_options(text: str, question: str, *, several: bool) -> str | Ambiguous | None:
    """Return the letter of the only option that the last lines call correct; with `several` the letters of all.

    Every option but one at most has its line. None if the question asks for the wrong option, if the options
    themselves are verdicts ("A. True"), or if there are no such lines.
    """
    options = options_of(question)
    letters = list(options.texts)
    lines = [line for line in text.rstrip().rsplit("\n", 2 * len(letters) + 2)[-2 * len(letters) - 2 :] if line.strip()]
    verdicts: dict[str, bool] = {}
    for line in reversed(lines):
        judged = _judged(line[:_LONGEST_LINE], options.lower_case)
        if judged is None or judged[0] in verdicts or judged[0] not in letters:
            break
        verdicts[judged[0]] = judged[1]
    if len(verdicts) < 2 or len(verdicts) < len(letters) - 1 or list(verdicts) != sorted(verdicts, reverse=True):
        return None
    correct = sorted(letter for letter, is_correct in verdicts.items() if is_correct)
    if not correct or _ASKS_FOR_WRONG.search(question.split("\n", 1)[0]) or _are_verdicts(options.texts.values()):
        return None
    if several:
        return ",".join(correct)
    return correct[0] if len(correct) == 1 else None


def _judged(line: str, lower_case: bool) -> tuple[str, bool] | None:
    """Return the letter that a line starts with, and whether the line calls its option correct.

    `lower_case`: whether the question's labels are in lower case.
    """
    label = _LABEL.match(line)
    if label is None or (label[1].islower() and not lower_case):
        return None
    letter = label[1].upper()
    if first := _VERDICT.match(line, label.end()):
        return letter, first["no"] is None
    if last := _VERDICT_LAST.search(line, label.end()):
        return letter, (last["no"] or last["cross"]) is None
    return None


def _are_verdicts(texts: object) -> bool:
    return any(re.fullmatch(rf"{_POSITIVE}|{_NEGATIVE}", text) for text in texts)  # type: ignore[attr-defined]
