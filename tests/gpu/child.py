"""The process of one part, or of one step of a part. The runner starts it; a crash in it hurts nothing else.

python -m tests.gpu.child part MODULE:FUNCTION FOLDER
python -m tests.gpu.child step MODULE:FUNCTION ARGUMENTS.json RESULT.json
"""

import importlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands import REPOSITORY, kill_with_children
from tests.gpu.record import Options, Record, write_json

_SECONDS_TO_RECORD = 5.0
"""Kept back of a part's time, so that a step is killed before the part is, and what it has kept is recorded."""
_result_path: Path | None = None
"""Where this process, if it is a step, writes its result."""


class StepError(RuntimeError):
    """A step that failed or was killed. `kept` is what it had kept by then (see `keep`)."""

    def __init__(self, message: str, kept: dict[str, Any]) -> None:
        super().__init__(message)
        self.kept = kept


def keep(values: dict[str, Any]) -> None:
    """Write what a step has measured so far, in case it fails or is killed later. Outside a step nothing is written."""
    if _result_path is not None:
        write_json(_kept_path(_result_path), values)


def _kept_path(result: Path) -> Path:
    return result.with_name(f"kept-{result.name}")


def function_of(entry: str) -> Callable[..., Any]:
    """Return the function of "module:function"."""
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def run_step(
    record: Record, function: Callable[..., Any], *, limit: float | None = None, **arguments: Any
) -> dict[str, Any]:
    """Call a function of a module in a process of its own; return what it returns, and the output as `output`.

    Its output goes to a log in the part's folder. It is killed shortly before the part is, too. Raises StepError with
    the last line of the log if it fails or is killed.

    Args:
        record: of the part.
        function: takes keyword arguments, and returns a dictionary; both travel as JSON.
        limit: seconds after which the process is killed with all that it started; None: shortly before the part.
        arguments: paths are passed as text.
    """
    name = f"{function.__name__}-{len(list(record.folder.glob('step-*.json')))}"
    paths = [record.folder / f"{kind}-{name}.{kind_ends}" for kind, kind_ends in (("step", "json"), ("done", "json"))]
    write_json(paths[0], {"started": time.time(), **arguments})
    log = record.folder / f"{name}.log"
    command = [sys.executable, "-m", "tests.gpu.child", "step", f"{function.__module__}:{function.__name__}"]
    limit = min(limit or math.inf, max(1.0, record.seconds_left() - _SECONDS_TO_RECORD))
    with log.open("wb") as output:
        # In the group of the part, which is killed as a whole.
        process = subprocess.Popen([*command, *map(str, paths)], cwd=REPOSITORY, stdout=output, stderr=output)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            kill_with_children(process.pid)
            process.wait()
            message = f"{function.__name__} was killed after {limit:.0f} s; its log: {log}"
            raise StepError(message, {**_kept(paths[1]), "output": log.read_text(errors="replace")}) from None
    text = log.read_text(errors="replace")
    if code != 0 or not paths[1].exists():
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "(empty)")
        message = f"{function.__name__} ended with exit code {code}: {last[:300]}; its log: {log}"
        raise StepError(message, {**_kept(paths[1]), "output": text})
    result: dict[str, Any] = json.loads(paths[1].read_text())
    return {**result, "output": text}


def run_recorded_step(
    record: Record,
    function: Callable[..., Any],
    figures: Callable[[Record, dict[str, Any]], None],
    *,
    limit: float | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Call a function as `run_step` does, and have `figures` record what it returns, or what it kept if it fails."""
    try:
        result = run_step(record, function, limit=limit, **arguments)
    except StepError as error:
        figures(record, error.kept)
        raise
    figures(record, result)
    return result


def _kept(result: Path) -> dict[str, Any]:
    path = _kept_path(result)
    values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return values


def main(kind: str, entry: str, *paths: str) -> int:
    if kind == "step":
        # This module runs as `__main__`; steps import it by its name.
        importlib.import_module("tests.gpu.child")._result_path = Path(paths[1])
        arguments = json.loads(Path(paths[0]).read_text())
        write_json(Path(paths[1]), function_of(entry)(**arguments))
        return 0
    folder = Path(paths[0])
    record = Record(folder, Options.read(folder))
    try:
        function_of(entry)(record)
    except BaseException as error:
        record.fail(error)
        raise
    record.note("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
