"""Fixtures of the S3 tests: each runs against moto, and against a real server (`make test-s3`) if Ceph is installed."""

import uuid
from collections.abc import Iterator

import pytest

from storage import s3
from tests.s3.servers import S3Server, moto_server, radosgw_missing, radosgw_server


@pytest.fixture(scope="session", params=["moto", pytest.param("radosgw", marks=pytest.mark.radosgw)])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    if request.param == "radosgw" and (reason := radosgw_missing()):
        pytest.skip(reason)
    with moto_server() if request.param == "moto" else radosgw_server() as started:
        yield started


@pytest.fixture
def prefix(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty prefix of the server's bucket, `s3://bucket/…`; environment variables point to the server."""
    yield from reach(server, monkeypatch)


def reach(server: S3Server, monkeypatch: pytest.MonkeyPatch, endpoint: str | None = None) -> Iterator[str]:
    """Set environment variables for `server`, or for a proxy in front of it at `endpoint`; yield an empty prefix."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    s3._file_system.cache_clear()
    yield f"{server.uri}/{uuid.uuid4().hex}"
    s3._file_system.cache_clear()
