"""The runner of `python -m tests.gpu`, with fake parts and a fake nvidia-smi: no GPU, no model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.commands import REPOSITORY
from tests.gpu import __main__ as command
from tests.gpu import watch
from tests.gpu.registry import PARTS
from tests.gpu.runner import append_result, read_results
from tests.gpu.summary import lines

NVIDIA_SMI = """#!/bin/sh
case "$*" in
  *driver_version*) echo "NVIDIA H200, 580.1, 143771 MiB" ;;
  *) echo "0, 87, 2048, [N/A]" ;;
esac
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that nobody reads, and an nvidia-smi in `bin`."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "bin").mkdir()
    program = folder / "bin" / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    return folder


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.gpu.fake_parts", str(folder / "model"), str(folder / "out"), *words]
    env = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def first_call(folder: Path) -> tuple[int, str]:
    """Exit code and output of a call that runs all fake parts."""
    process = start(folder)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.fixture(scope="module")
def results(folder: Path, first_call: tuple[int, str]) -> dict[str, dict[str, Any]]:
    return read_results(folder / "out")


def test_a_good_part_passes_with_its_figures(results: dict[str, dict[str, Any]]) -> None:
    good = results["good"]
    assert good["passed"] and good["error"] is None and good["traceback"] is None and good["small"]
    assert good["figures"] == {"speed": 12.346, "share": 0.96}
    assert [check["name"] for check in good["checks"]] == ["share", "step"]
    assert good["left_out"] == ["utilisation: only a GPU can show it"]


def test_a_failed_check_fails_the_part_and_the_rest_is_measured(results: dict[str, dict[str, Any]]) -> None:
    bad = results["bad"]
    assert not bad["passed"] and bad["error"] is None and bad["figures"]["after"] == 1
    assert [check["passed"] for check in bad["checks"]] == 4 * [False]
    assert bad["checks"][1]["seen"] == "ValueError: nothing works"
    assert bad["checks"][2]["seen"].startswith("StepError: sleeps was killed after 0 s")
    assert bad["checks"][3]["seen"].startswith(
        "StepError: keeps_and_fails ended with exit code 1: ValueError: no more; its log: "
    )
    assert bad["figures"]["kept"] == 5
    assert "ValueError: nothing" in Path(bad["traceback"]).read_text()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("broken", "RuntimeError: no such thing | at all"),
        ("leaves", "ended with exit code 3 while: leaving"),
        ("segfaults", "died of SIGSEGV while: crashing"),
        ("hangs", "timed out after 1 s while: "),
    ],
)
def test_a_part_that_ends_badly_has_a_line_that_says_how(
    results: dict[str, dict[str, Any]], name: str, error: str
) -> None:
    assert not results[name]["passed"] and results[name]["error"].startswith(error)
    if name in ("broken", "segfaults"):
        assert "before" in results[name]["figures"]


def test_the_call_says_how_it_goes_and_fails(folder: Path, first_call: tuple[int, str]) -> None:
    code, output = first_call
    assert code == 1
    assert "good begins: fake good" in output and "good took" in output and ": passed" in output
    assert "1 of 6 parts passed" in output and "H200" in output
    versions = json.loads((folder / "out/versions.json").read_text())
    assert versions["cards"] == ["NVIDIA H200, 580.1, 143771 MiB"] and "python" in versions and "torch" in versions


def test_the_card_is_watched(folder: Path, results: dict[str, Any]) -> None:
    found = watch.samples(folder / "out")
    assert found and {(sample.card, sample.busy_percent, sample.memory_mib) for sample in found} == {(0, 87.0, 2048.0)}
    assert watch.busy_percent(folder / "out", 0, time.time()) == 87.0
    assert watch.memory_gib(folder / "out", 0, time.time()) == 2.0
    assert watch.busy_percent(folder / "out", 0, 1) is None


def test_the_summary_says_what_did_not_pass_and_why(folder: Path, results: dict[str, Any]) -> None:
    text = (folder / "out/summary.md").read_text()
    assert text == "\n".join(lines(folder / "out")) + "\n"
    assert "| engine | not done | | |" in text and "| good | passed |" in text
    assert "| broken | **failed** |" in text and r"no such thing \| at all" in text
    assert "| bad | share | 0.5 | >= 0.95 |" in text
    assert "| good.share | 0.96 | >= 0.95 |" in text
    assert "- good: utilisation: only a GPU can show it" in text


def test_a_second_call_repeats_nothing(folder: Path, results: dict[str, Any]) -> None:
    before = (folder / "out/results.jsonl").read_bytes()
    process = start(folder, "good")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "good: its result is there already (passed)" in output
    assert (folder / "out/results.jsonl").read_bytes() == before


def test_without_time_nothing_is_begun_and_sigterm_kills_all(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(folder / "model")
    late = start(tmp_path, "--minutes", "0.01")
    output, _ = late.communicate(timeout=60)
    assert late.returncode == 0 and "good: not begun" in output and "0 of 0 parts passed; not finished: good" in output
    process = start(tmp_path, "hangs")
    pids = tmp_path / "out/parts/hangs/pids.txt"
    deadline = time.monotonic() + 60
    while not (pids.exists() and len(pids.read_text().split()) == 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted: the part that was running has no result" in output
    assert read_results(tmp_path / "out") == {} and (tmp_path / "out/summary.md").exists()
    # A child of the part, and one in a session of its own whose parent has ended.
    assert len(pids.read_text().split()) == 2
    alive = [int(pid) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
    assert [pid for pid in alive if psutil.Process(pid).status() != "zombie"] == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--small", "engin"],
            "there is no part 'engin'; expected some of engine, trainer, iteration, rules, ppo, workers",
        ),
        (["--small", "--model", "nowhere"], "nowhere is no Hugging Face model folder: it has no config.json"),
        (["--small", "--minutes", "0"], "--minutes 0: expected more than 0"),
        ([], "no GPU that torch can use was found on this machine"),
    ],
)
def test_bad_input_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    monkeypatch.setattr("stages.engines.gpu.has_gpu", lambda: False)
    assert command.main(["--out", str(tmp_path / "out"), *words]) == 2
    assert error in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--small", "--out", str(tmp_path / "file" / "out")]) == 2
    assert f"--out {tmp_path / 'file' / 'out'} cannot be written: Not a directory" in capsys.readouterr().err


def test_a_line_that_was_cut_counts_as_none_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    append_result(tmp_path, {"part": "engine", "passed": True})
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"part": "trainer", "pas')
    append_result(tmp_path, {"part": "ppo", "passed": False})
    assert read_results(tmp_path) == {
        "engine": {"part": "engine", "passed": True},
        "ppo": {"part": "ppo", "passed": False},
    }


def test_every_part_has_a_function_and_fits_into_a_call() -> None:
    from tests.gpu.child import function_of

    for part in PARTS:
        assert callable(function_of(part.entry)) and part.seconds < part.limit
        assert part.limit <= 9 * 60 or part.by_name_only
