"""What a run keeps from its first start, although the config does not say it: the commits of its hub names."""

from collections.abc import Iterator

from flows.config.run import RunConfig
from stages.hub.models import commit_of
from storage.run import newest_revision
from storage.store import Store


def pinned(config: RunConfig, store: Store) -> RunConfig:
    """Return the config with the commit of each model and adapter of the Hugging Face hub.

    A commit is that which the config sets, or else that of the run's newest revision, or else the one that the hub has
    now. So a run goes on with the model that it started with.

    Raises HubError if the hub has to be asked and does not answer.
    """
    names = list(_hub_names(config))
    if not names:
        return config
    commits = known_commits(config, store)
    of_names = {name: commit for name in names if (commit := commit_of(name, commits))}
    return config.model_copy(update={"hub_commits": {**config.hub_commits, **of_names}})


def known_commits(config: RunConfig, store: Store) -> dict[str, str]:
    """Return the commits that the config sets or that the run has kept, by name of the hub. The hub is not asked."""
    revision = newest_revision(store)
    return {**(revision.config.get("hub_commits", {}) if revision else {}), **config.hub_commits}


def _hub_names(config: RunConfig) -> Iterator[str]:
    """Yield the names in the config that may be names of the hub, as written."""
    for model in (config.policy, *config.voters):
        if model is not None:
            yield from (name for name in (model.model, model.adapter) if name is not None)
