"""The report of an iteration: a learning curve in the run's folder, a table and the curve as Prefect artifacts."""

import base64
import re
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.console import result_cells
from flows.plots import write_curve
from flows.results import iteration_results
from storage.run import Run, open_run


class Report:
    """Reports of one run; what was read for one report is not read again for the next."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._rows: dict[int, dict[str, Any]] = {}

    def publish(self) -> dict[str, Any]:
        """Publish the newest iteration's report to Prefect; returns that iteration's results."""
        run = open_run(self._uri)
        for number in run.iterations:
            if number not in self._rows:
                self._rows[number] = iteration_results(run, number)
        rows = [self._rows[number] for number in run.iterations]
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


def _markdown(run: Run, iterations: Sequence[dict[str, Any]]) -> str:
    rows = [result_cells(row) for row in iterations]
    lines = [
        f"# {run.store.uri}: iteration {iterations[-1]['iteration']} of {run.config['iterations']}",
        "",
        f"| {' | '.join(rows[0])} |",
        f"|{'---:|' * len(rows[0])}",
        *(f"| {' | '.join(cells.values())} |" for cells in rows),
    ]
    return "\n".join(lines)
