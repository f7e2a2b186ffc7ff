"""The embedded policy: it loads from its folder, knows the pipeline's prompts, and is reproducible byte for byte."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from stages import warm_start
from stages.domains.arithmetic import Problem
from stages.settings.warm_start import WarmStartConfig
from stages.warm_start import train_policy

TINY = WarmStartConfig(steps=12, direct_from_step=6, warm_up_steps=2, questions_per_step=4, lists_per_step=1)
PROBLEM = Problem(
    question="Rosa has 30 coins, buys 8 and loses 2. How many are there now?", chain=(30, 8, -2), answer=36
)


def _silent(done: int, total: int, text: str) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    train_policy(TINY, 7, path, _silent)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def test_module_loads_without_torch() -> None:
    code = "import sys, stages.warm_start; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_training_is_reproducible_and_keeps_torchs_state(folder: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(123)
    state = torch.get_rng_state()
    train_policy(TINY, 7, tmp_path / "again", _silent)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    train_policy(TINY, 8, tmp_path / "other", _silent)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != (folder / "model.safetensors").read_bytes()
    assert (tmp_path / "other" / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_reports_progress_and_losses(tmp_path: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    losses = train_policy(TINY, 1, tmp_path, lambda done, total, text: calls.append((done, total, text)))
    assert [call[:2] for call in calls] == [(10, 12), (12, 12)]
    assert set(losses) == {"warm_start/answer_loss", "warm_start/question_loss", "warm_start/list_loss"}
    # A uniform guess over some 560 tokens costs ln 560 = 6.3 nats.
    assert 0 < losses["warm_start/answer_loss"] < 6.3


def test_folder_loads_as_a_policy(folder: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert not list(folder.glob("*.bin")) and (folder / "model.safetensors").exists()


def test_tokenizer_keeps_digits_single_and_words_whole(tokenizer: Any) -> None:
    text = f"{PROBLEM.question}\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    pieces = [tokenizer.decode([token]) for token in ids]
    assert pieces[:9] == ["Rosa", " has ", "3", "0", " coins", ",", " buys ", "8", " and"]
    answer = tokenizer(r"30+8=38-2=36 \boxed{36}<|im_end|>", add_special_tokens=False)["input_ids"]
    assert [tokenizer.decode([token]) for token in answer[-5:]] == [r" \boxed{", "3", "6", "}", "<|im_end|>"]
    assert answer[-1] == tokenizer.eos_token_id


def test_tokenizer_encodes_text_it_was_not_trained_on(tokenizer: Any) -> None:
    """A byte-level vocabulary has no unknown token, so it encodes the MATH seeds too."""
    text = "Find $\\frac{x^2}{3}$ for x = −7 é \U0001f600\n\n\tDone."
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_list_prompt_is_that_of_the_chat_template(tokenizer: Any) -> None:
    prompt, completion = warm_start._list_task(["Q1", "Q2", "Q3", "Q4"], shown=2)
    request = "Come up with a series of questions:\n1. Q1\n2. Q2\n3."
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": request}], add_generation_prompt=True, tokenize=False
    )
    assert prompt == rendered
    assert completion == " Q3\n4. Q4<|im_end|>"


def test_answers_have_steps_until_the_switch_then_half_do(tokenizer: Any) -> None:
    config = WarmStartConfig(steps=10, direct_from_step=5, questions_per_step=200, lists_per_step=1)

    def direct_share(step: int) -> float:
        solved, _ = warm_start._batch(config, tokenizer, random.Random(step), step)
        return sum(tokenizer.decode(answer).startswith("\\boxed") for _, answer in solved) / 200

    assert direct_share(4) == 0
    assert 0.38 < direct_share(5) < 0.62  # 200 fair draws: standard error 3.5 points


def test_orthogonal_brings_singular_values_near_one() -> None:
    matrix = torch.randn(96, 256, generator=torch.Generator().manual_seed(0))
    for oriented in (matrix, matrix.T):
        values = torch.linalg.svdvals(warm_start._orthogonal(oriented))
        assert oriented.shape == warm_start._orthogonal(oriented).shape
        assert values.min() > 0.6 and values.max() < 1.3


def test_learning_rate_rises_stays_and_falls() -> None:
    config = WarmStartConfig(steps=100, warm_up_steps=10, decay_share=0.2, final_rate=0.1)
    rates = [warm_start._rate_factor(config, step) for step in (0, 4, 9, 50, 80, 90, 99)]
    assert rates == pytest.approx([0.1, 0.5, 1, 1, 1, 0.5, 0.1])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"head_size": 16}, {"direct_share": 1.5}, {"stepz": 3}])
def test_config_refuses_invalid_values(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        WarmStartConfig.model_validate(wrong)
