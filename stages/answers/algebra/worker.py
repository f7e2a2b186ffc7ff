"""The program of the verifier's worker processes, in which math-verify reads and compares answers.

    python -P worker.py MEMORY_MIB SECONDS

Requests and replies are lines of JSON. A request is [number, [answer]] or [number, [answer, answer]]. The reply is
[number, status, reading] with the fields of a `Reading`, or null if only the status is known; or [DIED, exit status].

The worker imports sympy and forks a child that does the work. When a child has died, the worker forks another, which
takes milliseconds where an import takes seconds. `MEMORY_MIB` limits the address space. `SECONDS` limits the CPU time
of a request; the kernel ends the child, because Python cannot interrupt the evaluation of 9^{9^{9^9}}.

The top of this file imports nothing of this project, so that a worker takes no more memory and no longer to start than
math-verify needs.
"""

import json
import os
import re
import signal
import sys
from typing import Any, TextIO

DIED = "died"
"""First item of the reply if the child died. The second is its exit status, negative for a signal."""
NEARLY_FULL = 3
"""Exit status of a child that replied and then made room for another, because it had used much memory."""
OUT_OF_MEMORY = 4
"""Exit status of a child that ran out of memory and did not reply."""

_TOLERANCE = 1e-5
"""Relative difference of numbers that are equal to six decimals."""


def _serve_in_children(requests: TextIO, replies: TextIO, seconds: float, memory: int) -> None:
    """Fork children that do the work, one after another, until the parent process closes the pipe."""
    import math_verify  # noqa: F401  every child then has the module from its start

    _send(replies, "ready")
    while True:
        child = os.fork()
        if not child:
            _serve(requests, replies, seconds, memory)
            os._exit(0)
        exit_status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if exit_status == 0:
            return
        if exit_status != NEARLY_FULL:
            _send(replies, [DIED, exit_status])


def _send(replies: TextIO, message: object) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _serve(requests: TextIO, replies: TextIO, seconds: float, memory: int) -> None:
    """Answer requests in a child until the pipe is closed."""
    from functools import lru_cache

    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig(boxed_match_priority=0)]

    @lru_cache(maxsize=4_096)
    def parsed(answer: str) -> list[Any]:
        # A dollar sign (currency or delimiter) or the full stop of a sentence would end the formula early.
        latex = "\\boxed{" + re.sub(r"\\?\$|(?<!\\right)[.,;:\s]+\Z", "", answer) + "}"
        expressions: list[Any] = parse(latex, config, fallback_mode="no_fallback", parsing_timeout=None)
        return expressions

    def are_equal(gold: list[Any], answer: list[Any]) -> bool:
        # An inequality equals its interval whichever of the two is the gold answer.
        options = {"allow_set_relation_comp": True, "timeout_seconds": None, "raise_on_error": True}
        is_equal = bool(verify(gold, answer, float_rounding=6, **options))
        return is_equal and (len(gold) > 1 or len(answer) > 1 or _is_confirmed(gold[0], answer[0]))

    def reply_to(answers: list[str]) -> list[Any]:
        expressions = [parsed(answer) for answer in answers]
        if not all(expressions):
            # math-verify hides a MemoryError. So an answer that it cannot read and that took much memory is too large.
            return ["too_large" if _is_nearly_full(memory) and len(answers) == 1 else "unparsable", None]
        if len(answers) == 1:
            return ["ok", _reading(expressions[0])]
        left, right = expressions
        return ["equal" if are_equal(left, right) and are_equal(right, left) else "different", None]

    for line in requests:
        number, answers = json.loads(line)
        # The signal's default action ends this process, even in the middle of C code and even if the parent is gone.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            reply = reply_to(answers)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except Exception:  # a model wrote the answer, so any error that sympy raises is a status
            reply = ["unparsable" if len(answers) == 1 else "error", None]
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(replies, [number, *reply])
        if _is_nearly_full(memory):
            os._exit(NEARLY_FULL)  # so that the next answer has the whole memory


