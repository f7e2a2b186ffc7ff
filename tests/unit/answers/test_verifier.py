"""The verifier process: what math-verify finds equal, and what happens when it does not end, dies or runs elsewhere."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from stages.answers.verifier import Verifier
from storage.errors import StageFailed


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as shared:
        yield shared


@pytest.mark.parametrize(
    ("left", "right", "status"),
    [
        ("\\frac{1}{2}", "0.5", "equal"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\pi/2)", "equal"),
        ("10-4 n", "-4n+10", "equal"),
        ("\\sqrt{8}", "2\\sqrt{2}", "equal"),
        ("\\{1,2\\}", "\\{2,1\\}", "equal"),
        ("[1,2)", "[1, 2)", "equal"),
        ("[1,2)", "[1,2]", "different"),
        ("(1,2)", "(2,1)", "different"),
        ("x=5", "5", "equal"),
        ("x=5", "y=5", "different"),
        ("50\\%", "0.5", "equal"),
        ("50", "0.5", "different"),
        ("\\frac{1}{3}", "0.333333", "equal"),
        ("p - q", "q - p", "different"),
        ("\\$18", "18", "equal"),
        ("7\\text{ hours}.", "7", "equal"),  # regression: the full stop made it unparsable
        ("x<1", "1>x", "equal"),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "equal"),
        ("", "5", "unparsable"),
        ("1" * 301, "5", "unparsable"),
        ("\\frac{" * 40, "5", "unparsable"),
    ],
)
def test_statuses_in_both_directions(verifier: Verifier, left: str, right: str, status: str) -> None:
    assert verifier.equal([(left, right), (right, left)]) == [status, status]


def test_lines_and_quotes_in_an_answer_do_not_break_the_protocol(verifier: Verifier) -> None:
    awkward = ['5\n"ready"', '"equal"', "\x00", "\ud800", "\u2028", "]\n["]
    assert len(verifier.equal([(answer, "7") for answer in awkward])) == len(awkward)
    assert verifier.equal([("1+1", "2")]) == ["equal"]


def test_it_works_from_any_thread(verifier: Verifier) -> None:
    # Regression (METHOD 4.2): math-verify's signal alarms made every comparison off the main thread "not equal".
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(verifier.equal([("\\frac{1}{2}", "0.5"), ("1+n", "n")])))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [["equal", "different"]] * 3


def test_an_endless_comparison_is_killed_and_the_rest_goes_on() -> None:
    with Verifier(seconds_per_pair=1.5) as verifier:
        assert verifier.equal([("2", "\\frac{4}{2}")]) == ["equal"]
        began = time.perf_counter()
        pairs = [("9^{9^{9^{9^9}}}", "3"), ("2", "\\frac{4}{2}")]
        assert verifier.equal(pairs) == ["timeout", "equal"]
        assert time.perf_counter() - began < 30  # 1.5 s and the start of another worker
        assert verifier.counts == {"equal": 2, "timeout": 1}


def test_a_worker_that_dies_is_an_error_and_is_replaced() -> None:
    with Verifier() as verifier:
        assert verifier.equal([("1+1", "2")]) == ["equal"]
        assert verifier._process is not None
        verifier._process.kill()
        verifier._process.wait()
        assert verifier.equal([("1+1", "2"), ("1+1", "2")]) == ["error", "equal"]


def test_it_starts_lazily_and_closes_its_process() -> None:
    verifier = Verifier()
    assert verifier.equal([]) == []
    verifier.close()
    assert verifier._process is None
    verifier.equal([("1", "2")])
    process = verifier._process
    assert process is not None and process.poll() is None
    verifier.close()
    assert process.poll() is not None


def test_the_memory_limit_holds_in_the_worker() -> None:
    """A limit below what the imports need: the worker cannot start, and says so in one line."""
    with Verifier(memory_mib=40) as verifier, pytest.raises(StageFailed, match=r"did not start .*40 MiB"):
        verifier.equal([("1", "2")])


def test_a_worker_whose_parent_is_killed_ends_by_itself() -> None:
    """Killed with -9 in the middle of an endless comparison, a run must not leave a process that computes for ever."""
    program = (
        "from stages.answers.verifier import Verifier; import os\n"
        "v = Verifier(seconds_per_pair=1.0); v.equal([('1', '2')]); print(v._process.pid, flush=True)\n"
        "v._seconds = 60.0; v.equal([('9^{9^{9^{9^9}}}', '3')])"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30  # its alarm rings after 2 s
    while time.monotonic() < deadline and _runs(worker):
        time.sleep(0.1)
    assert not _runs(worker)


def _runs(pid: int) -> bool:
    """Whether a process exists and is no zombie that nobody has collected."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_importing_the_module_does_not_import_sympy() -> None:
    program = (
        "import sys, stages.answers.voting; "
        "print([name for name in ('sympy', 'torch', 'numpy') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
