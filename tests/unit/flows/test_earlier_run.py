"""A run of an earlier version (`tests/golden/format-2`, never regenerated): refused with one line, and still readable.

Answers are read otherwise today, so that the stages that read them have other versions. The run is shown, reported,
compared and checked as before; nothing of it is computed again or removed.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.config.load import load_config
from flows.run_progress import find_finished
from storage.run import open_run
from storage.store import Store
from tests.helpers import tree

GOLDEN = Path(__file__).parents[2] / "golden" / "format-2"
RUN = "runs/format-2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder in which the run was made, with its config and inputs."""
    shutil.copytree(GOLDEN, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def outputs(folder: Path) -> dict[str, int]:
    """Return the time of modification of every manifest, revision and file that a stage has written."""
    return {
        path: time for path, time in tree(folder / RUN).items() if not path.startswith((".tmp", "lease", "reports"))
    }


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command, assert that it ends with code 2 and one line besides notes on old names; return that line."""
    assert main(list(arguments)) == 2
    line = "".join(line for line in capsys.readouterr().err.splitlines(True) if not line.startswith("note: "))
    assert line.startswith(f"serl: {RUN} was made by serl ") and line.count("\n") == 1
    return line


def test_its_first_stage_is_pending_since_it_has_another_version(folder: Path) -> None:
    config = load_config(folder / "config.yaml")
    progress = find_finished(config, Store(config.uri))
    assert progress.finished == 0 and progress.pending is not None and progress.pending.stage.name == "import_seeds"


@pytest.mark.parametrize(
    "command", [["resume", RUN], ["run", "config.yaml"], ["run", "config.yaml", "--set", "iterations=3"]]
)
def test_it_is_refused_with_one_line(folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    before = outputs(folder)
    line = refusal(capsys, *command)
    assert "import_seeds has version 3 instead of 1: it and all that follows would be computed again" in line
    assert line.endswith("Go on with the version that made it, or give the run another `name`\n")
    assert outputs(folder) == before


def test_under_another_name_it_is_a_new_run(folder: Path) -> None:
    config = load_config(folder / "config.yaml", ["name=format-2-again"])
    assert find_finished(config, Store(config.uri)).finished == 0 and not (folder / "runs" / "format-2-again").exists()


@pytest.mark.parametrize(
    "command",
    ["show", "show tables", "show votes", "show rewards --status ok", "show grades", "show --lineage", "report"],
)
def test_run_is_shown(folder: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *options = command.split()
    before = outputs(folder)
    assert main([name, RUN, *options]) == 0
    assert capsys.readouterr().out
    assert outputs(folder) == before


def test_every_table_is_read(folder: Path) -> None:
    run = open_run(RUN)
    assert run.iterations == [0, 1, 2] and all(run.table(name).columns for name in run.tables())


def test_check_of_digests_finds_no_damage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = outputs(folder)
    assert main(["repair", RUN]) == 2
    output = capsys.readouterr()
    assert "no damage: every file has the digest that its manifest records" in output.out
    assert "import_seeds has version 3 instead of 1" in output.err and output.err.count("\n") == 1
    assert outputs(folder) == before


def test_damage_is_named_and_nothing_is_set_aside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The damaged table could not be computed again, so its manifest and the rest of its stage stay."""
    (part,) = (folder / RUN).glob("votes/iteration=0002/*/part-*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    before = outputs(folder)
    assert main(["repair", RUN]) == 2
    output = capsys.readouterr()
    assert "damaged" in output.out and "votes/iteration=0002" in output.out
    assert "import_seeds has version 3 instead of 1" in output.err and output.err.count("\n") == 1
    assert outputs(folder) == before


def test_update_settings_keep_their_names(folder: Path) -> None:
    """The settings in keys and manifests are flat and keep their first names."""
    config: dict[str, Any] = open_run(RUN).manifests(1)["ppo_update"].config
    from flows.stage_settings import update_settings

    current = update_settings(load_config(folder / "config.yaml")).model_dump(mode="json")
    assert json.loads(json.dumps(current, sort_keys=True)) == config
    assert current["kl_place"] == "reward" and current["normalisation"] == "sequence" and current["tis_cap"] == 3.0


def test_new_settings_of_answers_stay_out_of_keys(folder: Path) -> None:
    from flows.stage_settings import vote_settings

    config: dict[str, Any] = open_run(RUN).manifests(1)["vote_rewards"].config
    assert vote_settings(load_config(folder / "config.yaml")).model_dump(mode="json") == config
    changed = load_config(folder / "config.yaml", ["answers.count_truncated=true"])
    answers = vote_settings(changed).model_dump(mode="json")["answers"]
    assert answers == {**config["answers"], "count_truncated": True}


def test_defaults_that_have_changed_stay_as_they_were(folder: Path) -> None:
    """Neither its config nor its settings name what is read and by which rules, and the defaults are others today."""
    from flows.models.pinned import pinned
    from flows.stage_settings import resolve

    manifests = open_run(RUN).manifests(1)
    config = load_config(folder / "config.yaml")
    settings = resolve(pinned(config, Store(config.uri)))
    assert settings.generate.model_dump(mode="json") == manifests["generate_instructions"].config
    assert settings.filter.model_dump(mode="json") == manifests["filter_instructions"].config
    stated = load_config(folder / "config.yaml", ["generate.read=clean", "filter.rules.use=[empty, has_solution]"])
    settings = resolve(pinned(stated, Store(config.uri)))
    assert settings.generate.read == "clean" and settings.filter.rules.use == ("empty", "has_solution")
    new = resolve(load_config(folder / "config.yaml", ["name=new"]))
    assert new.generate.read == "clean" and "has_solution" in new.filter.rules.use
