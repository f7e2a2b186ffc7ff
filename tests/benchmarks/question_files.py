"""Seconds and memory to read 200,000 questions with options, in each form of file, on one core.

    python -m tests.benchmarks.question_files [ROWS]

The naive way is the library's own reader of the same file, without a look at its rows: json, csv or pyarrow. Each form
is read in a process of its own. The last line is one JSON object: form -> `seconds`, `mib` (largest memory of the
process) and `ratio` to the seconds of the naive way.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from stages.question_files.read import read_questions

ROWS = 200_000
OPTIONS = ("lisinopril", "metoprolol", "none of the above")


def rows(count: int) -> list[dict[str, Any]]:
    """Questions of the length of MedQA's, with four options, a letter and a text as label."""
    story = "A 54-year-old man comes to the physician because of a dry cough for three weeks. "
    return [
        {
            "question": f"Case {number}. {story * 8}Which drug is the likely cause?",
            "options": {"A": f"drug {number}", **dict(zip("BCD", OPTIONS, strict=True))},
            "answer_idx": "ABCD"[number % 4],
            "answer": (f"drug {number}", *OPTIONS)[number % 4],
        }
        for number in range(count)
    ]


def write_files(folder: Path, count: int) -> dict[str, Path]:
    table = rows(count)
    flat = [{"question": row["question"], **row["options"], "answer": row["answer_idx"]} for row in table]
    files = {name: folder / f"questions.{name}" for name in ("jsonl", "json", "csv", "parquet")}
    files["jsonl"].write_text("".join(json.dumps(row) + "\n" for row in table))
    files["json"].write_text(json.dumps(table))
    pl.DataFrame(flat).write_csv(files["csv"])
    pl.DataFrame(table).write_parquet(files["parquet"])
    return files


def naive(path: Path) -> int:
    """Return the number of rows that the library of the form reads."""
    if path.suffix == ".jsonl":
        return sum(len(json.loads(line)) > 0 for line in path.open())
    if path.suffix == ".json":
        return len(json.loads(path.read_text()))
    if path.suffix == ".csv":
        return sum(len(row) > 0 for row in csv.DictReader(path.open()))
    return len(pq.read_table(path).to_pylist())


def ours(path: Path) -> int:
    return read_questions(str(path), "file", needs_answer=True, drop_doubles=True).rows


def measured(way: str, path: Path) -> tuple[float, float]:
    """Return (seconds, MiB) of one way in a process of its own, bound to one core."""
    command = [sys.executable, "-m", "tests.benchmarks.question_files", way, str(path)]
    seconds, mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(mib)


def measure_here(way: Callable[[Path], int], path: Path) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    started = time.perf_counter()
    way(path)
    seconds = time.perf_counter() - started
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, int(peak.split()[1]) / 1024)  # getrusage's peak would be that of the parent process


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for form, path in write_files(Path(folder), count).items():
            seconds, mib = measured("ours", path)
            results[form] = {
                "seconds": round(seconds, 2),
                "mib": round(mib),
                "ratio": round(seconds / measured("naive", path)[0], 1),
            }
            print(f"{form:8} {count:,} rows in {seconds:.2f} s, {mib:.0f} MiB", flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1:2] in (["ours"], ["naive"]):
        measure_here(ours if sys.argv[1] == "ours" else naive, Path(sys.argv[2]))
    else:
        main()
