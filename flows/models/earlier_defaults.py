"""Defaults that have changed: a run that started with an earlier default keeps it."""

from collections.abc import Mapping
from typing import Any

from flows.config.run import RunConfig

EARLIER_RULES = (
    "empty", "too_short", "too_long", "banned_word", "banned_phrase", "banned_opening", "leading_punctuation",
    "control_text",
)  # fmt: skip
"""`filter.rules.use` before there were rules about what chat models write in place of a question."""


def with_earlier_defaults(config: RunConfig, stored: Mapping[str, Any]) -> RunConfig:
    """Return the config with the earlier defaults of a run whose newest revision holds the settings `stored`.

    A run from before `generate.read` reads as published. What the config states counts first.
    """
    generate, filtering = config.generate, config.filter
    if "read" not in generate.model_fields_set and stored.get("generate", {}).get("read", "published") == "published":
        generate = generate.model_copy(update={"read": "published"})
    rules = filtering.rules
    if (
        "use" not in rules.model_fields_set
        and tuple(stored.get("filter", {}).get("rules", {}).get("use", ())) == EARLIER_RULES
    ):
        filtering = filtering.model_copy(update={"rules": rules.model_copy(update={"use": EARLIER_RULES})})
    return config.model_copy(update={"generate": generate, "filter": filtering})


def values_to_send(config: RunConfig) -> dict[str, Any]:
    """Return the settings as JSON values for another process, which calls `with_earlier_defaults` itself.

    Settings whose default has changed are left out unless the config states them: in the other process they would count
    as stated, and a run that started with an earlier default would not keep it.
    """
    values = config.model_dump(mode="json", by_alias=False)
    if "read" not in config.generate.model_fields_set:
        values["generate"].pop("read", None)
    if "use" not in config.filter.rules.model_fields_set:
        values["filter"]["rules"].pop("use", None)
    return values
