"""The report of an iteration as Prefect artifacts: a page with its pictures, and the learning curve by itself."""

import base64
import re
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.reporting.document import report
from flows.reporting.plots import write_curve
from flows.reporting.render import as_markdown
from flows.reporting.results import alarms, iteration_results
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
        curve = write_curve(run, rows)
        key = re.sub(r"[^a-z0-9-]+", "-", run.config["name"].lower()).strip("-")
        create_markdown_artifact(
            key=f"serl-{key}-report",
            markdown=as_markdown(report(run, rows, curve)),
            description=f"Run {run.config['name']} after iteration {newest['iteration']}",
        )
        create_image_artifact(
            key=f"serl-{key}-curve",
            image_url=f"data:image/png;base64,{base64.b64encode(curve).decode()}",
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
