"""The watchdog: bounds computed by hand; runs that stop, roll back and restart."""

import re
from pathlib import Path
from typing import Any

import pytest

from flows import watchdog
from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.config.watchdog import Watchdog
from flows.reporting.results import alarms, iteration_results, run_results
from flows.run_loop import run_all
from flows.run_progress import RunProgress, find_finished
from flows.watchdog import RULES, Breach, Breached, Collapsed, Health
from stages import schemas
from stages.contract import Context
from storage.errors import ConfigError
from storage.run import Run, newest_revision
from storage.store import Store
from tests.helpers import fake_config, fake_resources, memory_store, put_table

HEALTHY: dict[str, float] = {
    "generate/candidates": 100,
    "generate/prompts": 50,
    "vote/kept": 40,
    "vote/dropped": 24,
    "vote/mean_share": 0.5,
    "vote/effective_answers": 30.0,
    "vote/unanswered_share": 0.1,
    "sample/mean_length": 200.0,
    "sample/truncated_share": 0.05,
    "generate/distinct_3": 0.6,
    "filter/acceptance_rate": 0.8,
}
STOP = Watchdog()


def after(*iterations: dict[str, float], settings: Watchdog = STOP) -> Health:
    """Return the health after iterations with the metrics of `HEALTHY` and these changes."""
    health = Health()
    for number, changes in enumerate(iterations, start=1):
        health = health.before_update(settings, number, 0, {**HEALTHY, **changes})
    return health


def breach_of(*iterations: dict[str, float], settings: Watchdog = STOP) -> Breach:
    with pytest.raises(Breached) as caught:
        after(*iterations, settings=settings)
    return caught.value.breaches[-1]


@pytest.mark.parametrize(
    ("bound", "metric", "good", "bad"),
    [
        ("majority_share", "vote/mean_share", 0.98, 0.981),
        ("agreement", "vote/mean_share", 0.35, 0.34),  # 0.7 of 0.5
        ("answer_diversity", "vote/effective_answers", 12.1, 11.9),  # 0.4 of 30
        ("shorter", "sample/mean_length", 100.0, 99.0),
        ("longer", "sample/mean_length", 800.0, 801.0),
        ("truncated", "sample/truncated_share", 0.35, 0.36),  # 0.3 above 0.05
        ("no_answer", "vote/unanswered_share", 0.29, 0.31),
        ("question_diversity", "generate/distinct_3", 0.3, 0.29),
        ("acceptance", "filter/acceptance_rate", 0.2, 0.19),
    ],
)
def test_bound_separates_good_from_bad(bound: str, metric: str, good: float, bad: float) -> None:
    assert after({}, {metric: good}).breaches == ()
    breach = breach_of({}, {}, {metric: bad})
    assert (breach.bound, breach.iteration, breach.action, breach.last_good) == (bound, 3, "stop", 1)
    assert f"watchdog.{bound}" in breach.message and f"is {bad:.3g}" in breach.message
    off = Watchdog.model_validate({bound: None})
    assert after({}, {}, {metric: bad}, settings=off).breaches == ()


def test_every_bound_has_a_rule_and_a_reason() -> None:
    bounds = set(Watchdog.model_fields) - {"on_breach", "max_rollbacks", "validation_loss"}
    assert bounds == {rule.bound for rule in RULES}
    assert all(len(field.description or "") > 60 for name, field in Watchdog.model_fields.items() if name in bounds)


def test_first_iteration_has_no_start_to_compare_with() -> None:
    assert after({"sample/mean_length": 3.0}).breaches == ()


def test_breach_in_the_first_iteration_has_no_good_policy() -> None:
    assert breach_of({"vote/mean_share": 0.99}).last_good is None


def test_few_questions_warn_until_they_are_enough() -> None:
    """With 16 questions an iteration, as published, the start has four iterations and four breaches decide."""
    few, short = {"vote/kept": 10, "vote/dropped": 6}, {"sample/mean_length": 20.0}
    healthy, bad = [few] * 4, {**few, **short}
    health = after(*healthy, bad, bad, bad)
    assert [(breach.iteration, breach.action) for breach in health.breaches] == [(5, "warn"), (6, "warn"), (7, "warn")]
    breach = breach_of(*healthy, bad, bad, bad, bad)
    assert (breach.iteration, breach.action, breach.last_good) == (8, "stop", 3)  # policy 4 wrote what 5 shows
    # A healthy iteration in between resets the count.
    assert after(*healthy, bad, bad, bad, few, bad, bad, bad).breaches[-1].action == "warn"


