"""What a run fixes when it starts, so that it stays the same run on another day."""

from datetime import date

from flows.config.run import RunConfig
from flows.models.asking import dated_stages
from flows.models.commits import with_commits
from flows.models.earlier_defaults import with_earlier_defaults
from flows.models.folders import model_folders
from storage.run import newest_revision
from storage.store import Store


def pinned(config: RunConfig, store: Store) -> RunConfig:
    """Return the settings of a run with what its start fixes.

    These are the commits of what comes from the Hugging Face hub, the date that chat templates write into prompts, and
    defaults that have changed since then.
    What the settings state counts first, then what the run has kept in its newest revision, then the hub's answer and
    this day.

    Raises HubError if the hub has to be asked and does not answer.
    """
    config, revision = with_commits(config, store), newest_revision(store)
    if revision is not None:
        config = with_earlier_defaults(config, revision.config)
    if config.chat_date is not None:
        return config
    kept = revision.config.get("chat_date") if revision else None
    if kept is None and not dated_stages(config, model_folders(config)):
        return config
    return config.model_copy(update={"chat_date": date.fromisoformat(kept) if kept else date.today()})
