"""The main job, cut down to two iterations: real warm start, real engine, real trainer, Prefect's own server."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import load_config
from flows.reporting.gains import points_text, side_by_side
from flows.run_loop import run_locally
from storage.run import open_run
from tests.commands import CUT, HANG_SECONDS, REPOSITORY, running_serl, serl
from tests.helpers import fake_config
from tests.notebooks import executed


def test_every_iteration_is_there_with_its_results(cut_quickstart: Path) -> None:
    shown = json.loads(serl("show", str(cut_quickstart), "--json").stdout)
    iterations = shown["iterations"]
    assert [row["iteration"] for row in iterations] == [0, 1, 2]
    assert [row["pass1_sampled"] is not None for row in iterations] == [True, False, True]
    assert iterations[-1]["maj_k"] is not None and iterations[-1]["pass1_greedy"] is not None
    for row in iterations[1:]:
        assert row["accepted"] == row["kept"] + row["dropped"] <= 8
        assert row["seconds"] > 0
    assert (cut_quickstart / "reports" / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"


def test_policy_of_each_iteration_loads_in_transformers(cut_quickstart: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = open_run(str(cut_quickstart))
    weights = []
    for iteration in run.iterations:
        folder = run.policy(iteration)
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert AutoTokenizer.from_pretrained(folder).encode("Anna has 3 cups")
        weights.append(model.get_input_embeddings().weight.detach().clone())
    trained = [number for number in (1, 2) if "ppo_update" in run.manifests(number)]
    assert trained, "no update ran: the cut keeps no question"
    assert not weights[0].equal(weights[trained[0]])


def test_update_reads_no_label(cut_quickstart: Path) -> None:
    run = open_run(str(cut_quickstart))
    updates = [run.manifests(n)["ppo_update"] for n in run.iterations if "ppo_update" in run.manifests(n)]
    for manifest in updates:
        assert {ref.split(":")[0] for ref in manifest.inputs.values()} <= {
            "policy", "trainer_state", "responses", "rewards", "votes",
        }  # fmt: skip
    for name in ("responses", "rewards", "votes"):
        assert "label" not in run.table(name).columns


def test_a_finished_run_only_prints_its_results(cut_quickstart: Path, tmp_path: Path) -> None:
    """Within seconds, as the README says: without Prefect's server, which would take a minute on a busy machine."""
    before = {path: path.stat().st_mtime_ns for path in (cut_quickstart / "manifests").rglob("*.json")}
    root = f"--set=root={cut_quickstart.parent}"
    done = serl("run", "configs/quickstart.yaml", *CUT, root, expect=0, PREFECT_HOME=str(tmp_path))
    assert "is finished" in done.stdout and "seconds" in done.stdout
    assert not list(tmp_path.glob("*.db*"))
    assert before == {path: path.stat().st_mtime_ns for path in (cut_quickstart / "manifests").rglob("*.json")}


@pytest.mark.slow
def test_a_run_killed_and_terminated_ends_with_the_same_digests(cut_quickstart: Path, tmp_path: Path) -> None:
    """SIGTERM to the whole group, as schedulers send it, ends Prefect's temporary server too, which Prefect then asks
    for a minute where it has gone."""
    arguments = ("run", "configs/quickstart.yaml", *CUT, "--set", f"root={tmp_path}")
    for last_done, how in (
        ("iteration=0000/warm_start-", signal.SIGKILL),
        ("iteration=0001/vote_rewards-", signal.SIGTERM),
        ("iteration=0002/filter_instructions-", signal.SIGKILL),
    ):
        with running_serl(*arguments, log=tmp_path / "log") as process:
            _wait_for(tmp_path / "quickstart" / "manifests", last_done, process, tmp_path / "log")
            os.killpg(process.pid, how)
            assert process.wait(timeout=HANG_SECONDS) == (128 + how if how == signal.SIGTERM else -how)
        if how == signal.SIGTERM:
            log = (tmp_path / "log").read_text()
            assert "EventsWorker" not in log and "Traceback" not in log, log
    serl(*arguments, expect=0)
    assert _outputs(tmp_path / "quickstart") == _outputs(cut_quickstart)


def test_another_run_starts_from_its_policy(cut_quickstart: Path, tmp_path: Path) -> None:
    policy = f"policy={{run: {cut_quickstart}, iteration: 2}}"
    settings = (*(setting.removeprefix("--set=") for setting in CUT), f"root={tmp_path}", policy, "iterations=0")
    run_locally(load_config(REPOSITORY / "configs" / "quickstart.yaml", settings))
    assert open_run(str(tmp_path / "quickstart")).policy(0) == open_run(str(cut_quickstart)).policy(2)


def _wait_for(manifests: Path, prefix: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the stage is committed, so that the kill hits the one after it."""
    folder, name = prefix.split("/")
    deadline = time.monotonic() + HANG_SECONDS
    while not list((manifests / folder).glob(f"{name}*")):
        assert process.poll() is None, f"the run ended before it could be killed: {log.read_text()}"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _outputs(run: Path) -> dict[str, Any]:
    """Digests of all files of all stages, by manifest."""
    return {
        path.relative_to(run).as_posix(): json.loads(path.read_bytes())["outputs"]
        for path in (run / "manifests").rglob("*.json")
    }


def test_a_report_is_written_of_it(cut_quickstart: Path) -> None:
    serl("report", str(cut_quickstart), expect=0)
    page = (cut_quickstart / "reports" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and page.count("Question:") == 5


def test_notebook_of_one_run(cut_quickstart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERL_RUN", str(cut_quickstart))
    told = executed("inspect_run")
    assert len(told.pictures) == 3
    assert f"{cut_quickstart}: iterations [0, 1, 2]" in told.text
    assert "heldout" in told.text and "sample_responses" in told.text and "majority" in told.text


def test_notebook_of_several_runs(cut_quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmarks = {"benchmarks": [{"name": "heldout", "domain": "arithmetic", "count": 12}], "protocol": {"samples": 3}}
    other = fake_config(tmp_path, rewards="random", evaluate=benchmarks)
    run_locally(other)
    monkeypatch.setenv("SERL_RUNS", f"{cut_quickstart} {other.uri}")
    told = executed("compare_runs")
    assert len(told.pictures) == 2
    for row in side_by_side([open_run(str(cut_quickstart)), open_run(other.uri)]):
        assert points_text(row["gain"]) in told.text
    assert "rewards: majority / random" in told.text and "iteration 0, import_seeds: " in told.text