def test_generator_that_writes_one_question_is_stopped() -> None:
    one_question = {"generate/distinct_3": 0.01, "filter/acceptance_rate": 0.01, "vote/kept": 1, "vote/dropped": 0}
    assert breach_of({}, {}, one_question).bound in ("question_diversity", "acceptance")
    nothing = {"generate/candidates": 0, "vote/kept": 0, "vote/dropped": 0, "vote/mean_share": 0.0}
    health = after({}, {}, nothing)  # 50 prompts without a question: not yet enough
    assert [(breach.bound, breach.action) for breach in health.breaches] == [("acceptance", "warn")]
    assert breach_of({}, {}, nothing, nothing).bound == "acceptance"


def test_too_few_kept_questions_are_an_alarm_after_three_iterations() -> None:
    few, enough = {"rounds/reached": 0.09}, {"rounds/reached": 0.1}
    nothing = {"rounds/reached": 0.0, "vote/kept": 0, "vote/dropped": 0}
    assert [breach.action for breach in after(few, nothing, enough, few, few).breaches] == ["warn"] * 4
    breach = breach_of(enough, few, nothing, few)
    assert (breach.bound, breach.iteration, breach.last_good) == ("few_questions", 4, 0)
    assert (
        breach.message == "the share of questions_per_update that was kept is 0.09, below 0.1 (watchdog.few_questions)"
    )
    assert after(few, few, few, settings=Watchdog(few_questions=None)).breaches == ()
    assert "few_questions" not in Watchdog().model_dump() and Watchdog(few_questions=0.2).model_dump()["few_questions"]


def test_start_is_the_mean_over_questions() -> None:
    small = {"vote/kept": 16, "vote/dropped": 0, "sample/mean_length": 100.0}
    large = {"vote/kept": 48, "vote/dropped": 0, "sample/mean_length": 300.0}
    # (16 * 100 + 48 * 300) / 64 = 250, and half of that is 125.
    assert after(small, large, {"sample/mean_length": 126.0}).breaches == ()
    assert breach_of(small, large, {"sample/mean_length": 124.0}).message.startswith(
        "the mean length of responses is 124, less than 0.5 times the 250 of the start"
    )


def test_kl_stops_only_at_the_second_breach() -> None:
    """One token of a healthy run once raised the mean of an iteration to 1.65."""
    health = after({}, {})
    assert health.after_update(STOP, 0, {"train/kl": 0.9}).breaches == ()
    warned = health.after_update(STOP, 0, {"train/kl": 1.1})
    assert [(breach.action, breach.last_good) for breach in warned.breaches] == [("warn", 1)]
    third = warned.before_update(STOP, 3, 0, HEALTHY)
    assert len(third.after_update(STOP, 0, {"train/kl": 0.1}).breaches) == 1
    with pytest.raises(Breached) as caught:
        third.after_update(STOP, 0, {"train/kl": 1.1})
    assert caught.value.breaches[-1].last_good == 1
    # With update.kl_coef 0 the KL is not measured.
    assert third.after_update(STOP, 0, {"train/kl": None}).breaches == warned.breaches


def test_gap_between_engine_and_trainer_only_warns() -> None:
    """Nothing has collapsed, and after a rollback the gap would be the same."""
    for action in ("warn", "stop", "rollback"):
        settings = Watchdog(on_breach=action)  # type: ignore[arg-type]
        health = after({}, settings=settings).after_update(settings, 0, {"train/behaviour_gap": 0.25})
        (breach,) = health.breaches
        assert breach.action == "warn" and "is 0.25, above 0.1 (watchdog.train_inference_logprob_gap)" in breach.message


def test_breach_with_the_earlier_good_policy_decides() -> None:
    few = {"vote/kept": 10, "vote/dropped": 22}
    start, short = [few, few], {**few, "sample/mean_length": 20.0}
    breach = breach_of(*start, short, {**short, "vote/mean_share": 0.99, "vote/kept": 64})
    assert (breach.bound, breach.last_good) == ("shorter", 1)


