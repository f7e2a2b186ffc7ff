"""A run that started with an earlier default keeps it, also if its settings pass through another process."""

import json
from pathlib import Path
from typing import Any

from flows.config.run import RunConfig
from flows.models.earlier_defaults import EARLIER_RULES, values_to_send, with_earlier_defaults
from tests.helpers import fake_config

STORED = {"generate": {"questions": 8}, "filter": {"rules": {"use": list(EARLIER_RULES)}}}


def sent(config: RunConfig) -> RunConfig:
    """Return the settings as a submitted run or a process of an ablation gets them."""
    return RunConfig.model_validate(json.loads(json.dumps(values_to_send(config))))


def test_settings_that_were_sent_state_what_the_config_states(tmp_path: Path) -> None:
    config = fake_config(tmp_path)
    assert sent(config) == config
    for received in (config, sent(config)):
        kept = with_earlier_defaults(received, STORED)
        assert kept.generate.read == "published" and kept.filter.rules.use == EARLIER_RULES


def test_what_the_config_states_counts_first(tmp_path: Path) -> None:
    rules = ("empty", "has_solution")
    stated: dict[str, Any] = {
        "generate": {"form": "list", "read": "clean"},
        "filter": {"rules": {"use": list(rules)}},
    }
    config = fake_config(tmp_path, **stated)
    for received in (config, sent(config)):
        kept = with_earlier_defaults(received, STORED)
        assert kept.generate.read == "clean" and kept.filter.rules.use == rules
    # The settings that a run has kept are stated, too.
    assert sent(with_earlier_defaults(fake_config(tmp_path), STORED)).generate.read == "published"
