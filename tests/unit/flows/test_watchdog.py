"""The watchdog's bounds by hand; a run that stops, one that goes back, and both after a restart."""

import re
from pathlib import Path
from typing import Any

import pytest

from flows import watchdog
from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.config.watchdog import Watchdog
from flows.reporting.results import alarms, iteration_results, run_results
from flows.run_state import RunProgress, find_finished
from flows.watchdog import RULES, Breach, Breached, Collapsed, Health
from stages import schemas
from stages.contract import Context
from storage.errors import ConfigError
from storage.run import Run, newest_revision
from storage.store import Store
from tests.helpers import fake_config, fake_resources, memory_store, put_table, run_all

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
    """Health after iterations that show `HEALTHY` with these changes."""
    health = Health()
    for number, changes in enumerate(iterations, start=1):
        health = health.before_update(settings, number, 0, {**HEALTHY, **changes})
    return health


def breach_of(*iterations: dict[str, float], settings: Watchdog = STOP) -> Breach:
    with pytest.raises(Breached) as found:
        after(*iterations, settings=settings)
    return found.value.breaches[-1]


@pytest.mark.parametrize(
    ("bound", "metric", "still_good", "bad"),
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
def test_each_bound(bound: str, metric: str, still_good: float, bad: float) -> None:
    assert after({}, {metric: still_good}).breaches == ()
    breach = breach_of({}, {}, {metric: bad})
    assert (breach.bound, breach.iteration, breach.action, breach.last_good) == (bound, 3, "stop", 1)
    assert f"watchdog.{bound}" in breach.message and f"is {bad:.3g}" in breach.message
    off = Watchdog.model_validate({bound: None})
    assert after({}, {}, {metric: bad}, settings=off).breaches == ()


def test_every_bound_has_a_rule_and_a_reason() -> None:
    bounds = set(Watchdog.model_fields) - {"on_breach", "max_rollbacks", "validation_loss"}
    assert bounds == {rule.bound for rule in RULES}
    assert all(len(field.description or "") > 60 for name, field in Watchdog.model_fields.items() if name in bounds)


def test_nothing_is_compared_with_a_start_that_is_not_there_yet() -> None:
    assert after({"sample/mean_length": 3.0}).breaches == ()


def test_a_policy_that_agrees_with_itself_from_the_start_has_no_good_one_before() -> None:
    assert breach_of({"vote/mean_share": 0.99}).last_good is None


def test_few_questions_warn_until_there_are_enough() -> None:
    """Of 16 questions each, as the published setting has them: four in a row decide, and the start is four."""
    few, short = {"vote/kept": 10, "vote/dropped": 6}, {"sample/mean_length": 20.0}
    healthy, bad = [few] * 4, {**few, **short}
    health = after(*healthy, bad, bad, bad)
    assert [(breach.iteration, breach.action) for breach in health.breaches] == [(5, "warn"), (6, "warn"), (7, "warn")]
    breach = breach_of(*healthy, bad, bad, bad, bad)
    assert (breach.iteration, breach.action, breach.last_good) == (8, "stop", 3)  # policy 4 wrote what 5 shows
    # A healthy iteration between them starts the count anew.
    assert after(*healthy, bad, bad, bad, few, bad, bad, bad).breaches[-1].action == "warn"


def test_a_generator_that_writes_one_question_leaves_few_to_vote_on_and_is_stopped_all_the_same() -> None:
    one = {"generate/distinct_3": 0.01, "filter/acceptance_rate": 0.01, "vote/kept": 1, "vote/dropped": 0}
    assert breach_of({}, {}, one).bound in ("question_diversity", "acceptance")
    nothing = {"generate/candidates": 0, "vote/kept": 0, "vote/dropped": 0, "vote/mean_share": 0.0}
    health = after({}, {}, nothing)  # 50 prompts without a question: not yet enough
    assert [(breach.bound, breach.action) for breach in health.breaches] == [("acceptance", "warn")]
    assert breach_of({}, {}, nothing, nothing).bound == "acceptance"


def test_the_start_is_the_mean_over_questions_not_over_iterations() -> None:
    small = {"vote/kept": 16, "vote/dropped": 0, "sample/mean_length": 100.0}
    large = {"vote/kept": 48, "vote/dropped": 0, "sample/mean_length": 300.0}
    # (16 * 100 + 48 * 300) / 64 = 250, and half of that is 125.
    assert after(small, large, {"sample/mean_length": 126.0}).breaches == ()
    assert breach_of(small, large, {"sample/mean_length": 124.0}).message.startswith(
        "the mean length of responses is 124, less than 0.5 times the 250 of the start"
    )


def test_kl_shows_the_new_policys_doing_and_has_to_do_so_twice() -> None:
    """One token of a healthy run once raised the mean of an iteration to 1.65."""
    health = after({}, {})
    assert health.after_update(STOP, 0, {"train/kl": 0.9}).breaches == ()
    warned = health.after_update(STOP, 0, {"train/kl": 1.1})
    assert [(breach.action, breach.last_good) for breach in warned.breaches] == [("warn", 1)]
    third = warned.before_update(STOP, 3, 0, HEALTHY)
    assert len(third.after_update(STOP, 0, {"train/kl": 0.1}).breaches) == 1
    with pytest.raises(Breached) as found:
        third.after_update(STOP, 0, {"train/kl": 1.1})
    assert found.value.breaches[-1].last_good == 1


def test_a_gap_between_engine_and_trainer_only_warns() -> None:
    """Nothing has collapsed, and going back would meet the same gap."""
    for action in ("warn", "stop", "rollback"):
        settings = Watchdog(on_breach=action)  # type: ignore[arg-type]
        health = after({}, settings=settings).after_update(settings, 0, {"train/behaviour_gap": 0.25})
        (breach,) = health.breaches
        assert breach.action == "warn" and "is 0.25, above 0.1 (watchdog.train_inference_logprob_gap)" in breach.message


def test_of_two_breaches_the_one_that_goes_back_further_decides() -> None:
    few = {"vote/kept": 10, "vote/dropped": 22}
    start, short = [few, few], {**few, "sample/mean_length": 20.0}
    breach = breach_of(*start, short, {**short, "vote/mean_share": 0.99, "vote/kept": 64})
    assert (breach.bound, breach.last_good) == ("shorter", 1)


def validated(context: Context, health: Health, iteration: int, rights: list[int], of: int = 4) -> Health:
    """`rights`: how many of each problem's responses are right."""
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


def test_accuracy_lost_on_a_validation_set(context: Context) -> None:
    health = validated(context, Health(), 0, [2] * 50 + [3] * 50)
    health = validated(context, health, 1, [2] * 40 + [3] * 60)
    health = validated(context, health, 2, [2] * 45 + [3] * 55)  # 1.25 points below the best
    assert health.breaches == ()
    with pytest.raises(Breached) as found:
        validated(context, health, 3, [2] * 55 + [3] * 45)  # 3.75 points, on 15 of 100 problems: no chance
    (breach,) = found.value.breaches
    assert (breach.bound, breach.last_good) == ("validation_loss", 2)
    assert "accuracy on valid is 0.613, after 0.650 in iteration 1, a loss of more than 0.03" in breach.message


def test_a_loss_that_may_be_chance_is_none(context: Context) -> None:
    """The same 3.75 points, but 40 of 100 problems got better while 55 got worse."""
    before = [2] * 100
    after_it = [1] * 55 + [3] * 40 + [2] * 5
    health = validated(context, Health(), 0, before)
    assert validated(context, health, 1, after_it).breaches == ()


# A whole run, on the fake engine. Agreement of five times the start's is never reached: iteration 2 is always a breach.


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "ENOUGH_QUESTIONS", 1)


