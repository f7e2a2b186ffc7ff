"""Installs packages for the Python that runs this file: with uv, in seconds, or else with pip, in minutes.

    .venv/bin/python .ci/install.py --constraint constraints.txt --editable ".[dev]"

The arguments are those of `pip install` and of `uv pip install`. uv does not read pip's settings, so this file passes
on the package sources that pip's environment variables and files name. uv's own variables win if they are set.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"

UV_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", None),
}
"""A setting of pip -> uv's variable for it, and the separator of several values; None if there is a single value."""


def pip_settings() -> dict[str, str]:
    """Return the values in pip's files and environment variables, by setting; variables override files, as in pip."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    settings: dict[str, str] = {}
    variables: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, setting = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            (variables if section == ":env:" else settings)[setting] = str(ast.literal_eval(value))
    return settings | variables


def uv_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv looks for packages where pip would."""
    environment = dict(os.environ)
    for setting, (variable, separator) in UV_VARIABLES.items():
        if value := settings.get(setting):
            environment.setdefault(variable, value if separator is None else separator.join(value.split()))
    if "extra-index-url" in settings:
        # pip takes the best version of all indexes; uv by default stops at the first index that has the package.
        environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return environment


def install_with_uv(arguments: list[str]) -> bool:
    """Install with uv, which pip installs first; return whether that worked."""
    get_uv = [*PIP, "install", "--quiet", "--constraint", str(CONSTRAINTS), "uv"]
    if subprocess.run(get_uv, check=False).returncode != 0:
        return False
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable, *arguments]
    if sys.dont_write_bytecode:
        # Else every process would compile torch and transformers anew, which takes longer than what it is started for.
        command.append("--compile-bytecode")
    return subprocess.run(command, env=uv_environment(pip_settings()), check=False).returncode == 0


def main() -> int:
    arguments = sys.argv[1:]
    if install_with_uv(arguments):
        return 0
    print("uv did not install the packages (see above); installing them with pip, which takes minutes", flush=True)
    return subprocess.run([*PIP, "install", "--quiet", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
