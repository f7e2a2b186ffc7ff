"""Settings that follow from the files of a model: the control tokens that the filter rejects."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.models.asking import known_control_tokens
from flows.models.folders import model_folders
from flows.stage_settings import filter_settings, resolve
from stages.warm_start import SPECIAL_TOKENS, build_tokenizer
from storage.errors import InputError
from tests.helpers import fake_config
from tests.tiny_models import make_tiny_policy

TINY = ("<|im_end|>", "<|im_start|>", "<|pad|>")
"""Control tokens of the policies of `make_tiny_policy`."""


def declare(folder: Path, *tokens: str) -> None:
    (folder / "added_tokens.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))


def control_tokens(folder: Path, **changes: Any) -> tuple[str, ...]:
    config = fake_config(folder, **changes)
    return tuple(sorted(known_control_tokens(config, model_folders(config))))


def test_the_fake_engine_has_no_control_tokens(tmp_path: Path) -> None:
    settings = filter_settings(fake_config(tmp_path))
    assert settings.control_tokens == () and "control_tokens" not in settings.model_dump()


def test_control_tokens_are_those_of_the_policy_and_of_voters(tmp_path: Path) -> None:
    policy, voter = (make_tiny_policy(tmp_path / name) for name in ("policy", "voter"))
    settings: dict[str, Any] = {"engine": "transformers", "policy": {"model": str(policy)}}
    assert control_tokens(tmp_path, **settings) == TINY
    declare(policy, "[gMASK]", "a word")
    declare(voter, "<sop>", "<|im_end|>")
    settings["voters"] = [{"name": "first", "iteration": 0}]
    assert control_tokens(tmp_path, **settings) == (*TINY, "[gMASK]")
    settings["voters"].append({"name": "other", "model": str(voter)})
    assert control_tokens(tmp_path, **settings) == ("<sop>", *TINY, "[gMASK]")
    # The filter knows the others by their look.
    assert filter_settings(fake_config(tmp_path, **settings)).control_tokens == ("<sop>", "[gMASK]")


def test_a_voter_of_the_fake_engine_has_control_tokens(tmp_path: Path) -> None:
    voter = make_tiny_policy(tmp_path / "voter")
    assert control_tokens(tmp_path, voters=[{"name": "other", "model": str(voter)}]) == TINY


def test_a_warm_start_has_the_tokens_of_its_tokenizer(tmp_path: Path) -> None:
    config = fake_config(tmp_path, engine="transformers", policy={"warm_start": {"steps": 1}})
    assert known_control_tokens(config, model_folders(config)) == set(SPECIAL_TOKENS)
    assert config.policy is not None and config.policy.warm_start is not None
    tokenizer = build_tokenizer(config.policy.warm_start)
    assert {str(token) for token in tokenizer.added_tokens_decoder.values()} == set(SPECIAL_TOKENS)


def test_a_malformed_file_of_a_tokenizer_is_named(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    (folder / "added_tokens.json").write_text("[")
    config = fake_config(tmp_path, engine="transformers", policy={"model": str(folder)})
    with pytest.raises(InputError, match=r"policy/added_tokens\.json cannot be read"):
        resolve(config)
