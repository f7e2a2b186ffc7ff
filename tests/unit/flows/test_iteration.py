"""A whole run without Prefect: what is done is found again, what is missing is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.config.run import RunConfig
from flows.reporting.plots import write_curve
from flows.reporting.results import CURVE, iteration_results, run_results
from flows.run_state import RunProgress, find_finished
from stages.contract import Progress
from stages.settings.update import LoraConfig, UpdateConfig
from storage.run import Run
from storage.store import Store
from tests.helpers import SEED_QUESTIONS, fake_config, fake_resources, memory_store, run_all, write_jsonl

STAGES = ["generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate"]


@dataclass
class Runner:
    """Runs configs on one in-memory store and says which stages computed something."""

    store: Store

    def __call__(self, config: RunConfig) -> tuple[RunProgress, list[str]]:
        before = self.timings()
        with fake_resources() as resources:
            ledger = run_all(config, self.store, resources)
        return ledger, sorted(self.timings() - before)

    def timings(self) -> set[str]:
        """`iteration/stage-unique`: one per execution."""
        return {
            f"{int(folder.removeprefix('iteration='))}/{name}"
            for folder in self.store.names("timings")
            for name in self.store.names(f"timings/{folder}")
        }


@pytest.fixture
def runner() -> Runner:
    return Runner(memory_store())


@pytest.fixture
def config(tmp_path: Path) -> Iterator[RunConfig]:
    yield fake_config(tmp_path)


def run_of(ledger: RunProgress, store: Store) -> Run:
    return Run(store, ledger.revision())


def test_a_run_does_all_stages_of_all_iterations(config: RunConfig, runner: Runner) -> None:
    ledger, _ = runner(config)
    assert ledger.complete and ledger.finished == 3
    assert list(ledger.stages[0]) == ["import_seeds", "import_problems", "fake_policy", "evaluate"]
    assert list(ledger.stages[1]) == list(ledger.stages[2]) == STAGES


def test_a_finished_run_computes_nothing(config: RunConfig, runner: Runner) -> None:
    first, done = runner(config)
    assert len(done) == 4 + 2 * 6
    again, computed = runner(config)
    assert computed == [] and again.stages == first.stages
    assert find_finished(config, runner.store).revision() == first.revision()


def test_nothing_is_finished_in_an_empty_store(config: RunConfig) -> None:
    store = memory_store()
    ledger = find_finished(config, store)
    assert ledger.finished == 0 and ledger.states == [] and not ledger.complete
    assert store.names("") == []


def test_more_iterations_recompute_nothing(config: RunConfig, runner: Runner) -> None:
    runner(config)
    ledger, computed = runner(config.model_copy(update={"iterations": 3}))
    assert ledger.finished == 4
    assert {name.split("/")[0] for name in computed} == {"3"} and len(computed) == 6


def test_placement_recomputes_nothing(config: RunConfig, runner: Runner) -> None:
    runner(config)
    compute = config.compute.model_copy(update={"shard_rows": 100, "threads": 2})
    assert runner(config.model_copy(update={"compute": compute}))[1] == []


def test_another_gate_recomputes_the_vote_and_what_follows(config: RunConfig, runner: Runner) -> None:
    first, _ = runner(config)
    vote = config.vote.model_copy(update={"max_reward": 1.0})
    second, computed = runner(config.model_copy(update={"vote": vote}))
    assert sorted(name.rsplit("-", 1)[0] for name in computed if name.startswith("1/")) == [
        "1/evaluate",
        "1/ppo_update",
        "1/vote_rewards",
    ]
    same = {name for name in STAGES if first.stages[1][name] == second.stages[1][name]}
    assert same == {"generate_instructions", "filter_instructions", "sample_responses"}
    assert first.stages[0] == second.stages[0]


def test_an_update_with_too_few_questions_is_skipped(config: RunConfig, runner: Runner) -> None:
    ledger, _ = runner(config.model_copy(update={"min_kept": 1_000}))
    run = run_of(ledger, runner.store)
    assert all("ppo_update" not in ledger.stages[number] for number in (1, 2))
    assert run.policy(2) == run.policy(1) == run.policy(0)
    assert [iteration_results(run, number)["update_skipped"] for number in range(3)] == [False, True, True]
    # The same policy must still write new questions.
    first, second = (set(run.table("candidates", iteration=number)["question"]) for number in (1, 2))
    assert first != second


def test_no_label_leads_to_a_policy(config: RunConfig, runner: Runner) -> None:
    """Seeds have answers here; neither they nor diagnostics reach a reward or an update."""
    run = run_of(runner(config)[0], runner.store)
    for number in (1, 2):
        manifests = run.manifests(number)
        read = {name: {kind.split(":")[0] for kind in manifest.inputs.values()} for name, manifest in manifests.items()}
        expected = {"policy", "responses", "rewards", "votes"} | ({"trainer_state"} if number > 1 else set())
        assert read["ppo_update"] == expected
        assert read["vote_rewards"] <= {"accepted", "responses", "pool"}
        assert read["sample_responses"] == {"policy", "accepted"}
        assert not any("diagnostics" in kinds for kinds in read.values())
        assert not any(
            "problems" in kinds for name, kinds in read.items() if name not in ("evaluate", "filter_instructions")
        )


def test_what_an_iteration_leaves_enters_the_next(config: RunConfig, runner: Runner) -> None:
    run = run_of(runner(config)[0], runner.store)
    first, second = run.manifests(1), run.manifests(2)
    assert "pool" not in first["generate_instructions"].inputs and "bank" not in first["filter_instructions"].inputs
    assert second["generate_instructions"].inputs["pool"] == f"pool:{first['vote_rewards'].key}"
    assert second["filter_instructions"].inputs["bank"] == f"bank:{first['filter_instructions'].key}"
    assert second["ppo_update"].inputs["policy"] == f"policy:{first['ppo_update'].key}"
    assert second["ppo_update"].inputs["trainer_state"] == f"trainer_state:{first['ppo_update'].key}"
    assert second["ppo_update"].inputs["reference"] == first["ppo_update"].inputs["policy"]


def test_evaluation_every_other_iteration(config: RunConfig, runner: Runner) -> None:
    evaluate = config.evaluate.model_copy(update={"every": 2})
    ledger, _ = runner(config.model_copy(update={"evaluate": evaluate, "iterations": 3}))
    assert [number for number, stages in ledger.stages.items() if "evaluate" in stages] == [0, 2, 3]
    assert iteration_results(run_of(ledger, runner.store), 1)["pass1_sampled"] is None


def test_a_longer_run_keeps_the_last_evaluation_of_the_shorter_one(tmp_path: Path, runner: Runner) -> None:
    """With `every: 2`, raising `iterations` from 1 to 2 dropped iteration 1's evaluation from the revision."""
    config = fake_config(tmp_path, iterations=1)
    evaluation = config.evaluate.model_copy(update={"every": 2})
    config = config.model_copy(update={"evaluate": evaluation})
    shorter, _ = runner(config)
    longer, _ = runner(config.model_copy(update={"iterations": 2}))
    assert longer.stages[1] == shorter.stages[1]
    assert "evaluate" in longer.stages[1]


