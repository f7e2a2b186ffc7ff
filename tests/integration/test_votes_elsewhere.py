"""Answers are compared alike in a plain process, a thread, a Prefect task and a notebook.

math-verify by itself stops with signal alarms, which exist on a main thread only: off it every comparison used to fail.
"""

from concurrent.futures import ThreadPoolExecutor

import nbformat
from nbclient import NotebookClient

from tests.commands import HANG_SECONDS, REPOSITORY, python
from tests.integration.conftest import SharedServer

VOTE = r"""
from stages.answers.math import MathAnswer
from stages.answers.algebra.verifier import Verifier
from stages.answers.voting import Ballot, vote

def outcome():
    tower = "9^{" * 5 + "9" + "}" * 5
    answers = ["n+1", "1+n", r"\frac{2n+2}{2}", "n", tower, r"\sqrt{", None]
    with Verifier(workers=1, seconds=1.0) as verifier:
        result = vote([Ballot(question="?", answers=answers)], MathAnswer(), verifier)[0]
    return str((result.status, result.class_ids, result.statuses))
"""
EXPECTED = str(
    (
        "majority",
        (0, 0, 0, 1, None, None, None),
        ("ok", "ok", "ok", "ok", "timed_out", "unparsable", "no_answer"),
    )
)


def outcome() -> str:
    scope: dict[str, object] = {}
    exec(VOTE, scope)
    return str(scope["outcome"]())  # type: ignore[operator]


def test_in_a_process_and_in_threads() -> None:
    assert outcome() == EXPECTED
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: outcome(), range(2))) == [EXPECTED] * 2


def test_in_a_prefect_task(shared_server: SharedServer) -> None:
    program = f"""{VOTE}
from prefect import flow, task

@flow
def votes():
    return task(outcome)()

print("outcome:", votes())
"""
    done = python("-c", program, env=shared_server.prefect.env)
    assert f"outcome: {EXPECTED}" in done.stdout


def test_in_a_notebook() -> None:
    cell = nbformat.v4.new_code_cell(f"{VOTE}\nprint(outcome())")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=int(HANG_SECONDS), resources={"metadata": {"path": str(REPOSITORY)}}).execute()
    assert [output["text"].strip() for output in cell["outputs"]] == [EXPECTED]
