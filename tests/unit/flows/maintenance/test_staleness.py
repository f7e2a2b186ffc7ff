"""A setting that changed is said; code that gives a stage another meaning is refused."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import Field

import flows.iteration
import flows.run_state
from flows.config.diff import differences, flatten
from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.maintenance.staleness import explain_recomputation
from flows.plan import resolve
from flows.run_state import config_of_run, find_finished
from stages.settings.vote import VoteConfig
from stages.vote_rewards import VOTE
from storage.errors import IncompatibleCode
from storage.run import open_run
from storage.store import Store
from storage.tables import version_of, versioned
from tests.helpers import SEED_QUESTIONS, fake_config, fake_resources, fake_values, memory_store, run_all, write_jsonl

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


def test_a_run_that_goes_on_has_nothing_to_say(config: RunConfig, store: Store) -> None:
    assert notes(config, store) == []
    assert notes(config.model_copy(update={"iterations": 2}), store) == []
    assert notes(config, memory_store()) == []


def test_a_changed_setting_is_named_with_what_is_computed_again(config: RunConfig, store: Store) -> None:
    assert notes(changed(config, "vote", max_reward=0.9), store) == [
        "iteration 1: vote_rewards and what depends on it is computed again, since max_reward was 0.8 and is 0.9; what "
        "was there is kept"
    ]
    assert "since responses was 8 and is 9" in notes(changed(config, "sample", responses=9), store)[0]


def test_a_changed_input_is_named(config: RunConfig, store: Store, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "seeds.jsonl", [{"question": "What is the sum of all numbers from 1 to 100?"}])
    assert notes(config, store)[0].startswith("iteration 0: import_seeds and what depends on it is computed again")
    assert "sha256 was" in notes(config, store)[0]


def test_another_seed_is_said(config: RunConfig, store: Store) -> None:
    assert "since the seed was 3 and is 4" in notes(config.model_copy(update={"seed": 4}), store)[0]


def test_another_version_of_a_stage_is_refused(
    config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.iteration, "VOTE", replace(VOTE, version=9))
    with pytest.raises(
        IncompatibleCode, match=r"vote_rewards has version 9 instead of \d: .* give the run another `name`"
    ):
        notes(config, store)


def test_another_version_of_a_table_is_refused(
    config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = versioned(9, list(VOTE.tables["votes"]))
    monkeypatch.setattr(flows.iteration, "VOTE", replace(VOTE, tables={**VOTE.tables, "votes": votes}))
    with pytest.raises(IncompatibleCode, match="vote_rewards writes another table votes"):
        notes(config, store)
    now = version_of(VOTE.tables["votes"])
    more = versioned(now, [*VOTE.tables["votes"], pa.field("entropy", pa.float64())])
    monkeypatch.setattr(flows.iteration, "VOTE", replace(VOTE, tables={**VOTE.tables, "votes": more}))
    with pytest.raises(IncompatibleCode, match="vote_rewards writes another table votes"):
        notes(config, store)


def test_a_new_setting_of_later_code_is_refused(
    config: RunConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its default enters the key, so a new version would compute all again without having been asked."""

    class Later(VoteConfig):
        patience: float = Field(0.0)

    plan = resolve(config)
    later = replace(plan, vote=Later(**plan.vote.model_dump()))
    monkeypatch.setattr(flows.run_state, "resolve", lambda config: later)
    with pytest.raises(IncompatibleCode, match=r"vote_rewards knows other settings \(patience\)"):
        notes(config, store)


def test_a_run_whose_identities_were_computed_otherwise_is_refused(tmp_path: Path) -> None:
    """Manifests of format 1 have keys without the versions of tables: "the seed is another one", and all again."""
    values = open_run(GOLDEN).config
    # The settings of today that mean the same.
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
    with pytest.raises(IncompatibleCode, match=r"import_seeds has another identity"):
        notes(changed_paths.model_copy(update={"evaluate": evaluate}), Store(GOLDEN))


def test_a_run_whose_settings_are_not_known_any_more_says_so() -> None:
    with pytest.raises(IncompatibleCode, match=r"unknown setting.* made by another version: its tables can be read"):
        config_of_run(open_run(GOLDEN))


def test_a_manifest_that_was_set_aside_is_no_change(config: RunConfig, store: Store) -> None:
    path = next(path for path in store.listing("manifests") if "vote_rewards" in path)
    store.remove([path])
    assert notes(config, store) == []


def test_settings_are_compared_by_dotted_names() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]}) == {"a.b": 1, "a.c": {}, "d": [1, 2]}
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == [("a", 1, None), ("b", 2, 3), ("c", None, 4)]
