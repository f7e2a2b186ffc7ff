"""Compiled code is kept from run to run, in bounds, and never in the way of a run."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import cache, compiled
from storage.errors import ConfigError
from tests.commands import REPOSITORY


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for compiled code, which no process has used yet."""
    monkeypatch.setenv("SERL_CACHE", str(tmp_path / "cache"))
    for name in (*compiled.VARIABLES, "SERL_COMPILED_GB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(compiled, "_folders", {})
    monkeypatch.setattr(compiled, "_locks", [])
    yield tmp_path / "cache" / "compiled"
    for lock in compiled._locks:
        os.close(lock)


def forget() -> None:
    """Begin as a process that has not used the folder."""
    compiled._folders.clear()
    while compiled._locks:
        os.close(compiled._locks.pop())


def entry(root: Path, name: str, size: int, age: float) -> Path:
    """One compiled thing, last used `age` seconds ago."""
    file = root / name / "code"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * size)
    os.utime(file, (time.time() - age, time.time() - age))
    return file.parent


def test_each_compiler_gets_a_folder(root: Path) -> None:
    assert compiled.variables() == {
        "VLLM_CACHE_ROOT": str(root / "vllm"),
        "TRITON_CACHE_DIR": str(root / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(root / "inductor"),
    }
    forget()
    assert compiled.variables()["VLLM_CACHE_ROOT"] == str(root / "vllm")  # the next run finds it again


def test_the_users_own_variables_stay(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CACHE_ROOT", "/mine")
    assert set(compiled.variables()) == {"TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"}


def test_the_cache_of_weights_neither_counts_nor_drops_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = entry(root, "triton/a", 5_000, age=90_000)
    os.utime(root, (0, 0))
    monkeypatch.setenv("SERL_CACHE_GB", "0.000001")  # 1,000 bytes
    for name in ("aa", "bb"):
        folder = cache.fill(name, 400, lambda target: (target / "weights").write_bytes(b"x" * 400) and None)
        os.utime(folder, (time.time() - 9_000,) * 2)
    assert kept.is_dir() and cache.find("aa") and cache.find("bb")


def test_what_was_unused_for_longest_is_deleted_when_a_process_starts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = entry(root, "vllm/torch_compile_cache/torch_aot_compile/1", 400, age=90_000)
    old = entry(root, "triton/2", 400, age=80_000)
    newer = entry(root, "vllm/torch_compile_cache/3", 400, age=70_000)
    new = entry(root, "inductor/4", 400, age=10)
    monkeypatch.setenv("SERL_COMPILED_GB", "0.000001")  # 1,000 bytes
    compiled.variables()
    assert [folder.exists() for folder in (oldest, old, newer, new)] == [False, False, True, True]


def test_what_was_just_used_stays_even_if_that_is_too_much(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = entry(root, "triton/1", 4_000, age=10)
    monkeypatch.setenv("SERL_COMPILED_GB", "0.000001")
    compiled.variables()
    assert new.exists()


def test_nothing_is_deleted_while_another_process_uses_the_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = entry(root, "triton/1", 4_000, age=90_000)
    code = "import sys; from storage import compiled; compiled.variables(); print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None and other.stdout is not None
    other.stdout.readline()
    monkeypatch.setenv("SERL_COMPILED_GB", "0.000001")
    compiled.variables()
    assert old.exists()
    other.stdin.close()
    other.wait()
    other.stdout.close()
    forget()
    compiled.variables()
    assert not old.exists()


@pytest.mark.parametrize("fault", ["a file in its place", "a full disk"])
def test_a_run_goes_on_without_the_folder(
    root: Path, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiled.tempfile, "tempdir", str(tmp_path))
    if fault == "a file in its place":
        root.parent.mkdir()
        root.write_text("")
    else:
        monkeypatch.setattr(compiled, "_LEAST_FREE_BYTES", 10**18)
    with caplog.at_level(logging.WARNING):
        variables = compiled.variables()
        compiled.variables()
    (message,) = caplog.messages
    assert message.startswith(f"{root} cannot keep compiled code (") and "\n" not in message
    assert Path(variables["VLLM_CACHE_ROOT"]).parent.parent == tmp_path
    with compiled.stable_path(tmp_path / "model") as path:
        assert path == tmp_path / "model"


def test_without_any_folder_the_compilers_keep_their_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled, "_LEAST_FREE_BYTES", 10**18)
    monkeypatch.setattr(compiled.tempfile, "mkdtemp", full)
    assert compiled.variables() == {}


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERL_COMPILED_GB", "plenty")
    with pytest.raises(ConfigError, match=r"SERL_COMPILED_GB is 'plenty', expected a number"):
        compiled.variables()


def test_models_with_one_config_have_one_path(root: Path, tmp_path: Path) -> None:
    for name, config in (("a", "{}"), ("b", "{}"), ("c", '{"layers": 2}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
        (tmp_path / name / "weights").write_text(name)
    paths = []
    for name in "abc":
        with compiled.stable_path(tmp_path / name) as path:
            assert (path / "weights").read_text() == name
            paths.append(path)
    assert paths[0] == paths[1] != paths[2]


def test_a_path_in_use_is_not_changed(root: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    with compiled.stable_path(tmp_path / "a") as path, compiled.stable_path(tmp_path / "b") as other:
        assert path.resolve() == tmp_path / "a" and other == tmp_path / "b"


def test_a_folder_without_a_config_keeps_its_path(tmp_path: Path) -> None:
    with compiled.stable_path(tmp_path / "missing") as path:
        assert path == tmp_path / "missing"
