"""A run of an earlier version (`tests/golden/format-2`, never regenerated) is resumed, shown and repaired.

Nothing is computed again. When a stage's version is raised, the resume test changes to: refused with one line.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.config.load import load_config
from flows.run_loop import run_locally
from flows.run_progress import find_finished
from storage.run import open_run
from storage.store import Store
from tests.helpers import tree

GOLDEN = Path(__file__).parents[2] / "golden" / "format-2"
RUN = "runs/format-2"
WEIGHTS = {"policy", "trainer_state"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder in which the run was made, with its config and inputs."""
    shutil.copytree(GOLDEN, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def outputs(folder: Path) -> dict[str, int]:
    """Return the time of modification of every manifest and every file that a stage has written."""
    return {
        path: time
        for path, time in tree(folder / RUN).items()
        if not path.startswith((".tmp", "lease", "revisions", "reports", "speed", "timings"))
    }


def test_nothing_is_pending(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    progress = find_finished(config, Store(config.uri))
    assert (progress.finished, progress.pending, progress.complete) == (3, None, True)
    # The names of settings in a revision are unchanged, so no new revision is written.
    assert progress.revision() == open_run(RUN).revision


def test_resume_recognises_a_finished_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outputs(folder)
    assert main(["resume", RUN]) == 0
    assert "is finished; nothing to do" in capsys.readouterr().out
    assert outputs(folder) == before


def test_longer_run_keeps_finished_iterations(folder: Path) -> None:
    before = outputs(folder)
    run_locally(load_config(folder / "config.yaml", ["iterations=3", "keep.policies.last=9"]))
    after = outputs(folder)
    pruned = {path for path in before.keys() - after.keys() if path.split("/")[0] in WEIGHTS}
    assert before.keys() - after.keys() == pruned
    assert {path: after[path] for path in before.keys() & after.keys()} == {
        path: time for path, time in before.items() if path not in pruned
    }
    new = {path for path in after.keys() - before.keys() if path.startswith("manifests/")}
    assert new and all(path.startswith("manifests/iteration=0003/") for path in new)
    assert open_run(RUN).iterations == [0, 1, 2, 3]


@pytest.mark.parametrize("command", ["show", "show votes", "show --lineage", "report"])
def test_run_is_shown(folder: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *options = command.split()
    assert main([name, RUN, *options]) == 0
    assert capsys.readouterr().out


def test_repair_computes_only_the_damaged_table_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import flows.cli.run

    monkeypatch.setattr(flows.cli.run, "run_flow", lambda config, console: run_locally(config))
    before, votes_before = outputs(folder), open_run(RUN).table("votes").to_dicts()
    (part,) = (folder / RUN).glob("votes/iteration=0002/*/part-*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    assert main(["repair", RUN]) == 0
    assert "damaged" in capsys.readouterr().out
    assert open_run(RUN).table("votes").to_dicts() == votes_before
    after = outputs(folder)
    changed = {path for path in before if after.get(path) != before[path] and not path.startswith("damaged/")}
    assert changed and all("iteration=0002" in path for path in changed)


def test_update_settings_keep_their_names(folder: Path) -> None:
    """The settings in keys and manifests are flat and keep their first names."""
    config: dict[str, Any] = open_run(RUN).manifests(1)["ppo_update"].config
    from flows.stage_settings import update_settings

    current = update_settings(load_config(folder / "config.yaml")).model_dump(mode="json")
    assert json.loads(json.dumps(current, sort_keys=True)) == config
    assert current["kl_place"] == "reward" and current["normalisation"] == "sequence" and current["tis_cap"] == 3.0
