"""Where the models of a run lie."""

from pathlib import Path

from flows.config.run import RunConfig
from stages.hub.models import local_model
from storage.run import newest_revision, open_run
from storage.store import Store


def policy_folder(config: RunConfig) -> Path | None:
    """Return the local folder of the starting policy; None for a warm start and for the fake engine.

    A model of the hub is downloaded if it is not here. Raises HubError if that fails.

    Raises InputError or MissingArtifact if the policy is that of another run, and that run or its policy is missing.
    """
    policy = config.policy
    if policy is None or policy.warm_start:
        return None
    if policy.model:
        return local_model(policy.model, config.hub_commits).folder
    return open_run(policy.run or "").policy(policy.iteration)


def voter_folders(config: RunConfig) -> dict[str, Path]:
    """Return the folder of each voter's model, by the voter's name; voters without a `model` are left out.

    A model of the hub is downloaded if it is not here. Raises HubError if that fails.
    """
    return {voter.name: local_model(voter.model, config.hub_commits).folder for voter in config.voters if voter.model}


def model_folders(config: RunConfig) -> dict[str, Path | None]:
    """Return the folders of the models that are asked: of "policy", and of each "voter NAME".

    An earlier policy that votes has the policy's tokenizer and template. None: see `policy_folder`.
    """
    policy, folders = policy_folder(config), voter_folders(config)
    return {"policy": policy, **{f"voter {voter.name}": folders.get(voter.name, policy) for voter in config.voters}}


def newest_policy_folder(config: RunConfig) -> Path | None:
    """Return the folder of the run's newest good policy, or else of its starting policy; None if neither exists yet."""
    if newest_revision(Store(config.uri)) is not None and (run := open_run(config.uri)).iterations:
        return run.policy()
    return policy_folder(config)
