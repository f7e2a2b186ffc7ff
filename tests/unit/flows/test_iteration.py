"""A whole run without Prefect: finished stages are found again, and missing stages run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flows.config.run import RunConfig
from flows.iteration import iterate, start
from flows.reporting.document import Text, report
from flows.reporting.plots import write_curve
from flows.reporting.results import CURVE_PATH, iteration_results, run_results
from flows.rounds.state import Inputs
from flows.run_loop import run_all
from flows.run_progress import RunProgress, find_finished
from flows.stage_settings import resolve
from stages.contract import Progress, Result, Stage
from stages.engines.base import Completion, SamplingParams
from stages.engines.fake import FakeEngine
from stages.settings import Settings
from stages.settings.update import LoraConfig, UpdateConfig
from storage.artifact import ArtifactRef
from storage.run import Run
from storage.store import Store
from tests.helpers import SEED_QUESTIONS, fake_config, fake_resources, memory_store, write_jsonl

STAGES = ["generate_instructions", "filter_instructions", "sample_responses", "vote_rewards", "ppo_update", "evaluate"]


@dataclass
class Runner:
    """Runs configs on one in-memory store and returns which stages were executed."""

    store: Store

    def __call__(self, config: RunConfig) -> tuple[RunProgress, list[str]]:
        before = self.timings()
        with fake_resources() as resources:
            progress = run_all(config, self.store, resources)
        return progress, sorted(self.timings() - before)

    def timings(self) -> set[str]:
        """Return `iteration/stage-unique` of each execution."""
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


def run_of(progress: RunProgress, store: Store) -> Run:
    return Run(store, progress.revision())


def test_run_executes_all_stages_of_all_iterations(config: RunConfig, runner: Runner) -> None:
    progress, _ = runner(config)
    assert progress.complete and progress.finished == 3
    assert list(progress.stages[0]) == ["import_seeds", "import_problems", "fake_policy", "evaluate"]
    assert list(progress.stages[1]) == list(progress.stages[2]) == STAGES


def test_finished_run_computes_nothing(config: RunConfig, runner: Runner) -> None:
    first, executed = runner(config)
    assert len(executed) == 4 + 2 * 6
    again, computed = runner(config)
    assert computed == [] and again.stages == first.stages
    assert find_finished(config, runner.store).revision() == first.revision()


def test_nothing_is_finished_in_an_empty_store(config: RunConfig) -> None:
    store = memory_store()
    progress = find_finished(config, store)
    assert progress.finished == 0 and progress.states == [] and not progress.complete
    assert store.names("") == []


def test_more_iterations_recompute_nothing(config: RunConfig, runner: Runner) -> None:
    runner(config)
    progress, computed = runner(config.model_copy(update={"iterations": 3}))
    assert progress.finished == 4
    assert {name.split("/")[0] for name in computed} == {"3"} and len(computed) == 6


def test_placement_recomputes_nothing(config: RunConfig, runner: Runner) -> None:
    runner(config)
    compute = config.compute.model_copy(update={"shard_rows": 100, "threads": 2})
    assert runner(config.model_copy(update={"compute": compute}))[1] == []


def test_changed_gate_recomputes_vote_and_later_stages(config: RunConfig, runner: Runner) -> None:
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


def test_update_with_too_few_questions_is_skipped(config: RunConfig, runner: Runner) -> None:
    progress, _ = runner(config.model_copy(update={"min_kept": 1_000}))
    run = run_of(progress, runner.store)
    assert all("ppo_update" not in progress.stages[number] for number in (1, 2))
    assert run.policy(2) == run.policy(1) == run.policy(0)
    assert [iteration_results(run, number)["update_skipped"] for number in range(3)] == [False, True, True]
    # The same policy must still write new questions.
    first, second = (set(run.table("candidates", iteration=number)["question"]) for number in (1, 2))
    assert first != second


class CutOffEngine(FakeEngine):
    """The fake engine, whose answers have a box and are cut off after it."""

    def _respond(self, prompt: Sequence[int], params: SamplingParams, seed: int) -> Completion:
        completion = super()._respond(prompt, params, seed)
        return completion if "1." in completion.text else replace(completion, finish_reason="length")


@pytest.mark.parametrize(("overlong", "updated"), [("mask", False), ("keep", True), ("penalise", True)])
def test_update_is_skipped_if_all_responses_are_masked(
    config: RunConfig, runner: Runner, overlong: str, updated: bool
) -> None:
    """Such an iteration used to end the run."""
    update = config.update.model_copy(update={"overlong": overlong})
    with fake_resources(CutOffEngine()) as resources:
        progress = run_all(config.model_copy(update={"update": update}), runner.store, resources)
    run = run_of(progress, runner.store)
    assert progress.complete
    for number in (1, 2):
        metrics = run.metrics(number)
        assert metrics["vote/kept"] > 0 and metrics["vote/complete_responses"] == 0
        assert ("ppo_update" in progress.stages[number]) == updated
        assert iteration_results(run, number)["update_skipped"] != updated
    assert (run.policy(2) == run.policy(0)) != updated
    texts = [part.text for part in report(run, run_results(run)["iterations"], b"") if isinstance(part, Text)]
    reason = "The policy was not updated in iteration 2: every response to the kept questions was cut off, and "
    assert any(text.startswith(reason) for text in texts) != updated


def test_masked_update_happens_if_a_response_is_whole(config: RunConfig, runner: Runner) -> None:
    update = config.update.model_copy(update={"overlong": "mask"})
    progress, _ = runner(config.model_copy(update={"update": update}))
    assert all("ppo_update" in progress.stages[number] for number in (1, 2))


def test_labels_reach_no_policy(config: RunConfig, runner: Runner) -> None:
    """The seeds have answers, but neither these nor diagnostics reach a reward or an update."""
    run = run_of(runner(config)[0], runner.store)
    for number in (1, 2):
        manifests = run.manifests(number)
        kinds_read = {
            name: {kind.split(":")[0] for kind in manifest.inputs.values()} for name, manifest in manifests.items()
        }
        expected = {"policy", "responses", "rewards", "votes"} | ({"trainer_state"} if number > 1 else set())
        assert kinds_read["ppo_update"] == expected
        assert kinds_read["vote_rewards"] <= {"accepted", "responses", "pool"}
        assert kinds_read["sample_responses"] == {"policy", "accepted"}
        assert not any("diagnostics" in kinds for kinds in kinds_read.values())
        assert not any(
            "problems" in kinds for name, kinds in kinds_read.items() if name not in ("evaluate", "filter_instructions")
        )


def test_state_passes_to_the_next_iteration(config: RunConfig, runner: Runner) -> None:
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
    progress, _ = runner(config.model_copy(update={"evaluate": evaluate, "iterations": 3}))
    assert [number for number, stages in progress.stages.items() if "evaluate" in stages] == [0, 2, 3]
    assert iteration_results(run_of(progress, runner.store), 1)["pass1_sampled"] is None


def test_longer_run_keeps_last_evaluation_of_shorter_run(tmp_path: Path, runner: Runner) -> None:
    """With `every: 2`, raising `iterations` from 1 to 2 dropped iteration 1's evaluation from the revision."""
    config = fake_config(tmp_path, iterations=1)
    evaluation = config.evaluate.model_copy(update={"every": 2})
    config = config.model_copy(update={"evaluate": evaluation})
    shorter, _ = runner(config)
    longer, _ = runner(config.model_copy(update={"iterations": 2}))
    assert longer.stages[1] == shorter.stages[1]
    assert "evaluate" in longer.stages[1]


