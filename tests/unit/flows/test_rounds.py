"""Rounds: an iteration asks until it has enough questions, resumes anywhere, and hands the surplus on."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.config.run import RunConfig
from flows.maintenance.retention import prune_weights
from flows.orchestration.tasks import PrefectRunner, stage_size
from flows.reporting.document import report
from flows.reporting.hub_export import _questions
from flows.reporting.lineage import draw_lineage
from flows.reporting.render import as_markdown
from flows.reporting.results import funnel, iteration_results, run_results
from flows.reporting.sample_questions import sample_questions
from flows.rounds.shortfall import shortfall
from flows.run_loop import run_all
from flows.run_progress import find_finished
from flows.watchdog import Collapsed
from stages import schemas
from stages.contract import Context
from stages.ppo_update import PPO_UPDATE
from stages.settings import Settings
from storage.garbage import find_garbage
from storage.repair import find_damage, set_aside
from storage.run import Run
from storage.store import Store
from tests.helpers import (
    SEED_QUESTIONS,
    fake_config,
    fake_resources,
    in_many_starts,
    memory_store,
    put_table,
    write_jsonl,
)

FEW_EVALUATIONS = {"benchmarks": [{"name": "sums", "domain": "arithmetic", "count": 2}], "protocol": {"samples": 1}}


def config_of(folder: Path, **changes: Any) -> RunConfig:
    fast: dict[str, Any] = {"evaluate": {**FEW_EVALUATIONS, "every": 100}, "compute": {"shard_rows": 100}}
    return fake_config(folder, **{**fast, **changes})


def run(config: RunConfig, store: Store | None = None) -> Run:
    store = memory_store() if store is None else store
    with fake_resources() as resources:
        return Run(store, run_all(config, store, resources).revision())


def rounds_of(run: Run) -> list[Any]:
    return [run.metrics(number).get("rounds/count") for number in run.iterations[1:]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rounds")


@pytest.fixture(scope="module")
def in_rounds(folder: Path) -> tuple[RunConfig, Run]:
    """A finished run that wants 12 questions of rounds of 8 for each of its updates."""
    config = config_of(folder, questions_per_update=12)
    return config, run(config)


def test_rounds_go_on_until_enough_are_kept(in_rounds: tuple[RunConfig, Run]) -> None:
    _, done = in_rounds
    assert rounds_of(done) == [3, 2]
    for number in (1, 2):
        votes, metrics = done.table("votes", number), done.metrics(number)
        kept = votes.filter(pl.col("decision") == "kept")
        before_the_last = kept.filter(pl.col("round") < metrics["rounds/count"])
        assert before_the_last.height < 12 <= kept.height and metrics["rounds/ended/enough"] == 1
        chosen = done.table("chosen", number)
        assert chosen["question_id"].to_list() == kept["question_id"].to_list()
        assert chosen["use"].to_list() == ["update"] * 12 + ["carried_over"] * (kept.height - 12)
        trained = done.table("train_metrics", number)["responses"].to_list()
        assert trained == [12 * 8]


def test_tables_are_read_over_all_rounds(in_rounds: tuple[RunConfig, Run]) -> None:
    _, done = in_rounds
    for name in ("generations", "candidates", "accepted", "rejected", "responses", "rewards", "votes"):
        table = done.table(name, 1)
        assert table.columns[0] == "round" and set(table["round"]) == {1, 2, 3}, name
    assert done.table("votes").columns[:2] == ["iteration", "round"]
    assert done.table("candidates", 1)["candidate_id"].is_unique().all()
    assert done.table("generations", 1)["prompt_id"].is_unique().all()
    assert "round" not in done.table("pool", 1).columns and "round" not in done.table("results", 0).columns
    for name in ("pool", "bank"):  # of the last round, which holds those of the others
        assert done.table(name, 2)["question_id"].is_unique().all()
    assert set(done.table("accepted", 1)["question"]) == set(done.table("bank", 1)["question"])
    assert len(done.files("votes", 1)) == 3 and len(done.files("pool", 1)) == 1


def test_metrics_are_those_of_all_rounds(in_rounds: tuple[RunConfig, Run]) -> None:
    _, done = in_rounds
    metrics, votes, responses = done.metrics(1), done.table("votes", 1), done.table("responses", 1)
    rejected = done.table("rejected", 1)
    assert metrics["vote/kept"] + metrics["vote/dropped"] == votes.height == metrics["filter/accepted"] == 24
    assert metrics["vote/mean_share"] == pytest.approx(votes["share"].mean())
    assert metrics["sample/responses"] == responses.height
    assert metrics["sample/mean_length"] == pytest.approx(responses["response_ids"].list.len().mean())
    assert metrics["filter/candidates"] == done.table("candidates", 1).height == rejected.height + 24
    judged = metrics["filter/candidates"] - (rejected["reason"] == "surplus").sum()
    assert metrics["filter/acceptance_rate"] == pytest.approx(24 / judged)
    assert metrics["filter/bank"] == done.table("bank", 1).height == 24
    assert metrics["rounds/tokens"] == metrics["generate/tokens"] + metrics["sample/tokens"]
    assert metrics["rounds/complete_responses"] == 12 * 8
    manifests = done.manifests(1)
    shares = [manifests[name].metrics["generate/distinct_3"] for name in manifests if name.startswith("generate")]
    assert len(shares) == 3 and min(shares) <= metrics["generate/distinct_3"] <= max(shares)
    seconds = iteration_results(done, 1)["seconds_per_stage"]
    timings = done.table("timings", 1).filter(pl.col("stage") == "vote_rewards")
    assert timings.height == 3 and seconds["vote_rewards"] == pytest.approx(timings["seconds"].sum(), abs=1e-3)


def test_surplus_waits_for_the_next_iteration(in_rounds: tuple[RunConfig, Run]) -> None:
    """It comes first, is answered by the new policy, and stands once in bank and pool."""
    _, done = in_rounds
    waiting = done.table("chosen", 1).filter(pl.col("use") == "carried_over")
    assert waiting.height == done.metrics(1)["rounds/carried_over"] == done.metrics(2)["filter/carried_over"] > 1
    first = done.table("accepted", 2).filter(pl.col("round") == 1)
    assert first.height == 8  # they count among the accepted
    same = ["question_id", "question", "candidate_id", "similarity"]
    assert first.select(same).head(waiting.height).rows() == waiting.select(same).rows()
    again = done.table("responses", 2).filter(pl.col("question_id").is_in(waiting["question_id"].implode()))
    assert again.height == waiting.height * 8
    assert not set(again["seed"]) & set(done.table("responses", 1)["seed"])
    manifests = done.manifests(2)
    assert [name for name in manifests if "carried_over" in manifests[name].inputs] == [
        "filter_instructions",
        "vote_rewards",
    ]
    exported = _questions(done, 2)
    assert exported is not None and exported["kept"].sum() == 2 * 12


def test_one_round_is_that_of_an_iteration_without_rounds(folder: Path) -> None:
    config = config_of(folder, iterations=1)
    store = memory_store()
    plain = run(config, store)
    wanted = int(plain.metrics(1)["vote/kept"] or 0)
    enough = run(config.model_copy(update={"questions_per_update": wanted}), store)
    rounds = ("generate_instructions", "filter_instructions", "sample_responses", "vote_rewards")
    paths = [done.revision.iterations[1] for done in (plain, enough)]
    assert all(paths[0][stage] == paths[1][stage] for stage in rounds)
    assert set(paths[1]) == {*paths[0], "choose_questions"} and rounds_of(enough) == [1]
    assert "rounds/count" not in plain.metrics(1) and "round" not in plain.table("votes", 1).columns
    assert enough.table("votes", 1)["round"].unique().to_list() == [1]
    # Without surplus the update sees the same responses.
    same = ("reward_mean", "responses")
    assert plain.table("train_metrics", 1).select(same).equals(enough.table("train_metrics", 1).select(same))
    # A second round has another key, another manifest and other seeds.
    more = run(config.model_copy(update={"questions_per_update": wanted + 1}), store)
    assert all(more.revision.iterations[1][stage] == paths[0][stage] for stage in rounds)
    assert rounds_of(more) == [2] and more.manifests(1)["vote_rewards.2"].round == 2
    assert "round" not in store.read(paths[0]["vote_rewards"]).decode().replace('"rounds', "")


@pytest.mark.slow
def test_a_run_resumes_at_every_stage(
    in_rounds: tuple[RunConfig, Run], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends after each stage leaves what an undisturbed one does, byte for byte."""
    config, done = in_rounds
    store = memory_store()
    again, starts = in_many_starts(lambda: run(config, store), monkeypatch)
    expected = [path for manifests in done.revision.iterations.values() for path in manifests.values()]
    assert starts > len(expected) and again.revision == done.revision
    assert sorted(again.store.listing("manifests")) == sorted(expected)
    assert all(store.read(path) == done.store.read(path) for path in expected)


