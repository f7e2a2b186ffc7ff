"""An answer kind for amounts of a drug: "0.5 g" equals "500 mg", and so do amounts that differ by at most 1 %."""

import re

from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, anchored_line, last_boxed

_MILLIGRAMS = {"µg": 0.001, "ug": 0.001, "mcg": 0.001, "mg": 1.0, "g": 1_000.0}
_DOSE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(µg|ug|mcg|mg|g)\b")


class Dose(AnswerKind):
    def extract(self, response: str, question: str) -> str | None:
        """Return the final answer as the response writes it, None without one."""
        tail = response[-MAX_TAIL:]
        return last_boxed(tail) or anchored_line(tail)

    def canonical(self, answer: str, question: str) -> str | None:
        """Return the amount in milligrams, None if the answer is no amount."""
        match = _DOSE.search(answer.replace("\\text{", "").replace("μ", "µ"))
        return f"{float(match[1]) * _MILLIGRAMS[match[2]]:.6g}" if match else None

    def same(self, left: str, right: str) -> bool:
        """Return whether two amounts differ by at most 1 %."""
        return abs(float(left) - float(right)) <= 0.01 * max(float(left), float(right))


DOSE = Dose()
