"""The report of an iteration: a learning curve in the run's folder, a table and the curve as Prefect artifacts."""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.console import engine_line, result_cells
from flows.plots import write_curve
from flows.results import alarms, evaluation_rows, funnel, iteration_results, measured_on, slice_rows
from storage.run import Run, open_run


class Report:
    """Reports of one run; what was read for one report is not read again for the next."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._rows: dict[tuple[str, ...], dict[str, Any]] = {}  # by the iteration's manifests: a rollback makes others
        self._told = len(open_run(uri).revision.breaches)

    def publish(self) -> dict[str, Any]:
        """Publish the newest iteration's report to Prefect; returns that iteration's results."""
        run = open_run(self._uri)
        rows = [self._row(run, number) for number in run.iterations]
        newest = rows[-1]
        key = re.sub(r"[^a-z0-9-]+", "-", run.config["name"].lower()).strip("-")
        create_markdown_artifact(
            key=f"serl-{key}-report",
            markdown=_markdown(run, rows),
            description=f"Run {run.config['name']} after iteration {newest['iteration']}",
        )
        picture = base64.b64encode(write_curve(run, rows)).decode()
        create_image_artifact(
            key=f"serl-{key}-curve",
            image_url=f"data:image/png;base64,{picture}",
            description=f"Learning curve of {run.config['name']} up to iteration {newest['iteration']}",
        )
        return newest

    def new_alarms(self) -> list[str]:
        """What the watchdog has found since the last call, or since this report was made."""
        found = alarms(open_run(self._uri))
        new, self._told = found[self._told :], len(found)
        return new

    def _row(self, run: Run, number: int) -> dict[str, Any]:
        key = tuple(run.revision.iterations[number].values())
        if key not in self._rows:
            self._rows[key] = iteration_results(run, number)
        return self._rows[key]


def _markdown(run: Run, iterations: Sequence[dict[str, Any]]) -> str:
    rows = [result_cells(row) for row in iterations]
    newest = iterations[-1]
    lost = [(step, f"{number:+d}" if number < 0 else str(number)) for step, number in funnel([newest])]
    agreed = [(voter, f"{share:.3f}") for voter, share in newest["agreement"].items()]
    trusted = [
        (name, f"{row['share_from']:.1f}–{row['share_to']:.1f}", str(row["questions"]), f"{row['correct']:.3f}")
        for name, found in newest["reliability"].items()
        for row in found
    ]
    lines = [
        f"# {run.store.uri}: iteration {newest['iteration']} of {run.config['iterations']}",
        "",
        *(f"**Watchdog:** {alarm}\n" for alarm in alarms(run)),
        f"Accuracy on {measured_on(iterations)}:",
        "",
        *_table(rows[0], [cells.values() for cells in rows]),
        *_sections_of_evaluation(newest),
        *_section("What became of this iteration's candidates", ("step", "questions"), lost),
        *_section("How often each voter's answer is the majority's", ("voter", "share of its responses"), agreed),
        *_section(
            "How often the majority was right, by its share of the votes",
            ("questions of", "share", "questions", "right"),
            trusted,
        ),
        "",
        engine_line(iterations),
    ]
    return "\n".join(lines)


def _sections_of_evaluation(newest: dict[str, Any]) -> list[str]:
    lines = []
    for title, rows in (
        ("Benchmarks, with 95 % intervals", evaluation_rows(newest)),
        ("By level, subject and group", slice_rows(newest)),
    ):
        if rows:
            lines += _section(title, list(rows[0]), [list(row.values()) for row in rows])
    return lines


def _section(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["", f"## {title}", "", *_table(names, rows)] if rows else []


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(names)
    return [f"| {' | '.join(head)} |", f"|{'---:|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
