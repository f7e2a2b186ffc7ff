"""The verifier: what math-verify finds equal, and what happens when it does not end, dies or runs on any thread."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest

from stages.answers.algebra.verifier import Verifier
from storage.errors import StageFailed

DATA = Path(__file__).resolve().parents[3] / "../shared/data"


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
        # math-verify takes these for equal: equations without a solution, statements without a variable, tiny numbers.
        ("x^2+121=0", "x^2+18x+86=0", "different"),
        ("x^2+121=0", "2x^2+242=0", "equal"),
        ("\\sin x=2", "\\sin x=3", "different"),
        ("|x|=-1", "|x|=-2", "different"),
        ("f(x)=x+1", "f(x)=1+x", "equal"),
        ("\\log_2(32)=5", "\\log_6(216)=3", "different"),
        ("\\log_2(32)=5", "\\log_2(2^5)=5", "equal"),
        ("0=1", "2=3", "different"),
        ("\\frac{1}{2004!}", "\\frac{1}{2006!}", "different"),
        ("\\frac{1}{2004!}", "\\frac{1}{2004 \\cdot 2003!}", "equal"),
        ("\\frac{2^{2005}+1}{3 \\cdot 2^{2006}}", "\\frac{1}{3 \\cdot 2^{2006}}", "different"),
        ("I_p=\\cos 10t", "I_p=\\cos 30t", "different"),
        ("9\\%", "9", "equal"),
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
    # Regression (docs/explanation/method.md, 4.2):
    # math-verify's signal alarms made every comparison off the main thread "not equal".
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


def workers_of(verifier: Verifier) -> list[int]:
    """Return the process ids of the running workers and of their children."""
    workers = [worker._process.pid for worker in list(verifier._workers.queue) if worker._process is not None]
    return workers + [child for worker in workers for child in children_of(worker)]


def children_of(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


ENDLESS = "9^{9^{9^{9^9}}}"


def test_an_endless_comparison_is_killed_and_the_next_is_made() -> None:
    with Verifier(seconds=1.0) as verifier:
        assert verifier.equal([("2", "\\frac{4}{2}")]) == ["equal"]
        pairs = [(ENDLESS, "3"), ("2", "\\frac{4}{2}")]
        assert verifier.equal(pairs) == ["timeout", "equal"]
        assert verifier.counts == {"equal": 2, "timeout": 1}


@pytest.mark.slow
def test_endless_answers_of_a_group_cost_few_timeouts() -> None:
    towers = [ENDLESS.replace("9^9", f"9^{n}") for n in range(3, 9)]
    group = [(left, right) for left, right in combinations([*towers, "n+1", "1+n"], 2)]
    with Verifier(workers=1, seconds=0.5) as verifier:
        requests = record_requests(verifier)
        statuses = verifier.equal_groups([group, [("n+1", "1+n"), ("n", "m")]])
    assert statuses[0][-1] == "equal" and statuses[1] == ["equal", "different"]
    assert statuses[0].count("timeout") >= 15  # towers with each other at least
    # Each answer times out at most twice; the remaining pairs of towers are not tried.
    assert len(requests) - 3 <= len(towers) * 2


def record_requests(verifier: Verifier) -> list[list[str]]:
    """Return a list to which the answers of each request to a worker are appended."""
    requests: list[list[str]] = []
    for worker in list(verifier._workers.queue):
        ask = worker.ask
        worker.ask = lambda answers, ask=ask: (requests.append(answers), ask(answers))[1]  # type: ignore[method-assign]
    return requests


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("\\frac{1}{2}", "ok"),
        ("x=5", "ok"),
        ("\\frac{1}{", "unparsable"),
        ("", "unparsable"),
        ("7" * 301, "too_large"),
        ("(" * 40 + "x" + ")" * 40, "timed_out"),  # the parser's time doubles with each
    ],
)
def test_readings(verifier: Verifier, answer: str, status: str) -> None:
    assert [reading.status for reading in verifier.read([answer, "7", answer])] == [status, "ok", status]


def test_a_distinct_answer_is_read_once() -> None:
    with Verifier(workers=1) as verifier:
        requests = record_requests(verifier)
        assert len(verifier.read(["n+1", "n+1", "7", "n+1"])) == 4
        assert verifier.read(["7", "n+1"]) == verifier.read(["n+1", "7"])[::-1]
        assert requests == [["n+1"], ["7"]]


@pytest.mark.parametrize("which", [0, 1], ids=["worker", "child"])
def test_a_worker_killed_from_outside_is_replaced(which: int) -> None:
    with Verifier(workers=1) as verifier:
        assert verifier.equal([("1+1", "2")]) == ["equal"]
        os.kill(workers_of(verifier)[which], signal.SIGKILL)
        assert verifier.equal([("1+1", "2"), ("n", "m")]) == ["equal", "different"]
        assert verifier.counts == {"equal": 2, "different": 1}


@pytest.mark.slow
def test_workers_that_are_killed_repeatedly_lose_no_answer() -> None:
    with Verifier(workers=2) as verifier:
        done = threading.Event()

        def killer() -> None:
            while not done.wait(3.0):
                for pid in workers_of(verifier):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=killer)
        thread.start()
        try:
            answers = [f"{n}x+{n}" for n in range(3_000)]
            assert {reading.status for reading in verifier.read(answers)} == {"ok"}
        finally:
            done.set()
            thread.join()


def test_a_worker_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.answers.algebra.verifier._WALL_CLOCK_FACTOR", 10)
    with Verifier(workers=1, seconds=0.5) as verifier:
        verifier.equal([("1", "2")])
        worker, child = workers_of(verifier)
        os.kill(child, signal.SIGSTOP)
        threading.Timer(1.0, os.kill, (child, signal.SIGCONT)).start()  # longer than the limit, which is of CPU time
        assert verifier.equal([("n+1", "1+n")]) == ["equal"]
        os.kill(child, signal.SIGSTOP)
        assert verifier.equal([("n+2", "2+n"), ("n+3", "3+n")]) == ["timeout", "equal"]
        assert _all_end(worker, child)


def test_several_workers_keep_the_order() -> None:
    with Verifier(workers=2) as verifier:
        pairs = [(f"{n}+x", f"x+{n if n % 3 else n + 1}") for n in range(200)]
        assert verifier.equal(pairs) == ["equal" if n % 3 else "different" for n in range(200)]
        assert len(workers_of(verifier)) == 4  # two workers with a child each


def test_it_starts_lazily_and_closes_its_processes() -> None:
    verifier = Verifier()
    assert verifier.equal([]) == verifier.read([]) == []
    assert [reading.status for reading in verifier.read(["7" * 400])] == ["too_large"]
    assert workers_of(verifier) == []
    verifier.equal([("1", "2")])
    worker, child = workers_of(verifier)  # one worker for a single pair
    assert _runs(worker) and _runs(child)
    verifier.close()
    assert workers_of(verifier) == [] and _all_end(worker, child)
    assert verifier.equal([("1", "1")]) == ["equal"]  # a new worker was started
    verifier.close()


def test_it_works_inside_an_event_loop() -> None:
    async def compare() -> list[str]:
        with Verifier(workers=1) as verifier:
            return verifier.equal([("n+1", "1+n")])

    assert asyncio.run(compare()) == ["equal"]


def test_the_memory_limit_holds_in_the_worker() -> None:
    """With a limit below the needs of the imports, the worker cannot start, and the error is one line."""
    with Verifier(memory_mib=40) as verifier, pytest.raises(StageFailed, match=r"did not start .*40 MiB"):
        verifier.equal([("1", "2")])


def test_a_worker_whose_parent_is_killed_ends_by_itself() -> None:
    """A run that is killed during an endless comparison must not leave a process that never ends."""
    program = (
        "from stages.answers.algebra.verifier import Verifier; import os\n"
        "v = Verifier(workers=1, seconds=2.0); v.equal([('1', '2')])\n"
        "from pathlib import Path; pid = list(v._workers.queue)[0]._process.pid\n"
        "print(pid, Path(f'/proc/{pid}/task/{pid}/children').read_text(), flush=True)\n"
        f"v.equal([('{ENDLESS}', '3')])"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    processes = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(processes) == 2
    time.sleep(0.5)
    parent.kill()
    parent.communicate()
    assert _all_end(*processes)  # the worker's CPU time is over after 2 s


SPELLINGS = (
    "5", "5\\%", "50", "0.5", "\\frac{1}{2}", "1/2", "50\\%", "x=5", "y=5", "x", "e", "E", "2.718281828", "\\pi",
    "3.14159265", "(1,2)", "[1,2]", "\\{1,2\\}", "1,2", "2,1", "\\{5\\}", "45^\\circ", "45", "\\frac{\\pi}{4}",
    "0.785398", "5\\text{ cm}", "2\\frac{1}{2}", "2.5", "\\frac{5}{2}", "0.333333", "\\frac{1}{3}",
    "0.\\overline{3}", "10^{-7}", "0", "0.0000001", "\\sqrt{8}", "2\\sqrt{2}", "2.828427",
    "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "x<1", "1>x", "(-\\infty,1)", "x \\le 1", "3\\pm 2", "5,1",
    "\\text{even}", "even", "abc", "ABC", "a b c", "1.5 \\times 10^3", "1500", "1,500", "n+1", "1+n", "n+n+1",
    "x-x+5", "\\frac{2x}{2}", "2x/2", "|x|", "\\sqrt{x^2}", "x^2+2x+1", "(x+1)^2", "i", "1+i", "i+1", "f(x)=x+1",
    "x+1",
)  # fmt: skip


def test_pairs_that_math_verify_calls_equal_are_not_ruled_out(verifier: Verifier) -> None:
    readings = dict(zip(SPELLINGS, verifier.read(SPELLINGS), strict=True))
    ruled_out = [
        (left, right) for left, right in combinations(SPELLINGS, 2) if not readings[left].may_equal(readings[right])
    ]
    verdicts = dict(zip(ruled_out, verifier.equal(ruled_out), strict=True))
    assert [pair for pair, verdict in verdicts.items() if verdict == "equal"] == []
    assert len(ruled_out) > 400
    # Pairs that are equal although they look different are not ruled out.
    for left, right in [("e", "E"), ("5", "5\\%"), ("x=5", "5"), ("\\{5\\}", "5"), ("(x+1)^2", "x^2+2x+1")]:
        assert readings[left].may_equal(readings[right]), (left, right)


def test_few_pairs_of_real_answers_are_left_to_compare(verifier: Verifier) -> None:
    path = DATA / "seeds" / "math_seed_500.jsonl"
    if not path.exists():
        pytest.skip("no MATH seeds beside the repository")
    answers = sorted({json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()})
    readings = dict(zip(answers, verifier.read(answers), strict=True))
    assert {reading.status for reading in readings.values()} == {"ok"}
    pairs = random.Random(0).sample(list(combinations(answers, 2)), 4_000)
    ruled_out = [pair for pair in pairs if not readings[pair[0]].may_equal(readings[pair[1]])]
    assert len(ruled_out) > 0.75 * len(pairs)
    assert "equal" not in verifier.equal(random.Random(1).sample(ruled_out, 500))


def _all_end(*pids: int) -> bool:
    """Whether the processes end within a minute. A killed process may take a moment on a busy machine."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(map(_runs, pids)):
        time.sleep(0.05)
    return not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
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