def validated(context: Context, health: Health, iteration: int, rights: list[int], of: int = 4) -> Health:
    """Return the health after an evaluation; `rights` are the numbers of right responses of each problem."""
    rows = [
        {
            "benchmark": "valid",
            "problem_id": str(problem),
            "mode": "sampled",
            "sample_index": index,
            "seed": 0,
            "response": "",
            "response_tokens": 1,
            "finish_reason": "stop",
            "answer": None,
            "answer_class": None,
            "status": "correct" if index < right else "wrong",
        }
        for problem, right in enumerate(rights)
        for index in range(of)
    ]
    accuracy = sum(rights) / (of * len(rights))
    grades = put_table(context, "grades", schemas.GRADES, rows)
    return health.after_evaluation(STOP, iteration, 0, ["valid"], {"eval/valid/pass1_sampled": accuracy}, grades)


def test_lost_validation_accuracy_is_a_breach(context: Context) -> None:
    health = validated(context, Health(), 0, [2] * 50 + [3] * 50)
    health = validated(context, health, 1, [2] * 40 + [3] * 60)
    health = validated(context, health, 2, [2] * 45 + [3] * 55)  # 1.25 points below the best
    assert health.breaches == ()
    with pytest.raises(Breached) as caught:
        validated(context, health, 3, [2] * 55 + [3] * 45)  # 3.75 points, on 15 of 100 problems: no chance
    (breach,) = caught.value.breaches
    assert (breach.bound, breach.last_good) == ("validation_loss", 2)
    assert "accuracy on valid is 0.613, after 0.650 in iteration 1, a loss of more than 0.03" in breach.message


def test_loss_that_may_be_chance_is_no_breach(context: Context) -> None:
    """The same 3.75 points, but 40 of 100 problems got better while 55 got worse."""
    before = [2] * 100
    after_update = [1] * 55 + [3] * 40 + [2] * 5
    health = validated(context, Health(), 0, before)
    assert validated(context, health, 1, after_update).breaches == ()


# Whole runs on the fake engine. They never reach five times the agreement of the start: iteration 2 always breaches.


@pytest.fixture
def one_question_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "ENOUGH_QUESTIONS", 1)


def breaching_config(folder: Path, **settings: Any) -> RunConfig:
    return fake_config(folder, iterations=4, watchdog={"agreement": 5.0, **settings})


def run(config: RunConfig, store: Store) -> RunProgress:
    with fake_resources() as resources:
        return run_all(config, store, resources)


def stop_message(config: RunConfig, store: Store) -> str:
    with pytest.raises(Collapsed) as caught:
        run(config, store)
    return str(caught.value)


def executions(store: Store) -> set[str]:
    return {f"{folder}/{name}" for folder in store.names("timings") for name in store.names(f"timings/{folder}")}


def current(store: Store) -> Run:
    revision = newest_revision(store)
    assert revision is not None
    return Run(store, revision)


@pytest.mark.usefixtures("one_question_is_enough")
def test_run_stops_before_update_and_names_the_good_policy(tmp_path: Path) -> None:
    config, store = breaching_config(tmp_path), memory_store()
    message = stop_message(config, store)
    assert f"the watchdog stopped {config.uri} in iteration 2: the mean share of the majority is" in message
    assert "the last good policy is that of iteration 0" in message and "watchdog.on_breach=rollback" in message
    # The tables of the stopped iteration can be read, and its update did not run.
    stored_run = current(store)
    assert stored_run.iterations == [0, 1, 2]
    assert "vote_rewards" in stored_run.manifests(2) and "ppo_update" not in stored_run.manifests(2)
    (alarm,) = alarms(stored_run)
    assert alarm.startswith("iteration 2: the mean share") and alarm.endswith("; stopped")
    assert run_results(stored_run)["alarms"] == iteration_results(stored_run, 2)["alarms"] == [alarm]
    # The policy of a stopped run is the last good one.
    assert stored_run.policy() == stored_run.policy(0) != stored_run.policy(1)
    # A second start raises the same message at once.
    before = executions(store)
    assert stop_message(config, store) == message and executions(store) == before
    assert find_finished(config, store).stopped == message


@pytest.mark.usefixtures("one_question_is_enough")
def test_stopped_run_resumes_if_the_bound_is_changed(tmp_path: Path) -> None:
    config, store = breaching_config(tmp_path), memory_store()
    stop_message(config, store)
    before = executions(store)
    warned = run(breaching_config(tmp_path, on_breach="warn"), store)
    assert warned.complete
    # Iterations 0 and 1, and iteration 2 up to the vote, existed.
    assert not {name for name in executions(store) - before if name.startswith(("iteration=0000", "iteration=0001"))}
    assert [alarm.split(":")[0] for alarm in alarms(current(store))] == ["iteration 2", "iteration 3", "iteration 4"]
    assert run(breaching_config(tmp_path, agreement=None), store).complete
    assert alarms(current(store)) == []


