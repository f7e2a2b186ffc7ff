"""The report of an iteration as Prefect artifacts: a page with its pictures, and the learning curve alone."""

import base64
import re
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.reporting.document import report
from flows.reporting.plots import write_curve
from flows.reporting.render import as_markdown
from flows.reporting.results import alarms, iteration_results
from storage.run import Revision, Run


class Report:
    """Reports of one run; results that were read for one report are not read again for the next."""

    def __init__(self, revision: Revision) -> None:
        """Prepare for a run whose newest revision is `revision`; its alarms were shown before."""
        # Results by the paths of an iteration's manifests: after a rollback the same iteration has other manifests.
        self._rows: dict[tuple[str, ...], dict[str, Any]] = {}
        self._alarms_shown = len(revision.breaches)

    def publish(self, run: Run) -> dict[str, Any]:
        """Publish the newest iteration's report to Prefect; return that iteration's results."""
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

    def new_alarms(self, run: Run) -> list[str]:
        """Return the watchdog's findings since the last call, or since this object was made."""
        texts = alarms(run)
        new, self._alarms_shown = texts[self._alarms_shown :], len(texts)
        return new

    def _row(self, run: Run, number: int) -> dict[str, Any]:
        key = tuple(run.revision.iterations[number].values())
        if key not in self._rows:
            self._rows[key] = iteration_results(run, number)
        return self._rows[key]
