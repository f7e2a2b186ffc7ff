"""Kills at random moments leave no trace (the short form of `python -m tests.kill`), and the check of that can fail."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.run_loop import run_locally
from tests.helpers import fake_config
from tests.kill.__main__ import disturb
from tests.kill.attempt import MARK, living_processes
from tests.kill.check import differences, manifests
from tests.kill.driver import ITERATION_STAGES, Campaign


def test_a_few_killed_runs_end_like_undisturbed_ones(tmp_path: Path) -> None:
    tally = disturb(tmp_path, {"fake": 4}, seed=2)["fake"]
    assert tally.differences == [] and tally.kills >= 4


@pytest.mark.slow
def test_killed_runs_end_like_undisturbed_ones(tmp_path: Path) -> None:
    tallies = disturb(tmp_path, {"fake": 24, "transformers": 3}, seed=1)
    assert {engine: tally.differences for engine, tally in tallies.items()} == {"fake": [], "transformers": []}
    assert tallies["fake"].kills >= 24 and tallies["transformers"].kills >= 3
    assert {stage for stage in ITERATION_STAGES if not tallies["fake"].inside[stage]} == set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = fake_config(tmp_path_factory.mktemp("finished"), iterations=1)
    run_locally(config)
    return Path(config.uri)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_a_copy_does_not_differ(finished: Path, copy: Path) -> None:
    assert differences(finished, copy) == []


def test_a_part_without_a_reference_is_reported(finished: Path, copy: Path) -> None:
    part = _part(copy, "responses")
    shutil.copy(part, part.with_name("part-00099.parquet"))
    (line,) = differences(finished, copy)
    assert "part-00099.parquet: in a committed artifact, unlisted" in line


def test_a_part_of_a_key_without_a_manifest_is_reported(finished: Path, copy: Path) -> None:
    part = _part(copy, "responses")
    shutil.copytree(part.parent, part.parent.with_name("key=k0123456789ab"))
    lines = differences(finished, copy)
    assert lines and all(line.endswith("key not committed") for line in lines)


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (lambda rows: pl.concat([rows, rows.tail(1)]), "twice"),
        (lambda rows: rows.head(-1), "its manifest lists"),
    ],
    ids=["double", "lost"],
)
@pytest.mark.parametrize("kind", ["responses", "rewards", "votes", "accepted", "grades"])
def test_a_wrong_row_is_reported(
    finished: Path, copy: Path, kind: str, change: Callable[[pl.DataFrame], pl.DataFrame], reported: str
) -> None:
    """Even where the manifest has the digest of the wrong file."""
    part = _part(copy, kind)
    change(pl.read_parquet(part)).write_parquet(part)
    _list_again(copy, part)
    lines = differences(finished, copy)
    assert any(f"{kind} has " in line and reported in line for line in lines)
    assert any("other outputs" in line for line in lines)
    assert not any("another digest" in line for line in lines)


def test_a_changed_digest_is_reported(finished: Path, copy: Path) -> None:
    policy = next(copy.glob("policy/iteration=0001/*/*/policy.json"))
    policy.write_text(policy.read_text().replace("content", "CONTENT"))
    (line,) = differences(finished, copy)
    assert "policy.json: another digest than its manifest lists" in line


def test_a_missing_file_is_reported(finished: Path, copy: Path) -> None:
    next(copy.glob("trainer_state/iteration=0001/*/*/state.json")).unlink()
    (line,) = differences(finished, copy)
    assert "state.json: listed and missing" in line


def test_a_missing_manifest_is_reported_with_what_it_listed(finished: Path, copy: Path) -> None:
    next(copy.glob("manifests/iteration=0001/vote_rewards-*.json")).unlink()
    lines = differences(finished, copy)
    assert any("vote_rewards" in line and line.endswith(": missing") for line in lines)
    assert any(line.startswith("rewards/") and line.endswith("key not committed") for line in lines)


def test_other_metrics_are_reported(finished: Path, copy: Path) -> None:
    path = next(copy.glob("manifests/iteration=0001/vote_rewards-*.json"))
    values = json.loads(path.read_text())
    values["metrics"]["vote/kept"] += 1
    path.write_text(json.dumps(values))
    (line,) = differences(finished, copy)
    assert "other metrics" in line


def test_weights_that_were_to_be_let_go_are_reported(finished: Path, copy: Path, tmp_path: Path) -> None:
    """Both ways: the tombstone without the removal, and neither."""
    pruned = Path(shutil.copytree(finished, tmp_path / "pruned"))
    (manifest,) = pruned.glob("manifests/iteration=0001/ppo_update-*.json")
    for run in (pruned, copy):
        tombstone = run / "tombstones" / "iteration=0001" / f"{manifest.stem}-trainer_state.json"
        tombstone.parent.mkdir(parents=True)
        tombstone.write_text("{}")
    shutil.rmtree(pruned / "trainer_state" / "iteration=0001")
    assert differences(pruned, pruned) == []
    assert any("let go and still there" in line for line in differences(pruned, copy))
    assert any("weights were not let go" in line for line in differences(pruned, finished))


def test_a_run_that_does_not_go_on_is_reported(tmp_path: Path) -> None:
    config = fake_config(tmp_path, iterations=0)
    campaign = Campaign(config, tmp_path / "campaign", seed=1, say=lambda line: None)
    Path(config.seeds.path or "").unlink()
    (line,) = campaign.kill(1).differences
    assert "ended with 1" in line and "seed file" in line


def test_a_process_that_outlives_its_run_is_found(tmp_path: Path) -> None:
    mark = {**os.environ, MARK: str(tmp_path)}
    # Popen returns when the new program is about to be loaded; /proc shows its environment once it has been.
    speaks_first = ["sh", "-c", "echo started; read line"]
    with subprocess.Popen(
        speaks_first, env=mark, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"started\n"
            assert living_processes(tmp_path) == [process.pid]
        finally:
            process.kill()
    assert living_processes(tmp_path) == []


def _part(run: Path, kind: str) -> Path:
    return min(run.glob(f"{kind}/*/*/part-*.parquet"))


def _list_again(run: Path, part: Path) -> None:
    """Give the manifest that lists `part` its present digest."""
    name = part.relative_to(run).as_posix()
    for path, values in manifests(run).items():
        files: list[dict[str, Any]] = [file for output in values["outputs"].values() for file in output["files"]]
        for file in files:
            if file["path"] == name:
                file["sha256"] = hashlib.sha256(part.read_bytes()).hexdigest()
                (run / path).write_text(json.dumps(values))
