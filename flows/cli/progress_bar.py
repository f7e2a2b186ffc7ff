"""Terminal output during a run: a progress bar, and a line per finished iteration. Without a terminal, lines only."""

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from flows.reporting.terminal_tables import unfinished_counts
from stages.contract import Progress as StageProgress


class _Rate(ProgressColumn):
    """Column with the speed of a task."""

    def render(self, task: Task) -> Text:
        """Return the finished steps per second."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed else "", style="progress.data.speed")


class TerminalObserver:
    """An observer that draws a bar for the running stage and prints a line per finished iteration.

    Without a terminal there is no bar; lines say how each stage goes.
    """

    def __init__(self, console: Console, iterations: int) -> None:
        self._console = console
        self._iterations = iterations
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._shown: tuple[int, str, int] | None = None

    def line(self, text: str) -> None:
        """Print a line about the running stage, unless a bar shows the stage."""
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> "TerminalObserver":
        self.line("starting Prefect (10-40 s unless a Prefect server is running)")
        if self._console.is_terminal:
            self._bar.start()
        self._task = self._bar.add_task(
            "starting Prefect (10-40 s unless a Prefect server is running)", total=None, note=""
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:  # a bar that was not started prints an empty line
            self._bar.stop()

    def stage_progress(self, iteration: int) -> StageProgress:
        """Return a callback that updates the bar."""

        def show(stage: str, done: int, total: int, note: str) -> None:
            if self._shown != (iteration, stage, total):
                self._shown = (iteration, stage, total)
                if self._task is not None:
                    self._bar.remove_task(self._task)
                label = f"iteration {iteration}/{self._iterations} · {stage.replace('_', ' ')}"
                self._task = self._bar.add_task(label, total=total or None, note=note)
            assert self._task is not None
            self._bar.update(self._task, completed=done, note=note)

        return show

    def iteration_done(self, results: dict[str, Any]) -> None:
        """Print a line about a committed iteration."""
        self._console.print(iteration_line(results), highlight=False)

    def alarm(self, text: str) -> None:
        """Print a warning."""
        self._console.print(text, style="bold red", highlight=False, markup=False)


def iteration_line(results: dict[str, Any]) -> str:
    """Return the accuracy, numbers of questions and seconds of an iteration on one line."""
    line = f"iteration {results['iteration']:>3}"
    if results["pass1_sampled"] is not None:
        low, high = results["pass1_sampled_interval"]
        line += f"   pass@1 {results['pass1_sampled']:.3f} [{low:.3f}, {high:.3f}]"
    if results["accepted"] is not None:
        line += f"   accepted {results['accepted']}   kept {results['kept']}"
    if again := results["metrics"].get("draw/drawn_although_skipped"):
        line += f"   {again} drawn although their last votes were settled"
    if rounds := results["rounds"]:
        line += f"   used {rounds['used']} of {rounds['wanted']} after {rounds['count']} round(s)"
    if counts := unfinished_counts([results]):
        line += f"   thinking never ended in {counts}"
    return f"{line}   {results['seconds']:.1f} s"
