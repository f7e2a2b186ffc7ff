"""An error of vLLM says the cause that another process wrote."""

import subprocess
import sys
import time

import pytest

from stages.engines.child_errors import Stderr

LINES = (
    "(EngineCore pid=7) ERROR 11-27 10:00:00 [core.py:1] EngineCore failed to start.",
    "(EngineCore pid=7) Traceback (most recent call last):",
    '(EngineCore pid=7)   File "gpu_worker.py", line 9, in init_device',
    "(EngineCore pid=7) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "(EngineCore pid=7) RuntimeError: Engine core initialization failed. See root cause above.",
)


def child(text: str) -> None:
    script = "import sys; sys.stderr.write(sys.stdin.read())"
    subprocess.run([sys.executable, "-c", script], input=text, text=True, check=True)


def test_the_cause_is_the_last_error_that_says_one(capfd: pytest.CaptureFixture[str]) -> None:
    stderr = Stderr()
    with stderr.of_children():
        child("\n".join(LINES))
    assert stderr.last_error() == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    assert capfd.readouterr().err == "\n".join(LINES)  # everything was passed on


def test_output_of_a_child_that_lives_on_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    stderr = Stderr()
    script = "import sys; sys.stdin.readline(); sys.stderr.write('KeyError: later\\n')"
    with stderr.of_children():
        process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, text=True)
    sys.stderr.write("ours\n")
    process.communicate("\n")
    deadline = time.monotonic() + 10
    while stderr.last_error() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stderr.last_error() == "KeyError: later"
    assert capfd.readouterr().err == "ours\nKeyError: later\n"


@pytest.mark.parametrize("text", ["", "all is well", "a warning: no error here", "x" * 300_000])
def test_without_an_error_there_is_no_cause(text: str) -> None:
    stderr = Stderr()
    with stderr.of_children():
        child(text)
    assert stderr.last_error() is None
