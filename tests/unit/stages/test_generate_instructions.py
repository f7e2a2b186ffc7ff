"""Few-shot prompts hold examples and fit; every question of a generation becomes a candidate."""

from dataclasses import replace
from typing import Any

import pytest

from stages import schemas
from stages.contract import Context
from stages.generate_instructions import GENERATE
from stages.settings.generate import GenerateConfig
from stages.text.unfinished import CUT_OFF
from storage.artifact import ArtifactRef
from storage.errors import InputError
from tests.helpers import (
    SEED_QUESTIONS,
    ScriptedEngine,
    Tables,
    do,
    fake_resources,
    memory_store,
    put_policy,
    put_table,
)

POOL = ("How many legs do five spiders and two ants have altogether?", "What is the tenth odd number?")
SETTINGS = {"questions": 12, "over_generation": 1.5, "questions_per_prompt": 2, "examples": 4, "examples_from_pool": 1}


def inputs(context: Context, *, pool: bool = True, seeds: tuple[str, ...] = SEED_QUESTIONS) -> dict[str, ArtifactRef]:
    empty = {"answer": None, "level": None, "subject": None}
    seed_rows = [{"question_id": schemas.question_id(text), "question": text, **empty} for text in seeds]
    pool_rows = [
        {"question_id": schemas.question_id(text), "question": text, "added_in": 0, "share": 0.5} for text in POOL
    ]
    refs = {"policy": put_policy(context), "seeds": put_table(context, "seeds", schemas.SEEDS, seed_rows)}
    return {**refs, "pool": put_table(context, "pool", schemas.POOL, pool_rows)} if pool else refs


def generate(context: Context, *, pool: bool = True, **config: Any) -> Tables:
    return do(GENERATE, inputs(context, pool=pool), GenerateConfig(**{**SETTINGS, **config}), context)[0]


def test_number_of_prompts_follows_from_the_questions() -> None:
    assert GenerateConfig(**SETTINGS).prompts == 9  # 12 * 1.5 / 2
    assert GenerateConfig(questions=10, over_generation=1.0, questions_per_prompt=3).prompts == 4  # 3.33 up
    assert GenerateConfig().prompts == 375  # the published setting: 2,000 * 1.5 / 8


def test_prompt_shows_examples_and_ends_with_the_next_number(context: Context) -> None:
    generations = generate(context)["generations"]
    engine = context.resources.engine()
    known = {schemas.question_id(text): text for text in (*SEED_QUESTIONS, *POOL)}
    assert generations["prompt_id"].to_list() == list(range(9))
    for row in generations.iter_rows(named=True):
        shown = [known[name] for name in row["example_ids"]]
        lines = [f"{number}. {text}" for number, text in enumerate(shown, start=1)]
        assert "\n".join([*lines, "5."]) in engine.decode(row["prompt_ids"])
        assert len(set(shown)) == 4 and sum(text in POOL for text in shown) == 1
    assert generations["seed"].n_unique() == 9
    assert len({tuple(ids) for ids in generations["example_ids"].to_list()}) > 1


def test_without_a_pool_all_examples_are_seeds(context: Context) -> None:
    shown = generate(context, pool=False)["generations"]["example_ids"].explode().to_list()
    assert set(shown) <= {schemas.question_id(text) for text in SEED_QUESTIONS}


def test_a_long_prompt_loses_whole_examples(context: Context) -> None:
    generations = generate(context, system="", max_prompt_tokens=260)["generations"]
    assert max(len(ids) for ids in generations["prompt_ids"].to_list()) <= 260
    counts = {len(ids) for ids in generations["example_ids"].to_list()}
    assert max(counts) < 4 and min(counts) >= 1
    engine = context.resources.engine()
    for row in generations.iter_rows(named=True):
        assert f"\n{len(row['example_ids']) + 1}." in engine.decode(row["prompt_ids"])


def test_an_example_that_never_fits_is_an_input_error(context: Context) -> None:
    with pytest.raises(InputError, match="remove over-long seed questions"):
        generate(context, max_prompt_tokens=20)


def test_all_questions_of_a_generation_become_candidates(context: Context) -> None:
    """The first question, which has no number, is kept. The question that the token limit cut is dropped."""
    prompt = "user\nMore:\n1. What is the tenth odd number?\n2.\nassistant\n"
    script = {
        prompt: [" What is 1+1?\n3. What is 2+2?\n4. What is 3+3"],
    }
    for ending, expected in (
        ("", ["What is 1+1?", "What is 2+2?", "What is 3+3"]),
        ("…", ["What is 1+1?", "What is 2+2?"]),
    ):
        engine = ScriptedEngine({prompt: [script[prompt][0] + ending]})
        with fake_resources(engine) as resources:
            fresh = replace(context, store=memory_store(), resources=resources)
            config = GenerateConfig(
                questions=2, questions_per_prompt=2, over_generation=1, examples=1, system="", user="More:"
            )
            tables, metrics = do(GENERATE, inputs(fresh, pool=False, seeds=POOL[1:]), config, fresh)
        candidates = tables["candidates"]
        assert candidates["question"].to_list() == expected
        assert candidates["position"].to_list() == list(range(len(expected)))
        assert candidates["candidate_id"][0] == "c0001-000000-00"
        assert metrics["generate/candidates"] == len(expected)
        assert metrics["generate/truncated"] == bool(ending)


