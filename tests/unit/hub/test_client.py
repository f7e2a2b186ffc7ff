"""Commits, lists and files from a hub on this machine, and what the user is told when something goes wrong."""

import errno
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.hub.cache import RemoteFile
from stages.hub.client import HubError, download, find_commit, list_files
from stages.hub.environment import cache_folder, forbid_network, is_offline
from stages.hub.faults import fault_of, is_transient, wait_time
from stages.hub.names import Repository
from tests.commands import REPOSITORY
from tests.hub import Hub

MODEL = Repository("lab/tiny")
DATA = Repository("lab/questions", "dataset")
WEIGHTS = os.urandom(3 << 20)


def push(hub: Hub) -> str:
    return hub.push("lab/tiny", {"config.json": "{}", "model.safetensors": WEIGHTS, "onnx/model.onnx": b"x"})


def fetch(repository: Repository = MODEL) -> Path:
    commit = find_commit(repository)
    files = [file for file in list_files(repository, commit) if "/" not in file.path]
    return download(repository, commit, files)


def message(repository: Repository = MODEL) -> str:
    with pytest.raises(HubError) as error:
        fetch(repository)
    text = str(error.value)
    assert "\n" not in text and "Traceback" not in text and len(text) < 700, text
    return text


def test_files_land_in_the_cache_and_come_once(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    commit = push(hub)
    folder = fetch()
    assert folder == cache_folder() / "models--lab--tiny" / "snapshots" / commit
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    out, err = capfd.readouterr()
    first, last = err.splitlines()
    assert out == "" and first.startswith(f"downloading model lab/tiny (commit {commit[:12]}): 3 MB in 2 files")
    assert last.startswith("downloaded model lab/tiny") and last.endswith("/s)")
    asked = len(hub.requests)
    assert fetch() == folder and len(hub.requests) == asked + 1, "only the commit is asked for"
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_data_set(hub: Hub) -> None:
    hub.push("lab/questions", {"data/train.jsonl": "{}\n", "train.jsonl": "1"}, kind="dataset")
    commit = find_commit(DATA)
    folder = download(DATA, commit, list_files(DATA, commit))
    assert (folder / "data" / "train.jsonl").read_text() == "{}\n"
    assert folder.parent.parent.name == "datasets--lab--questions"


@pytest.mark.slow
def test_a_branch_and_a_commit(hub: Hub) -> None:
    first = push(hub)
    second = hub.push("lab/tiny", {"config.json": "{}"}, branch="v2")
    assert find_commit(Repository("lab/tiny", revision="v2")) == second
    asked = len(hub.requests)
    assert find_commit(Repository("lab/tiny", revision=first)) == first and len(hub.requests) == asked
    assert sorted(path.name for path in fetch(Repository("lab/tiny", revision=first)).iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_connection_goes_on_from_the_bytes_that_are_there(hub: Hub, reset: bool) -> None:
    push(hub)
    hub.fail("/cdn/", cut_after=1 << 20, reset=reset, times=2)
    assert (fetch() / "model.safetensors").read_bytes() == WEIGHTS
    starts = [int(request.range[6:-1]) for request in hub.requests if request.range and "/cdn/" in request.path]
    assert len(starts) == 2 and 0 < starts[0] < starts[1] <= 2 << 20


@pytest.mark.slow
def test_after_giving_up_the_next_command_goes_on_from_there(hub: Hub) -> None:
    push(hub)
    hub.fail("/cdn/", cut_after=1 << 20, times=1)
    hub.fail("/cdn/", 503, times=10)
    assert "error 503; run the same command again" in message()
    hub.failures.clear()
    hub.requests.clear()
    assert (fetch() / "model.safetensors").read_bytes() == WEIGHTS
    assert [request.range for request in hub.requests if request.path.startswith("/cdn/")] == ["bytes=1048576-"]


@pytest.mark.slow
def test_a_connection_that_is_always_cut(hub: Hub) -> None:
    push(hub)
    hub.fail("/cdn/", cut_after=0)
    assert "connection" in message() and "run the same command again" in message()


@pytest.mark.slow
def test_bytes_of_another_file_are_noticed(hub: Hub) -> None:
    commit = push(hub)
    blob = next(file.blob for file in list_files(MODEL, commit) if file.path == "model.safetensors")
    blobs = cache_folder() / "models--lab--tiny" / "blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{blob}.other-machine.1.serl.incomplete"
    part.write_bytes(b"0" * 1000)
    os.utime(part, (0, 0))
    assert (fetch() / "model.safetensors").read_bytes() == WEIGHTS
    assert list(blobs.glob("*incomplete")) == []


@pytest.mark.slow
def test_a_busy_hub_is_asked_again(hub: Hub) -> None:
    push(hub)
    hub.fail("/api/", 429, headers={"Retry-After": "0"}, times=1)
    hub.fail("/api/", 503, times=1)
    hub.fail("config.json", 500, times=1)
    assert fetch()
    hub.fail("/api/", 429)
    assert "too many requests to the hub (429)" in message(DATA)


@pytest.mark.slow
def test_unknown_names(hub: Hub) -> None:
    push(hub)
    hub.push("lab/questions", {"a.jsonl": "1"}, kind="dataset")
    assert "has no model of this name" in (text := message(Repository("lab/unknown")))
    assert "there is no folder lab/unknown here" in text and "HF_TOKEN" in text
    assert "is a data set, expected a model" in message(Repository("lab/questions"))
    assert "is a model, expected a data set" in message(Repository("lab/tiny", "dataset"))
    assert "no branch, tag or commit 'v9'" in message(Repository("lab/tiny", revision="v9"))


def test_gated_and_private(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push(hub)
    hub.gated = {"lab/tiny"}
    hub.tokens = {"hf_good"}
    assert f"accept its conditions with your account at {hub.url}/lab/tiny, then set HF_TOKEN" in message()
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    text = message()
    assert "the account of your token" in text and "hf_other" not in text
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert fetch()
    cdn = [request for request in hub.requests if request.path.startswith("/cdn/")]
    assert cdn and not any(request.authorization for request in cdn), "the token stays with the hub"
    hub.private = {"lab/secret"}
    hub.push("lab/secret", {"config.json": "{}"})
    assert find_commit(Repository("lab/secret"))
    monkeypatch.delenv("HF_TOKEN")
    assert "for a private model set HF_TOKEN" in message(Repository("lab/secret"))


@pytest.mark.slow
def test_without_a_connection_the_cache_answers(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commit = push(hub)
    folder = fetch()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    capfd.readouterr()
    assert fetch() == folder
    assert f"taken from the cache instead: commit {commit}" in capfd.readouterr().err
    assert "no connection to http://127.0.0.1:9" in message(Repository("lab/other"))


@pytest.mark.slow
def test_offline_means_the_cache_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = push(hub)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = message()
    assert "HF_HUB_OFFLINE=1 forbids a download" in text and "hf download lab/tiny" in text
    monkeypatch.delenv("HF_HUB_OFFLINE")
    folder = fetch()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert fetch() == folder and hub.requests == []
    (folder / "model.safetensors").unlink()
    assert f"lacks model.safetensors of commit {commit}" in message()


def test_downloads_work_before_and_after_vllm_has_forbidden_the_network(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    push(hub)
    assert fetch()
    forbid_network()
    assert os.environ["HF_HUB_OFFLINE"] == "1" and not is_offline()
    hub.push("lab/other", {"config.json": "{}"})
    assert (fetch(Repository("lab/other")) / "config.json").read_text() == "{}"


def test_what_the_user_has_set_stays(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, offline in (("1", True), ("0", False)):
        monkeypatch.setattr(os, "environ", {**os.environ, "HF_HUB_OFFLINE": value})
        forbid_network()
        assert os.environ["HF_HUB_OFFLINE"] == value and is_offline() == offline


def test_no_room(hub: Hub) -> None:
    commit = push(hub)
    with pytest.raises(HubError, match=r"needs 1,000,000.0 GB in .*HF_HOME"):
        download(MODEL, commit, [RemoteFile("model.safetensors", 10**15, "0" * 64)])


def test_an_answer_that_is_not_the_hubs(hub: Hub) -> None:
    push(hub)
    hub.fail("/api/", body="<html>please log in</html>")
    assert "does not answer as the hub does" in message()


def test_a_cache_that_cannot_be_written_to(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    push(hub)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    assert "HF_HOME" in message()


def test_paths_out_of_the_repository_are_ignored(hub: Hub) -> None:
    commit = hub.push("lab/tiny", {"config.json": "{}", "../../evil": "x", "/etc/evil": "y"})
    assert [file.path for file in list_files(MODEL, commit)] == ["config.json"]


def test_a_slow_answer_is_announced(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    push(hub)
    monkeypatch.setattr("stages.hub.client._SECONDS_WITHOUT_WORD", 0.0)
    assert find_commit(MODEL)
    assert capfd.readouterr().err == f"model lab/tiny: waiting for {hub.url}\n"


@pytest.mark.slow
def test_two_processes_at_once(hub: Hub) -> None:
    push(hub)
    with ThreadPoolExecutor(2) as pool:
        folders = [pool.submit(fetch) for _ in range(2)]
    assert {(folder.result() / "model.safetensors").read_bytes() for folder in folders} == {WEIGHTS}
    assert len([path for path in hub.paths() if path.startswith("/cdn/")]) == 1


@pytest.mark.slow
def test_a_worker_that_hangs_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push(hub)
    hub.bytes_per_second = 1e4
    monkeypatch.setattr("stages.hub.client._SECONDS_OF_SILENCE", 0.1)
    assert f"nothing has arrived from {hub.url} for 0 s; run the same command again" in message()


def test_a_token_that_is_not_valid(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    hub.fail("/api/", 401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    assert "the hub refuses your token (expired or mistyped)" in (text := message()) and "hf_expired" not in text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7.0), ({"RateLimit": '"api";r=0;t=255'}, 255.0), ({"RateLimit": '"api";r=9;t=255'}, None)],
)
def test_how_long_the_hub_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = Exception("429")
    error.response = SimpleNamespace(headers=headers, status_code=429)  # type: ignore[attr-defined]
    assert is_transient(error) and wait_time(error) == seconds


def test_a_full_disk() -> None:
    fault = fault_of(OSError(errno.ENOSPC, "No space left on device"), MODEL, False)
    assert (
        fault.kind == "space"
        and f"the disk of {cache_folder()} is full; make room there, or set HF_HOME" in fault.message
    )


@pytest.mark.slow
def test_a_download_ends_with_the_process_that_asked_for_it(hub: Hub, tmp_path: Path) -> None:
    push(hub)
    hub.bytes_per_second = 2e5
    code = "from tests.unit.hub.test_client import fetch; fetch()"
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        blobs = cache_folder() / "models--lab--tiny" / "blobs"
        wait_until(lambda: any(path.stat().st_size for path in blobs.glob("*.serl.incomplete")))
        process.kill()
    (partial,) = blobs.glob("*.serl.incomplete")
    time.sleep(1.0)
    size = partial.stat().st_size
    time.sleep(1.0)
    assert partial.stat().st_size == size < len(WEIGHTS)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_the_part_of_a_process_that_may_be_alive_is_left_alone(hub: Hub) -> None:
    commit = push(hub)
    blob = next(file.blob for file in list_files(MODEL, commit) if file.path == "model.safetensors")
    blobs = cache_folder() / "models--lab--tiny" / "blobs"
    blobs.mkdir(parents=True)
    parts = [
        blobs / f"{blob}.{owner}.serl.incomplete" for owner in ("other.machine.1", f"{platform.node()}.{os.getpid()}")
    ]
    for part in parts:
        part.write_bytes(WEIGHTS[:1000])
    assert (fetch() / "model.safetensors").read_bytes() == WEIGHTS
    assert [part.read_bytes() for part in parts] == [WEIGHTS[:1000]] * 2
