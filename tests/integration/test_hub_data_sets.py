"""Runs whose questions are data sets of a hub on this machine: what is downloaded and recorded, and how they resume."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import main
from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.preflight.checks import check_inputs
from flows.preflight.description import describe
from flows.run_progress import find_finished
from stages.question_files import hub_split
from storage.errors import InputError
from storage.run import newest_revision, open_run
from storage.store import Store
from tests.helpers import fake_values, keys_of, run_here, write_jsonl
from tests.hub import Hub

README = """\
---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train.jsonl}
  - {split: test, path: main/test.jsonl}
---
"""
GSM8K, DATA_SET, OWN = "openai/gsm8k", "lab/questions", "lab/exam"
SEEDS_ONLY = {"benchmarks": [{"name": "labelled", "seeds": True}]}


def rows(start: int, count: int = 12) -> list[dict[str, Any]]:
    names = ("apples", "pears", "plums", "figs")
    numbers = range(start, start + count)
    questions = [f"Ann has {n} {names[n % 4]} and buys {n + 1} more. How many?" for n in numbers]
    return [{"question": q, "answer": f"It is\n#### {2 * n + 1}"} for q, n in zip(questions, numbers, strict=True)]


def lines(values: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in values)


def push(hub: Hub, start: int = 0) -> dict[str, str]:
    """Push all data sets; return their commits by their names in `hub_commits`."""
    train, test = lines(rows(start)), lines(rows(start + 100, 4))
    files = {"README.md": README, "main/train.jsonl": train, "main/test.jsonl": test}
    commits = {GSM8K: hub.push(GSM8K, files, kind="dataset")}
    hub.push(DATA_SET, {"questions.py": "raise SystemExit", "data.zip": "x"}, kind="dataset")
    converted = {"default/train/0000.jsonl": "", "default/train/0000.parquet": parquet(rows(start + 200))}
    name = f"{DATA_SET}@{hub_split.CONVERSION}"
    commits[name] = hub.push(DATA_SET, converted, kind="dataset", branch=hub_split.CONVERSION)
    files = {"test.jsonl": lines(rows(start + 300, 4)), "dev.jsonl": lines(rows(start + 400, 2))}
    commits[OWN] = hub.push(OWN, files, kind="dataset")
    return {f"datasets/{name}": commit for name, commit in commits.items()}


def parquet(values: Sequence[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(values).write_parquet(buffer)
    return buffer.getvalue()


def config_of(folder: Path, **changes: Any) -> RunConfig:
    values = {
        "iterations": 1,
        "domain": None,
        "rewards": "majority",
        "instructions": "dataset",
        "seeds": {"hub": GSM8K, "config": "main", "split": "train"},
        "dataset": {"hub": DATA_SET, "on_bad_row": "skip"},
        "evaluate": {
            "data": str(folder / "data"),
            "benchmarks": [
                "gsm8k",
                {
                    "name": "exam",
                    "hub": OWN,
                    "split": "test",
                    "shots": {"count": 1},
                    "examples": {"hub": OWN, "split": "validation"},
                },
            ],
        },
        **changes,
    }
    return parse_config(fake_values(folder, **values), "test")


@pytest.fixture(autouse=True)
def _no_lists_of_files_in_memory() -> None:
    hub_split._listed.cache_clear()


@pytest.mark.slow
def test_a_run_on_data_sets_of_the_hub_keeps_their_commits(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commits = push(hub)
    config = config_of(tmp_path)
    text = describe(config)
    gsm8k = commits["datasets/openai/gsm8k"]
    assert (
        "gsm8k (openai/gsm8k (main, test) of the hub, prompt: plain), exam (lab/exam (default, test) of the hub" in text
    )
    assert "prompt: plain, 1 examples from lab/exam (default, validation) of the hub)" in text
    seeds_line = f"openai/gsm8k (main, train) of the hub at commit {gsm8k} (JSON lines, read as gsm8k)"
    assert f"seeds        {seeds_line}" in text
    assert "dataset      lab/questions (default, train) of the hub at commit " in text
    assert "questions are drawn from the dataset (lab/questions)" in text
    check_inputs(find_finished(config, Store(config.uri)).resolved)

    progress = run_here(config)
    assert progress.complete and progress.config.hub_commits == commits
    revision = newest_revision(Store(config.uri))
    assert revision is not None and revision.config["hub_commits"] == commits
    run_of = open_run(config.uri)
    assert run_of.manifests(0)["import_seeds"].config == {
        "sha256": None,
        "hub": {"repository": GSM8K, "config": "main", "split": "train", "commit": gsm8k},
        "domain": None,
        "count": None,
    }
    seeds = run_of.table("seeds", 0)["question"].to_list()
    problems = run_of.table("problems", 0)
    assert seeds == [row["question"] for row in rows(0)]
    assert run_of.table("dataset", 0)["question"].to_list() == [row["question"] for row in rows(200)]
    assert problems["question"].to_list() == [row["question"] for row in (*rows(100, 4), *rows(300, 4))]
    assert run_of.table("shots", 0)["question"].to_list() == [row["question"] for row in rows(400, 2)]
    before = keys_of(config)

    # The hub goes on, and the run stays with its commits.
    assert push(hub, start=1000).keys() == commits.keys()
    hub.requests.clear()
    longer = config_of(tmp_path, iterations=2)
    assert run_here(longer).config.hub_commits == commits
    assert hub.requests == [], "everything needed is here"
    assert {name: key for name, key in keys_of(longer).items() if name in before} == before

    # Without a connection, and when the user forbids connections.
    hub_split._listed.cache_clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert find_finished(longer, Store(longer.uri)).complete
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_finished(longer, Store(longer.uri)).complete

    # A new run takes what the hub has now.
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    other = find_finished(config_of(tmp_path, name="other"), Store(str(tmp_path / "other")))
    assert other.config.hub_commits.keys() == commits.keys()
    assert not set(other.config.hub_commits.values()) & set(commits.values())


@pytest.mark.slow
def test_a_file_of_a_named_set_wins(hub: Hub, tmp_path: Path) -> None:
    push(hub)
    (tmp_path / "data").mkdir()
    path = write_jsonl(tmp_path / "data" / "gsm8k.jsonl", rows(0, 2))
    progress = find_finished(config_of(tmp_path), Store(str(tmp_path / "run")))
    own, exam = progress.resolved.import_problems.sets
    assert (own.path, own.hub) == (str(path), None)
    assert exam.path is None and exam.hub is not None
    config = config_of(tmp_path, evaluate={"benchmarks": [{"name": "gsm8k", "hub": f"{GSM8K}@main"}]})
    (mirror,) = find_finished(config, Store(str(tmp_path / "run"))).resolved.import_problems.sets
    assert mirror.hub is not None and mirror.hub.name == "openai/gsm8k (main, test)"


@pytest.mark.slow
def test_worked_examples_of_a_named_set_come_with_it(hub: Hub, tmp_path: Path) -> None:
    reasoning = "A: Let's think step by step. It is 2."
    row = {"options": ["1", "2"], "answer": "B", "category": "law", "cot_content": reasoning}
    files = {"data/test-00000-of-00001.parquet": parquet([{"question": "Which?", **row}])}
    files["data/validation-00000-of-00001.parquet"] = parquet([{"question": "What?", **row}])
    hub.push("TIGER-Lab/MMLU-Pro", files, kind="dataset")
    config = config_of(
        tmp_path,
        instructions="seeds",
        dataset=None,
        seeds={"path": str(write_jsonl(tmp_path / "seeds.jsonl", rows(0)))},
        evaluate={"data": str(tmp_path), "benchmarks": ["mmlu_pro"]},
    )
    (problem_set,) = find_finished(config, Store(config.uri)).resolved.import_problems.sets
    assert problem_set.shots_hub is not None
    assert problem_set.shots_hub.files == ("data/validation-00000-of-00001.parquet",)
    assert run_here(config).complete


def test_every_missing_data_set_is_named_at_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError) as raised:
        find_finished(config_of(tmp_path), Store(str(tmp_path / "run")))
    message = str(raised.value)
    for part in (
        "seeds: data set openai/gsm8k: HF_HUB_OFFLINE=1 forbids a download",
        "; and dataset: data set lab/questions: ",
        "; and benchmark gsm8k: data set openai/gsm8k: ",
        f"Without the hub: {tmp_path}/data/gsm8k.jsonl (or .parquet) does not exist; set its `path`, or: python",
        "; and benchmark exam: data set lab/exam: ",
    ):
        assert part in message
    assert "\n" not in message


def test_a_path_that_is_a_name_of_the_hub_is_told(tmp_path: Path) -> None:
    config = config_of(tmp_path, seeds={"path": GSM8K}, dataset=None, instructions="seeds", evaluate=SEEDS_ONLY)
    message = r"openai/gsm8k does not exist; .*; a data set of .* is set as `hub: openai/gsm8k`"
    with pytest.raises(InputError, match=message):
        find_finished(config, Store(config.uri))


def test_a_data_set_is_shown(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    commit = push(hub)["datasets/openai/gsm8k"]
    assert main(["data", "show", GSM8K, "--config", "main", "--split", "train", "--row", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1] == f"openai/gsm8k (main, train) of the hub at commit {commit} (JSON lines, read as gsm8k)"
    assert out[2].startswith("12 rows, 12 read")
    assert out[-1] == "label: 3"
    assert main(["data", "show", GSM8K]) == 2
    message = "data set openai/gsm8k has several splits; set --split to one of train, test"
    assert capsys.readouterr().err.endswith(f"serl: {message}\n")
    assert main(["data", "show", "lab/none"]) == 2
    assert "no data set of this name" in capsys.readouterr().err


def test_a_file_that_exists_is_shown(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").mkdir()
    write_jsonl(tmp_path / "openai" / "gsm8k", rows(0, 2))
    assert main(["data", "show", GSM8K]) == 0
    assert "openai/gsm8k (JSON lines, read as gsm8k)" in capsys.readouterr().out
    assert main(["data", "show", GSM8K, "--split", "train"]) == 2
    message = "--config and --split go with a data set of the hub; found the file openai/gsm8k"
    assert capsys.readouterr().err == f"serl: {message}\n"
    assert main(["data", "show", "openai/other"]) == 2
    assert "the hub is not asked for a data set of this name, because openai exists here" in capsys.readouterr().err
    assert hub.requests == []
