"""Parts for the tests of the runner, and `python -m tests.gpu` with these in the place of the real ones."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.gpu import __main__ as command
from tests.gpu.child import StepError, keep, run_step
from tests.gpu.record import Record
from tests.gpu.registry import Part


def good(record: Record) -> None:
    record.figure("speed", 12.3456789)
    record.at_least("share", 0.96, 0.95)
    record.leave_out("utilisation", "only a GPU can show it")
    found = run_step(record, double, number=21)
    record.check("step", found["twice"] == 42 and "doubling" in found["output"], found["twice"], "42")


def double(*, started: float, number: int) -> dict[str, Any]:
    print("doubling")
    return {"twice": 2 * number}


def bad(record: Record) -> None:
    record.at_least("share", 0.5, 0.95)
    with record.measuring("a step that fails"):
        raise ValueError("nothing\nworks")
    with record.measuring("a step that hangs"):
        run_step(record, sleeps, limit=0.3)
    with record.measuring("a step that fails after a while"):
        try:
            run_step(record, keeps_and_fails)
        except StepError as error:
            record.figure("kept", error.kept.get("before"))
            raise
    record.figure("after", 1)


def sleeps(*, started: float) -> dict[str, Any]:
    time.sleep(600)
    return {}


def keeps_and_fails(*, started: float) -> dict[str, Any]:
    keep({"before": 5})
    raise ValueError("no more")


def broken(record: Record) -> None:
    record.figure("before", 1)
    raise RuntimeError("no such thing | at all")


def leaves(record: Record) -> None:
    record.note("leaving")
    os._exit(3)


def segfaults(record: Record) -> None:
    record.figure("before", 2)
    record.note("crashing")
    os.kill(os.getpid(), signal.SIGSEGV)


def hangs(record: Record) -> None:
    record.figure("before", 3)
    # A child in a session of its own, whose parent ends, and a child of the group.
    silent = "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True"
    code = f"import subprocess; print(subprocess.Popen(['sleep', '600'], {silent}).pid)"
    orphan = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    child = subprocess.Popen(["sleep", "600"])
    (record.folder / "pids.txt").write_text(f"{orphan.strip()} {child.pid}")
    record.note("hanging")
    time.sleep(600)


def _part(name: str, *, seconds: float = 0.0, limit: float = 20.0) -> Part:
    return Part(name=name, entry=f"tests.unit.gpu.fake_parts:{name}", what=f"fake {name}", seconds=seconds, limit=limit)


PARTS = (
    _part("good"), _part("bad"), _part("broken"), _part("leaves"), _part("segfaults"), _part("hangs", limit=0.3),
)  # fmt: skip
ENDLESS = (_part("hangs"),)


def main(words: list[str]) -> int:
    command.PARTS = ENDLESS if "hangs" in words else PARTS
    command.SMALL_SECONDS = 0.0
    return command.main(["--small", "--model", str(Path(words[0])), "--out", *words[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
