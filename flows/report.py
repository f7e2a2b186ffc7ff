"""The report of an iteration: a learning curve in the run's folder, a table and the curve as Prefect artifacts."""

import base64
import re
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.console import MISSING, number
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
    picture = base64.b64encode(write_curve(run)).decode()
    create_image_artifact(
        key=f"serl-{key}-curve",
        image_url=f"data:image/png;base64,{picture}",
        description=f"Learning curve of {run.config['name']} up to iteration {newest['iteration']}",
    )
    return newest


def _markdown(results: dict[str, Any]) -> str:
    lines = [
        f"# {results['run']}: iteration {results['iterations'][-1]['iteration']} of {results['iterations_wanted']}",
        "",
        "| iteration | pass@1 | 95 % interval | greedy | maj@k | accepted | kept | vote share | KL | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in results["iterations"]:
        interval = row["pass1_sampled_interval"]
        cells = [
            str(row["iteration"]),
            number(row["pass1_sampled"], ".3f"),
            f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else MISSING,
            number(row["pass1_greedy"], ".3f"),
            number(row["maj_k"], ".3f"),
            number(row["accepted"], "d"),
            number(row["kept"], "d"),
            number(row["vote_share"], ".2f"),
            number(row["kl"], ".4f"),
            number(row["seconds"], ".1f"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
