"""The command line: a user's mistake is one line on stderr and exit code 2, without traceback, files or Prefect."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import flows.cli
import flows.cli.run
import flows.rounds.collect
from flows.cli import main
from flows.cli.inspect import next_command
from flows.config.load import load_config
from flows.models.folders import newest_policy_folder
from flows.reporting.results import CURVE_PATH
from flows.run_loop import run_all, run_locally
from stages.vote_rewards import VOTE
from storage.errors import MissingArtifact
from storage.lease import hold_lease
from storage.run import open_run, write_revision
from storage.store import Store
from tests.helpers import fake_config, fake_resources, fake_values, tree, write_jsonl
from tests.hub import Hub
from tests.tiny_models import make_tiny_policy

Change = Callable[[dict[str, Any], Path], object]


@pytest.fixture(autouse=True)
def no_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("Prefect was started (20-40 s) for a result that needs no Prefect")

    monkeypatch.setattr(flows.cli.run, "run_flow", refuse)


def config_file(folder: Path, change: Change = lambda values, folder: None) -> Path:
    values = fake_values(folder)
    change(values, folder)
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def finished_run(folder: Path, *, revision: bool = True) -> Path:
    """Make a finished run of one iteration and return its config file."""
    path = config_file(folder, lambda values, _: values.update(iterations=1))
    config = load_config(path)
    with fake_resources() as resources:
        progress = run_all(config, Store(config.uri), resources)
    if revision:
        write_revision(Store(config.uri), progress.revision())
    return path


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command, assert exit code 2 and a single line of output, and return the line."""
    assert main([str(argument) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("serl: ") and output.err.count("\n") == 1 and "Traceback" not in output.err
    return output.err


def seeds(content: str) -> Change:
    return lambda values, folder: (folder / "seeds.jsonl").write_text(content)


def setting(name: str, value: Any) -> Change:
    return lambda values, folder: values.update({name: value})


def incomplete_model(values: dict[str, Any], folder: Path) -> None:
    """Some libraries load a model folder without tokenizer and then encode every text as nothing."""
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "model" / "model.safetensors").write_text("")
    values.update(engine="transformers", policy={"model": str(folder / "model")})


def root_below_a_file(values: dict[str, Any], folder: Path) -> None:
    (folder / "file").write_text("")
    values["root"] = str(folder / "file")


def run_is_a_file(values: dict[str, Any], folder: Path) -> None:
    (folder / "file").mkdir()
    (folder / "file" / "small").write_text("")
    values["root"] = str(folder / "file")


MISTAKES: dict[str, tuple[Change, str]] = {
    "missing seed file": (lambda v, f: (f / "seeds.jsonl").unlink(), "seeds.jsonl does not exist"),
    "empty seed file": (seeds(""), "seeds.jsonl is empty"),
    "row without question": (seeds('{"text": "What?"}\n'), "line 1: no question"),
    "malformed JSON": (seeds('{"question": "What is 1+1?"}\n{"question": \n'), "line 2: not JSON"),
    "missing benchmark": (lambda v, f: (f / "sums.jsonl").unlink(), "sums.jsonl does not exist"),
    "benchmark without answer": (
        lambda v, f: write_jsonl(f / "sums.jsonl", [{"question": "What is 1+1?"}]),
        "no answer; expected the field answer",
    ),
    "model without tokenizer": (incomplete_model, "has no tokenizer"),
    "missing model": (
        lambda v, f: v.update(engine="transformers", policy={"model": str(f / "nowhere")}),
        "does not exist; expected a local Hugging Face model folder",
    ),
    "policy of no run": (
        lambda v, f: v.update(engine="transformers", policy={"run": str(f / "nowhere")}),
        "is not a run",
    ),
    "root below a file": (root_below_a_file, "Not a directory; check its permissions, or choose another `root`"),
    "run is a file": (run_is_a_file, "Not a directory"),
    "unknown setting": (setting("itertions", 3), "itertions: unknown setting; did you mean iterations?"),
    "out of bounds": (
        setting("sample", {"responses": 0}),
        "sample.responses: Input should be greater than 0, found '0'",
    ),
    "no such scratch folder": (setting("compute", {"scratch": "/nonexistent/scratch"}), "scratch"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    change, message = MISTAKES[mistake]
    path = config_file(tmp_path, change)
    before = tree(tmp_path)
    assert message in fails(capsys, "run", path)
    assert tree(tmp_path) == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["run", "check"])
def test_missing_config_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "my.yaml does not exist; expected a YAML file" in fails(capsys, command, tmp_path / "my.yaml")


def test_wrong_override_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file(tmp_path)
    assert "seed: Input should be" in fails(capsys, "run", path, "--set", "seed=-1")


def test_show_and_resume_need_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        for command in ("show", "resume"):
            assert f"{folder} is not a run" in fails(capsys, command, folder)
    assert tree(tmp_path) == {}


def test_show_refuses_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`serl show config.yaml` used to raise NotADirectoryError."""
    assert "is not a run" in fails(capsys, "show", config_file(tmp_path))


def test_show_names_the_existing_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = load_config(finished_run(tmp_path)).uri
    assert "has no table vote; it has accepted" in fails(capsys, "show", run, "vote")
    assert "has no votes at iteration 7; finished: [0, 1]" in fails(capsys, "show", run, "votes", "--iteration", "7")


def test_show_prints_results_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = load_config(finished_run(tmp_path)).uri
    assert main(["show", run]) == 0
    printed = capsys.readouterr().out
    assert "pass@1" in printed and "serl run CONFIG --set iterations=2 (all 1 iterations are finished)" in printed
    assert main(["show", run, "--json"]) == 0
    assert [row["iteration"] for row in json.loads(capsys.readouterr().out)["iterations"]] == [0, 1]
    assert main(["show", run, "tables"]) == 0
    assert {"votes", "rejected", "timings"} <= set(capsys.readouterr().out.split())
    assert main(["show", run, "votes", "--iteration", "1", "--rows", "2", "--json"]) == 0
    votes = json.loads(capsys.readouterr().out)
    assert votes == open_run(run).table("votes", iteration=1).head(2).to_dicts()
    assert main(["show", run, "votes"]) == 0
    assert votes[0]["question"][:40] in capsys.readouterr().out


@pytest.mark.parametrize("finished", [[], [0, 1]])
def test_an_unfinished_run_is_resumed_by_its_folder(finished: list[int]) -> None:
    run: Any = SimpleNamespace(config={"iterations": 2}, iterations=finished, store=SimpleNamespace(uri="runs/a"))
    assert next_command(run) == "serl resume runs/a"


@pytest.mark.parametrize(
    ("table", "statuses"),
    [("rewards", ["ok", "no_answer", "ambiguous"]), ("grades", ["correct", "wrong", "ambiguous"])],
)
def test_show_lists_answers_by_their_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, statuses: list[str]
) -> None:
    run = load_config(finished_run(tmp_path)).uri
    rows = open_run(run).table(table)
    for status in statuses:
        assert main(["show", run, table, "--status", status, "--rows", "1000", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == rows.filter(status=status).to_dicts()
    assert main(["show", run, table, "--status", statuses[0], "--rows", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == rows.filter(status=statuses[0]).head(1).to_dicts()
    assert main(["show", run, "voter_answers", "--status", "ambiguous"]) == 0


def test_show_refuses_a_status_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = load_config(finished_run(tmp_path)).uri
    assert "the table votes has no column status" in fails(capsys, "show", run, "votes", "--status", "ambiguous")
    line = fails(capsys, "show", run, "rewards", "--status", "ambigous")
    assert "--status ambigous: unknown; expected one of ok, correct, wrong, no_answer, ambiguous" in line
    assert "--status goes with a table" in fails(capsys, "show", run, "--status", "ambiguous")


def answers(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Run `serl answers`; return step -> its text."""
    assert main(["answers", *arguments]) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_answers_shows_the_reading_and_the_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = answers(capsys, "The total is 16.", "--gold", "4+12=<<4+12=16>>16\n#### 16")
    assert list(steps) == ["response", "thinking", "part", "mark", "answer", "canonical", "vote", "gold", "verdict"]
    assert steps["verdict"] == "correct: both have the same canonical form"
    question = "Which is a mammal? (A) trout (B) otter"
    steps = answers(capsys, r"\boxed{otter}", "--kind", "choice", "--question", question, "--gold", "A")
    assert steps["canonical"] == '"B"' and steps["verdict"].startswith("wrong")
    assert answers(capsys, "so 9 + 3", "--truncated", "--gold", "3")["verdict"].startswith("no_answer")
    assert answers(capsys, "so it is 3", "--truncated", "--count-truncated")["answer"] == '"3"'
    assert answers(capsys, "It is 3", "--boxed-only")["answer"] == "none"
    monkeypatch.setattr("sys.stdin", io.StringIO("It is 3 or\n[bold]5"))
    assert answers(capsys, "-")["answer"] == '"5"'
    assert "verdict" not in answers(capsys, "It is [red]3[/red]")


def test_answers_reads_a_custom_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = Path(__file__).parents[4] / "configs" / "examples" / "doses.py"
    steps = answers(capsys, "Answer: 300 mg", "--kind", f"{kind}:DOSE", "--gold", "0.3 g")
    assert steps["verdict"].startswith("correct") and "mark" not in steps


def test_answers_names_what_it_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--gold is blank; expected the correct answer" in fails(capsys, "answers", "It is 3", "--gold", " ")
    assert "unknown kind of answers 'maths'; expected math, choice, text" in fails(
        capsys, "answers", "3", "--kind", "maths"
    )
    assert "several goes with kind choice" in fails(capsys, "answers", "3", "--several")
    assert "nowhere.py does not exist" in fails(capsys, "answers", "3", "--kind", "nowhere.py:DOSE")


def test_check_describes_a_run_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config_file(tmp_path)
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert "0 of 3 finished" in out and "sums" in out
    assert not (tmp_path / "runs").exists()


def test_finished_run_is_recognised_without_prefect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished_run(tmp_path)
    assert main(["run", str(path)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["resume", load_config(path).uri]) == 0


def test_run_killed_before_its_last_revision_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All manifests exist, but not the last revision: the results used to lack the last iteration."""
    path = finished_run(tmp_path, revision=False)
    assert main(["run", str(path)]) == 0
    run = open_run(load_config(path).uri)
    assert run.iterations == [0, 1]
    assert run.store.exists(CURVE_PATH), "the curve that the output names was not drawn"
    capsys.readouterr()


def test_return_to_earlier_settings_shows_their_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After runs with one gate, another one and the first again, the results of the other used to be printed."""
    path = finished_run(tmp_path)
    config = load_config(path)
    other = load_config(path, ("vote.max_reward=1.0",))
    with fake_resources() as resources:
        write_revision(Store(other.uri), run_all(other, Store(other.uri), resources).revision())
    assert main(["run", str(path)]) == 0
    assert open_run(config.uri).config["vote"]["max_reward"] == 0.8
    capsys.readouterr()


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in this process without Prefect."""
    monkeypatch.setattr(flows.cli.run, "run_flow", lambda config, console: run_locally(config))


@pytest.mark.usefixtures("inline")
def test_repair_computes_only_the_damage_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = load_config(finished_run(tmp_path)).uri
    manifest = open_run(uri).manifests(1)["sample_responses"]
    part = Path(uri) / manifest.outputs["responses"].files[0].path
    part.write_bytes(part.read_bytes()[:-1])
    assert f"{part.name} is damaged" in fails(capsys, "resume", uri)
    before = open_run(uri).table("timings").height
    assert main(["repair", uri]) == 0
    out = capsys.readouterr().out
    assert f"damaged  {part} is damaged" in out and "again    iteration=0001/sample_responses-" in out
    assert "pass@1" in out
    assert open_run(uri).manifests(1)["sample_responses"].outputs == manifest.outputs
    assert open_run(uri).table("timings").height == before + 1
    assert main(["repair", uri]) == 0
    assert "no damage" in capsys.readouterr().out


@pytest.mark.usefixtures("inline")
def test_repair_finds_a_moved_model_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest contains the old path and the key only the content, so only the import runs again."""
    path = finished_run(tmp_path)
    run = open_run(load_config(path).uri)
    new_folder = run.policy(0).rename(tmp_path / "elsewhere")
    run.policy(1)
    with pytest.raises(MissingArtifact, match="serl repair"):
        run.policy(0)
    assert main(["repair", run.store.uri]) == 0
    assert "again    iteration=0000/fake_policy" in capsys.readouterr().out and new_folder.is_dir()
    assert open_run(run.store.uri).policy(0).is_dir()


def test_gc_removes_only_with_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = load_config(finished_run(tmp_path)).uri
    assert main(["gc", uri]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    leftover = Path(uri) / ".tmp" / "left"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"123")
    assert main(["gc", uri]) == 0
    out = capsys.readouterr().out
    assert "3 B" in out and "a temporary file of a killed process" in out and "nothing was removed" in out
    assert leftover.exists()
    assert main(["gc", uri, "--yes"]) == 0
    assert not leftover.exists() and "removed" in capsys.readouterr().out


def test_busy_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished_run(tmp_path)
    uri = load_config(path).uri
    with hold_lease(Store(uri)):
        for command in (["gc", uri], ["repair", uri], ["run", path, "--set", "iterations=2"]):
            assert "is being worked on by" in fails(capsys, *command)
        assert main(["show", uri]) == 0
    capsys.readouterr()


def test_lineage_and_comparison_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = load_config(finished_run(tmp_path)).uri
    assert main(["show", uri, "--lineage"]) == 0
    assert "accepted (1 filter_instructions)" in capsys.readouterr().out
    assert main(["show", uri, "--lineage", "--json"]) == 0
    assert {"stage", "inputs"} <= json.loads(capsys.readouterr().out)["nodes"][0].keys()
    assert main(["compare", uri, uri]) == 0
    assert "pass@1" in capsys.readouterr().out
    assert main(["compare", uri, uri, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == []


def test_incompatible_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished_run(tmp_path)
    monkeypatch.setattr(flows.rounds.collect, "VOTE", replace(VOTE, version=9))
    assert f"vote_rewards has version 9 instead of {VOTE.version}" in fails(capsys, "run", path)
    assert open_run(load_config(path).uri).iterations == [0, 1]


def test_resume_from_another_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(load_config(finished_run(tmp_path)).uri)
    run.rename(tmp_path / "moved")
    assert "was made as" in fails(capsys, "resume", tmp_path / "moved")


def test_keyboard_interrupt_names_the_way_to_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flows.cli.run, "run_flow", stop)
    assert main(["run", str(config_file(tmp_path))]) == 130
    assert capsys.readouterr().err == "serl: stopped; run the same command again to go on from here\n"


def test_serve_takes_a_model_of_the_hub_and_its_commit(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr("stages.engines.vllm_server.serve", lambda folder, *_, **__: served.append(folder))
    monkeypatch.setattr("stages.engines.loader.check_installed", lambda kind: None)
    model = make_tiny_policy(tmp_path / "model")
    first = hub.push("lab/tiny", model)
    (model / "LICENSE").write_text("new")
    second = hub.push("lab/tiny", model)
    command = ("serve", "configs/quickstart.yaml", "--set", f"root={tmp_path}")
    assert main((*command, "--model", f"lab/tiny@{first}")) == 0
    assert main((*command, "--set", "policy={model: lab/tiny}")) == 0
    commits = f"hub_commits={{lab/tiny: {first}}}"
    assert main((*command, "--model", "lab/tiny", "--set", commits)) == 0
    assert [folder.name for folder in served] == [first, second, first]


def test_serve_takes_the_newest_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr("stages.engines.vllm_server.serve", lambda folder, *_, **__: served.append(folder))
    monkeypatch.setattr("stages.engines.loader.check_installed", lambda kind: None)
    model, root = make_tiny_policy(tmp_path / "model"), tmp_path / "runs"
    quickstart = ("serve", "configs/quickstart.yaml", "--set", f"root={root}")
    assert main(quickstart) == 2
    assert "made by its warm start; run it first" in capsys.readouterr().err
    assert main((*quickstart, "--model", str(model))) == 0
    assert main((*quickstart, "--set", f"policy={{model: {model}}}", "--port", "8001")) == 0
    assert served == [model, model] and f"server for {model} at http://127.0.0.1:8001" in capsys.readouterr().out
    config = fake_config(tmp_path, iterations=1)
    run_locally(config)
    assert newest_policy_folder(config) == open_run(config.uri).policy(1)
    assert main((*quickstart, "--model", str(tmp_path / "gone"))) == 2
    assert "does not exist" in capsys.readouterr().err