def test_what_chat_models_write_around_questions_is_left_out(context: Context) -> None:
    prompt = "user\nMore:\n1. What is the tenth odd number?\n2.\nassistant\n"
    response = "Sure! Here are more questions:\n\n**2.** What is 1+1?\n\n**Answer:** 2\n\n**3.** What is 2+2"
    config = GenerateConfig(
        questions=2, questions_per_prompt=2, over_generation=1, examples=1, system="", user="More:", read="clean"
    )
    for ending, last in (("", "What is 2+2"), ("…", f"What is 2+2 {CUT_OFF}")):
        with fake_resources(ScriptedEngine({prompt: [response + ending]})) as resources:
            fresh = replace(context, store=memory_store(), resources=resources)
            tables, _ = do(GENERATE, inputs(fresh, pool=False, seeds=POOL[1:]), config, fresh)
        assert tables["candidates"]["question"].to_list() == ["What is 1+1?", last]


def test_lists_whose_thinking_never_ends_give_no_candidates(context: Context) -> None:
    prompt = "user\nMore:\n1. What is the tenth odd number?\n2.\nassistant\n"
    config = GenerateConfig(questions=2, questions_per_prompt=2, over_generation=1, examples=1, system="", user="More:")
    for response, expected in (
        ("<think>\n2. A plan?\n3. Another?</think>\n\nWhat is 1+1?\n3. What is 2+2?", ["What is 1+1?", "What is 2+2?"]),
        ("<think>\n2. A plan?\n3. Another?\n4. And…", []),
    ):
        with fake_resources(ScriptedEngine({prompt: [response]})) as resources:
            fresh = replace(context, store=memory_store(), resources=resources)
            tables, metrics = do(GENERATE, inputs(fresh, pool=False, seeds=POOL[1:]), config, fresh)
        assert tables["candidates"]["question"].to_list() == expected
        assert metrics["generate/candidates"] == len(expected)
        assert metrics["generate/thinking_unfinished"] == (not expected)


ONE = {"questions": 3, "questions_per_prompt": 1, "over_generation": 1, "examples": 1, "system": "S"}
BLANK_LINE = "Ann has two apples.\n\nHow many legs have they?"


@pytest.mark.parametrize(
    ("config", "prompt"),
    [
        (
            {"form": "turns", "request": "One more:"},
            f"system\nS\nuser\nOne more:\nassistant\n{BLANK_LINE}\nuser\nOne more:\nassistant\n",
        ),
        ({"form": "plain", "mark": "Problem:"}, f"S\n\nProblem: {BLANK_LINE}\n\nProblem:"),
    ],
)
def test_in_the_other_forms_each_response_is_one_question(
    context: Context, config: dict[str, Any], prompt: str
) -> None:
    for response, expected in (
        (" A sum.\n\nWhat is 1+1?", ["A sum. What is 1+1?"]),
        ("<think>\nA plan?</think>What is 1+1?", ["What is 1+1?"]),
        ("What is 1+1…", []),
        (" \n ", [""]),  # the filter names the reason
    ):
        engine = ScriptedEngine({prompt: [response]})
        with fake_resources(engine, shard_rows=2) as resources:
            fresh = replace(context, store=memory_store(), resources=resources)
            settings = GenerateConfig(**ONE, **config)
            tables, metrics = do(GENERATE, inputs(fresh, pool=False, seeds=(BLANK_LINE,)), settings, fresh)
        assert tables["generations"].height == 3 and metrics["generate/candidates"] == 3 * len(expected)
        assert tables["candidates"]["question"].to_list() == 3 * expected
        assert {params.stop for _, params, _ in engine.calls} == {("\nProblem:",) if config["form"] == "plain" else ()}


@pytest.mark.parametrize("config", [{"form": "turns", "request": "One more:"}, {"form": "plain", "mark": "Problem:"}])
def test_the_fake_policy_writes_questions_in_every_form(context: Context, config: dict[str, Any]) -> None:
    settings = {**ONE, "questions": 40, "examples": 4, "system": "", "max_tokens": 400, **config}
    tables = do(GENERATE, inputs(context), GenerateConfig(**settings), context)[0]
    assert tables["generations"].height == 40 and tables["candidates"].height > 30
    assert sum("How many" in question for question in tables["candidates"]["question"]) > 15
    assert not any("boxed" in question for question in tables["candidates"]["question"])


def test_the_engine_is_asked_with_the_settings_of_the_stage(context: Context) -> None:
    prompt = "user\nMore:\n1. What is the tenth odd number?\n2.\nassistant\n"
    engine = ScriptedEngine({prompt: ["What is 1+1?"]})
    config = GenerateConfig(
        questions=1, questions_per_prompt=1, over_generation=1, examples=1, system="", user="More:",
        temperature=0.3, top_p=0.5, presence_penalty=1.5, max_tokens=77,
    )  # fmt: skip
    with fake_resources(engine) as resources:
        do(GENERATE, inputs(context, pool=False, seeds=POOL[1:]), config, replace(context, resources=resources))
    ((_, params, _),) = engine.calls
    assert (params.temperature, params.top_p, params.presence_penalty, params.max_tokens) == (0.3, 0.5, 1.5, 77)


def test_randomness_follows_from_the_row_not_from_the_parts(context: Context) -> None:
    expected = generate(context)
    with fake_resources(shard_rows=2) as resources:
        tables = generate(replace(context, store=memory_store(), resources=resources))
    assert all(tables[name].equals(expected[name]) for name in expected)
    other = generate(replace(context, store=memory_store(), iteration=2))
    assert not other["generations"].equals(expected["generations"])