def test_an_error_leaves_the_ledger_as_it_was(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text("not json\n")
    store = memory_store()
    with fake_resources() as resources, pytest.raises(Exception, match="line 1: not JSON"):
        run_all(config, store, resources)
    assert find_finished(config, store).finished == 0


def test_progress_names_the_stage(config: RunConfig) -> None:
    seen = []
    progress: Progress = lambda stage, done, total, note: seen.append((stage, done, total))  # noqa: E731
    with fake_resources() as resources:
        run_all(config, memory_store(), resources, progress)
    assert {stage for stage, _, _ in seen} >= {"generate_instructions", "sample_responses", "vote_rewards", "evaluate"}
    assert all(0 <= done <= total for _, done, total in seen)


def test_results_say_what_the_tables_say(config: RunConfig, runner: Runner) -> None:
    run = run_of(runner(config)[0], runner.store)
    results = run_results(run)
    assert [row["iteration"] for row in results["iterations"]] == [0, 1, 2]
    second = results["iterations"][2]
    votes = run.table("votes", iteration=2)
    assert second["accepted"] == votes.height == run.table("accepted", iteration=2).height
    assert second["kept"] == votes.filter(decision="kept").height == second["accepted"] - second["dropped"]
    grades = run.table("grades", iteration=2).filter(mode="sampled")
    assert second["pass1_sampled"] == pytest.approx((grades["status"] == "correct").mean())
    low, high = second["pass1_sampled_interval"]
    assert low <= second["pass1_sampled"] <= high
    assert set(second["seconds_per_stage"]) == set(STAGES)
    assert results["iterations"][0]["accepted"] is None and not results["iterations"][0]["update_skipped"]


def test_the_curve_can_be_drawn_again(config: RunConfig, runner: Runner) -> None:
    run = run_of(runner(config)[0], runner.store)
    iterations = run_results(run)["iterations"]
    png = write_curve(run, iterations)
    assert png.startswith(b"\x89PNG") and write_curve(run, iterations) == png == runner.store.read(CURVE)


def _inputs(ledger: RunProgress, store: Store, stage: str) -> dict[int, dict[str, str]]:
    run = run_of(ledger, store)
    return {number: run.manifests(number)[stage].inputs for number in run.iterations if stage in run.manifests(number)}


def test_the_reference_is_the_first_policy_or_a_refreshed_one(config: RunConfig) -> None:
    def references(**changes: object) -> list[int]:
        runner = Runner(memory_store())
        ledger, _ = runner(config.model_copy(update={"iterations": 5, **changes}))
        run = run_of(ledger, runner.store)
        made = {f"policy:{run.ref('policy', number).key}": number for number in run.iterations}
        return [made[inputs["reference"]] for _, inputs in sorted(_inputs(ledger, runner.store, "ppo_update").items())]

    assert references() == [0, 0, 0, 0, 0]
    assert references(refresh_reference=2) == [0, 0, 2, 2, 4]
    assert references(refresh_reference=1) == [0, 1, 2, 3, 4]


def test_adapters_stay_on_the_first_policy(config: RunConfig, runner: Runner) -> None:
    update = UpdateConfig(**config.update.model_dump() | {"lora": LoraConfig()})
    ledger, _ = runner(config.model_copy(update={"update": update}))
    run = run_of(ledger, runner.store)
    for inputs in _inputs(ledger, runner.store, "ppo_update").values():
        assert inputs["base"] == f"policy:{run.ref('policy', 0).key}"


def test_given_questions_take_the_place_of_written_ones(runner: Runner, tmp_path: Path) -> None:
    config = fake_config(tmp_path, instructions="seeds", generate={"questions": 4})
    ledger, _ = runner(config)
    assert list(ledger.stages[1]) == ["draw_instructions", *STAGES[2:]]
    run = run_of(ledger, runner.store)
    assert set(run.table("accepted")["question"]) == set(SEED_QUESTIONS)  # 4 and the other 2
    row = iteration_results(run, 1)
    assert row["accepted"] == 4 and row["candidates"] is None
    assert write_curve(run, run_results(run)["iterations"])[:4] == b"\x89PNG"
    # A vote on given questions never sees their labels.
    assert "labels" not in run.manifests(1)["vote_rewards"].inputs


def test_rewards_by_the_labels_given_with_a_data_set(runner: Runner, tmp_path: Path) -> None:
    rows = [{"question": f"Which number follows {n}?", "answer": n % 3} for n in range(12)]
    path = write_jsonl(tmp_path / "dataset.jsonl", rows)
    config = fake_config(tmp_path, instructions="dataset", dataset={"path": str(path)}, rewards="verified")
    run = run_of(runner(config)[0], runner.store)
    labels = dict(run.table("labels", 1).rows())
    answers = run.table("rewards", 1)
    assert set(run.table("accepted")["question"]) == {row["question"] for row in rows}
    given = answers.filter(status="ok").select("question_id", "answer", "reward").rows()
    assert given and all((answer == labels[name]) == (reward == 1) for name, answer, reward in given)
    assert answers["reward"].sum() > 0


def test_a_frozen_generator_writes_with_the_starting_policy(runner: Runner, tmp_path: Path) -> None:
    run = run_of(runner(fake_config(tmp_path, generator="initial"))[0], runner.store)
    started = run.manifests(0)["fake_policy"].key
    written = [run.manifests(number)["generate_instructions"].inputs["policy"] for number in (1, 2)]
    answered = [run.manifests(number)["sample_responses"].inputs["policy"] for number in (1, 2)]
    assert written == [f"policy:{started}"] * 2 and answered[1] != answered[0] == written[0]
