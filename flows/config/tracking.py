"""Where a run reports its numbers, in addition to its own tables. Changing these settings recomputes nothing."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stages.settings import Settings


class WandbSettings(Settings):
    """Weights & Biases. The key comes from WANDB_API_KEY; WANDB_MODE=offline keeps everything on this machine."""

    project: str = Field(min_length=1)
    """Project that the run appears in."""
    entity: str | None = None
    """User or team; the account's default if not set."""


class MlflowSettings(Settings):
    """MLflow. User and password come from MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN."""

    uri: str = Field(min_length=1)
    """Tracking server, such as http://mlflow:5000, or sqlite:///file.db."""
    experiment: str = Field("serl", min_length=1)
    """Experiment that the run appears in."""

    @field_validator("uri")
    @classmethod
    def _holds_no_secret(cls, uri: str) -> str:
        if "@" in urlsplit(uri).netloc:
            raise ValueError("a user and password go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        return uri


class TrackerSettings(Settings):
    """Experiment trackers that receive the run's numbers. Changing this group recomputes nothing."""

    tensorboard: bool = True
    """Write event files under reports/tensorboard in the run's folder."""
    wandb: WandbSettings | None = None
    """Weights & Biases; null: not used."""
    mlflow: MlflowSettings | None = None
    """MLflow; null: not used."""
