"""The order of the tests: groups that run in one process, and groups that begin first."""

from pathlib import Path

import pytest

from tests.conftest import GROUPS, LONGEST_FIRST, group_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [name for names in GROUPS.values() for name in names])
def test_a_group_names_tests_that_exist(name: str) -> None:
    path, _, test = name.partition("::")
    files = [file for file in ROOT.glob("tests/**/test_*.py") if file.relative_to(ROOT).as_posix().startswith(path)]
    assert files and (not test or f"def {test}" in files[0].read_text())


def test_groups_that_begin_first_exist() -> None:
    assert [group for group in LONGEST_FIRST if group not in GROUPS and not (ROOT / group).is_file()] == []


def test_a_test_without_a_group_of_its_own_is_in_that_of_its_file() -> None:
    assert group_of("tests/unit/rl/test_kl.py::test_k1[a::b]") == "tests/unit/rl/test_kl.py"
    assert group_of("tests/integration/test_export.py::test_x") == "quickstart"