def _is_confirmed(left: Any, right: Any) -> bool:
    """Return whether two expressions that math-verify takes for equal have more in common than having no value.

    To math-verify, all equations without a real solution are equal (x^2+1=0 and x^2+2=0), so are all statements without
    a variable (1+1=2 and 2+2=4), and so are numbers below its precision (1/2004! and 1/2006!).
    """
    from math_verify.grader import unwrap_fcs
    from sympy import Eq, Expr, UnevaluatedExpr, simplify, solve

    if isinstance(left, Eq) and isinstance(right, Eq):
        if not left.free_symbols and not right.free_symbols:
            return _is_confirmed(left.rhs, right.rhs)
        zeros = [unwrap_fcs(side.lhs - side.rhs).doit() for side in (left, right)]
        quotient = simplify(zeros[0] / zeros[1])
        is_multiple = quotient.is_number and quotient.is_finite and quotient != 0
        return bool(is_multiple or solve(zeros[0], zeros[0].free_symbols))
    sides = (left, right)
    if not all(isinstance(side, Expr) and not side.free_symbols and not side.has(UnevaluatedExpr) for side in sides):
        return True  # among them percentages: 50% is 50 and 0.5
    values = [side.doit() for side in sides]
    difference, *sizes = (abs(value.evalf(15)) for value in (values[0] - values[1], *values))
    return difference.is_finite is not True or bool(difference <= max(sizes) * _TOLERANCE)


def _reading(expressions: list[Any]) -> list[Any] | None:
    """Return [shape, numbers, letters_only, whether it is an equation] of a parsed answer; None if unknown."""
    from math_verify.grader import is_equation, is_relation, take_last_relation
    from sympy import E, FiniteSet, Interval, MatrixBase, Mul, Symbol, Tuple, Union

    if len(expressions) != 1:
        return None
    (answer,) = expressions
    shape, members, equation = "value", [answer], is_equation(answer)
    if equation:
        members = [take_last_relation(answer).rhs]
    elif is_relation(answer):
        return ["inequality", [], False, False]
    elif isinstance(answer, Union):
        return ["union", [], False, False] if any(isinstance(part, Interval) for part in answer.args) else None
    elif isinstance(answer, Interval):
        shape, members = "sequence", [answer.start, answer.end]
    elif isinstance(answer, FiniteSet | Tuple):
        shape, members = "sequence", list(answer.args)
    elif isinstance(answer, MatrixBase):
        shape, members = "matrix", list(answer.flat())
    numbers = [_value(member) for member in members]
    if None in numbers:
        return None
    factors = Mul.make_args(members[0]) if shape == "value" else ()
    letters_only = all(isinstance(factor, Symbol) or factor == E for factor in factors)
    return [shape, numbers, letters_only and shape == "value", bool(equation)]


def _value(expression: Any) -> float | None:
    """Return the value of an expression whose letters stand for their `letter_value`; None if it has no real value.

    Also None for expressions that math-verify does not compare by value, and for large ones.
    """
    from math import isfinite

    from sympy import Derivative, Expr, Integral, Limit, Product, Rational, Sum, Symbol, UnevaluatedExpr, oo

    from stages.answers.algebra.expressions import letter_value

    if expression in (oo, -oo):
        return float(expression)
    if not isinstance(expression, Expr):
        return None
    if expression.has(UnevaluatedExpr, Derivative, Integral, Limit, Product, Sum) or expression.count_ops() > 50:
        return None
    letter_values = {}
    for symbol in expression.free_symbols:
        if not isinstance(symbol, Symbol):
            return None
        letter_values[symbol] = Rational(letter_value(symbol.name))
    try:
        value = complex(expression.subs(letter_values).evalf(15))
    except Exception:
        return None
    return value.real if value.imag == 0 and isfinite(value.real) else None


def _is_nearly_full(memory: int) -> bool:
    """Return whether this process has ever used half of the address space that it may use (`memory`, in bytes)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmPeak:")) << 10 > memory / 2


def _main() -> None:
    import resource

    memory = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output that a library prints must not be taken for a reply
    _serve_in_children(sys.stdin, replies, seconds=float(sys.argv[2]), memory=memory)


if __name__ == "__main__":
    _main()
