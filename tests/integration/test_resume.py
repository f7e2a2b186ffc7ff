"""A run killed anywhere ends as one that was left alone: same artifacts, same digests, byte for byte.

Each child process kills itself (SIGKILL: no clean-up, no exception handler) around one particular write.
"""

import json
import signal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from flows.config.run import RunConfig
from flows.run_loop import run_all
from flows.run_progress import RunProgress
from stages.shared_resources import Resources
from storage.run import Run
from storage.store import Store
from tests.commands import environment, python
from tests.helpers import fake_config, tree

CHILD = """
import os, signal, sys
from fnmatch import fnmatch
from flows.config.run import RunConfig
from flows.run_loop import run_all
from stages.shared_resources import Resources
from storage.store import Store

when, where = sys.argv[1:3]
create = Store.create

def create_and_die(store, path, data):
    found = fnmatch(path, where)
    if found and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    created = create(store, path, data)
    if found:
        os.kill(os.getpid(), signal.SIGKILL)
    return created

Store.create = create_and_die
config = RunConfig.model_validate_json(sys.argv[3])
with Resources(config.compute, config.engine) as resources:
    run_all(config, Store(config.uri), resources)
"""


def run_killed(config: RunConfig, when: str, where: str) -> None:
    """Run `config` in a process that dies before or after it creates the first path that matches `where`."""
    program = ("-c", CHILD, when, where, config.model_dump_json())
    python(*program, expect=-signal.SIGKILL, env=environment(TMPDIR=config.root))


def run_whole(config: RunConfig) -> RunProgress:
    with Resources(config.compute, config.engine) as resources:
        return run_all(config, Store(config.uri), resources)


def manifests(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Every manifest of the run by path, without the version of the software that wrote it."""
    root = Path(config.uri)
    found = {}
    for path in (root / "manifests").rglob("*.json"):
        values = json.loads(path.read_text())
        del values["code"]
        found[path.relative_to(root).as_posix()] = values
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    config = fake_config(tmp_path_factory.mktemp("undisturbed"))
    assert run_whole(config).complete
    return config


@pytest.mark.parametrize(
    ("when", "where"),
    [
        ("after", "generations/iteration=0001/*/part-00001.parquet"),
        ("after", "rewards/iteration=0001/*"),
        ("before", "manifests/iteration=0002/sample_responses-*"),
    ],
    ids=["in the middle of generated parts", "between the tables of the vote", "before a manifest"],
)
def test_a_killed_run_goes_on_to_the_same_digests(
    tmp_path: Path, undisturbed: RunConfig, when: str, where: str
) -> None:
    config = fake_config(tmp_path)
    (tmp_path / "runs").mkdir()
    run_killed(config, when, where)
    before = tree(Path(config.uri))
    expected = manifests(undisturbed)
    assert set(manifests(config)) < set(expected)
    assert any(fnmatch(name, where) for name in before) == (when == "after")

    assert run_whole(config).complete
    assert manifests(config) == expected
    after = tree(Path(config.uri))
    # Temporary files of the killed process (.tmp) may go.
    rewritten = [name for name, time in before.items() if after.get(name) != time and not name.startswith(".tmp/")]
    assert rewritten == []


def test_the_parts_before_a_kill_are_kept(tmp_path: Path) -> None:
    """Five problems, two a part, killed after the second; the next attempt would make one part of all."""
    config = fake_config(tmp_path)
    (tmp_path / "runs").mkdir()
    run_killed(config, "after", "grades/iteration=0000/*/part-00001.parquet")
    other = config.model_copy(update={"compute": config.compute.model_copy(update={"shard_rows": 100})})
    run = Run(Store(config.uri), run_whole(other).revision())
    assert [file.rows for file in run.manifests(0)["evaluate"].outputs["grades"].files] == [8, 8, 4]
    assert len(run.manifests(1)["evaluate"].outputs["grades"].files) == 1


def test_more_iterations_change_nothing_that_was_there(tmp_path: Path) -> None:
    config = fake_config(tmp_path, iterations=1)
    run_whole(config)
    before = tree(Path(config.uri))
    run_whole(config.model_copy(update={"iterations": 2}))
    after = tree(Path(config.uri))
    assert {name: after[name] for name in before} == before
    assert all("iteration=0002" in name for name in after.keys() - before.keys() if not name.startswith("revisions/"))


def test_another_shard_size_changes_nothing(tmp_path: Path) -> None:
    config = fake_config(tmp_path, iterations=1)
    run_whole(config)
    before = tree(Path(config.uri))
    ledger = run_whole(config.model_copy(update={"compute": config.compute.model_copy(update={"shard_rows": 7})}))
    after = tree(Path(config.uri))
    assert ledger.complete and {name for name in after if not name.startswith("revisions/")} <= before.keys()
    assert {name: after[name] for name in before} == before


def test_another_gate_leaves_generation_alone(tmp_path: Path) -> None:
    config = fake_config(tmp_path)
    run_whole(config)
    before = tree(Path(config.uri))
    run_whole(config.model_copy(update={"vote": config.vote.model_copy(update={"max_reward": 1.0})}))
    after = tree(Path(config.uri))
    assert {name: after[name] for name in before} == before
    new = [
        name.split("/", 2)[2].rsplit("-", 1)[0]
        for name in after.keys() - before.keys()
        if "manifests/iteration=0001" in name
    ]
    assert sorted(new) == ["evaluate", "ppo_update", "vote_rewards"]
