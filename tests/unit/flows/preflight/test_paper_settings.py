"""The published settings (docs/explanation/method.md, section 2), and the presets that reproduce them."""

from pathlib import Path

import pytest

from flows.cli import main
from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.preflight.paper_settings import SETTINGS, differing
from flows.stage_settings import _answers_of, vote_settings
from stages.answers.kinds import answer_config
from stages.settings.answers import AnswerConfig

CONFIGS = Path(__file__).parents[4] / "configs"
PAPER = {item.setting: item.value for item in SETTINGS}


def paper_config(*changes: str) -> RunConfig:
    return load_config(CONFIGS / "paper-llama3.2-3b.yaml", changes)


@pytest.mark.parametrize("name", ["paper-llama3.2-3b", "paper-qwen2.5-7b"])
def test_presets_have_the_published_settings(name: str) -> None:
    assert differing(load_config(CONFIGS / f"{name}.yaml")) == []


def test_published_values() -> None:
    """Check against a second list, from arXiv 2505.20347, section 4, its appendix, and the defaults of the release."""
    few_shot = ("examples", "examples_from_pool", "temperature", "top_p", "presence_penalty", "max_tokens")
    assert [PAPER[f"generate.{name}"] for name in few_shot] == [8, 2, 0.8, 0.95, 2.0, 1_024]
    assert [PAPER[f"filter.rules.{name}_words"] for name in ("min", "max")] == [4, 150]
    assert PAPER["filter.max_similarity"] == 0.7
    sampling = ("responses", "temperature", "top_p", "max_prompt_tokens", "max_tokens")
    assert [PAPER[f"sample.{name}"] for name in sampling] == [16, 1.0, 1.0, 1_024, 1_024]
    assert (PAPER["vote.min_reward"], PAPER["vote.max_reward"]) == (0.2, 0.8)
    update = ("learning_rate", "kl_coef", "clip", "batch_responses", "epochs", "max_grad_norm", "weight_decay")
    assert [PAPER[f"update.{name}"] for name in update] == [5e-7, 1e-3, 0.2, 16, 1, 1.0, 0.0]
    assert PAPER["update.betas"] == [0.9, 0.95]
    schedule = ("schedule", "warmup_fraction", "min_learning_rate_ratio")
    assert [PAPER[f"update.{name}"] for name in schedule] == ["cosine", 0.03, 0.1]
    assert [PAPER[f"evaluate.protocol.{name}"] for name in ("samples", "temperature", "top_p")] == [16, 1.0, 0.95]


def test_presets_read_responses_that_were_cut_off() -> None:
    """As the release does, in votes and in the evaluation of every set, of whatever kind."""
    config = paper_config()
    assert vote_settings(config).answers == AnswerConfig(count_truncated=True)
    answers = {
        benchmark.name: answer_config(_answers_of(benchmark, config)) for benchmark in config.evaluate.benchmarks
    }
    assert answers["math_500"] == AnswerConfig(count_truncated=True)
    assert answers["mmlu_pro"] == AnswerConfig(kind="choice", count_truncated=True)
    by_default = paper_config("answers.count_truncated=false")
    assert {_answers_of(benchmark, by_default).count_truncated for benchmark in by_default.evaluate.benchmarks} == {
        False
    }


def test_every_published_setting_exists_here() -> None:
    from flows.config.diff import flatten

    assert PAPER.keys() <= flatten(paper_config().model_dump(mode="json", by_alias=False)).keys()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("update.kl_coef=1e-4", "update.kl_coef"),
        ("filter.rules.banned_words=[graph]", "filter.rules.banned_words"),
        ("iterations=10", "iterations x questions_per_update"),
        ("evaluate.benchmarks=[math_500]", "evaluate.benchmarks"),
        ("evaluate.protocol.prompt=chat_boxed", "evaluate.protocol.prompt.template"),
        ("answers.count_truncated=false", "answers.count_truncated"),
    ],
)
def test_different_settings_are_named(change: str, name: str) -> None:
    assert name in differing(paper_config(change))


def test_check_against_paper_prints_each_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    path = str(CONFIGS / "paper-llama3.2-3b.yaml")
    assert main(["check", path, "--against", "paper"]) == 0
    printed = capsys.readouterr().out
    assert "0 of 56 differ" in printed and all(name in printed for name in PAPER)
    assert "votes on prompt + response" in printed
    assert main(["check", path, "--against", "paper", "--set", "vote.max_reward=0.9"]) == 0
    assert "1 of 56 differ: vote.max_reward" in capsys.readouterr().out


def test_benchmarks_command_lists_named_sets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["benchmarks"]) == 0
    printed = capsys.readouterr().out
    assert "HuggingFaceH4/MATH-500 (test)" in printed and "12,032" in printed
