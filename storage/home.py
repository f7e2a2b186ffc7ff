"""A home folder and a name for a user that the system does not know, as in a container with `--user 12345`."""

import getpass
import logging
import os
import pwd
import tempfile
from pathlib import Path

from storage.errors import ConfigError


def ensure_home() -> None:
    """If this user is unknown to the system, set `$HOME` and `$LOGNAME` for this process and its children.

    Prefect, torch, Triton and the hub's library keep files in the home folder, and torch asks for the user's name; some
    of them fail when they are imported. A home folder that can be written is left as it is. Otherwise a folder in the
    temporary folder takes its place, and a warning names it. Raises ConfigError if that folder cannot be made, or
    belongs to another user.
    """
    try:
        pwd.getpwuid(os.getuid())
        return
    except KeyError:
        pass
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    home = os.environ.get("HOME", "")
    if os.path.isabs(home) and os.access(home, os.W_OK | os.X_OK):
        return
    folder = Path(tempfile.gettempdir(), f"serl-home-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        is_ours = folder.is_dir() and folder.lstat().st_uid == os.getuid()
    except OSError:
        is_ours = False
    if not is_ours:  # others could leave code there that compilers run
        raise ConfigError(
            f"this user ({os.getuid()}) has no home folder ($HOME is {home!r}), and {folder} is no folder of this "
            "user; set HOME to a folder that can be written"
        )
    os.environ["HOME"] = str(folder)
    logging.getLogger(__name__).warning(
        "this user (%d) has no home folder: %s takes its place, with the cache; set HOME or SERL_CACHE to a folder "
        "that stays", os.getuid(), folder,
    )  # fmt: skip
