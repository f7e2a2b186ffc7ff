"""Questions that copy an example of their prompt, or repeat an earlier one, also with other numbers."""

import re
from collections.abc import Iterable, Sequence

from rapidfuzz.distance import LCSseq

from stages.text.similarity import RougeLBank, tokenize

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

    The similarity is the ROUGE-L F-measure as written or that of `likeness`, whichever is higher.
    """
    pairs = [(max(_rouge_l(question, example), likeness(question, example)), example) for example in examples]
    best = max(pairs, default=(0.0, ""))
    return best if best[0] > threshold else None


def likeness(left: str, right: str) -> float:
    """Return how alike two questions are with numbers aside: the lower F-measure of words and signs and of words alone.

    Formulas of one kind have most of their signs in common, whatever is asked about them, so the words count as well.
    """
    with_signs = _rouge_l(numbers_aside(left), numbers_aside(right))
    return min(with_signs, _rouge_l(_words(left), _words(right)))


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
        """Return the `likeness` of a question to the one that it repeats, and that one; None if it repeats none.

        Only the question that is nearest in words and signs is compared in words alone.
        """
        (score,), (index,) = self._bank.nearest([numbers_aside(question)])
        if score <= threshold or index < 0:
            return None
        nearest = self._questions[int(index)]
        alike = likeness(question, nearest)
        return (alike, nearest) if alike > threshold else None


def _words(text: str) -> str:
    return _NUMBER.sub(" ", text)


def _rouge_l(left: str, right: str) -> float:
    """Return the ROUGE-L F-measure of two texts; 1 if both have no word."""
    words = tokenize(left), tokenize(right)
    if not any(words):
        return 1.0
    return 2 * LCSseq.similarity(*words) / sum(map(len, words))