def never_good(folder: Path, **settings: Any) -> RunConfig:
    return fake_config(folder, iterations=4, watchdog={"agreement": 5.0, **settings})


def run(config: RunConfig, store: Store) -> RunProgress:
    with fake_resources() as resources:
        return run_all(config, store, resources)


def stopped(config: RunConfig, store: Store) -> str:
    with pytest.raises(Collapsed) as found:
        run(config, store)
    return str(found.value)


def executions(store: Store) -> set[str]:
    return {f"{folder}/{name}" for folder in store.names("timings") for name in store.names(f"timings/{folder}")}


def current(store: Store) -> Run:
    revision = newest_revision(store)
    assert revision is not None
    return Run(store, revision)


@pytest.mark.usefixtures("few_are_enough")
def test_a_run_stops_before_the_update_and_names_the_last_good_policy(tmp_path: Path) -> None:
    config, store = never_good(tmp_path), memory_store()
    words = stopped(config, store)
    assert f"the watchdog stopped {config.uri} in iteration 2: the mean share of the majority is" in words
    assert "the last good policy is that of iteration 0" in words and "watchdog.on_breach=rollback" in words
    # What it saw can be looked into; no update was wasted on it.
    run_ = current(store)
    assert run_.iterations == [0, 1, 2]
    assert "vote_rewards" in run_.manifests(2) and "ppo_update" not in run_.manifests(2)
    (alarm,) = alarms(run_)
    assert alarm.startswith("iteration 2: the mean share") and alarm.endswith("; stopped")
    assert run_results(run_)["alarms"] == iteration_results(run_, 2)["alarms"] == [alarm]
    assert run_.policy() == run_.policy(0) != run_.policy(1)  # whoever asks for the run's policy gets the good one
    # Started again it says the same, at once.
    before = executions(store)
    assert stopped(config, store) == words and executions(store) == before
    assert find_finished(config, store).stopped == words


