"""The stand-in for pytest on machines without it."""

import re
import sys

import pytest

from tests.commands import REPOSITORY
from tests.gpu.parts import engine_steps
from tests.gpu.pytest_stand_in import module, without_pytest


def test_it_has_all_that_the_suite_uses() -> None:
    suite = (REPOSITORY / "tests/unit/engines/test_conformance.py").read_text()
    assert set(re.findall(r"\bpytest\.(\w+)", suite)) <= set(vars(module()))


def test_parametrized_functions_are_found_as_with_pytest() -> None:
    def labels(library: object) -> list[str]:
        def function(value: int) -> None:
            pass

        mark = library.mark.parametrize("value", [1, library.param(2, marks=library.mark.slow), 3])  # type: ignore[attr-defined]
        return [f"{label} {values}" for label, values in engine_steps._cases(mark(function))]

    assert labels(module()) == labels(pytest)


def test_it_takes_the_place_of_pytest_only_where_that_is_missing() -> None:
    with without_pytest():
        assert sys.modules["pytest"] is pytest
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "pytest")
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with without_pytest():
            assert hasattr(sys.modules["pytest"], "approx")
        assert "pytest" not in sys.modules


def test_raises_and_approx_pass_and_fail_as_those_of_pytest() -> None:
    stand_in = module()
    with stand_in.raises(ValueError, match="no .* here"):
        raise ValueError("no number here")
    with pytest.raises(AssertionError, match="does not match"), stand_in.raises(ValueError, match="^other"):
        raise ValueError("no number")
    with pytest.raises(AssertionError, match="was not raised"), stand_in.raises(ValueError):
        pass
    with pytest.raises(KeyError), stand_in.raises(ValueError):
        raise KeyError("x")
    assert stand_in.approx([1.0, 2.001], abs=0.01) == [1.0, 2.0]
    assert stand_in.approx([1.0, 2.1], abs=0.01) != [1.0, 2.0]
    assert stand_in.approx([1.0, 2.0], abs=9) != [1.0]
