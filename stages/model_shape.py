"""The shape of the model in a folder, as far as its files tell without loading it."""

from pathlib import Path

from stages.hub.models import weight_files
from stages.model_folder import read_model_config
from stages.trainer.memory import ModelShape
from storage.errors import InputError
from storage.writer import files_under


def count_parameters(folder: Path) -> int:
    """Return the number of a model's parameters, which follows from the sizes of its files."""
    weights = sum((folder / name).stat().st_size for name in weight_files(files_under(folder)))
    return weights // read_model_config(folder).bytes_per_weight


def shape_of(folder: Path) -> ModelShape | None:
    """Return the shape of a model; None if its config.json is damaged, or of an architecture with other entries."""
    try:
        return ModelShape.of(read_model_config(folder).text, count_parameters(folder))
    except (KeyError, TypeError, ValueError, InputError):
        return None
