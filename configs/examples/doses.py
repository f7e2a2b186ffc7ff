"""A kind of answers of one's own: an amount of a drug. "0.5 g" is "500 mg", and amounts within 1 % are one answer."""

import re

from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, anchored_line, last_boxed

_MILLIGRAMS = {"µg": 0.001, "ug": 0.001, "mcg": 0.001, "mg": 1.0, "g": 1_000.0}
_DOSE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(µg|ug|mcg|mg|g)\b")


class Dose(AnswerKind):
    def extract(self, response: str, question: str) -> str | None:
        tail = response[-MAX_TAIL:]
        return last_boxed(tail) or anchored_line(tail)

    def canonical(self, answer: str, question: str) -> str | None:
        found = _DOSE.search(answer.replace("\\text{", "").replace("μ", "µ"))
        return f"{float(found[1]) * _MILLIGRAMS[found[2]]:.6g}" if found else None

    def same(self, left: str, right: str) -> bool:
        return abs(float(left) - float(right)) <= 0.01 * max(float(left), float(right))


DOSE = Dose()
