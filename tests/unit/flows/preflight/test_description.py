"""The description of a config that `serl check` prints."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.preflight.description import describe
from flows.run_loop import run_locally
from storage.errors import InputError
from tests.commands import REPOSITORY
from tests.helpers import SEED_QUESTIONS, fake_config, write_jsonl
from tests.tiny_models import make_tiny_policy


def overlaps(config: RunConfig) -> list[str]:
    return [line for line in describe(config).splitlines() if line.startswith("overlap")]


def with_benchmarks(folder: Path, **changes: object) -> RunConfig:
    """Return a config with two evaluation sets: one has two of the seeds, slightly changed, the other one of them."""
    sets = {"first": [SEED_QUESTIONS[1].upper(), f"Well, {SEED_QUESTIONS[0]}"], "second": [SEED_QUESTIONS[0]]}
    benchmarks = []
    for name, questions in sets.items():
        rows = [{"question": question, "answer": 1} for question in questions]
        benchmarks.append({"name": name, "path": str(write_jsonl(folder / f"{name}.jsonl", rows))})
    return fake_config(folder, evaluate={"benchmarks": benchmarks}, **changes)


def test_seeds_that_overlap_evaluation_sets_are_counted(tmp_path: Path) -> None:
    lines = describe(with_benchmarks(tmp_path)).splitlines()
    (index,) = (number for number, line in enumerate(lines) if line.startswith("overlap"))
    assert lines[index] == (
        "overlap      2 of 6 seeds share 13 words in a row, or all, with an evaluation set (first: 2, second: 1); new "
        "questions that do are rejected (filter.overlap_words)"
    )


def test_only_equal_questions_count_without_overlap_words(tmp_path: Path) -> None:
    assert overlaps(with_benchmarks(tmp_path, filter={"overlap_words": 0})) == [
        "overlap      2 of 6 seeds share all words with an evaluation set (second: 1, first: 1); new questions that do "
        "are rejected (filter.overlap_words)"
    ]


def test_questions_that_are_drawn_pass_no_filter(tmp_path: Path) -> None:
    config = with_benchmarks(tmp_path, instructions="seeds", filter={"rules": {"max_words": 20}})
    assert overlaps(config) == [
        "overlap      2 of 6 seeds share 13 words in a row, or all, with an evaluation set (first: 2, second: 1)"
    ]
    assert "break filter.rules" not in describe(config)


def test_a_missing_reference_is_said(tmp_path: Path) -> None:
    line = "update.kl_coef is 0: the reference is not loaded, train/kl is null and watchdog.kl has nothing to watch"
    assert line not in describe(fake_config(tmp_path))
    assert f"{'':13}{line}" in describe(fake_config(tmp_path, update={"kl_coef": 0})).splitlines()


def test_seeds_that_break_rules_of_the_filter_are_counted(tmp_path: Path) -> None:
    assert "break filter.rules" not in describe(fake_config(tmp_path))
    texts = [
        "Does it?",
        "- Which one of these is right?",
        "Which picture shows it?",
        "Which map is it?",
        "Is it right?",
    ]
    seeds = write_jsonl(tmp_path / "quiz.jsonl", [{"question": text} for text in texts])
    config = fake_config(tmp_path, seeds={"path": str(seeds)}, filter={"rules": {"min_words": 3}})
    (line,) = (line for line in describe(config).splitlines() if line.startswith("filter"))
    assert line == (
        "filter       4 of 5 seeds break filter.rules (banned_word: 2, too_short: 1, leading_punctuation: 1); seeds "
        "stay, but new questions like them are rejected"
    )


def test_a_teacher_of_mathematics_in_another_field_is_noticed(tmp_path: Path) -> None:
    def is_noticed(**changes: object) -> bool:
        return "generate.system asks for mathematics, and" in describe(fake_config(tmp_path, **changes))

    assert is_noticed(answers={"kind": "choice"})
    assert not is_noticed()
    assert not is_noticed(answers={"kind": "choice"}, instructions="seeds")
    assert not is_noticed(answers={"kind": "choice"}, generate={"system": "You are a professor of medicine."})


def test_the_form_of_asking_is_said_with_its_reason(tmp_path: Path) -> None:
    def lines(**changes: Any) -> list[str]:
        text = describe(fake_config(tmp_path, **changes)).splitlines()
        return [line.strip() for line in text if line.strip().startswith(("form ", "generate.", "generate   "))]

    generate = {"questions": 8, "examples": 2}
    first, second = lines(generate=generate)
    assert first.startswith("generate     2 prompts for 8 accepted questions, at most 2,048 tokens")
    assert second == (
        "form list: one user turn with a numbered list, which the policy continues (the fake engine and a policy made "
        "by warm start continue lists)"
    )
    model = {"engine": "transformers", "policy": {"model": str(make_tiny_policy(tmp_path / "policy"))}}
    first, second, third = lines(**model, generate=generate, answers={"kind": "text"})
    assert first.startswith("generate     12 prompts for 8 accepted questions, at most 12,288 tokens")
    assert "(the policy's chat template takes them)" in second and second.startswith("form turns: ")
    assert third.startswith("generate.system and generate.request ask for mathematics, and")
    assert lines(**model, instructions="seeds")[1:] == []


def test_a_missing_engine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config may be checked on another machine than the one that runs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "vllm" else find(name, *more))
    model = str(make_tiny_policy(tmp_path / "policy"))

    def lines(**changes: object) -> list[str]:
        config = fake_config(tmp_path, policy={"model": model}, **changes)
        return [line for line in describe(config).splitlines() if line.startswith("engine")]

    (line,) = lines(engine="vllm")
    assert line.startswith("engine       vllm needs vLLM, which is not installed here")
    assert lines(engine="vllm", gpu="deployment") == lines(engine="transformers") == []


@pytest.mark.parametrize(
    ("name", "labels", "source"),
    [
        ("gsm8k-0.5b", "none with a label", "nothing: 128 questions are drawn from"),
        ("gsm8k-0.5b-random", "none with a label", "nothing: 128 questions are drawn from"),
        ("gsm8k-0.5b-verified", "6 with a label (6 number)", "nothing: 128 questions are drawn from"),
        ("math-self-0.5b", None, "accepted questions"),
    ],
)
def test_only_the_upper_bound_reads_the_answers_of_gsm8k(
    tmp_path: Path, name: str, labels: str | None, source: str
) -> None:
    rows = [{"question": text, "answer": f"That is 5.\n#### {number}"} for number, text in enumerate(SEED_QUESTIONS)]
    questions, policy = write_jsonl(tmp_path / "train.jsonl", rows), make_tiny_policy(tmp_path / "policy")
    exam = write_jsonl(tmp_path / "exam.jsonl", [{"question": "How many?", "answer": "So\n#### 72"}])
    overrides = [
        f"seeds.path={questions}", f"policy.model={policy}", "engine=transformers",
        f"evaluate.benchmarks=[{{name: gsm8k, path: {exam}}}]",
        *([f"dataset.path={questions}"] if labels else []),
    ]  # fmt: skip
    text = describe(load_config(REPOSITORY / "configs" / f"{name}.yaml", overrides))
    assert source in text and "label: 72" in text
    if labels:
        assert labels in text.split("\ndataset ")[1].split("\ngsm8k ")[0]


def test_no_line_without_overlap(tmp_path: Path) -> None:
    assert overlaps(fake_config(tmp_path)) == []
    seeds = {"domain": "arithmetic", "count": 3}
    assert overlaps(with_benchmarks(tmp_path, seeds=seeds)) == []


def test_malformed_file_is_named(tmp_path: Path) -> None:
    config = fake_config(tmp_path)
    (tmp_path / "sums.jsonl").write_text('{"question": "What is 1+1?"}\n')
    with pytest.raises(InputError, match=r"benchmark sums .*line 1: no answer"):
        describe(config)


def test_voters_and_their_responses_are_listed(tmp_path: Path) -> None:
    voters = [
        {"name": "first", "iteration": 0, "responses": 4, "weight": 0.5},
        {"name": "before", "iteration": -2, "responses": 8},
    ]
    lines = describe(fake_config(tmp_path, voters=voters, answers={"kind": "choice"})).splitlines()
    assert "voter        first: the starting policy, 4 responses each, weight 0.5" in lines
    assert "voter        before: the policy 2 iteration(s) before, 8 responses each, weight 1" in lines
    assert any(line.startswith("sample       20 responses each") for line in lines)
    assert "answers      choice" in lines


def test_rounds_and_their_limits_are_shown(tmp_path: Path) -> None:
    config = fake_config(tmp_path, questions_per_update=10, tokens_per_update=5_000)
    lines = describe(config).splitlines()
    index = lines.index(
        "rounds       of 8 questions, until 10 are kept; at most 8 rounds or 5,000 tokens; one round alone may take "
        "71,680"
    )
    assert lines[index + 1].endswith(
        "questions kept beyond 10 are asked again in the next iteration; estimates assume 3 round(s), in which half of "
        "the questions are kept"
    )
    assert any("at most 5 optimiser steps of 16 responses" in line for line in lines)  # 10 questions x 8
    config = fake_config(tmp_path, questions_per_update=10, max_rounds=2, carry_over=False)
    assert "until 10 are kept; at most 2 rounds\n" in describe(config) and "are not used; estimates" in describe(config)
    assert "lower generate.questions" not in describe(config)
    assert "lower generate.questions" in describe(fake_config(tmp_path, questions_per_update=1))
    assert "rounds accept at most" not in describe(fake_config(tmp_path, questions_per_update=16, max_rounds=2))
    assert (
        "2 rounds accept at most 16 questions, fewer than questions_per_update: raise generate.questions"
        in describe(fake_config(tmp_path, questions_per_update=17, max_rounds=2))
    )
    assert not any(line.startswith("rounds") for line in describe(fake_config(tmp_path)).splitlines())


def test_voters_that_restart_vllm_are_named(tmp_path: Path) -> None:
    policy, similar = (
        str(make_tiny_policy(tmp_path / name, seed=seed)) for seed, name in enumerate(("policy", "similar"))
    )
    deeper = str(make_tiny_policy(tmp_path / "deeper", num_hidden_layers=3))
    words = str(make_tiny_policy(tmp_path / "words", vocab_texts=["Other words make other tokens."]))
    models = {"similar": similar, "deeper": deeper, "words": words}
    voters = [{"name": name, "model": model} for name, model in models.items()]

    def restarts(engine: str, voters: list[dict[str, str]]) -> list[str]:
        config = fake_config(tmp_path, engine=engine, policy={"model": policy}, voters=voters)
        return [line for line in describe(config).splitlines() if line.startswith("restarts")]

    (line,) = restarts("vllm", voters)
    assert "anew for deeper, words (another model or tokenizer than the policy's)" in line
    assert restarts("vllm", voters[:1]) == restarts("server", voters) == []


def test_a_policy_of_another_run_is_named(tmp_path: Path) -> None:
    first = fake_config(
        tmp_path, name="first", engine="transformers", policy={"model": str(make_tiny_policy(tmp_path / "policy"))}
    )
    run_locally(first.model_copy(update={"iterations": 0}))

    def line(policy: dict[str, object]) -> str:
        config = fake_config(tmp_path, name="second", engine="transformers", policy={"run": first.uri, **policy})
        return next(line for line in describe(config).splitlines() if line.startswith("policy"))

    assert line({}) == f"policy       the newest good iteration of {first.uri}"
    assert line({"iteration": 0}) == f"policy       iteration 0 of {first.uri}"
