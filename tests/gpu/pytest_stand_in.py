"""What the suite of engines' rules uses of pytest, for a machine that has no pytest and no network."""

import contextlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any


@contextlib.contextmanager
def without_pytest() -> Iterator[None]:
    """If there is no pytest, let modules that import it find the stand-in meanwhile."""
    if "pytest" in sys.modules or importlib.util.find_spec("pytest") is not None:
        yield
        return
    sys.modules["pytest"] = module()
    try:
        yield
    finally:
        del sys.modules["pytest"]


def module() -> ModuleType:
    """Return a module to take pytest's place while the suite is imported and its functions are called."""
    pytest = ModuleType("pytest")
    names = {
        "mark": _Marks(), "param": _param, "fixture": _fixture, "raises": _raises, "approx": _Approx,
        # Only in annotations and fixtures.
        "MonkeyPatch": object, "TempPathFactory": object, "FixtureRequest": object,
    }  # fmt: skip
    for name, value in names.items():
        setattr(pytest, name, value)
    return pytest


class _Marks:
    """`pytest.mark`: a decorator that remembers its arguments, as pytest's does."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def mark(*args: Any, **settings: Any) -> Callable[[Any], Any]:
            def decorate(function: Any) -> Any:
                function.pytestmark = [*getattr(function, "pytestmark", []), SimpleNamespace(name=name, args=args)]
                return function

            return decorate

        return mark


def _param(*values: Any, **_: Any) -> Any:
    return SimpleNamespace(values=values)


def _fixture(*functions: Any, **_: Any) -> Any:
    return functions[0] if functions else lambda function: function


@contextlib.contextmanager
def _raises(kind: Any, match: str = "") -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert re.search(match, str(error)), f"{error!r} does not match {match!r}"
        return
    raise AssertionError(f"{kind} was not raised")


class _Approx:
    """Numbers that equal others up to an absolute tolerance."""

    def __init__(self, expected: Any, abs: float) -> None:
        self._expected, self._tolerance = expected, abs

    def __eq__(self, found: object) -> bool:
        expected, numbers = (
            [each] if isinstance(each, float | int) else list(each) for each in (self._expected, found)
        )  # type: ignore[call-overload]
        return len(expected) == len(numbers) and all(
            abs(a - b) <= self._tolerance for a, b in zip(expected, numbers, strict=True)
        )

    def __repr__(self) -> str:
        return f"{self._expected} ± {self._tolerance}"
