"""The commits of the Hugging Face hub that a run starts with and keeps."""

from collections.abc import Iterator, Mapping, Sequence

from flows.config.run import RunConfig
from flows.config.sources import HubSource, hub_sources
from stages.hub.models import commit_of
from stages.hub.names import hub_repository
from stages.question_files.hub_split import data_set_commits
from storage.errors import InputError
from storage.run import newest_revision
from storage.store import Store


def with_commits(config: RunConfig, store: Store) -> RunConfig:
    """Return the config with the commit of each model, adapter and data set of the Hugging Face hub.

    A commit is that which the config sets, or else that of the run's newest revision, or else the one that the hub has
    now. So a run goes on with the models and questions that it started with.

    Raises HubError if the hub has to be asked for a model and does not answer, and InputError that names every data set
    that the hub does not give or every missing file of an evaluation set.
    """
    names, sources = list(_hub_names(config)), hub_sources(config)
    if not names and not sources:
        return config
    commits = known_commits(config, store)
    of_names = {name: commit for name in names if (commit := commit_of(name, commits))}
    of_data_sets = _data_set_commits(sources, commits)
    return config.model_copy(update={"hub_commits": {**config.hub_commits, **of_names, **of_data_sets}})


def known_commits(config: RunConfig, store: Store) -> dict[str, str]:
    """Return the commits that the config sets or that the run has kept, by name of the hub. The hub is not asked."""
    revision = newest_revision(store)
    return {**(revision.config.get("hub_commits", {}) if revision else {}), **config.hub_commits}


def _hub_names(config: RunConfig) -> Iterator[str]:
    """Yield the names of models and adapters of the hub in the config, as written."""
    for model in (config.policy, *config.voters):
        if model is not None:
            yield from (name for name in (model.model, model.adapter) if name and hub_repository(name))


def _data_set_commits(sources: Sequence[HubSource], known: Mapping[str, str]) -> dict[str, str]:
    commits: dict[str, str] = {}
    errors: dict[str, None] = {}
    for source in sources:
        try:
            commits |= data_set_commits(source.data.hub, {**commits, **known})
        except InputError as error:
            errors[str(source.error(str(error)))] = None
    if errors:
        raise InputError("; and ".join(errors))
    return commits
