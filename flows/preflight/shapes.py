"""Sizes of the policy that memory and time follow from, before anything is loaded."""

from pathlib import Path

from flows.config.run import RunConfig
from flows.models.folders import policy_folder
from stages.hub.models import weight_files
from stages.model_folder import read_model_config
from stages.settings.warm_start import WarmStartConfig
from stages.trainer.memory import ModelShape
from storage.errors import InputError
from storage.writer import files_under


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
    return count_folder_parameters(folder)


def count_folder_parameters(folder: Path) -> int:
    """Return the number of a model's parameters, which follows from the sizes of its files."""
    weights = sum((folder / name).stat().st_size for name in weight_files(files_under(folder)))
    return weights // read_model_config(folder).bytes_per_weight


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
    try:
        return ModelShape.of(read_model_config(folder).text, count_folder_parameters(folder))
    except (KeyError, TypeError, ValueError, InputError):  # an odd architecture, or a damaged config
        return None


def _warm_parameters(warm: WarmStartConfig) -> int:
    attention = 4 * warm.width * warm.heads * warm.head_size
    return warm.vocabulary * warm.width + warm.layers * (attention + 3 * warm.width * warm.feed_forward)
