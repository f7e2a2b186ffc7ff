"""What a run fixes when it starts stays with it: the date that its chat template writes into prompts."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.models import pinned as pinned_module
from flows.reporting.comparison import compare
from flows.run_progress import find_finished
from stages.engines.tokenizer import load_tokenizer
from storage.run import Run, newest_revision, open_run
from storage.store import Store
from tests.helpers import fake_values, run_here
from tests.tiny_models import DATED_TEMPLATE, make_tiny_policy, make_tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = DATED_TEMPLATE
    return make_tiny_policy(tmp_path_factory.mktemp("dated"), tokenizer=tokenizer)


def config_of(tmp_path: Path, folder: Path, **more: Any) -> RunConfig:
    values = fake_values(
        tmp_path,
        engine="transformers",
        policy={"model": str(folder)},
        instructions="seeds",
        min_kept=10_000,
        sample={"prompt": "chat", "max_tokens": 2, "responses": 2},
        **more,
    )
    values["generate"] = {"questions": 2}
    values["evaluate"]["protocol"] = {"prompt": "chat", "samples": 0, "max_tokens": 2}
    return parse_config(values, "test")


def run_on(day: date, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Run:
    class Clock(date):
        @classmethod
        def today(cls) -> date:  # type: ignore[override]
            return day

    monkeypatch.setattr(pinned_module, "date", Clock)
    run_here(config)
    return open_run(config.uri)


def test_a_run_that_is_resumed_on_another_day_keeps_its_date(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    run_on(first, config_of(tmp_path, folder, iterations=1), monkeypatch)
    config = config_of(tmp_path, folder, iterations=2)
    run = run_on(second, config, monkeypatch)
    tokenizer = load_tokenizer(folder)
    for iteration in (1, 2):
        prompts = run.table("responses", iteration)["prompt_ids"].to_list()
        assert prompts and all("Today Date: 01 Mar 2026" in tokenizer.decode(ids) for ids in prompts)
    assert run.config["chat_date"] == "2026-03-01"
    assert find_finished(config, Store(config.uri)).complete
    # Another run is equal if its settings state the date.
    stated = config_of(tmp_path, folder, iterations=2, chat_date="2026-03-01", name="stated")
    other = run_on(second, stated, monkeypatch)
    assert compare(run, other)["diverges"] is None and compare(run, other)["unequal_outputs"] == []


def test_the_date_is_in_keys_only_where_the_template_writes_it(tmp_path: Path, folder: Path) -> None:
    config = config_of(tmp_path, folder, iterations=1, chat_date="2026-03-01")
    resolved = find_finished(config, Store(config.uri)).resolved
    assert resolved.sample.chat_date == resolved.evaluate.chat_date == date(2026, 3, 1)
    plain = config.model_copy(
        update={"sample": config.sample.model_copy(update={"prompt": {"template": "{question}"}})}
    )
    values = config.model_dump(mode="json")
    values["sample"]["prompt"] = "plain"
    plain = parse_config(values, "test")
    resolved = find_finished(plain, Store(config.uri)).resolved
    assert "chat_date" not in resolved.sample.model_dump() and resolved.evaluate.chat_date


def test_a_template_without_a_date_fixes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(tmp_path, make_tiny_policy(tmp_path / "undated"), iterations=0)
    run_on(date(2026, 3, 1), config, monkeypatch)
    revision = newest_revision(Store(config.uri))
    assert revision is not None and "chat_date" not in revision.config
