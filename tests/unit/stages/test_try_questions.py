"""Questions are tried first: two equal answers of N, or the other responses are never paid for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from stages import schemas
from stages.contract import Context, WorkerShard, run_stage
from stages.sample_responses import SAMPLE
from stages.settings.answers import AnswerConfig
from stages.settings.sample import AnswerPrompt, SampleConfig, TryConfig
from stages.try_questions import TRY
from storage.artifact import ArtifactRef
from storage.reader import read_table
from tests.helpers import (
    SEED_QUESTIONS,
    Numbers,
    ScriptedEngine,
    Tables,
    do,
    fake_resources,
    memory_store,
    put_policy,
    put_table,
)

PROMPT = AnswerPrompt(template="{question}")


def accepted(context: Context, questions: Sequence[str]) -> dict[str, ArtifactRef]:
    rows = [
        {"question_id": schemas.question_id(text), "question": text, "candidate_id": f"c{row}", "similarity": 0.0}
        for row, text in enumerate(questions)
    ]
    return {"policy": put_policy(context), "accepted": put_table(context, "accepted", schemas.ACCEPTED, rows)}


def tries(responses: int, **config: Any) -> TryConfig:
    return TryConfig(responses=responses, prompt=PROMPT, answers=AnswerConfig(), **config)


def scripted(context: Context, script: Mapping[str, Sequence[str]], responses: int, **config: Any) -> tuple[Any, ...]:
    """The tables and metrics of tries whose responses come from a script, and the engine."""
    engine = ScriptedEngine(script)
    with fake_resources(engine) as resources:
        own = replace(context, resources=resources)
        return *do(TRY, accepted(own, list(script)), tries(responses, **config), own), engine


def boxed(*answers: str) -> list[str]:
    return [f"\\boxed{{{answer}}}" for answer in answers]


CASES = {
    "Two agree?": (boxed("5", "7", "5"), 3, 2, "answerable"),
    "Equal, spelt otherwise?": (boxed("0.5", "3", "\\frac{1}{2}"), 3, 2, "answerable"),
    "All agree?": (boxed("5", "5", "5"), 3, 3, "answerable"),
    "None agree?": (boxed("5", "7", "9"), 3, 1, "unanswerable"),
    "One answer alone?": ([*boxed("5"), "I do not know.", "Nor do I."], 1, 1, "unanswerable"),
    "Refusals never agree?": (["I cannot."] * 3, 0, 0, "unanswerable"),
    "Cut off before the answer?": (["So 5 + 5 is 10…", "So 5 + 5 is 10…", *boxed("10")], 1, 1, "unanswerable"),
}


def test_two_equal_answers_keep_a_question(context: Context) -> None:
    script = {question: case[0] for question, case in CASES.items()}
    tables, metrics, _ = scripted(context, script, 3)
    rows = {row["question"]: row for row in tables["tries"].iter_rows(named=True)}
    assert {question: (row["answered"], row["agreed"], row["decision"]) for question, row in rows.items()} == {
        question: case[1:] for question, case in CASES.items()
    }
    assert list(rows) == list(CASES) and {row["responses"] for row in rows.values()} == {3}
    kept = [question for question, case in CASES.items() if case[3] == "answerable"]
    assert tables["answerable"]["question"].to_list() == kept
    assert tables["answerable"]["candidate_id"].to_list() == ["c0", "c1", "c2"]
    lengths = tables["first_responses"]["response_ids"].list.len()
    assert metrics == {
        "answerable/asked": 7, "answerable/dropped": 4, "answerable/no_answer": 1, "answerable/tokens": lengths.sum(),
    }  # fmt: skip


def test_a_prompt_that_is_too_long_is_left_to_the_vote(context: Context) -> None:
    script = {"Short?": boxed("1", "2"), "A question that is far too long?": boxed("1", "2")}
    tables, metrics, _ = scripted(context, script, 2, max_prompt_tokens=10)
    assert tables["tries"]["decision"].to_list() == ["unanswerable", "no_responses"]
    assert tables["answerable"]["question"].to_list() == ["A question that is far too long?"]
    assert metrics["answerable/dropped"] == 1


def test_without_questions_nothing_is_tried(context: Context) -> None:
    tables, metrics = do(TRY, accepted(context, []), tries(2), context)
    assert tables["answerable"].height == tables["tries"].height == metrics["answerable/tokens"] == 0


def sample_after_tries(context: Context, number: int, responses: int) -> tuple[Tables, Tables, Numbers]:
    inputs = accepted(context, SEED_QUESTIONS)
    result = run_stage(TRY, inputs, tries(number), context)
    tried = {name: read_table(ref) for name, ref in result.refs.items()}
    later = {**inputs, "accepted": result.refs["answerable"], "first_responses": result.refs["first_responses"]}
    tables, metrics = do(SAMPLE, later, SampleConfig(responses=responses, prompt=PROMPT), context)
    return tried, tables, metrics


@pytest.mark.parametrize("number", [2, 3])
def test_responses_are_the_same_as_without_tries(context: Context, number: int) -> None:
    """The first ones are taken over, the others are drawn from the seeds that they would have had anyway."""
    at_once, _ = do(SAMPLE, accepted(context, SEED_QUESTIONS), SampleConfig(responses=4, prompt=PROMPT), context)
    tried, tables, metrics = sample_after_tries(context, number, 4)
    assert tried["first_responses"].equals(at_once["responses"].filter(at_once["responses"]["sample_index"] < number))
    left = tried["answerable"]["question_id"]
    assert 0 < left.len() < len(SEED_QUESTIONS)
    expected = at_once["responses"].filter(at_once["responses"]["question_id"].is_in(left.to_list()))
    assert tables["responses"].equals(expected) and metrics["sample/responses"] == 4 * left.len()
    new = expected.filter(expected["sample_index"] >= number)
    assert metrics["sample/tokens"] == new["response_ids"].list.len().sum()
    assert metrics["sample/mean_length"] == expected["response_ids"].list.len().mean()


def test_only_the_other_responses_are_sampled(context: Context) -> None:
    script = {"Agreed?": boxed("1", "1", "2", "3"), "Not agreed?": boxed("1", "2", "3", "4")}
    engine = ScriptedEngine(script)
    with fake_resources(engine) as resources:
        own = replace(context, resources=resources)
        inputs = accepted(own, list(script))
        result = run_stage(TRY, inputs, tries(2), own)
        later = {**inputs, "accepted": result.refs["answerable"], "first_responses": result.refs["first_responses"]}
        do(SAMPLE, later, SampleConfig(responses=4, prompt=PROMPT), own)
    (tried, _, seeds), (sampled, _, later_seeds) = engine.calls
    assert tried == list(script) and [len(row) for row in seeds] == [2, 2]
    assert sampled == ["Agreed?"] and [len(row) for row in later_seeds] == [2]
    assert len({*seeds[0], *later_seeds[0]}) == 4


def test_workers_share_the_tries_and_end_with_one_result(context: Context) -> None:
    """Two workers, each with parts of its own, and one that comes when all parts are there."""
    whole, numbers = do(TRY, accepted(context, SEED_QUESTIONS), tries(2), context)
    with fake_resources(shard_rows=1) as resources:
        store = memory_store()
        for rank in (1, 0):
            worker = replace(context, store=store, resources=resources, shard=WorkerShard(rank, 2))
            tables, metrics = do(TRY, accepted(worker, SEED_QUESTIONS), tries(2), worker)
            assert metrics == numbers and all(tables[name].equals(whole[name]) for name in whole)


def test_a_killed_try_keeps_its_parts(context: Context) -> None:
    script = {f"Question {number}?": boxed("1", str(number)) for number in range(1, 5)}

    class Killed(BaseException):
        pass

    class Dying(ScriptedEngine):
        def generate(self, batches, progress=None):  # type: ignore[no-untyped-def]
            for number, answered in enumerate(super().generate(batches, progress)):
                if number == 2:
                    raise Killed
                yield answered

    with fake_resources(Dying(script), shard_rows=1) as resources, pytest.raises(Killed):
        dying = replace(context, resources=resources)
        run_stage(TRY, accepted(dying, list(script)), tries(2), dying)
    tables, metrics, engine = scripted(context, script, 2)
    assert [text for texts, _, _ in engine.calls for text in texts] == list(script)[2:]
    assert tables["answerable"]["question"].to_list() == ["Question 1?"]
    assert tables["first_responses"].height == 8 and metrics["answerable/dropped"] == 3
