"""What `serl check` says about a model and its prompts."""

from pathlib import Path
from typing import Any

import pytest

from flows.config.run import RunConfig
from flows.preflight.prompts import check_prompts, describe_models
from storage.errors import InputError
from tests.helpers import fake_config
from tests.tiny_models import make_tiny_policy, make_tiny_tokenizer

QUESTION = "What is 1+1?"
CHAT = "asked in a chat as:"


def config_of(folder: Path, *, template: str | None = "", thinks: bool = False, **changes: Any) -> RunConfig:
    """A run whose policy has the tiny tokenizer's template followed by `template`; None for no template."""
    tokenizer = make_tiny_tokenizer()
    if thinks:
        tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = None if template is None else tokenizer.chat_template + template
    policy = {"model": str(make_tiny_policy(folder / "policy", tokenizer=tokenizer))}
    return fake_config(folder, engine="transformers", policy=policy, **changes)


def lines_about_policy(config: RunConfig) -> list[str]:
    return describe_models(config, [QUESTION])["policy"]


def test_turns_that_a_template_loses_are_refused(tmp_path: Path) -> None:
    loses = "{% if messages|length > 3 %}{{ raise_exception('one question') }}{% endif %}"
    generate = {"form": "turns", "questions": 8}
    with pytest.raises(InputError, match=r"new questions: .*one question.*; or change generate\.form \(plain needs no"):
        check_prompts(config_of(tmp_path, template=loses, generate=generate))
    check_prompts(config_of(tmp_path, template=loses, generate={**generate, "form": "auto"}))
    check_prompts(config_of(tmp_path, generate=generate))


def test_thinking_counts_in_the_limits_that_are_named(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"sample": {"max_tokens": 2_048}, "generate": {"max_tokens": 300}}
    line = "thinking is marked with <think>, </think> and counts in max_tokens "
    limits = "(generate 300, sample 2,048, evaluate.protocol 1,024)"
    assert line + limits in lines_about_policy(config_of(tmp_path, thinks=True, **changes))
    limits = "(sample 2,048, evaluate.protocol 1,024)"
    assert line + limits in lines_about_policy(config_of(tmp_path, thinks=True, instructions="seeds", **changes))
    assert "no control token marks thinking" in lines_about_policy(config_of(tmp_path))


def test_a_prompt_that_loses_examples_is_noticed(tmp_path: Path) -> None:
    def is_noticed(**generate: Any) -> bool:
        config = config_of(tmp_path, generate={"questions": 8, **generate})
        return any("examples are left out until a prompt fits" in line for line in lines_about_policy(config))

    assert is_noticed(max_prompt_tokens=20)
    assert not is_noticed(max_prompt_tokens=1_024)


def test_prompts_without_the_template_of_a_chat_model_are_marked(tmp_path: Path) -> None:
    """The evaluation's plain prompt ends with a line end."""
    plain = "asked without the model's chat template as:"
    expected = [f"answers, {plain}", f"  {QUESTION}", f"benchmark sums, {plain}", f"  {QUESTION} ⏎"]
    assert lines_about_policy(config_of(tmp_path))[-4:] == expected
    protocol = {"prompt": "chat"}
    lines = lines_about_policy(
        config_of(
            tmp_path,
            sample={"prompt": "chat"},
            evaluate={"protocol": protocol, "benchmarks": [{"name": "own", "seeds": True}]},
        )
    )
    labels = [f"new questions, {CHAT}", f"answers, benchmark own, {CHAT}"]
    assert [line for line in lines if " asked " in line] == labels
    (tmp_path / "base").mkdir()
    lines = lines_about_policy(config_of(tmp_path / "base", template=None, instructions="seeds"))
    assert "answers, asked as:" in lines


def test_a_model_without_a_template_names_the_settings_that_help(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"policy, new questions: .* change generate\.form \(plain needs no chat"):
        check_prompts(config_of(tmp_path, template=None))
    check_prompts(config_of(tmp_path, template=None, instructions="seeds"))
