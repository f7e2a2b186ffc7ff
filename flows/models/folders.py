"""Where the models of a run lie."""

from pathlib import Path

from flows.config.run import RunConfig
from storage.run import newest_revision, open_run
from storage.store import Store


def policy_folder(config: RunConfig) -> Path | None:
    """Return the local folder of the starting policy; None for a warm start and for the fake engine.

    Raises InputError or MissingArtifact if the policy is that of another run, and that run or its policy is missing.
    """
    policy = config.policy
    if policy is None or policy.warm_start:
        return None
    return Path(policy.model) if policy.model else open_run(policy.run or "").policy(policy.iteration)


def model_folders(config: RunConfig) -> dict[str, Path | None]:
    """Return the folders of the models that are asked: of "policy", and of each "voter NAME".

    An earlier policy that votes has the policy's tokenizer and template. None: see `policy_folder`.
    """
    policy = policy_folder(config)
    voters = {f"voter {voter.name}": Path(voter.model) if voter.model else policy for voter in config.voters}
    return {"policy": policy, **voters}


def newest_policy_folder(config: RunConfig) -> Path | None:
    """Return the folder of the run's newest good policy, or else of its starting policy; None if neither exists yet."""
    if newest_revision(Store(config.uri)) is not None and (run := open_run(config.uri)).iterations:
        return run.policy()
    return policy_folder(config)
