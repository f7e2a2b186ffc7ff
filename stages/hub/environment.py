"""The environment variables of huggingface_hub, as the user has set them."""

import os
from pathlib import Path

_SET_HERE = "SERL_SET_HF_HUB_OFFLINE"
"""Set when this software, and not the user, has set HF_HUB_OFFLINE. Child processes inherit both."""
_TRUE = ("1", "ON", "YES", "TRUE")


def forbid_network() -> None:
    """Keep the libraries of this process, and of its children, from calling the hub.

    They get local folders only. A download of `stages.hub.client` still works, unless the user has set HF_HUB_OFFLINE.
    """
    if "HF_HUB_OFFLINE" not in os.environ:
        os.environ["HF_HUB_OFFLINE"] = os.environ[_SET_HERE] = "1"


def user_environment() -> dict[str, str]:
    """Return the environment variables without the HF_HUB_OFFLINE that `forbid_network` has set."""
    ours = ("HF_HUB_OFFLINE", _SET_HERE) if _SET_HERE in os.environ else ()
    return {name: value for name, value in os.environ.items() if name not in ours}


def is_offline() -> bool:
    """Return whether the user forbids calls to the hub, with HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    environment = user_environment()
    return (environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or "").upper() in _TRUE


def endpoint() -> str:
    """Return the hub's address."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def cache_folder() -> Path:
    """Return the folder in which huggingface_hub keeps repositories, found by the rules of huggingface_hub."""
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    folder = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(os.path.expanduser(folder))).resolve()
