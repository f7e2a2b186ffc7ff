"""What a run prints with a terminal, and without one."""

from io import StringIO

import pytest
from rich.console import Console

from flows.cli.progress_bar import TerminalObserver

LINE = "iteration 1: sample [8 responses] begins"


@pytest.mark.parametrize("terminal", [False, True])
def test_lines_are_for_log_files_and_a_bar_for_terminals(terminal: bool) -> None:
    written = StringIO()
    with TerminalObserver(Console(file=written, force_terminal=terminal, width=40), iterations=2) as observer:
        observer.line(LINE)
        observer.stage_progress(1)("sample", 1, 8, "9 tokens/s")
    if terminal:
        assert "begins" not in written.getvalue()
    else:
        start, line = written.getvalue().splitlines()
        assert start.startswith("starting Prefect") and line == LINE
