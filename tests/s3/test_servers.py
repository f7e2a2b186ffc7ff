"""The servers and the proxy that the other S3 tests use."""

import errno
import filecmp
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest
import s3fs
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.s3.proxy import FAULTS, fault_proxy
from tests.s3.servers import S3Server, moto_server, radosgw_missing, radosgw_server


def file_system(server: S3Server, endpoint: str | None = None, attempts: int = 1) -> s3fs.S3FileSystem:
    return s3fs.S3FileSystem(
        key=server.access_key,
        secret=server.secret_key,
        endpoint_url=endpoint or server.endpoint,
        config_kwargs={"retries": {"mode": "standard", "max_attempts": attempts}},
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def client(server: S3Server, endpoint: str) -> Any:
    """Return a client that retries nothing."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def radosgw() -> Iterator[S3Server]:
    if reason := radosgw_missing():
        pytest.skip(reason)
    with radosgw_server() as server:
        yield server


@pytest.fixture(params=["moto", pytest.param("radosgw", marks=pytest.mark.radosgw)])
def server(request: pytest.FixtureRequest) -> S3Server:
    return request.getfixturevalue(request.param)


def test_create_only_refuses_the_second_writer(server: S3Server) -> None:
    files = file_system(server)
    path = f"{server.bucket}/create-only"
    files.pipe_file(path, b"first", mode="create")
    with pytest.raises(OSError) as refused:
        files.pipe_file(path, b"second", mode="create")
    # s3fs recognises the refusal by the text that AWS sends; radosgw sends only the status, 412.
    assert isinstance(refused.value, FileExistsError) or refused.value.errno == errno.EINVAL
    assert files.cat_file(path) == b"first"


def test_large_file_passes_the_proxy_unchanged(server: S3Server, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(b"".join(bytes([number]) * (1 << 20) for number in range(120)))
    with fault_proxy(server.endpoint, share=0, seed=0) as proxy:
        files = file_system(server, proxy.endpoint)
        path = f"{server.bucket}/large file+ü=1"
        files.put_file(str(sent), path)
        assert files.size(path) == sent.stat().st_size
        files.get_file(path, str(received))
        assert files.cat_file(path, start=(7 << 20) - 1, end=(7 << 20) + 1) == bytes([6, 7])
        assert [Path(name).name for name in files.ls(server.bucket) if "large" in name] == ["large file+ü=1"]
        assert not proxy.injected
        assert proxy.requests > 3
    assert filecmp.cmp(sent, received, shallow=False)


def test_retries_transfer_small_files_despite_every_fault(server: S3Server) -> None:
    with fault_proxy(server.endpoint, share=0.2, seed=1) as proxy:
        files = file_system(server, proxy.endpoint, attempts=10)
        contents = {f"{server.bucket}/small/{number}": str(number).encode() * 50 for number in range(200)}
        files.pipe(contents)
        assert files.cat(list(contents)) == contents
        assert set(proxy.injected) == set(FAULTS)
        proxy.share = 0
        faults = proxy.injected.total()
        assert len(files.ls(f"{server.bucket}/small")) == 200
        assert proxy.injected.total() == faults


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        ("500", ClientError, False),
        ("503", ClientError, False),
        ("reset_before", BotoCoreError, False),
        ("reset_after", BotoCoreError, True),
        ("slow", None, True),
        ("cut", BotoCoreError, True),
    ],
)
def test_fault_leaves_a_write_done_or_undone(
    moto: S3Server, fault: str, error: type[Exception] | None, written: bool
) -> None:
    with fault_proxy(moto.endpoint, share=1, seed=0) as proxy, closing(client(moto, proxy.endpoint)) as s3:
        proxy.faults = (fault,)
        with pytest.raises(error) if error else nullcontext():
            s3.put_object(Bucket=moto.bucket, Key=f"put/{fault}", Body=b"content")
        assert dict(proxy.injected) == {fault: 1}
        proxy.share = 0
        keys = [
            item["Key"] for item in s3.list_objects_v2(Bucket=moto.bucket, Prefix=f"put/{fault}").get("Contents", [])
        ]
        assert keys == ([f"put/{fault}"] if written else [])


def test_cut_answer_announces_its_full_length(moto: S3Server) -> None:
    with fault_proxy(moto.endpoint, share=0, seed=0) as proxy, closing(client(moto, proxy.endpoint)) as s3:
        s3.put_object(Bucket=moto.bucket, Key="cut", Body=bytes(1000))
        proxy.share, proxy.faults = 1, ("cut",)
        answer = s3.get_object(Bucket=moto.bucket, Key="cut")
        assert answer["ContentLength"] == 1000
        assert answer["Body"].read(500) == bytes(500)
        with pytest.raises(BotoCoreError):
            answer["Body"].read()