@pytest.mark.usefixtures("few_are_enough")
def test_a_stopped_run_goes_on_where_the_bound_is_changed(tmp_path: Path) -> None:
    config, store = never_good(tmp_path), memory_store()
    stopped(config, store)
    before = executions(store)
    warned = run(never_good(tmp_path, on_breach="warn"), store)
    assert warned.complete
    # Iterations 0 and 1, and 2 up to the vote, were there.
    assert not {name for name in executions(store) - before if name.startswith(("iteration=0000", "iteration=0001"))}
    assert [alarm.split(":")[0] for alarm in alarms(current(store))] == ["iteration 2", "iteration 3", "iteration 4"]
    assert run(never_good(tmp_path, agreement=None), store).complete
    assert alarms(current(store)) == []


@pytest.mark.usefixtures("few_are_enough")
def test_a_rollback_meets_other_random_numbers_and_is_not_for_ever(tmp_path: Path) -> None:
    config, store = never_good(tmp_path, on_breach="rollback", max_rollbacks=2), memory_store()
    words = stopped(config, store)
    assert "in iteration 2 after 2 rollback(s)" in words
    found = current(store)
    assert [alarm.split(": ")[0] for alarm in alarms(found)] == [
        "iteration 2",
        "iteration 2 of branch 1",
        "iteration 2 of branch 2",
    ]
    assert [alarm.rsplit("; ", 1)[1] for alarm in alarms(found)] == ["went back to iteration 0"] * 2 + ["stopped"]
    # Every branch wrote questions of its own.
    ledger = find_finished(config, store)
    assert ledger.branch == 2 and len(ledger.abandoned) == 4  # iterations 1 and 2 of two branches
    written = [stages["filter_instructions"] for stages in (*ledger.abandoned, ledger.stages[1], ledger.stages[2])]
    assert len(set(written)) == 6


@pytest.mark.usefixtures("few_are_enough")
def test_a_run_that_recovers_after_going_back(tmp_path: Path) -> None:
    """A bound that branch 0 breaches and a later branch does not; then, from nothing but the store, the same again."""
    config, store = never_good(tmp_path, on_breach="rollback", max_rollbacks=30), memory_store()
    stopped(config, store)
    numbers = [
        re.findall(r"is ([\d.]+), .* the ([\d.]+) of", b["message"])[0] for b in current(store).revision.breaches
    ]
    values, start = [float(value) for value, _ in numbers], float(numbers[0][1])
    assert values[0] < max(values), "this seed's first branch is the best; choose another"
    recovering = never_good(tmp_path, on_breach="rollback", max_rollbacks=30, agreement=(values[0] + 1e-3) / start)
    fresh = memory_store()
    ledger = run(recovering, fresh)
    assert ledger.complete and ledger.branch > 0
    assert find_finished(recovering, fresh).revision() == ledger.revision()
    found = current(fresh)
    assert found.iterations == [0, 1, 2, 3, 4]
    assert {manifest.branch for manifest in found.manifests(0).values()} == {0}
    assert {manifest.branch for manifest in found.manifests(1).values()} >= {1}
    # Nothing is left of the weights of what was abandoned.
    kept = {path.split("/")[2] for path in fresh.listing("policy")}
    abandoned = {stages["ppo_update"] for stages in ledger.abandoned if "ppo_update" in stages}
    assert abandoned and not {f"key=k{path.removesuffix('.json').rsplit('-', 1)[1]}" for path in abandoned} & kept


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize("after_executions", range(1, 26, 4))
def test_a_run_that_goes_back_can_be_killed_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_executions: int
) -> None:
    from flows import run_state

    config = never_good(tmp_path, on_breach="rollback", max_rollbacks=1)
    whole, cut = memory_store(), memory_store()
    words = stopped(config, whole)
    real, count = run_state.run_stage, 0

    def run_stage(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count > after_executions:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run_state, "run_stage", run_stage)
        with pytest.raises((KeyboardInterrupt, Collapsed)):
            run(config, cut)
    assert stopped(config, cut) == words
    assert current(cut).revision == current(whole).revision


def test_what_may_be_gone_back_to_is_kept() -> None:
    health = after({}, {}, {})
    assert health.rollback_targets(4) == {2, 3}
    few = {"vote/kept": 10, "vote/dropped": 6}
    bad = {**few, "sample/mean_length": 20.0}
    suspect = after(few, few, few, few, bad, bad)
    assert suspect.rollback_targets(7) == {3, 5, 6}  # 5 is the first that looked bad: policy 3 is the last good one


def test_the_old_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="alarms: unknown setting"):
        fake_config(tmp_path, alarms={"behaviour_gap": 0.1})


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_watchdog_is_on_by_default(path: Path) -> None:
    assert load_config(path).watchdog == Watchdog() and Watchdog().on_breach == "stop"
