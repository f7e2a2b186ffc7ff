"""The promises of `storage` hold on S3: create-only writes, whole reads of any size, clear errors."""

import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pytest

import storage.store
from storage import s3
from storage.errors import MissingArtifact, NotWritable, StorageError
from storage.lease import hold_lease
from storage.run import open_run
from storage.store import Store


@pytest.fixture
def store(prefix: str) -> Store:
    return Store(prefix)


def test_the_first_create_wins(store: Store) -> None:
    assert store.create("votes/part.parquet", b"first")
    assert not store.create("votes/part.parquet", b"second")
    assert store.read("votes/part.parquet") == b"first"


def test_a_race_has_one_content_and_at_most_one_winner(store: Store) -> None:
    winners: list[int] = []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        barrier.wait()
        if store.create("manifests/one.json", f"{number}".encode() * 10_000):
            winners.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = store.read("manifests/one.json")
    assert len(winners) <= 1  # none if the winner's response was lost and the winner retried
    assert content in {f"{number}".encode() * 10_000 for number in (winners or range(8))}


def test_names_listings_and_sizes_follow_every_write(store: Store) -> None:
    assert store.names("t") == [] and store.listing() == {} and not store.exists("t/a")
    for path in ("t/b.json", "t/a.json", "t/deep/c.json"):
        store.create(path, b"1")
    assert store.names("t") == ["a.json", "b.json", "deep"]
    assert store.listing() == {"t/a.json": 1, "t/b.json": 1, "t/deep/c.json": 1}
    assert store.listing("t/deep") == {"t/deep/c.json": 1}
    assert store.size("t/a.json") == 1 and store.size("t") is None
    store.replace("t/a.json", b"22")
    assert store.size("t/a.json") == 2, "another process's write was not seen"
    store.remove(["t/a.json", "t/never"])
    assert not store.exists("t/a.json")
    with pytest.raises(MissingArtifact, match=r"t/a\.json does not exist"):
        store.read("t/a.json")


def test_a_listing_while_another_process_writes_a_first_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """s3fs finds nothing, requests the kind of the path, and by then the path is a folder."""
    file_system = s3._file_system(attempts=10)
    requested_paths = []

    async def info(path: str, **options: object) -> dict[str, object]:
        requested_paths.append(path)
        await file_system._pipe_file(f"{path}/v1/part", b"1")
        return dict(await type(file_system)._info(file_system, path, **options))

    monkeypatch.setattr(file_system, "_info", info)
    assert store.listing("policy") == {} and len(requested_paths) == 1
    assert store.listing("policy") == {"policy/v1/part": 1} and len(requested_paths) == 1


def test_folders_made_in_a_console_are_not_files(prefix: str) -> None:
    """They are empty objects whose names end with a slash."""
    store = Store(prefix)
    file_system = s3._file_system(attempts=10)
    for folder in ("", "policy/", "policy/v1/"):
        file_system.call_s3("put_object", Bucket=prefix.split("/")[2], Key=f"{prefix.split('/')[3]}/{folder}", Body=b"")
    assert store.listing() == store.listing("policy") == {}
    assert store.names("") == ["policy"] and store.names("policy") == ["v1"] and store.names("policy/v1") == []
    store.create("policy/v1/part", b"1")
    assert store.listing("policy") == {"policy/v1/part": 1} and store.names("policy/v1") == ["part"]


def test_a_snapshot_stays_as_it_was(store: Store) -> None:
    store.create("manifests/a.json", b"a")
    store.create("votes/part", b"12")
    snapshot = store.snapshot("manifests")
    store.create("manifests/b.json", b"b")
    store.remove(["manifests/a.json"])
    assert snapshot.read("manifests/a.json") == b"a" and not snapshot.exists("manifests/b.json")
    assert snapshot.size("votes/part") == 2 and snapshot.names("") == ["manifests", "votes"]


def test_large_files_are_transferred_in_parallel_pieces(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.store, "RANGE_BYTES", 2**20)
    monkeypatch.setattr("s3fs.core.calculate_chunksize", lambda size, chunksize: 5 * 2**20)  # S3 takes no smaller ones
    source = tmp_path / "weights"
    data = os.urandom(2**20) * 28 + b"the end"
    source.write_bytes(data)
    store.create_from_file("policy/abc/weights", source)
    store.create_from_file("policy/abc/weights", source)
    store.download("policy/abc/weights", tmp_path / "there" / "weights", len(data))
    assert (tmp_path / "there" / "weights").read_bytes() == data
    assert store.read("policy/abc/weights", len(data)) == data
    assert b"".join(store.chunks("policy/abc/weights", len(data))) == data
    with pytest.raises(StorageError, match="ends before byte"):
        store.download("policy/abc/weights", tmp_path / "there" / "longer", len(data) + 1)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["weights"]


