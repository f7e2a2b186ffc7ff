"""A context on an in-memory store and the fake engine; weights "downloaded" from memory stay in the test's folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import storage.reading
from stages.contract import Context
from tests.helpers import fake_resources, memory_store


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setattr(storage.reading, "_download_root", lambda: tmp_path / "downloads")
    with fake_resources(scratch=tmp_path) as resources:
        yield Context(store=memory_store(), seed=3, iteration=1, resources=resources)
