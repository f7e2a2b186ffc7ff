"""Staleness: changed settings are reported, and code that gives a stage another meaning is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import Field

import flows.iteration
import flows.rounds.collect
import flows.run_progress
from flows.config.diff import differences, flatten
from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.maintenance.staleness import explain_recomputation
from flows.run_loop import run_all
from flows.run_progress import config_of_run, find_finished
from flows.stage_settings import resolve
from stages.import_inputs import IMPORT_SEEDS
from stages.settings.vote import VoteConfig
from stages.vote_rewards import VOTE
from storage.errors import IncompatibleCode
from storage.run import open_run
from storage.store import Store
from storage.tables import version_of, versioned
from tests.helpers import SEED_QUESTIONS, fake_config, fake_resources, fake_values, memory_store, write_jsonl

GOLDEN = str(Path(__file__).parents[3] / "golden" / "format-1")


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return fake_config(tmp_path, iterations=1)


@pytest.fixture
def store(config: RunConfig) -> Store:
    store = memory_store()
    with fake_resources() as resources:
        run_all(config, store, resources)
    return store


def notes(config: RunConfig, store: Store) -> list[str]:
    return explain_recomputation(find_finished(config, store), store)


def changed(config: RunConfig, group: str, **values: object) -> RunConfig:
    return config.model_copy(update={group: getattr(config, group).model_copy(update=values)})


def test_plain_resume_has_no_notes(config: RunConfig, store: Store) -> None:
    assert notes(config, store) == []
    assert notes(config.model_copy(update={"iterations": 2}), store) == []
    assert notes(config, memory_store()) == []


def test_changed_setting_is_named_with_its_consequence(config: RunConfig, store: Store) -> None:
    assert notes(changed(config, "vote", max_reward=0.9), store) == [
        "iteration 1: vote_rewards and what depends on it is computed again, since max_reward was 0.8 and is 0.9; what "
        "was there is kept"
    ]
    assert "since responses was 8 and is 9" in notes(changed(config, "sample", responses=9), store)[0]


def test_rounds_that_are_new_are_named(config: RunConfig, store: Store) -> None:
    (note,) = notes(config.model_copy(update={"questions_per_update": 5}), store)
    assert note.startswith("iteration 1: choose_questions was not part of it and runs now, and what depends on it is")
    (note,) = notes(config.model_copy(update={"questions_per_update": 50}), store)
    assert note.startswith("iteration 1: generate_instructions.2 was not part of it")


@pytest.mark.parametrize(
    ("group", "change", "reason"),
    [
        ("sample", {"stop": ("\n",)}, "sample_responses and what depends on it is computed again, since stop was"),
        ("sample", {"template_arguments": {"enable_thinking": False}}, "since template_arguments.enable_thinking was"),
        ("generate", {"template_arguments": {"a": {"b": 1}}}, "since template_arguments.a.b was"),
        ("answers", {"count_truncated": True}, "answers.count_truncated was"),
    ],
)
def test_a_setting_that_dumps_leave_out_is_a_change_of_settings(
    config: RunConfig, store: Store, group: str, change: dict[str, Any], reason: str
) -> None:
    (note,) = notes(changed(config, group, **change), store)
    assert reason in note


def test_changed_input_is_named(config: RunConfig, store: Store, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "seeds.jsonl", [{"question": "What is the sum of all numbers from 1 to 100?"}])
    assert notes(config, store)[0].startswith("iteration 0: import_seeds and what depends on it is computed again")
    assert "sha256 was" in notes(config, store)[0]


def test_changed_seed_is_named(config: RunConfig, store: Store) -> None:
    assert "since the seed was 3 and is 4" in notes(config.model_copy(update={"seed": 4}), store)[0]


def test_another_stage_version_is_refused(config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.rounds.collect, "VOTE", replace(VOTE, version=9))
    with pytest.raises(
        IncompatibleCode, match=r"vote_rewards has version 9 instead of \d: .* give the run another `name`"
    ):
        notes(config, store)


def test_another_table_version_is_refused(config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    votes = versioned(9, list(VOTE.tables["votes"]))
    monkeypatch.setattr(flows.rounds.collect, "VOTE", replace(VOTE, tables={**VOTE.tables, "votes": votes}))
    with pytest.raises(IncompatibleCode, match="vote_rewards writes another table votes"):
        notes(config, store)
    version = version_of(VOTE.tables["votes"])
    longer = versioned(version, [*VOTE.tables["votes"], pa.field("entropy", pa.float64())])
    monkeypatch.setattr(flows.rounds.collect, "VOTE", replace(VOTE, tables={**VOTE.tables, "votes": longer}))
    with pytest.raises(IncompatibleCode, match="vote_rewards writes another table votes"):
        notes(config, store)


def test_new_setting_of_later_code_is_refused(config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of a new setting changes the key, so a new version would silently compute everything again."""

    class Later(VoteConfig):
        patience: float = Field(0.0)

    resolved = resolve(config)
    later = replace(resolved, vote=Later(**resolved.vote.model_dump()))
    monkeypatch.setattr(flows.run_progress, "resolve", lambda config: later)
    with pytest.raises(IncompatibleCode, match=r"vote_rewards knows other settings \(patience\)"):
        notes(config, store)


@pytest.mark.parametrize(
    ("version", "reason"),
    [(1, "import_seeds has another identity"), (2, "import_seeds has version 2 instead of 1")],
)
def test_run_with_other_identities_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, reason: str
) -> None:
    """Keys of format 1 do not contain the versions of tables, so every stage has another key."""
    monkeypatch.setattr(flows.iteration, "IMPORT_SEEDS", replace(IMPORT_SEEDS, version=version))
    values = open_run(GOLDEN).config
    # Leave out the settings that do not exist any more; the others mean the same.
    del values["vote"]["boxed_only"], values["evaluate"]["protocol"]["boxed_only"]
    for name in ("reject_leading_punctuation", "reject_leading_non_ascii"):
        del values["filter"]["rules"][name]
    config = parse_config(values, GOLDEN)
    seeds, problems = tmp_path / "seeds.jsonl", tmp_path / "sums.jsonl"
    write_jsonl(seeds, [{"question": question} for question in SEED_QUESTIONS])
    changed_paths = config.model_copy(update={"seeds": config.seeds.model_copy(update={"path": str(seeds)})})
    fake_values(tmp_path)
    benchmark = config.evaluate.benchmarks[0].model_copy(update={"path": str(problems)})
    evaluate = config.evaluate.model_copy(update={"benchmarks": (benchmark,)})
    with pytest.raises(IncompatibleCode, match=reason):
        notes(changed_paths.model_copy(update={"evaluate": evaluate}), Store(GOLDEN))


def test_run_with_unknown_settings_is_refused() -> None:
    with pytest.raises(IncompatibleCode, match=r"unknown setting.* made by another version: its tables can be read"):
        config_of_run(open_run(GOLDEN))


def test_removed_manifest_is_no_change(config: RunConfig, store: Store) -> None:
    path = next(path for path in store.listing("manifests") if "vote_rewards" in path)
    store.remove([path])
    assert notes(config, store) == []


def test_settings_are_compared_by_dotted_names() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]}) == {"a.b": 1, "a.c": {}, "d": [1, 2]}
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == [("a", 1, None), ("b", 2, 3), ("c", None, 4)]
