"""Settings as data: what is read, what is dumped, what a form shows, and how fields change their names."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.config.run import RunConfig
from stages.settings import Settings, old_names, with_new_names
from stages.settings.base import renamed
from stages.settings.compute import Compute
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import PpoUpdateConfig, UpdateConfig
from stages.text.quality import RULES
from tests.helpers import fake_config

RENAMED = [
    ("update.normalisation", "update.loss_aggregation", "sequence"),
    ("update.kl_place", "update.kl_in", "loss"),
    ("update.tis_cap", "update.importance_weight_cap", 1.5),
    ("compute.trainer.processes", "compute.trainer.processes_per_node", 4),
    ("watchdog.behaviour_gap", "watchdog.train_inference_logprob_gap", 0.2),
]
"""(old name, new name, a value other than the default)."""


def nested(name: str, value: object) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize(("old", "new", "value"), RENAMED)
def test_both_names_are_read_and_the_old_one_is_dumped(tmp_path: Any, old: str, new: str, value: object) -> None:
    by_old, by_new = (fake_config(tmp_path, **nested(name, value)) for name in (old, new))
    assert by_old == by_new != fake_config(tmp_path)
    dumped = by_new.model_dump(mode="json")
    assert at(dumped, old) == value and new.split(".")[-1] not in at(dumped, old.rsplit(".", 1)[0])
    shown = by_new.model_dump(mode="json", by_alias=False)
    assert at(shown, new) == value and old.split(".")[-1] not in at(shown, new.rsplit(".", 1)[0])
    assert RunConfig.model_validate(dumped) == RunConfig.model_validate(shown) == by_new


def test_the_number_of_nodes_is_read_under_both_names() -> None:
    by_old, by_new = (TrainerPlacement(**{name: 2}, rendezvous="a:1") for name in ("machines", "nodes"))  # type: ignore[arg-type]
    assert by_old == by_new and by_new.nodes == by_new.world_size == 2
    assert by_new.model_dump()["machines"] == 2
    assert '"machines":2' in by_new.model_dump_json()


def test_both_names_at_once_are_an_error() -> None:
    with pytest.raises(ValidationError, match="machines is the old name of nodes, and both are set; keep nodes"):
        Compute.model_validate({"trainer": {"machines": 1, "nodes": 1}})


def test_a_value_that_is_wrong_is_reported_under_the_new_name() -> None:
    with pytest.raises(ValidationError) as error:
        Compute.model_validate({"trainer": {"processes": 0}})
    assert error.value.errors()[0]["loc"] == ("trainer", "processes_per_node")


class Leaf(Settings):
    size: int = renamed("width", default=1, ge=1)


class Tree(Settings):
    first: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, Leaf] = {}  # noqa: RUF012
    top: Leaf = renamed("root", default=Leaf())


def test_old_names_are_found_through_all_groups() -> None:
    values = {
        "first": {"width": 2},
        "leaves": [{"size": 2}, {"width": 3}],
        "by_name": {"width": {"width": 4}},
        "root": {"width": 5},
    }
    assert old_names(values, Tree) == [
        ("first.width", "first.size"),
        ("leaves.1.width", "leaves.1.size"),
        ("by_name.width.width", "by_name.width.size"),
        ("root", "top"),
        ("root.width", "top.size"),
    ]
    translated = with_new_names(values, Tree)
    assert old_names(translated, Tree) == []
    assert Tree.model_validate(translated) == Tree.model_validate(values)


def test_values_that_fit_no_setting_are_left_to_validation() -> None:
    values = {"first": 3, "leaves": {"width": 1}, "other": {"width": 1}}
    assert old_names(values, Tree) == [] and with_new_names(values, Tree) == values
    both = {"top": {"width": 1, "size": 2}}
    assert with_new_names(both, Tree) == both
    with pytest.raises(ValidationError, match="both are set"):
        Tree.model_validate(both)


@pytest.mark.parametrize(("old", "new", "value"), RENAMED)
def test_a_form_shows_the_new_name_with_its_description(old: str, new: str, value: object) -> None:
    schema = RunConfig.model_json_schema()
    groups, name = new.split(".")[:-1], new.split(".")[-1]
    field, parent = schema, schema
    for group in groups:
        parent = field["properties"][group]
        field = schema["$defs"][parent["$ref"].split("/")[-1]]
    assert len(field["properties"][name]["description"]) > 20
    assert old.split(".")[-1] not in field["properties"]
    assert set(parent["default"]) <= set(field["properties"])


def test_every_field_of_a_form_has_a_description() -> None:
    definitions = RunConfig.model_json_schema()["$defs"]
    stages = {"UpdateConfig", "GenerateSettings", "SampleSettings", "VoteSettings", "TrainerPlacement", "VllmPlacement"}
    assert stages < set(definitions)
    missing = [
        f"{d}.{name}" for d in stages for name, f in definitions[d]["properties"].items() if not f.get("description")
    ]
    assert missing == []


def test_the_settings_of_an_update_are_dumped_flat() -> None:
    update = UpdateConfig(algorithm="grpo", importance_weight_cap=None)
    config = PpoUpdateConfig(update=update, temperature=0.5, max_tokens=7)
    flat = {**update.model_dump(mode="json"), "temperature": 0.5, "max_tokens": 7}
    assert config.model_dump(mode="json") == flat and list(config.model_dump()) == list(flat)
    assert {"normalisation", "kl_place", "tis_cap"} < set(flat)


def test_every_quality_rule_has_a_predicate() -> None:
    from stages.settings.filter import COPIES_EXAMPLE, REPEATS, RULE_NAMES

    assert (*RULES, COPIES_EXAMPLE, REPEATS) == RULE_NAMES
