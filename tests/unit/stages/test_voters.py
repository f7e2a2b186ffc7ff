"""Voters beside the policy: what they answer, whose policy they are, and that they only vote."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.preflight.checks import check_inputs
from flows.run_loop import run_all
from flows.run_progress import RunProgress
from flows.stage_settings import resolve
from stages import schemas
from stages.contract import Context, run_stage
from stages.engines.fake import FakeEngine
from stages.import_inputs import content_of_policy, import_voters_stage
from stages.sample_responses import SAMPLE_VOTERS
from stages.settings.compute import Compute
from stages.settings.inputs import ImportPolicy, ImportVoters
from stages.settings.sample import AnswerPrompt, SampleVotersConfig, VoterSampling
from stages.settings.vote import VoteConfig, VoterWeight
from stages.shared_resources import Resources
from stages.vote_rewards import VOTE
from storage.errors import ConfigError, InputError
from storage.reader import read_table
from storage.run import Run
from tests.helpers import (
    SEED_QUESTIONS,
    ScriptedEngine,
    do,
    fake_resources,
    fake_values,
    memory_store,
    put_policy,
    put_table,
)
from tests.tiny_models import make_tiny_policy

VOTERS = (
    VoterSampling(name="older", responses=2, prompt=AnswerPrompt()),
    VoterSampling(name="teacher", responses=3, prompt=AnswerPrompt(template="{question} Answer in a box.")),
)


def accepted(questions: Sequence[str] = SEED_QUESTIONS) -> list[dict[str, Any]]:
    return [
        {"question_id": schemas.question_id(text), "question": text, "candidate_id": f"c{row}", "similarity": 0.0}
        for row, text in enumerate(questions)
    ]


@pytest.mark.parametrize("shard_rows", [1, 4, 100])
def test_every_voter_answers_every_question_whatever_the_parts(context: Context, shard_rows: int) -> None:
    class Recording(FakeEngine):
        def __init__(self) -> None:
            super().__init__()
            self.prompts: list[str] = []

        def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
            for batch, responses in super().generate(batches, progress):
                self.prompts += [self.decode(prompt) for prompt in batch.prompts]
                yield batch, responses

    engine = Recording()
    with fake_resources(engine, shard_rows=shard_rows) as resources:
        context = replace(context, resources=resources)
        policy = put_policy(context)
        inputs = {
            "accepted": put_table(context, "accepted", schemas.ACCEPTED, accepted()),
            "voter_older": policy,
            "voter_teacher": policy,
        }
        tables, metrics = do(SAMPLE_VOTERS, inputs, SampleVotersConfig(voters=VOTERS), context)
    rows = tables["voter_responses"]
    assert rows.select("voter", "question_id", "sample_index").rows() == [
        (voter.name, schemas.question_id(text), index)
        for voter in VOTERS
        for text in SEED_QUESTIONS
        for index in range(voter.responses)
    ]
    assert rows["seed"].n_unique() == rows.height == metrics["voters/responses"] == 30
    assert engine.prompts == [*SEED_QUESTIONS, *(f"{text} Answer in a box." for text in SEED_QUESTIONS)]


def test_responses_of_voters_whose_thinking_never_ends_are_counted(context: Context) -> None:
    script = {question: ["<think>5…", "<think>5</think>6"] for question in SEED_QUESTIONS}
    with fake_resources(ScriptedEngine(script)) as resources:
        context = replace(context, resources=resources)
        inputs = {
            "accepted": put_table(context, "accepted", schemas.ACCEPTED, accepted()), "voter_older": put_policy(context)
        }  # fmt: skip
        _, metrics = do(SAMPLE_VOTERS, inputs, SampleVotersConfig(voters=VOTERS[:1]), context)
    assert (metrics["voters/responses"], metrics["voters/thinking_unfinished"]) == (12, 6)


def run(values: dict[str, Any]) -> tuple[RunConfig, RunProgress, Run]:
    config, store = parse_config(values, "test"), memory_store()
    with fake_resources() as resources:
        ledger = run_all(config, store, resources)
    return config, ledger, Run(store, ledger.revision())


def test_an_earlier_policy_of_the_run_votes(tmp_path: Path) -> None:
    voters = [{"name": "first", "iteration": 0, "responses": 2}, {"name": "before", "iteration": -1, "responses": 2}]
    _, ledger, done = run(fake_values(tmp_path, iterations=3, voters=voters))
    assert ledger.complete
    produced = [done.ref("policy", 0), *(done.ref("policy", number) for number in (1, 2, 3))]
    for iteration in (1, 2, 3):
        inputs = done.manifests(iteration)["sample_voters"].inputs
        assert inputs["voter_first"].endswith(produced[0].key)
        # The policy that iteration 3 starts from is the second; the one before that is the first.
        assert inputs["voter_before"].endswith(produced[max(0, iteration - 2)].key)
        responses, votes = done.table("responses", iteration), done.table("votes", iteration)
        assert done.table("voter_answers", iteration).height == 4 * votes.height
        # The update saw the policy's responses and no others.
        kept = votes.filter(decision="kept")["question_id"].implode()
        trained = done.metrics(iteration).get("train/responses", 0)
        assert trained == responses.filter(pl.col("question_id").is_in(kept)).height
        assert 0 <= (done.metrics(iteration)["vote/agreement/before"] or 0) <= 1


def test_retention_keeps_policies_that_vote_later(tmp_path: Path) -> None:
    voters = [{"name": "before", "iteration": -3, "responses": 1}]
    values = fake_values(tmp_path, iterations=6, voters=voters)
    values["evaluate"]["every"] = 100
    _, ledger, done = run(values)
    assert ledger.complete
    # Iteration 7 would start from policy 6 and be voted on by policy 3.
    there = {int(path.split("=")[1][:4]) for path in done.store.listing("policy")}
    assert there == {0, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("voters", "message"),
    [
        ([{"name": "a"}], "voter a needs exactly one of model, iteration; found none"),
        ([{"name": "a", "model": "x", "iteration": 0}], "found model and iteration"),
        ([{"name": "a", "iteration": 2}], "less than or equal to 0"),
        ([{"name": "policy", "iteration": 0}], "cannot be called policy"),
        ([{"name": "a", "iteration": 0, "weight": 0}], "greater than 0"),
        ([{"name": "a", "iteration": 0}, {"name": "a", "iteration": -1}], "names of voters must differ"),
        ([{"name": "a", "iteration": 0, "wieght": 2}], "did you mean weight"),
    ],
)
def test_impossible_voter_is_a_clear_error(voters: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(fake_values(tmp_path, voters=voters), "test.yaml")


def test_missing_model_of_a_voter_is_found_before_the_run(tmp_path: Path) -> None:
    config = parse_config(fake_values(tmp_path, voters=[{"name": "a", "model": str(tmp_path / "none")}]), "test.yaml")
    with pytest.raises(InputError, match=r"policy folder .*none does not exist"):
        check_inputs(resolve(config))


def test_missing_chat_template_is_found_before_the_run(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "model")
    template = (folder / "chat_template.jinja").read_text()
    voter = {"name": "a", "model": str(folder), "prompt": {"chat": True}}
    with_voter = parse_config(fake_values(tmp_path, voters=[voter]), "test.yaml")
    plain = parse_config(fake_values(tmp_path, voters=[{**voter, "prompt": None}]), "test.yaml")
    values = fake_values(tmp_path, engine="transformers", policy={"model": str(folder)})
    for config in (with_voter, plain, parse_config(values, "test.yaml")):
        check_inputs(resolve(config))
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match=r"voter a, votes: .*model has no chat template"):
        check_inputs(resolve(with_voter))
    with pytest.raises(InputError, match=r"policy, new questions: .*model has no chat template"):
        check_inputs(resolve(parse_config(values, "test.yaml")))
    check_inputs(resolve(plain))
    check_inputs(resolve(parse_config({**values, "iterations": 0}, "test.yaml")))
    # Older folders have it inside the tokenizer's settings.
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": template}))
    check_inputs(resolve(with_voter))


def test_two_tiny_models_vote_next_to_a_policy(tmp_path: Path) -> None:
    """Real models through the whole way: imported by content, sampled by the engine, voting with their weights."""
    folders = {name: tmp_path / name for name in ("one", "two")}
    for seed, folder in enumerate(folders.values()):
        make_tiny_policy(folder, seed=seed)
    models = {name: ImportPolicy(path=str(path), sha256=content_of_policy(str(path))) for name, path in folders.items()}
    with Resources(Compute(), "transformers") as resources:
        context = Context(store=memory_store(), seed=3, iteration=1, resources=resources)
        voters = run_stage(import_voters_stage(models), {}, ImportVoters(models=models), context).refs
        questions = put_table(context, "accepted", schemas.ACCEPTED, accepted(SEED_QUESTIONS[:2]))
        config = SampleVotersConfig(
            max_tokens=8,
            voters=tuple(VoterSampling(name=name, responses=3, prompt=AnswerPrompt()) for name in models),
        )
        sampled = run_stage(SAMPLE_VOTERS, {"accepted": questions, **voters}, config, context).refs["voter_responses"]
        rows = read_table(sampled)
        assert rows.group_by("voter", maintain_order=True).len().rows() == [("one", 6), ("two", 6)]
        first, second = (rows.filter(voter=name)["response"].to_list() for name in models)
        assert first != second  # different models, and different seeds
        policy_rows = [
            {
                "question_id": schemas.question_id(text),
                "sample_index": index,
                "seed": 0,
                "prompt_ids": [1],
                "response_ids": [2],
                "behaviour_logprobs": [-1.0],
                "finish_reason": "stop",
                "response": r"\boxed{7}",
            }
            for text in SEED_QUESTIONS[:2]
            for index in range(2)
        ]
        inputs = {
            "accepted": questions,
            "responses": put_table(context, "responses", schemas.RESPONSES, policy_rows),
            "voter_responses": sampled,
        }
        weights = tuple(VoterWeight(name=name, weight=0.5) for name in models)
        tables, metrics = do(VOTE, inputs, VoteConfig(voters=weights), context)
    assert tables["rewards"].height == 4 and tables["voter_answers"].height == 12
    answered = tables["voter_answers"].filter(status="ok").group_by("question_id").len()
    for vote in tables["votes"].iter_rows(named=True):
        voter_answers = dict(answered.iter_rows()).get(vote["question_id"], 0)
        assert sum(vote["class_shares"]) == pytest.approx((2 + 0.5 * voter_answers) / (2 + 0.5 * 6))
    assert {"vote/agreement/policy", "vote/agreement/one", "vote/agreement/two"} <= set(metrics)
