"""The tutorials' own code and files, taken out of the pages and run."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from flows.config.load import load_config
from flows.preflight.checks import check_inputs
from flows.preflight.description import describe
from flows.run_loop import run_locally
from flows.stage_settings import resolve
from storage.run import open_run
from tests.commands import REPOSITORY

TUTORIALS = REPOSITORY / "docs" / "tutorials"


def test_one_iteration_by_hand_runs_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, *_ = re.findall(r"```python\n(.*?)```", (TUTORIALS / "one-iteration-by-hand.md").read_text(), re.DOTALL)
    (tmp_path / "by_hand.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    refs = runpy.run_path("by_hand.py")["updated"]
    assert set(refs) == {"policy", "trainer_state", "train_metrics"}
    stages = [line.split()[1] for line in capsys.readouterr().out.splitlines() if " done " in line]
    assert stages[-6:] == [
        "generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate",
    ]  # fmt: skip
    runpy.run_path("by_hand.py")
    again = capsys.readouterr().out
    assert " done " not in again and again.count(" was there ") == len(stages)


def test_own_questions_run_as_the_tutorial_builds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (TUTORIALS / "own-questions.md").read_text()
    files = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert [name for name, _ in files] == [
        "doses/seeds.jsonl", "doses/exam.jsonl", "doses/doses.py", "doses/try_it.py", "doses/doses.yaml",
    ]  # fmt: skip
    (tmp_path / "doses").mkdir()
    for name, content in files:
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "doses")
    runpy.run_path("doses/try_it.py")
    del sys.modules["doses"]
    config = load_config(Path("doses/doses.yaml"), ("engine=fake", "policy=null", "name=doses-fake"))
    check_inputs(resolve(config))
    assert "labels: 2 of 2 equal themselves" in describe(config)
    run_locally(config)
    run = open_run("runs/doses-fake")
    assert run.table("accepted").height > 0
    assert set(run.table("rewards")["status"]) == {"no_answer", "unparsable"}
    assert set(run.table("votes")["decision"]) == {"unparsable"}
