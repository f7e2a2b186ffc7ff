"""Lineage: producers of inputs, sizes of outputs, and a drawing that fits a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.config.run import RunConfig
from flows.reporting.lineage import WIDTH, draw_lineage, lineage
from flows.run_loop import run_all
from storage.run import Revision, Run, open_run
from tests.helpers import fake_config, fake_resources, memory_store

GOLDEN = Path(__file__).parents[3] / "golden" / "format-1"
STAGES = ["generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate"]
START = ["fake_policy", "import_seeds", "import_problems", "evaluate"]


def run_of(config: RunConfig) -> Run:
    """Make a run and open it as a reader does, with the stages of its revision sorted by name."""
    store = memory_store()
    with fake_resources() as resources:
        run_all(config, store, resources)
    return open_run(store.uri)


def sources(run: Run, iteration: int, stage: str) -> dict[str, str]:
    """Return `kind of iteration stage` by name of the input."""
    inputs = node_of(run, iteration, stage)["inputs"]
    return {name: f"{source['kind']} of {source['iteration']} {source['stage']}" for name, source in inputs.items()}


def node_of(run: Run, iteration: int, stage: str) -> dict[str, Any]:
    (node,) = (node for node in lineage(run)["nodes"] if (node["iteration"], node["stage"]) == (iteration, stage))
    return node


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(fake_config(tmp_path_factory.mktemp("lineage")))


def test_stages_are_in_the_order_of_the_run(run: Run) -> None:
    nodes = lineage(run)["nodes"]
    expected = [(0, stage) for stage in START] + [(number, stage) for number in (1, 2) for stage in STAGES]
    assert [(node["iteration"], node["stage"]) for node in nodes] == expected


def test_every_input_has_its_producer(run: Run) -> None:
    assert sources(run, 1, "generate_instructions") == {
        "policy": "policy of 0 fake_policy",
        "seeds": "seeds of 0 import_seeds",
    }
    assert sources(run, 2, "generate_instructions") == {
        "policy": "policy of 1 ppo_update",
        "seeds": "seeds of 0 import_seeds",
        "pool": "pool of 1 vote_rewards",
    }
    assert sources(run, 2, "filter_instructions") == {
        "candidates": "candidates of 2 generate_instructions",
        "seeds": "seeds of 0 import_seeds",
        "bank": "bank of 1 filter_instructions",
        "problems": "problems of 0 import_problems",
    }
    assert sources(run, 2, "vote_rewards") == {
        "accepted": "accepted of 2 filter_instructions",
        "responses": "responses of 2 sample_responses",
        "pool": "pool of 1 vote_rewards",
    }
    assert sources(run, 2, "ppo_update") == {
        "policy": "policy of 1 ppo_update",
        "reference": "policy of 0 fake_policy",
        "trainer_state": "trainer_state of 1 ppo_update",
        "responses": "responses of 2 sample_responses",
        "rewards": "rewards of 2 vote_rewards",
        "votes": "votes of 2 vote_rewards",
    }


def test_an_input_has_the_key_of_its_producer(run: Run) -> None:
    keys = {(node["iteration"], node["stage"]): node["key"] for node in lineage(run)["nodes"]}
    assert len(set(keys.values())) == len(keys) and all(len(key) == 13 and key[0] == "k" for key in keys.values())
    inputs = [source for node in lineage(run)["nodes"] for source in node["inputs"].values()]
    assert inputs and all(source["key"] == keys[source["iteration"], source["stage"]] for source in inputs)


def test_outputs_have_the_sizes_of_their_files(run: Run) -> None:
    for node in lineage(run)["nodes"]:
        for kind, contents in node["outputs"].items():
            stored = run.manifests(node["iteration"])[node["stage"]].outputs[kind].files
            assert contents["files"] == len(stored)
            assert contents["bytes"] == sum(len(run.store.read(file.path)) for file in stored)
            weights = kind in ("policy", "trainer_state")
            assert contents["rows"] == (None if weights else run.table(kind, node["iteration"]).height)


def test_values_are_json(run: Run) -> None:
    assert json.loads(json.dumps(lineage(run))) == lineage(run)


def test_evaluation_is_last_after_a_skipped_update(tmp_path: Path) -> None:
    run = run_of(fake_config(tmp_path, min_kept=1_000))
    skipped = [stage for stage in STAGES if stage != "ppo_update"]
    assert [node["stage"] for node in lineage(run)["nodes"]] == [*START, *skipped, *skipped]
    assert sources(run, 2, "evaluate")["policy"] == "policy of 0 fake_policy"


def test_input_without_producer_has_no_stage(run: Run) -> None:
    later = {number: stages for number, stages in run.revision.iterations.items() if number > 0}
    cut = Run(run.store, Revision(config=run.config, iterations=later))
    policy = node_of(cut, 1, "sample_responses")["inputs"]["policy"]
    key = node_of(run, 0, "fake_policy")["key"]
    assert policy == {"kind": "policy", "stage": None, "iteration": None, "key": key}
    assert f"policy ({key}, not of this run)" in draw_lineage(cut)


def test_run_without_iterations_has_no_lineage() -> None:
    empty = Run(memory_store(), Revision(config={}, iterations={}))
    assert lineage(empty) == {"run": empty.store.uri, "nodes": []} and draw_lineage(empty) == empty.store.uri


def test_drawing_fits_a_terminal_and_breaks_no_item(run: Run) -> None:
    lines = draw_lineage(run).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if line.startswith("iteration")] == [f"iteration {number}" for number in range(3)]
    assert all(line.count("(") == line.count(")") for line in lines)
    # The longest list of sources needs a second line, which starts below the first item.
    start = next(index for index, line in enumerate(lines) if "ppo_update" in line and "policy" in line)
    arrow = lines[start + 1].index("<-")
    assert lines[start + 2].startswith(" " * (arrow + 3)) and "<-" not in lines[start + 2]


def test_drawing_names_the_sources(run: Run) -> None:
    drawn = draw_lineage(run)
    node = node_of(run, 1, "vote_rewards")
    rows = ", ".join(f"{kind} {contents['rows']}" for kind, contents in node["outputs"].items())
    assert f"  vote_rewards           {node['key']}  {rows}\n" in drawn
    assert "<- accepted (1 filter_instructions), responses (1 sample_responses)\n" in drawn
    assert "policy + policy as reference (0 fake_policy)" in drawn and "rewards + votes (2 vote_rewards)" in drawn


def test_drawing_names_several_code_versions(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "versions of serl" not in draw_lineage(run)
    store = memory_store()
    for iterations in (1, 2):
        monkeypatch.setattr("stages.contract.code_version", lambda number=iterations: f"0.{number}.0")
        with fake_resources() as resources:
            run_all(fake_config(tmp_path, iterations=iterations), store, resources)
    assert draw_lineage(open_run(store.uri)).splitlines()[-3:] == [
        "written by 2 versions of serl",
        "  0.1.0: 10 (first 0 fake_policy, last 1 evaluate)",
        "  0.2.0: 6 (first 2 generate_instructions, last 2 evaluate)",
    ]


def test_run_of_earlier_format_has_lineage() -> None:
    run = open_run(str(GOLDEN))
    start = ["fake_policy", "import_problems", "import_seeds", "evaluate"]
    assert [node["stage"] for node in lineage(run)["nodes"]] == [*start, *STAGES]
    assert sources(run, 1, "vote_rewards") == {
        "accepted": "accepted of 1 filter_instructions",
        "responses": "responses of 1 sample_responses",
    }
    assert node_of(run, 1, "vote_rewards")["key"] == "k95dd7a50a625"
    assert node_of(run, 1, "sample_responses")["outputs"]["responses"] == {"rows": 16, "files": 2, "bytes": 8931}