def test_an_empty_file_can_be_downloaded(store: Store, tmp_path: Path) -> None:
    """S3 refuses a range request on an empty object."""
    (tmp_path / "merges.txt").touch()
    store.create_from_file("policy/abc/merges.txt", tmp_path / "merges.txt")
    store.download("policy/abc/merges.txt", tmp_path / "there", 0)
    assert (tmp_path / "there").read_bytes() == b""


def test_unfinished_uploads_are_listed_and_aborted(store: Store) -> None:
    backend = store._backend
    assert isinstance(backend, s3.S3Prefix)
    key = f"{backend.prefix}/policy/abc/weights"
    upload = backend._fs.call_s3("create_multipart_upload", Bucket=backend.bucket, Key=key)["UploadId"]
    piece = {"Bucket": backend.bucket, "Key": key, "UploadId": upload, "PartNumber": 1, "Body": b"x" * 1000}
    backend._fs.call_s3("upload_part", **piece)
    assert store.unfinished_uploads() == [("policy/abc/weights", 1000, upload)]
    store.abort_upload("policy/abc/weights", upload)
    store.abort_upload("policy/abc/weights", upload)
    assert store.unfinished_uploads() == []


def test_checks_of_the_root_leave_nothing_behind(store: Store) -> None:
    store.check_reachable()
    store.check_writable()
    assert store.listing() == {}


def test_a_store_that_ignores_conditions_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = store._backend._fs.pipe_file  # type: ignore[attr-defined]
    ignoring = lambda path, data, mode="overwrite", **more: pipe(path, data, **more)  # noqa: E731
    monkeypatch.setattr(store._backend._fs, "pipe_file", ignoring)  # type: ignore[attr-defined]
    with pytest.raises(NotWritable, match=r"ignores conditional writes.*use one that honours them"):
        store.check_writable()


def test_no_such_bucket(store: Store) -> None:
    with pytest.raises(StorageError, match="there is no bucket nowhere; create it"):
        open_run("s3://nowhere/runs/quickstart")


def test_the_error_for_wrong_credentials_hides_the_secret(
    store: Store, server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "moto" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        pytest.skip("moto accepts any credentials")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    s3._file_system.cache_clear()
    with pytest.raises(StorageError, match="check the credentials") as error:
        Store(store.uri).check_reachable()
    assert "not-the-secret" not in str(error.value) and "\n" not in str(error.value)


def test_no_credentials(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3._file_system.cache_clear()
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Store(store.uri).check_reachable()


def test_a_dead_endpoint_is_reported_within_seconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    s3._file_system.cache_clear()
    with pytest.raises(StorageError, match="check the network and AWS_ENDPOINT_URL"):
        Store(store.uri).check_reachable()


def test_a_lease_on_s3(store: Store) -> None:
    with hold_lease(store), pytest.raises(StorageError, match="is being worked on by"), hold_lease(store):
        pass
    with hold_lease(store):
        assert store.names("lease") == ["000002.json"]


def test_polars_and_pyarrow_read_tables_by_themselves(prefix: str) -> None:
    import polars as pl

    from storage.tables import encode, versioned

    schema = versioned(1, [pa.field("id", pa.string()), pa.field("logprobs", pa.list_(pa.float32()))])
    table = pa.Table.from_pylist([{"id": "a", "logprobs": [-0.5, -1.5]}, {"id": "b", "logprobs": []}], schema=schema)
    Store(prefix).create("votes/iteration=0001/key=kabc/part-00000.parquet", encode(table))
    uri = f"{prefix}/votes/iteration=0001/key=kabc/part-00000.parquet"
    assert pl.read_parquet(uri).to_arrow().equals(table.cast(pl.read_parquet(uri).to_arrow().schema))
    all_votes = pl.scan_parquet(f"{prefix}/votes/", hive_partitioning=True).collect()
    assert all_votes["iteration"].to_list() == [1, 1]
    assert pyarrow.dataset.dataset(uri).to_table().equals(table)
