"""Two runs side by side: settings, results, where they part and why, and other contents in spite of equal keys."""

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
from stages.engines.base import Completion
from stages.engines.fake import FakeEngine
from storage.run import Revision, Run, open_run
from tests.helpers import fake_config, fake_resources, memory_store, run_all

GOLDEN = Path(__file__).parents[3] / "golden" / "format-1"
Make = Callable[..., Run]


def run_of(config: RunConfig, engine: FakeEngine | None = None) -> Run:
    store = memory_store()
    with fake_resources(engine, **config.compute.model_dump()) as resources:
        run_all(config, store, resources)
    return open_run(store.uri)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Runs with the same input files and other settings."""
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
    found = compare(run, make(name="twin"))
    assert (found["settings"], found["diverges"], found["unequal_outputs"]) == ([], None, [])
    for row in found["results"]:
        assert all(row[name][0] == row[name][1] for name in MEASURES if name != "seconds")


def test_results_are_those_of_each_run(run: Run, make: Make) -> None:
    other = make(seed=4)
    found = compare(run, other)
    assert [row["iteration"] for row in found["results"]] == [0, 1, 2]
    for row in found["results"]:
        first, second = (iteration_results(one, row["iteration"]) for one in (run, other))
        assert row == {"iteration": row["iteration"], **{name: [first[name], second[name]] for name in MEASURES}}
    assert found["results"][1]["pass1_sampled"][0] != found["results"][1]["pass1_sampled"][1]
    assert found["results"][1]["kept"][0] == run.table("votes", 1).filter(decision="kept").height


def test_the_values_are_json(run: Run, make: Make) -> None:
    found = compare(run, make(seed=4))
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("changes", "setting", "place", "reason"),
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
def test_runs_part_where_a_setting_first_matters(
    run: Run, make: Make, changes: dict[str, Any], setting: list[Any], place: tuple[int, str], reason: str
) -> None:
    found = compare(run, make(**changes))
    assert found["settings"] == [setting]
    assert found["diverges"] == {"iteration": place[0], "stage": place[1], "reason": reason}
    assert found["unequal_outputs"] == []


def test_several_reasons_are_all_given(run: Run, make: Make) -> None:
    other = make(seed=4, generate={"questions": 4, "examples": 3, "questions_per_prompt": 2, "examples_from_pool": 0})
    # Without iteration 0, so that the runs part at a stage that has settings, and inputs of unknown origin.
    cut = [
        Run(one.store, Revision(config=one.config, iterations={1: one.revision.iterations[1]})) for one in (run, other)
    ]
    assert compare(*cut)["diverges"] == {
        "iteration": 1,
        "stage": "generate_instructions",
        "reason": "examples_from_pool is 1 in the first, 0 in the second; "
        "questions is 8 in the first, 4 in the second; "
        "its input policy is another one; its input seeds is another one; another seed",
    }


def test_another_version_of_a_stage_is_said(run: Run, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.iteration as iteration

    monkeypatch.setattr(iteration, "SAMPLE", replace(iteration.SAMPLE, version=iteration.SAMPLE.version + 1))
    expected = {"iteration": 1, "stage": "sample_responses", "reason": "same settings, another version of the stage"}
    assert compare(run, make())["diverges"] == expected


def test_a_longer_run_adds_rows_and_parts_nowhere(run: Run, make: Make) -> None:
    longer = make(iterations=3)
    found = compare(run, longer)
    assert found["settings"] == [["iterations", 2, 3]]
    assert found["diverges"] is None and found["unequal_outputs"] == []
    last = found["results"][3]
    assert last["iteration"] == 3
    assert last["pass1_sampled"] == [None, iteration_results(longer, 3)["pass1_sampled"]]
    assert all(last[name][0] is None for name in MEASURES)
    # The other way round it is the same with the sides changed.
    assert compare(longer, run)["results"][3]["kept"] == last["kept"][::-1]


def test_tables_cut_into_other_parts_are_the_same(run: Run, make: Make) -> None:
    other = make(compute={"shard_rows": 100})
    assert len(other.files("responses", 1)) != len(run.files("responses", 1))
    found = compare(run, other)
    assert found["settings"] == [["compute.shard_rows", 2, 100]] and found["unequal_outputs"] == []


class RoundingEngine(FakeEngine):
    """Gives the same tokens with log-probabilities that differ in the last digits."""

    def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
        for batch, responses in super().generate(batches, progress):
            yield batch, [list(map(self._rounded, row)) for row in responses]

    def _rounded(self, completion: Completion) -> Completion:
        return replace(completion, logprobs=[value * 1.001 for value in completion.logprobs])


def test_other_contents_of_equal_keys_are_listed(run: Run, tmp_path: Path) -> None:
    config = RunConfig.model_validate(run.config)
    other = run_of(config, RoundingEngine())
    found = compare(run, other)
    assert found["settings"] == [] and found["diverges"] is None
    expected = [
        [number, "sample_responses"] for number in (1, 2)
        if not run.table("responses", number).equals(other.table("responses", number))
    ]  # fmt: skip
    assert (
        len(expected) == 2
        and [place for place in found["unequal_outputs"] if place[1] == "sample_responses"] == expected
    )
    assert not any(stage.startswith("import") or stage == "vote_rewards" for _, stage in found["unequal_outputs"])
    assert any("Made from the same, but not the same" in line for line in drawn(run, other))


def test_the_drawing_fits_80_columns(run: Run, make: Make) -> None:
    lines = drawn(run, make(iterations=3, vote={"max_reward": 1.0}, generate={"system": "Be brief [please]. " * 20}))
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    assert any("[please]" in line for line in lines)  # not taken for markup


def test_the_drawing_shows_accuracies_and_points(run: Run, make: Make) -> None:
    other = make(seed=4)
    rows = [line.split() for line in drawn(run, other) if line.split()[:1] == ["1"]]
    first, second = (iteration_results(one, 1) for one in (run, other))
    assert rows[0][:6] == [
        "1",
        *(f"{first['pass1_sampled']:.3f}", "–".join(f"{bound:.2f}" for bound in first["pass1_sampled_interval"])),
        *(f"{second['pass1_sampled']:.3f}", "–".join(f"{bound:.2f}" for bound in second["pass1_sampled_interval"])),
        f"{100 * (second['pass1_sampled'] - first['pass1_sampled']):+.1f}",
    ]
    assert rows[0][8:] == [str(first["kept"]), str(second["kept"])]


def test_the_drawing_says_where_runs_part(run: Run, make: Make) -> None:
    text = " ".join(drawn(run, make(vote={"max_reward": 1.0})))
    assert "They part at iteration 1, vote_rewards: max_reward is 0.8 in the first, 1.0 in  the second." in text
    same = " ".join(drawn(run, run))
    assert "The settings are the same." in same and "They part nowhere" in same


def test_runs_without_iterations_can_be_compared(run: Run) -> None:
    empty = Run(memory_store(), Revision(config=run.config, iterations={}))
    found = compare(empty, empty)
    assert found == {"settings": [], "results": [], "diverges": None, "unequal_outputs": []}
    assert compare(empty, run)["results"][2]["kept"][0] is None and drawn(empty, run)


def test_a_run_of_an_earlier_format_can_be_compared(run: Run) -> None:
    golden = open_run(str(GOLDEN))
    found = compare(golden, golden)
    assert found["settings"] == [] and found["diverges"] is None and found["unequal_outputs"] == []
    found = compare(golden, run)
    assert ["generate.questions", 4, 8] in found["settings"] and len(found["results"]) == 3
    assert not {"name", "root"} & {name for name, _, _ in found["settings"]}
    assert found["diverges"]["iteration"] == 0
