"""Comparison of two runs: settings, results, the first stage that differs, and different outputs of equal keys."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.config.run import RunConfig
from flows.reporting.comparison import MEASURES, compare, draw_comparison
from flows.reporting.results import iteration_results
from flows.run_loop import run_all
from stages.engines.base import Completion
from stages.engines.fake import FakeEngine
from storage.run import Revision, Run, open_run
from tests.helpers import fake_config, fake_resources, memory_store

GOLDEN = Path(__file__).parents[3] / "golden" / "format-1"
Make = Callable[..., Run]


def run_of(config: RunConfig, engine: FakeEngine | None = None) -> Run:
    store = memory_store()
    with fake_resources(engine, **config.compute.model_dump()) as resources:
        run_all(config, store, resources)
    return open_run(store.uri)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes a run with the same input files and changed settings."""
    folder = tmp_path_factory.mktemp("compare")
    return lambda **changes: run_of(fake_config(folder, **changes))


@pytest.fixture(scope="module")
def run(make: Make) -> Run:
    return make()


def drawn(first: Run, second: Run, width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(draw_comparison(first, second))
    return capture.get().splitlines()


def test_equal_runs_have_no_difference(run: Run, make: Make) -> None:
    comparison = compare(run, make(name="twin"))
    assert (comparison["settings"], comparison["diverges"], comparison["unequal_outputs"]) == ([], None, [])
    for row in comparison["results"]:
        assert all(row[name][0] == row[name][1] for name in MEASURES if name != "seconds")


def test_results_are_those_of_each_run(run: Run, make: Make) -> None:
    other = make(seed=4)
    comparison = compare(run, other)
    assert [row["iteration"] for row in comparison["results"]] == [0, 1, 2]
    for row in comparison["results"]:
        first, second = (iteration_results(each, row["iteration"]) for each in (run, other))
        assert row == {"iteration": row["iteration"], **{name: [first[name], second[name]] for name in MEASURES}}
    assert comparison["results"][1]["pass1_sampled"][0] != comparison["results"][1]["pass1_sampled"][1]
    assert comparison["results"][1]["kept"][0] == run.table("votes", 1).filter(decision="kept").height


def test_values_are_json(run: Run, make: Make) -> None:
    comparison = compare(run, make(seed=4))
    assert json.loads(json.dumps(comparison)) == comparison


@pytest.mark.parametrize(
    ("changes", "setting", "stage", "reason"),
    [
        (
            {"vote": {"max_reward": 1.0}},
            ["vote.max_reward", 0.8, 1.0],
            (1, "vote_rewards"),
            "max_reward is 0.8 in the first, 1.0 in the second",
        ),
        (
            {"rewards": "random"},
            ["rewards", "majority", "random"],
            (1, "vote_rewards"),
            "rewards is majority in the first, random in the second",
        ),
        ({"seed": 4}, ["seed", 3, 4], (0, "fake_policy"), "same settings, another seed"),
        (
            {"min_kept": 1_000},
            ["min_kept", 1, 1_000],
            (1, "evaluate"),
            "its input policy is from 1 ppo_update in the first, from 0 fake_policy in the second",
        ),
    ],
)
def test_runs_diverge_where_a_setting_first_matters(
    run: Run, make: Make, changes: dict[str, Any], setting: list[Any], stage: tuple[int, str], reason: str
) -> None:
    comparison = compare(run, make(**changes))
    assert comparison["settings"] == [setting]
    assert comparison["diverges"] == {"iteration": stage[0], "stage": stage[1], "reason": reason}
    assert comparison["unequal_outputs"] == []


def test_divergence_has_all_reasons(run: Run, make: Make) -> None:
    other = make(seed=4, generate={"questions": 4, "examples": 3, "questions_per_prompt": 2, "examples_from_pool": 0})
    # Without iteration 0 the first stage has settings, and inputs of unknown origin.
    cut = [
        Run(full.store, Revision(config=full.config, iterations={1: full.revision.iterations[1]}))
        for full in (run, other)
    ]
    assert compare(*cut)["diverges"] == {
        "iteration": 1,
        "stage": "generate_instructions",
        "reason": "examples_from_pool is 1 in the first, 0 in the second; "
        "questions is 8 in the first, 4 in the second; "
        "its input policy is another one; its input seeds is another one; another seed",
    }


def test_another_stage_version_is_the_reason(run: Run, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.rounds.collect as iteration

    monkeypatch.setattr(iteration, "SAMPLE", replace(iteration.SAMPLE, version=iteration.SAMPLE.version + 1))
    expected = {"iteration": 1, "stage": "sample_responses", "reason": "same settings, another version of the stage"}
    assert compare(run, make())["diverges"] == expected


def test_longer_run_adds_rows_and_does_not_diverge(run: Run, make: Make) -> None:
    longer = make(iterations=3)
    comparison = compare(run, longer)
    assert comparison["settings"] == [["iterations", 2, 3]]
    assert comparison["diverges"] is None and comparison["unequal_outputs"] == []
    last = comparison["results"][3]
    assert last["iteration"] == 3
    assert last["pass1_sampled"] == [None, iteration_results(longer, 3)["pass1_sampled"]]
    assert all(last[name][0] is None for name in MEASURES)
    # In the other order the sides are exchanged.
    assert compare(longer, run)["results"][3]["kept"] == last["kept"][::-1]


def test_tables_in_other_parts_are_equal(run: Run, make: Make) -> None:
    other = make(compute={"shard_rows": 100})
    assert len(other.files("responses", 1)) != len(run.files("responses", 1))
    comparison = compare(run, other)
    assert comparison["settings"] == [["compute.shard_rows", 2, 100]] and comparison["unequal_outputs"] == []


class RoundingEngine(FakeEngine):
    """Returns the same tokens with slightly different log-probabilities."""

    def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
        for batch, responses in super().generate(batches, progress):
            yield batch, [list(map(self._rounded, row)) for row in responses]

    def _rounded(self, completion: Completion) -> Completion:
        return replace(completion, logprobs=[value * 1.001 for value in completion.logprobs])


def test_unequal_outputs_of_equal_keys_are_listed(run: Run, tmp_path: Path) -> None:
    config = RunConfig.model_validate(run.config)
    other = run_of(config, RoundingEngine())
    comparison = compare(run, other)
    assert comparison["settings"] == [] and comparison["diverges"] is None
    expected = [
        [number, "sample_responses"] for number in (1, 2)
        if not run.table("responses", number).equals(other.table("responses", number))
    ]  # fmt: skip
    assert (
        len(expected) == 2
        and [entry for entry in comparison["unequal_outputs"] if entry[1] == "sample_responses"] == expected
    )
    assert not any(stage.startswith("import") or stage == "vote_rewards" for _, stage in comparison["unequal_outputs"])
    assert any("Same settings and inputs, but other outputs" in line for line in drawn(run, other))


def test_drawing_fits_80_columns(run: Run, make: Make) -> None:
    generate = {**run.config["generate"], "system": "Be brief [please]. " * 20}
    lines = drawn(run, make(iterations=3, vote={"max_reward": 1.0}, generate=generate))
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    assert any("[please]" in line for line in lines)  # not taken for markup


def test_drawing_shows_accuracies_and_points(run: Run, make: Make) -> None:
    other = make(seed=4)
    rows = [line.split() for line in drawn(run, other) if line.split()[:1] == ["1"]]
    first, second = (iteration_results(each, 1) for each in (run, other))
    assert rows[0][:6] == [
        "1",
        *(f"{first['pass1_sampled']:.3f}", "–".join(f"{bound:.2f}" for bound in first["pass1_sampled_interval"])),
        *(f"{second['pass1_sampled']:.3f}", "–".join(f"{bound:.2f}" for bound in second["pass1_sampled_interval"])),
        f"{100 * (second['pass1_sampled'] - first['pass1_sampled']):+.1f}",
    ]
    assert rows[0][8:] == [str(first["kept"]), str(second["kept"])]


def test_drawing_names_where_runs_diverge(run: Run, make: Make) -> None:
    text = " ".join(" ".join(drawn(run, make(vote={"max_reward": 1.0}))).split())
    assert "The runs diverge at iteration 1, vote_rewards: max_reward is 0.8 in the first, 1.0 in the second." in text
    same = " ".join(drawn(run, run))
    assert "The settings are the same." in same and "The runs do not diverge" in same


def test_runs_without_iterations_can_be_compared(run: Run) -> None:
    empty = Run(memory_store(), Revision(config=run.config, iterations={}))
    comparison = compare(empty, empty)
    assert comparison == {"settings": [], "results": [], "diverges": None, "unequal_outputs": []}
    assert compare(empty, run)["results"][2]["kept"][0] is None and drawn(empty, run)


def test_run_of_earlier_format_can_be_compared(run: Run) -> None:
    golden = open_run(str(GOLDEN))
    comparison = compare(golden, golden)
    assert comparison["settings"] == [] and comparison["diverges"] is None and comparison["unequal_outputs"] == []
    comparison = compare(golden, run)
    assert ["generate.questions", 4, 8] in comparison["settings"] and len(comparison["results"]) == 3
    assert not {"name", "root"} & {name for name, _, _ in comparison["settings"]}
    assert comparison["diverges"]["iteration"] == 0
