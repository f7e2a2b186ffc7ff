"""What a run fixes when it starts, so that it stays the same run on another day."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from flows.config.run import RunConfig
from flows.models.asking import dated_stages
from flows.models.commits import with_commits
from flows.models.earlier_defaults import with_earlier_defaults
from flows.models.folders import model_folders
from flows.models.forms import asked_form, kept_form
from storage.run import newest_revision
from storage.store import Store


def pinned(config: RunConfig, store: Store) -> RunConfig:
    """Return the settings of a run with what its start fixes.

    These are the commits of what comes from the Hugging Face hub, the form in which the policy is asked for questions,
    the date that chat templates write into prompts, and defaults that have changed since then. What the settings state
    counts first, then what the run has kept in its newest revision, then the hub's answer, what the policy's chat
    template takes, and this day.

    Raises HubError if the hub has to be asked and does not answer, and InputError or MissingArtifact if the policy is
    not there.
    """
    config, revision = with_commits(config, store), newest_revision(store)
    stored = revision.config if revision else None
    if stored is not None:
        config = with_earlier_defaults(config, stored)
    return _with_date(_with_form(config, stored), stored)


def _with_form(config: RunConfig, stored: Mapping[str, Any] | None) -> RunConfig:
    """Return the config with what `generate.form: auto` stands for."""
    if config.generate.form != "auto" or config.chosen_form is not None or config.instructions != "self":
        return config
    kept = kept_form(config, stored) if stored else None
    return config.model_copy(update={"chosen_form": kept or asked_form(config)})


def _with_date(config: RunConfig, stored: Mapping[str, Any] | None) -> RunConfig:
    """Return the config with a date, if a chat template writes one."""
    if config.chat_date is not None:
        return config
    kept = stored.get("chat_date") if stored else None
    if kept is None and not dated_stages(config, model_folders(config)):
        return config
    return config.model_copy(update={"chat_date": date.fromisoformat(kept) if kept else date.today()})
