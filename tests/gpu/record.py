"""What a part measures: figures, checks and what it leaves out, written down at once.

A part may be killed at any moment, so its folder always holds all that it has measured so far.
"""

import contextlib
import json
import math
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.gpu.questions import DATA

MEASUREMENTS, TRACEBACK, OPTIONS = "measurements.json", "traceback.txt", "options.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all parts of one call share."""

    out: Path
    """The folder of the results."""
    model: Path
    """Hugging Face folder of the starting policy."""
    small: bool
    """A tiny policy and few tokens: shows that the code works, and nothing about a GPU."""
    engine: Literal["vllm", "transformers"]
    deadline: float
    """Unix time at which the part is killed."""
    arm: str = "majority"
    """The rewards that part `learning` trains with."""
    data: Path = DATA
    """Folder of data sets, for part `learning`."""

    def write(self, folder: Path) -> None:
        (folder / OPTIONS).write_text(json.dumps(vars(self), default=str))

    @classmethod
    def read(cls, folder: Path) -> "Options":
        values = json.loads((folder / OPTIONS).read_text())
        return cls(**{**values, **{name: Path(values[name]) for name in ("out", "model", "data")}})


class Record:
    """The measurements of one part. `folder` is the part's own; every change is on the disk when the call returns."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        self._values: dict[str, Any] = {
            "figures": {},
            "checks": [],
            "left_out": [],
            "note": "",
            "error": None,
            "unfinished": None,
        }
        self._write()

    @property
    def small(self) -> bool:
        return self.options.small

    @property
    def figures(self) -> dict[str, Any]:
        return dict(self._values["figures"])

    def seconds_left(self) -> float:
        """Seconds until this part is killed."""
        return self.options.deadline - time.time()

    def note(self, text: str) -> None:
        """Say what is being done; the runner prints the newest note every 30 s."""
        print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)
        self._values["note"] = text
        self._write()

    def figure(self, name: str, value: Any) -> None:
        """Keep a number, a text, or a mapping of them."""
        self._values["figures"][name] = rounded(value)
        self._write()

    def check(self, name: str, passed: bool, seen: Any, wanted: str) -> None:
        """Keep whether something is as it should be."""
        self._values["checks"].append({"name": name, "passed": bool(passed), "seen": rounded(seen), "wanted": wanted})
        self._write()

    def at_least(self, name: str, seen: float, wanted: float, *, decides: bool = True) -> None:
        """Keep a figure that should not be below `wanted`. A figure that does not decide is kept without a check."""
        self.figure(name, seen)
        if decides:
            self.check(name, seen >= wanted, seen, f">= {wanted:g}")

    def at_most(self, name: str, seen: float, wanted: float, *, decides: bool = True) -> None:
        """Keep a figure that should not be above `wanted`. A figure that does not decide is kept without a check."""
        self.figure(name, seen)
        if decides:
            self.check(name, seen <= wanted, seen, f"<= {wanted:g}")

    def leave_out(self, what: str, why: str) -> None:
        """Say by name what is not measured here."""
        self._values["left_out"].append(f"{what}: {why}")
        self._write()

    def unfinished(self, state: str | None) -> None:
        """Say how far the part has come, if the next call has to go on with it; None if it is finished."""
        self._values["unfinished"] = state
        self._write()

    def fail(self, error: BaseException) -> None:
        """Keep the error that ends the part."""
        self._values["error"] = one_line(error)
        self._keep_traceback(error)
        self._write()

    @contextlib.contextmanager
    def measuring(self, what: str) -> Iterator[None]:
        """One of several measurements: an error in it is a failed check, and the next one is made all the same."""
        self.note(what)
        try:
            yield
        except Exception as error:
            self._keep_traceback(error)
            self.check(what, False, one_line(error), "no error")

    def _keep_traceback(self, error: BaseException) -> None:
        with (self.folder / TRACEBACK).open("a") as file:
            file.write("".join(traceback.format_exception(error)) + "\n")

    def _write(self) -> None:
        write_json(self.folder / MEASUREMENTS, self._values)


def one_line(error: BaseException) -> str:
    """Return type and message of an error in one line of at most 500 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def rounded(value: Any) -> Any:
    """Return a value for JSON: numbers with five digits, None for a number that is infinite or none."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that others see either whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, ensure_ascii=False, default=str))
    partial.replace(path)