def test_what_maintains_a_run_copes_with_rounds(in_rounds: tuple[RunConfig, Run]) -> None:
    config, done = in_rounds
    store = done.store
    progress = find_finished(config, store)
    assert progress.complete and progress.revision().iterations == done.revision.iterations
    assert find_garbage(store, None) == [] and prune_weights(progress, store) >= 0
    assert list(find_damage(store, lambda *_: None)) == []
    lineage = draw_lineage(done)
    assert "vote_rewards.2" in lineage and "responses as responses_3 (1 sample_responses.3)" in lineage
    damaged = done.manifests(2)["vote_rewards.2"].outputs["votes"].files[0].path
    content = store.read(damaged)
    store.replace(damaged, content[:-1] + b"x")
    damage = list(find_damage(store, lambda *_: None))
    assert [path.file for path in damage] == [damaged]
    set_aside(store, damage)
    pending = find_finished(config, store).pending
    assert pending is not None and (pending.name, pending.iteration) == ("vote_rewards.2", 2)
    assert run(config, store).revision == done.revision and store.read(damaged) == content


@pytest.mark.slow
def test_reports_show_rounds(in_rounds: tuple[RunConfig, Run]) -> None:
    _, done = in_rounds
    rows = run_results(done)["iterations"]
    assert rows[2]["rounds"] == {
        "count": 2, "used": 12, "wanted": 12, "kept": 13, "carried_over": 1, "ended": "enough",
        "tokens": done.metrics(2)["rounds/tokens"],
    }  # fmt: skip
    steps = dict(funnel([rows[2]]))
    assert steps["carried over"] == rows[1]["rounds"]["carried_over"] and steps["kept, not used"] == -1
    losses = sum(count for step, count in steps.items() if count < 0 and step != "kept, not used")
    assert steps["candidates"] + steps["carried over"] + losses == steps["kept"] == 13
    assert "| enough" in as_markdown(report(done, rows, b""))
    for row in sample_questions(done, 1, questions=24):
        assert len(row["examples"]) == 4 and row["round"] in (1, 2, 3)


