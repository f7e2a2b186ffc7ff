"""Parts of loading a model for training: partitioned over processes, and with masters in place of rounded weights."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from stages.trainer.deepspeed_config import zero_stage
from stages.trainer.models import full_shape, set_weight
from stages.trainer.state import open_tensors


def set_masters(model: PreTrainedModel, state: Path, name: str) -> None:
    """Replace the trained weights, which the model's folder has rounded, by their masters in the state."""
    trained = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    masters = open_tensors(state, name, {key: full_shape(parameter) for key, parameter in trained.items()})
    for key, parameter in trained.items():
        set_weight(parameter, masters(key))


class PartitionedLoading:
    """A context in which transformers loads a model already partitioned over the processes, for ZeRO stage 3."""

    def __init__(self, deepspeed_settings: dict[str, Any]) -> None:
        self._settings = deepspeed_settings
        self._config: object = None

    def __enter__(self) -> None:
        if zero_stage(self._settings) == 3:
            from transformers.integrations import HfDeepSpeedConfig

            # In effect for as long as the object lives.
            self._config = HfDeepSpeedConfig(self._settings | {"train_micro_batch_size_per_gpu": 1})

    def __exit__(self, *_: object) -> None:
        self._config = None
