"""A context on an in-memory store and the fake engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.contract import Context
from tests.helpers import fake_resources, memory_store


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    with fake_resources(scratch=tmp_path) as resources:
        yield Context(store=memory_store(), seed=3, iteration=1, resources=resources)