def test_a_budget_smaller_than_a_round_ends_after_the_first(folder: Path) -> None:
    done = run(config_of(folder, iterations=1, questions_per_update=50, tokens_per_update=1))
    metrics = done.metrics(1)
    assert rounds_of(done) == [1] and metrics["rounds/ended/tokens_per_update"] == 1
    text = shortfall(1, metrics)
    assert text.startswith(f"iteration 1 has {metrics['vote/kept']} of 50 questions after 1 round(s) and ")
    assert "(tokens_per_update)" in text and "raise tokens_per_update" in text and "without an update" not in text


@pytest.mark.parametrize(
    ("reason", "advice"), [("empty", "generate.form, generate.mark"), ("refusal", "generate.user")]
)
def test_the_advice_names_settings_of_the_largest_loss(reason: str, advice: str) -> None:
    metrics = {
        "rounds/kept": 0, "rounds/wanted": 5, "rounds/count": 3, "rounds/tokens": 72, "rounds/ended/max_rounds": 1,
        "filter/candidates": 36, "filter/accepted": 0, f"filter/rejected/{reason}": 36, "vote/kept": 0,
    }  # fmt: skip
    text = shortfall(1, metrics)
    assert f"most are lost as {reason}: change " in text and advice in text


def test_a_limit_on_tokens_counts_all_rounds(folder: Path, in_rounds: tuple[RunConfig, Run]) -> None:
    """The first round of the finished run stays below its own tokens and one more."""
    config, done = in_rounds
    manifests = done.manifests(1)
    first = sum(manifests[f"{stage}"].metrics[f"{name}/tokens"] or 0 for stage, name in STAGES_WITH_TOKENS)
    limited = config.model_copy(update={"iterations": 1, "tokens_per_update": first + 1})
    assert rounds_of(run(limited, done.store)) == [2]
    assert rounds_of(run(limited.model_copy(update={"tokens_per_update": first}), done.store)) == [1]


