"""Real input: the 500 MATH seed questions and a local Hugging Face folder, through every stage with the real trainer.

The policy is random, so it does not learn; what counts is that every artifact is right.
"""

from pathlib import Path

import polars as pl
import pytest

from flows.config.load import parse_config
from flows.run_loop import run_all
from stages.shared_resources import Resources
from storage.run import Run, open_run, write_revision
from storage.store import Store
from tests.tiny_models import PARITY, make_tiny_policy

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[3] / "shared" / "data"
SEEDS = DATA / "seeds" / "math_seed_500.jsonl"
MATH_500 = DATA / "benchmarks" / "math_500.jsonl"


@pytest.fixture(scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not SEEDS.exists():
        pytest.skip("the MATH seed questions are not on this machine")
    folder = tmp_path_factory.mktemp("math")
    questions = pl.read_ndjson(SEEDS)["problem"].to_list()
    policy = make_tiny_policy(folder / "policy", vocab_texts=questions, max_position_embeddings=2_048)
    benchmark = folder / "math_20.jsonl"
    benchmark.write_text("".join(MATH_500.read_text().splitlines(keepends=True)[:20]))
    kind = folder / "parity.py"
    kind.write_text(PARITY)
    config = parse_config(
        {
            "name": "math",
            "root": str(folder / "runs"),
            "iterations": 1,
            "engine": request.param,
            "seeds": {"path": str(SEEDS)},
            "policy": {"model": str(policy)},
            "generate": {
                "questions": 8,
                "questions_per_prompt": 1,
                "examples": 4,
                "max_tokens": 96,
                "over_generation": 8,
            },
            # A random policy writes no sentences and rarely stops. The pipeline is tested, so almost everything passes.
            "answers": {"kind": f"{kind}:PARITY", "count_truncated": True},
            "filter": {"rules": {"use": ["empty", "too_short", "too_long"], "min_words": 1}},
            "sample": {"responses": 8, "temperature": 0.1, "max_tokens": 48},
            "vote": {"min_reward": 0.0, "max_reward": 1.0},
            "update": {"batch_responses": 8, "schedule_steps": 10},
            "evaluate": {
                "benchmarks": [{"name": "math_20", "path": str(benchmark)}],
                "protocol": {"samples": 2, "max_tokens": 32},
            },
        },
        "test",
    )
    store = Store(config.uri)
    with Resources(config.compute, config.engine) as resources:
        write_revision(store, run_all(config, store, resources).revision())
    return open_run(config.uri)


def test_all_seeds_and_problems_came_in(run: Run) -> None:
    assert run.table("seeds", 0).height == 500
    problems = run.table("problems", 0)
    assert problems.height == 20
    assert r"\left( 3, \frac{\pi}{2} \right)" in problems["answer"].to_list()  # MATH-500's first answer, unboxed


def test_every_candidate_is_accepted_or_rejected_with_a_reason(run: Run) -> None:
    candidates, accepted, rejected = (run.table(name, 1) for name in ("candidates", "accepted", "rejected"))
    judged = pl.concat([accepted["candidate_id"], rejected["candidate_id"]])
    assert sorted(judged) == sorted(candidates["candidate_id"])
    assert rejected["reason"].null_count() == 0
    prompts = run.table("generations", 1)
    assert prompts["prompt_ids"].list.len().max() <= 1_024
    seeds = set(run.table("seeds", 0)["question_id"])
    assert all(seeds.issuperset(row) for row in prompts["example_ids"].to_list())


def test_responses_carry_ids_text_logprobs_and_seeds_that_belong_together(run: Run) -> None:
    from stages.engines.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(run.policy(0))
    questions = dict(run.table("accepted", 1).select("question_id", "question").rows())
    responses = run.table("responses", 1)
    assert responses.height == 8 * len(questions)
    assert responses["seed"].n_unique() == responses.height
    for row in responses.iter_rows(named=True):
        assert row["prompt_ids"] == tokenizer.encode(questions[row["question_id"]], add_special_tokens=False)
        assert row["response"] == tokenizer.decode(row["response_ids"], skip_special_tokens=True)
        assert len(row["behaviour_logprobs"]) == len(row["response_ids"]) <= 48
        assert max(row["behaviour_logprobs"]) <= 0
        ended = row["response_ids"][-1] == tokenizer.eos_token_id
        assert row["finish_reason"] == ("stop" if ended else "length")


def test_votes_follow_from_the_rewards_table(run: Run) -> None:
    votes, rewards = run.table("votes", 1), run.table("rewards", 1)
    for row in votes.iter_rows(named=True):
        mine = rewards.filter(pl.col("question_id") == row["question_id"])
        counts = mine.drop_nulls("answer_class").group_by("answer_class").len()["len"].sort(descending=True).to_list()
        assert row["share"] == pytest.approx((counts or [0])[0] / 8)
        assert row["answered"] == sum(counts)
        assert row["mean_reward"] == pytest.approx(mine["reward"].mean())
        assert mine.filter(pl.col("answer").is_null())["reward"].sum() == 0
    assert set(run.table("pool", 1)["question_id"]) == set(votes.filter(pl.col("decision") == "kept")["question_id"])


def test_update_saw_the_kept_responses_only_and_changed_the_policy(run: Run) -> None:
    kept = run.table("votes", 1).filter(pl.col("decision") == "kept").height
    assert kept > 0, "the settings above must let a question through"
    metrics = run.table("train_metrics", 1)
    assert metrics["responses"].sum() == 8 * kept
    assert metrics["step"].to_list() == list(range(1, metrics.height + 1))
    # The engine's log-probs and the trainer's are of the same weights: they differ by rounding.
    assert metrics["behaviour_gap"].max() < 1e-4
    before, after = ((run.policy(number) / "model.safetensors").read_bytes() for number in (0, 1))
    assert before != after
    names = {path.name for path in run.policy(1).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]


def test_results_follow_from_the_grades(run: Run) -> None:
    grades = run.table("grades", 1)
    assert grades.filter(pl.col("mode") == "greedy").height == 20
    assert grades.filter(pl.col("mode") == "sampled").height == 40
    results = dict(run.table("results", 1).filter(slice="all").select("metric", "value").rows())
    for mode in ("greedy", "sampled"):
        of_mode = grades.filter(pl.col("mode") == mode)
        assert results[f"pass1_{mode}"] == pytest.approx((of_mode["status"] == "correct").mean())
        assert results[f"no_answer_{mode}"] == pytest.approx((of_mode["status"] == "no_answer").mean())
