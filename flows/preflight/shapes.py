"""Sizes of the policy that memory and time follow from, before anything is loaded."""

from flows.config.run import RunConfig
from flows.models.folders import policy_folder
from stages import model_shape
from stages.settings.warm_start import WarmStartConfig
from stages.trainer.memory import ModelShape


def count_parameters(config: RunConfig) -> int:
    """Return the number of the policy's parameters; 0 if the run has no model (fake engine).

    The number follows from the file sizes of a folder, or from the settings of a warm start.
    """
    if config.policy is None:
        return 0
    if warm := config.policy.warm_start:
        return _warm_parameters(warm)
    folder = policy_folder(config)
    assert folder is not None  # only a warm start has none
    return model_shape.count_parameters(folder)


def policy_shape(config: RunConfig) -> ModelShape | None:
    """Return the shape of the run's policy; None for the fake engine, and if config.json does not tell it."""
    if config.policy is None:
        return None
    if warm := config.policy.warm_start:
        width = warm.heads * warm.head_size
        return ModelShape(
            parameters=_warm_parameters(warm),
            layers=warm.layers,
            hidden=warm.width,
            intermediate=warm.feed_forward,
            query=width,
            key=width,
            heads=warm.heads,
            vocabulary=warm.vocabulary,
        )
    folder = policy_folder(config)
    assert folder is not None  # only a warm start has none
    return model_shape.shape_of(folder)


def _warm_parameters(warm: WarmStartConfig) -> int:
    attention = 4 * warm.width * warm.heads * warm.head_size
    return warm.vocabulary * warm.width + warm.layers * (attention + 3 * warm.width * warm.feed_forward)