STAGES_WITH_TOKENS = (("generate_instructions", "generate"), ("sample_responses", "sample"))


def test_too_few_questions_wait_for_the_next_iteration(folder: Path) -> None:
    config = config_of(
        folder, iterations=1, questions_per_update=8, min_kept=8, max_rounds=1, generate={"questions": 4}
    )
    store = memory_store()
    done = run(config, store)
    kept = done.metrics(1)["vote/kept"]
    assert kept and done.table("chosen", 1)["use"].to_list() == ["carried_over"] * int(kept)
    assert "ppo_update" not in done.manifests(1) and done.metrics(1)["rounds/used"] == 0
    assert shortfall(1, done.metrics(1)).startswith(f"iteration 1 has {kept} of 8 questions after 1 round(s)")
    # A lower min_kept lets the update happen, and repeats no round.
    again = run(config.model_copy(update={"min_kept": 1}), store)
    assert again.revision.iterations[1]["vote_rewards"] == done.revision.iterations[1]["vote_rewards"]
    assert again.table("chosen", 1)["use"].to_list() == ["update"] * int(kept) and "ppo_update" in again.manifests(1)


def test_nothing_kept_ends_after_three_iterations(folder: Path) -> None:
    """No update, bounded rounds, and the watchdog's alarm, which names the bound."""
    config = config_of(
        folder, iterations=5, questions_per_update=20, max_rounds=2, vote={"min_reward": 0.99, "max_reward": 0.99}
    )
    store = memory_store()
    with pytest.raises(Collapsed, match=r"iteration 3: the share .* is 0, below 0.1 \(watchdog.few_questions\)"):
        run(config, store)
    stopped = Run(store, find_finished(config, store).revision())
    assert rounds_of(stopped) == [2, 2, 2] and stopped.table("chosen").height == 0
    assert all("ppo_update" not in stopped.manifests(number) for number in (1, 2, 3))
    text = shortfall(3, stopped.metrics(3))
    assert text.startswith("iteration 3 has 0 of 20 questions after 2 round(s)") and "without an update" in text
    assert "0 kept (dropped as too_hard" in text
    assert "most are lost as too_hard: change vote.min_reward, or take easier seeds; or" in text
    assert text.endswith("or raise max_rounds or generate.questions")


@pytest.mark.parametrize(
    ("text", "reason", "accepted"),
    [
        ("I'm sorry, but I cannot write new problems.", "refusal", 0),
        ("", "empty", 0),
        ("How many apples are left and " * 1_000, "unfinished", 0),
        ("Rosa has 12 apples and eats 3 of them. How many are left?", "similar", 1),
    ],
    ids=["refusals", "nothing", "endless", "one question"],
)
def test_a_policy_without_new_questions_ends_its_rounds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str, accepted: int
) -> None:
    """Whatever it writes, rounds are bounded, each rejected candidate has its reason, and the iteration ends."""
    monkeypatch.setattr("stages.engines.fake._question", lambda rng, examples: text)
    generate = {"form": "turns", "questions": 4, "examples": 3, "max_tokens": 200}
    done = run(config_of(folder, questions_per_update=6, max_rounds=2, generate=generate))
    assert rounds_of(done) == [2, 2] and done.table("accepted").height == accepted
    rejected = done.table("rejected")
    assert set(rejected["reason"]) == {reason} and rejected.height == 2 * 2 * 6 - accepted
    said = shortfall(2, done.metrics(2))
    assert f"rejected as {reason} " in said and "without an update" in said


def drawn_questions(done: Run, iteration: int) -> list[str]:
    return done.table("accepted", iteration)["question"].to_list()


