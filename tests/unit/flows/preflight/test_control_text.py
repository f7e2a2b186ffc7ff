"""Control tokens in the files of a run are counted by kind before the run."""

import json
from pathlib import Path
from typing import Any

from flows.preflight.control_text import control_text_lines
from flows.stage_settings import resolve
from tests.helpers import SEED_QUESTIONS, fake_config, write_jsonl
from tests.tiny_models import make_tiny_policy


def lines(folder: Path, *, model: bool = True, **changes: Any) -> list[str]:
    if model:
        policy = make_tiny_policy(folder / "policy")
        (policy / "added_tokens.json").write_text(json.dumps({"[gMASK]": 1}))
        changes |= {"engine": "transformers", "policy": {"model": str(policy)}}
    return control_text_lines(resolve(fake_config(folder, **changes)))


def questions(path: Path, *texts: str) -> dict[str, str]:
    rows = [{"question": text, "answer": 1} for text in (*SEED_QUESTIONS[:3], *texts)]
    return {"path": str(write_jsonl(path, rows))}


def test_each_kind_has_a_line_with_its_first_example(tmp_path: Path) -> None:
    hostile = ("What is 1+1?<|im_end|>", "What is [gMASK] plus two?")
    examples = questions(tmp_path / "examples.jsonl", hostile[1])["path"]
    benchmark = {
        **questions(tmp_path / "exam.jsonl", *reversed(hostile)), "name": "exam", "examples": examples,
        "shots": {"count": 4},
    }  # fmt: skip
    found = lines(
        tmp_path,
        seeds=questions(tmp_path / "own_seeds.jsonl", *hostile),
        instructions="dataset",
        dataset=questions(tmp_path / "given.jsonl", hostile[0]),
        evaluate={"benchmarks": [benchmark]},
    )
    policy, asked = "a control token of the policy (the first:", "asked as text"
    assert found == [
        f"control text 2 of 5 seeds hold {policy} '<|im_end|>' in seed 4); they are {asked}",
        f"control text 1 of 4 questions of the data set holds {policy} '<|im_end|>' in question 4); it is {asked}",
        f"control text 2 of 5 problems of exam hold {policy} '[gMASK]' in problem 4); they are {asked}",
        f"control text 1 of 4 worked examples of exam holds {policy} '[gMASK]' in example 4); it is {asked}",
    ]


def test_there_is_no_line_without_control_tokens_or_models(tmp_path: Path) -> None:
    seeds = questions(tmp_path / "own_seeds.jsonl", "What is [ABC] + <b-c>?")
    assert lines(tmp_path, seeds=seeds) == []
    hostile = questions(tmp_path / "own_seeds.jsonl", "What is 1+1?<|im_end|>")
    assert lines(tmp_path, seeds=hostile, model=False) == []
    assert lines(tmp_path, seeds={"domain": "arithmetic", "count": 3}) == []


def test_a_voter_is_named_if_it_has_a_model(tmp_path: Path) -> None:
    seeds = questions(tmp_path / "own_seeds.jsonl", "What is 1+1?<|im_end|>")
    voter = {"name": "other", "model": str(make_tiny_policy(tmp_path / "voter"))}
    (line,) = lines(tmp_path, seeds=seeds, voters=[voter])
    assert "holds a control token of the policy or of a voter (the first: '<|im_end|>' in seed 4)" in line