@pytest.mark.usefixtures("one_question_is_enough")
def test_rollbacks_use_other_random_numbers_and_are_limited(tmp_path: Path) -> None:
    config, store = breaching_config(tmp_path, on_breach="rollback", max_rollbacks=2), memory_store()
    message = stop_message(config, store)
    assert "in iteration 2 after 2 rollback(s)" in message
    stored_run = current(store)
    assert [alarm.split(": ")[0] for alarm in alarms(stored_run)] == [
        "iteration 2",
        "iteration 2 of branch 1",
        "iteration 2 of branch 2",
    ]
    assert [alarm.rsplit("; ", 1)[1] for alarm in alarms(stored_run)] == ["went back to iteration 0"] * 2 + ["stopped"]
    # Every branch wrote different questions.
    progress = find_finished(config, store)
    assert progress.branch == 2 and len(progress.abandoned) == 4  # iterations 1 and 2 of two branches
    written = [
        stages["filter_instructions"] for stages in (*progress.abandoned, progress.stages[1], progress.stages[2])
    ]
    assert len(set(written)) == 6


@pytest.mark.usefixtures("one_question_is_enough")
def test_run_recovers_after_rollbacks(tmp_path: Path) -> None:
    """Branch 0 breaches a bound and a later branch does not. The store alone then gives the same progress."""
    config, store = breaching_config(tmp_path, on_breach="rollback", max_rollbacks=30), memory_store()
    stop_message(config, store)
    numbers = [
        re.findall(r"is ([\d.]+), .* the ([\d.]+) of", b["message"])[0] for b in current(store).revision.breaches
    ]
    values, start = [float(value) for value, _ in numbers], float(numbers[0][1])
    assert values[0] < max(values), "this seed's first branch is the best; choose another"
    recovering = breaching_config(
        tmp_path, on_breach="rollback", max_rollbacks=30, agreement=(values[0] + 1e-3) / start
    )
    fresh = memory_store()
    progress = run(recovering, fresh)
    assert progress.complete and progress.branch > 0
    assert find_finished(recovering, fresh).revision() == progress.revision()
    stored_run = current(fresh)
    assert stored_run.iterations == [0, 1, 2, 3, 4]
    assert {manifest.branch for manifest in stored_run.manifests(0).values()} == {0}
    assert {manifest.branch for manifest in stored_run.manifests(1).values()} >= {1}
    # The weights of abandoned iterations are removed.
    kept = {path.split("/")[2] for path in fresh.listing("policy")}
    abandoned = {stages["ppo_update"] for stages in progress.abandoned if "ppo_update" in stages}
    assert abandoned and not {f"key=k{path.removesuffix('.json').rsplit('-', 1)[1]}" for path in abandoned} & kept


@pytest.mark.usefixtures("one_question_is_enough")
@pytest.mark.parametrize("after_executions", range(1, 26, 4))
def test_rollback_survives_a_kill_at_any_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_executions: int
) -> None:
    from flows import runners

    config = breaching_config(tmp_path, on_breach="rollback", max_rollbacks=1)
    uninterrupted, interrupted = memory_store(), memory_store()
    message = stop_message(config, uninterrupted)
    original, count = runners.run_stage, 0

    def run_stage(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > after_executions:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runners, "run_stage", run_stage)
        with pytest.raises((KeyboardInterrupt, Collapsed)):
            run(config, interrupted)
    assert stop_message(config, interrupted) == message
    assert current(interrupted).revision == current(uninterrupted).revision


def test_rollback_targets_are_the_possible_good_policies() -> None:
    health = after({}, {}, {})
    assert health.rollback_targets(4) == {2, 3}
    few = {"vote/kept": 10, "vote/dropped": 6}
    bad = {**few, "sample/mean_length": 20.0}
    suspect = after(few, few, few, few, bad, bad)
    assert suspect.rollback_targets(7) == {3, 5, 6}  # 5 is the first bad iteration, so policy 3 is the last good one


def test_old_name_of_the_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="alarms: unknown setting"):
        fake_config(tmp_path, alarms={"behaviour_gap": 0.1})


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_watchdog_is_on_by_default(path: Path) -> None:
    config = load_config(path)
    # A control with random rewards is expected to become worse.
    assert config.watchdog == Watchdog(on_breach="warn" if config.rewards == "random" else "stop")
    assert Watchdog().on_breach == "stop"