def test_drawn_questions_are_not_drawn_again_before_the_epoch_ends(folder: Path) -> None:
    config = config_of(
        folder,
        iterations=4,
        instructions="seeds",
        generate={"questions": 2},
        questions_per_update=3,
        max_rounds=2,
        carry_over=False,
        vote={"max_reward": 1.0, "min_reward": 0.0},
    )
    done = run(config)
    assert len(SEED_QUESTIONS) == 6
    asked = [drawn_questions(done, number) for number in (1, 2, 3, 4)]
    assert all(len(set(questions)) == len(questions) for questions in asked)
    in_order = [question for questions in asked for question in questions]
    assert set(in_order[:6]) == set(SEED_QUESTIONS)
    positions = [done.metrics(number)["draw/position"] for number in (1, 2, 3, 4)]
    assert positions == sorted(positions) and positions[0] == len(asked[0])


@pytest.mark.slow
def test_rounds_end_when_everything_was_drawn(folder: Path) -> None:
    """Questions carried over are asked first, with their labels."""
    data = write_jsonl(
        folder / "data.jsonl", [{"question": f"{text} Say it.", "answer": "1"} for text in SEED_QUESTIONS[:5]]
    )
    config = config_of(
        folder,
        iterations=2,
        instructions="dataset",
        dataset={"path": str(data)},
        generate={"questions": 4},
        questions_per_update=3,
        vote={"max_reward": 1.0, "min_reward": 0.0},
    )
    done = run(config)
    waiting = done.table("chosen", 1).filter(pl.col("use") == "carried_over")["question"].to_list()
    assert waiting and drawn_questions(done, 2)[: len(waiting)] == waiting
    assert done.table("labels", 2).filter(pl.col("label") != "1").height == 0
    assert done.metrics(2)["draw/carried_over"] == len(waiting)
    nothing = run(config.model_copy(update={"questions_per_update": 9, "iterations": 1}))
    assert nothing.metrics(1)["rounds/ended/nothing_left"] == 1 and rounds_of(nothing) == [2]
    assert sorted(drawn_questions(nothing, 1)) == sorted(f"{text} Say it." for text in SEED_QUESTIONS[:5])
    text = shortfall(1, nothing.metrics(1))
    assert "5 drawn; " in text and text.endswith("raise the number of questions to draw from")


def test_voters_answer_in_every_round(folder: Path) -> None:
    done = run(
        config_of(
            folder, iterations=1, questions_per_update=8, voters=[{"name": "old", "iteration": 0, "responses": 2}]
        )
    )
    metrics, count = done.metrics(1), rounds_of(done)[0]
    assert count > 1 and set(done.table("voter_responses", 1)["round"]) == set(range(1, count + 1))
    assert metrics["voters/responses"] == 2 * metrics["filter/accepted"]
    answers = done.table("voter_answers", 1).join(
        done.table("votes", 1).drop_nulls("majority_answer"), on="question_id", how="semi"
    )
    assert metrics["vote/agreement/old"] == pytest.approx((answers["answer_class"].fill_null(9) == 0).mean())
    tokens = ("generate/tokens", "sample/tokens", "voters/tokens")
    assert metrics["rounds/tokens"] == sum(metrics[name] or 0 for name in tokens)


def test_a_runner_knows_its_round() -> None:
    notes: list[str] = []
    with fake_resources() as resources:
        context = Context(
            store=memory_store(),
            seed=1,
            iteration=2,
            resources=resources,
            progress=lambda stage, done, total, note: notes.append(note),
        )
        runner = PrefectRunner(context, lease=None, gpu_runs=None).in_round(3, "round 3 of at most 8, 4 of 16 kept")  # type: ignore[arg-type]
        assert isinstance(runner, PrefectRunner) and (runner.context.round, context.round) == (3, 1)
        runner.context.progress("vote_rewards", 1, 2, "fast")
        runner.context.progress("vote_rewards", 2, 2, "")
        assert notes == ["round 3 of at most 8, 4 of 16 kept · fast", "round 3 of at most 8, 4 of 16 kept"]
        rows = [{"question_id": "q", "label": None}]
        inputs = {
            name: put_table(context, "labels", schemas.LABELS, rows * count)
            for name, count in (("responses", 2), ("responses_2", 3))
        }
        assert stage_size(PPO_UPDATE, inputs, Settings()) == "5 responses"
