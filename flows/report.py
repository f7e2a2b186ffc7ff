"""The report of an iteration: a learning curve in the run's folder, a table and the curve as Prefect artifacts."""

import base64
import re
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.console import result_cells
from flows.plots import write_curve
from flows.results import run_results
from storage.run import open_run


def publish_report(uri: str) -> dict[str, Any]:
    """Publish the newest iteration's report to Prefect; returns that iteration's results."""
    run = open_run(uri)
    results = run_results(run)
    newest: dict[str, Any] = results["iterations"][-1]
    key = re.sub(r"[^a-z0-9-]+", "-", run.config["name"].lower()).strip("-")
    create_markdown_artifact(
        key=f"serl-{key}-report",
        markdown=_markdown(results),
        description=f"Run {run.config['name']} after iteration {newest['iteration']}",
    )
    picture = base64.b64encode(write_curve(run, results["iterations"])).decode()
    create_image_artifact(
        key=f"serl-{key}-curve",
        image_url=f"data:image/png;base64,{picture}",
        description=f"Learning curve of {run.config['name']} up to iteration {newest['iteration']}",
    )
    return newest


def _markdown(results: dict[str, Any]) -> str:
    rows = [result_cells(row) for row in results["iterations"]]
    lines = [
        f"# {results['run']}: iteration {results['iterations'][-1]['iteration']} of {results['iterations_wanted']}",
        "",
        f"| {' | '.join(rows[0])} |",
        f"|{'---:|' * len(rows[0])}",
        *(f"| {' | '.join(cells.values())} |" for cells in rows),
    ]
    return "\n".join(lines)