def test_error_leaves_progress_unchanged(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text("not json\n")
    store = memory_store()
    with fake_resources() as resources, pytest.raises(Exception, match="line 1: not JSON"):
        run_all(config, store, resources)
    assert find_finished(config, store).finished == 0


def test_progress_names_the_stage(config: RunConfig) -> None:
    updates = []
    record: Progress = lambda stage, done, total, note: updates.append((stage, done, total))  # noqa: E731
    with fake_resources() as resources:
        run_all(config, memory_store(), resources, record)
    assert {stage for stage, _, _ in updates} >= {
        "generate_instructions",
        "sample_responses",
        "vote_rewards",
        "evaluate",
    }
    assert all(0 <= done <= total for _, done, total in updates)


def test_results_equal_the_tables(config: RunConfig, runner: Runner) -> None:
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


def test_curve_can_be_drawn_again(config: RunConfig, runner: Runner) -> None:
    run = run_of(runner(config)[0], runner.store)
    iterations = run_results(run)["iterations"]
    png = write_curve(run, iterations)
    assert png.startswith(b"\x89PNG") and write_curve(run, iterations) == png == runner.store.read(CURVE_PATH)


def _inputs(progress: RunProgress, store: Store, stage: str) -> dict[int, dict[str, str]]:
    run = run_of(progress, store)
    return {number: run.manifests(number)[stage].inputs for number in run.iterations if stage in run.manifests(number)}


def test_reference_is_the_first_policy_or_a_refreshed_one(config: RunConfig) -> None:
    def references(**changes: object) -> list[int]:
        runner = Runner(memory_store())
        progress, _ = runner(config.model_copy(update={"iterations": 5, **changes}))
        run = run_of(progress, runner.store)
        iteration_of = {f"policy:{run.ref('policy', number).key}": number for number in run.iterations}
        return [
            iteration_of[inputs["reference"]]
            for _, inputs in sorted(_inputs(progress, runner.store, "ppo_update").items())
        ]

    assert references() == [0, 0, 0, 0, 0]
    assert references(refresh_reference=2) == [0, 0, 2, 2, 4]
    assert references(refresh_reference=1) == [0, 1, 2, 3, 4]


def test_adapters_belong_to_the_first_policy(config: RunConfig, runner: Runner) -> None:
    update = UpdateConfig(**config.update.model_dump() | {"lora": LoraConfig()})
    progress, _ = runner(config.model_copy(update={"update": update}))
    run = run_of(progress, runner.store)
    for inputs in _inputs(progress, runner.store, "ppo_update").values():
        assert inputs["base"] == f"policy:{run.ref('policy', 0).key}"


def test_seed_questions_replace_written_questions(runner: Runner, tmp_path: Path) -> None:
    config = fake_config(tmp_path, instructions="seeds", generate={"questions": 4})
    progress, _ = runner(config)
    assert list(progress.stages[1]) == ["draw_instructions", *STAGES[2:]]
    run = run_of(progress, runner.store)
    assert set(run.table("accepted")["question"]) == set(SEED_QUESTIONS)  # 4 and the other 2
    row = iteration_results(run, 1)
    assert row["accepted"] == 4 and row["candidates"] is None
    assert write_curve(run, run_results(run)["iterations"])[:4] == b"\x89PNG"
    # A vote on seed questions never reads their labels.
    assert "labels" not in run.manifests(1)["vote_rewards"].inputs


def test_labels_of_a_data_set_pay_rewards(runner: Runner, tmp_path: Path) -> None:
    rows = [{"question": f"Which number follows {n}?", "answer": n % 3} for n in range(12)]
    path = write_jsonl(tmp_path / "dataset.jsonl", rows)
    config = fake_config(tmp_path, instructions="dataset", dataset={"path": str(path)}, rewards="verified")
    run = run_of(runner(config)[0], runner.store)
    labels = dict(run.table("labels", 1).rows())
    answers = run.table("rewards", 1)
    assert set(run.table("accepted")["question"]) == {row["question"] for row in rows}
    answered = answers.filter(status="ok").select("question_id", "answer", "reward").rows()
    assert answered and all((answer == labels[name]) == (reward == 1) for name, answer, reward in answered)
    assert answers["reward"].sum() > 0


def test_frozen_generator_writes_with_the_initial_policy(runner: Runner, tmp_path: Path) -> None:
    run = run_of(runner(fake_config(tmp_path, generator="initial"))[0], runner.store)
    initial_key = run.manifests(0)["fake_policy"].key
    written = [run.manifests(number)["generate_instructions"].inputs["policy"] for number in (1, 2)]
    answered = [run.manifests(number)["sample_responses"].inputs["policy"] for number in (1, 2)]
    assert written == [f"policy:{initial_key}"] * 2 and answered[1] != answered[0] == written[0]


@pytest.mark.parametrize("use", [("empty", "too_short"), ("empty", "copies_example")])
def test_the_filter_sees_the_prompts_only_if_a_rule_compares_with_their_examples(
    config: RunConfig, use: tuple[str, ...]
) -> None:
    """So a run whose rules are the published ones keeps its keys."""
    resolved = resolve(config)
    rules = resolved.filter.rules.model_copy(update={"use": use})
    resolved = replace(resolved, filter=resolved.filter.model_copy(update={"rules": rules}))
    seen: dict[str, set[str]] = {}

    class Watching:
        def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
            seen[stage.name] = {name for name, ref in inputs.items() if ref is not None}
            refs = {name: ArtifactRef(kind=name, key="k", uri="", path="") for name in (*stage.tables, *stage.folders)}
            return Result(refs=refs, metrics={"vote/kept": 0, "vote/complete_responses": 0}, skipped=False)

        def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> None:
            return None

    state = start(resolved, Watching())
    iterate(resolved, 1, 0, state, Watching())
    prompts = {"generations"} if "copies_example" in use else set()
    assert seen["filter_instructions"] == {"candidates", "seeds", "problems", *prompts}
    iterate(resolved, 2, 0, replace(state, pool=state.seeds, bank=state.seeds), Watching())
    pool = {*prompts, "pool"} if prompts else set()
    assert seen["filter_instructions"] == {"candidates", "seeds", "problems", "bank", *pool}
