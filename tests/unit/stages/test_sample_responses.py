"""Every accepted question gets n responses, and each response has another seed."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from stages import schemas
from stages.contract import Context
from stages.engines.base import encode_question
from stages.engines.fake import FakeEngine
from stages.sample_responses import SAMPLE
from stages.settings.sample import AnswerPrompt, SampleConfig
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


def sample(context: Context, questions: tuple[str, ...] = SEED_QUESTIONS, **config: Any) -> tuple[Tables, Numbers]:
    rows = [
        {"question_id": schemas.question_id(text), "question": text, "candidate_id": f"c{row}", "similarity": 0.0}
        for row, text in enumerate(questions)
    ]
    inputs = {"policy": put_policy(context), "accepted": put_table(context, "accepted", schemas.ACCEPTED, rows)}
    return do(SAMPLE, inputs, SampleConfig(responses=3, **config), context)


def test_every_question_gets_its_responses(context: Context) -> None:
    tables, metrics = sample(context)
    responses = tables["responses"]
    expected = [(schemas.question_id(text), index) for text in SEED_QUESTIONS for index in range(3)]
    assert responses.select("question_id", "sample_index").rows() == expected
    assert responses["seed"].n_unique() == responses.height == metrics["sample/responses"] == 18
    assert responses["behaviour_logprobs"].list.len().to_list() == responses["response_ids"].list.len().to_list()
    assert metrics["sample/tokens"] == sum(len(ids) for ids in responses["response_ids"].to_list())
    assert metrics["sample/prompts_too_long"] == 0


def test_ids_and_text_say_the_same(context: Context) -> None:
    engine = FakeEngine()
    for row in sample(context)[0]["responses"].iter_rows(named=True):
        assert engine.decode(row["response_ids"]) == row["response"]
        assert (row["response_ids"][-1] == 256) == (row["finish_reason"] == "stop")  # the fake's end of sequence


def test_the_token_limit_cuts_and_is_counted(context: Context) -> None:
    tables, metrics = sample(context, max_tokens=4)
    assert set(tables["responses"]["response_ids"].list.len()) == {4}
    assert metrics["sample/truncated_share"] == 1.0 and metrics["sample/mean_length"] == 4


def test_stop_strings_end_responses_and_only_then_enter_the_key(context: Context) -> None:
    free, stopped = sample(context)[0]["responses"], sample(context, stop=["="])[0]["responses"]
    for whole, cut in zip(free["response"], stopped["response"], strict=True):
        assert cut == whole.split("=")[0]
    assert stopped.height == free.height and any("=" in text for text in free["response"])
    # Tokens end with the one that completes the string.
    assert all(bytes(i for i in row if i < 256).count(b"=") <= 1 for row in stopped["response_ids"].to_list())
    assert "stop" not in SampleConfig().model_dump() and SampleConfig(stop=("\n",)).model_dump()["stop"] == ("\n",)
    with pytest.raises(ValidationError, match="at least 1 character"):
        SampleConfig(stop=("",))


def test_a_prompt_that_is_too_long_gets_no_responses(context: Context) -> None:
    lengths = [len(text) for text in SEED_QUESTIONS]
    limit = sorted(lengths)[-2]  # bytes are the fake's tokens: exactly the longest is out
    tables, metrics = sample(context, max_prompt_tokens=limit)
    longest = SEED_QUESTIONS[lengths.index(max(lengths))]
    assert schemas.question_id(longest) not in tables["responses"]["question_id"]
    assert tables["responses"]["question_id"].n_unique() == 5
    assert metrics["sample/prompts_too_long"] == 1


def test_responses_whose_thinking_never_ends_are_counted(context: Context) -> None:
    script = {f"{text}": ["<think>5…", "<think>5</think>6", "6"] for text in SEED_QUESTIONS}
    prompt = AnswerPrompt(template="{question}")
    with fake_resources(ScriptedEngine(script)) as resources:
        tables, metrics = sample(replace(context, resources=resources), prompt=prompt)
    assert tables["responses"].height == 18 and metrics["sample/thinking_unfinished"] == 6
    assert sample(replace(context, store=memory_store()))[1]["sample/thinking_unfinished"] == 0


def test_no_questions_give_no_responses(context: Context) -> None:
    tables, metrics = sample(context, questions=())
    assert tables["responses"].height == 0
    assert metrics["sample/mean_length"] == metrics["sample/truncated_share"] == 0.0


def test_responses_follow_from_the_question_not_from_the_parts(context: Context) -> None:
    expected, _ = sample(context)
    with fake_resources(shard_rows=2) as resources:
        tables, _ = sample(replace(context, store=memory_store(), resources=resources))
    assert tables["responses"].equals(expected["responses"])
    alone, _ = sample(replace(context, store=memory_store()), questions=SEED_QUESTIONS[2:3])
    of_third = expected["responses"].filter(question_id=schemas.question_id(SEED_QUESTIONS[2]))
    assert alone["responses"].equals(of_third)


def test_the_template_wraps_the_question() -> None:
    engine = FakeEngine()
    plain = AnswerPrompt(template="Q: {question}\nA:")
    assert engine.decode(encode_question(engine, plain, "Why {x}?")) == "Q: Why {x}?\nA:"
    chat = AnswerPrompt(template="{question}", chat=True, system="Be brief.")
    expected = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    assert encode_question(engine, chat, "Why?") == engine.encode_chat(expected)
    assert encode_question(engine, AnswerPrompt(chat=True), "Why?") == engine.encode_chat(expected[1:])
    with pytest.raises(ValidationError, match="template"):
        AnswerPrompt(template="no place for it")
