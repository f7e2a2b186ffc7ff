"""The engine's start as the first thing that a run does, so that vLLM loads while other stages work."""

import logging

from flows.config.run import RunConfig
from flows.models.folders import policy_folder
from stages.ppo_update import PPO_UPDATE
from stages.sample_responses import SAMPLE_VOTERS
from stages.shared_resources import Resources
from stages.vote_rewards import VOTE
from storage.artifact import ArtifactRef
from storage.errors import SerlError
from storage.reader import read_folder

_WITHOUT_POLICY = (VOTE.name, PPO_UPDATE.name, SAMPLE_VOTERS.name)
"""Stages that do not ask the policy. After the first two comes the update, which needs the GPU's memory."""


def start_engine(
    resources: Resources, config: RunConfig, first_missing: str | None, newest_policy: ArtifactRef | None
) -> None:
    """Begin to start vLLM in this process if the stage that is missing first needs it soon; return at once.

    vLLM starts with the run's starting policy: later policies have the same architecture, and their weights are loaded
    in place. Errors are left to the stages, which raise them in their own words.

    Args:
        resources: Has the engine.
        config: The run's config.
        first_missing: Name of the first stage that has to run; None if there is none.
        newest_policy: The run's newest policy, for a policy that a warm start made; None before that.
    """
    if resources.engine_kind != "vllm" or first_missing in (None, *_WITHOUT_POLICY):
        return
    try:
        folder = policy_folder(config)
        if folder is None and newest_policy is not None:
            folder = read_folder(newest_policy)
        if folder is not None:
            resources.start_engine(folder)
    except SerlError as error:
        logging.getLogger(__name__).debug("vLLM is not started early: %s", error)
