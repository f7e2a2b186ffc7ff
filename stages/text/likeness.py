"""Questions that copy an example of their prompt, or repeat an earlier one, also with other numbers."""

import re
from collections.abc import Iterable, Sequence

from stages.text.similarity import RougeLBank

_NUMBER = re.compile(
    r"\d+(?:[.,]\d+)*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)\b",
    re.IGNORECASE,
)
_SIGNS = {ord(sign): f" sign{index} " for index, sign in enumerate("+-*/^=<>()[]|!%±×÷·≤≥≠√∑∫π°")}


def numbers_aside(text: str) -> str:
    """Return a text in which every number is the word "0".

    Signs of mathematics become words, so that two short formulas without words are alike only if their signs are:
    "3 + 5" and "(2 - 7) / 4" would otherwise be the same run of numbers.
    """
    return _NUMBER.sub(" 0 ", text).translate(_SIGNS)


def copied_example(question: str, examples: Sequence[str], threshold: float) -> tuple[float, str] | None:
    """Return the similarity of a question to the example that it copies, and that example; None if it copies none.

    The similarity is the ROUGE-L F-measure, as written or with numbers aside, whichever is higher.
    """
    if not examples:
        return None
    best = max(
        _nearest(RougeLBank(examples), question, examples),
        _nearest(RougeLBank(map(numbers_aside, examples)), numbers_aside(question), examples),
    )
    return best if best[0] > threshold else None


class EarlierQuestions:
    """Questions that were accepted before, compared with numbers aside."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._questions = list(questions)
        self._bank = RougeLBank(map(numbers_aside, self._questions))

    def add(self, question: str) -> None:
        """Append a question."""
        self._questions.append(question)
        self._bank.add([numbers_aside(question)])

    def repeated_by(self, question: str, threshold: float) -> tuple[float, str] | None:
        """Return the similarity of a question to the one that it repeats, and that one; None if it repeats none."""
        best = _nearest(self._bank, numbers_aside(question), self._questions)
        return best if best[0] > threshold else None


def _nearest(bank: RougeLBank, text: str, questions: Sequence[str]) -> tuple[float, str]:
    (score,), (index,) = bank.nearest([text])
    return float(score), questions[int(index)] if index >= 0 else ""
