"""Commands that read runs or answers: show, report, compare, export, benchmarks, answers, data."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.cli.answers import COMMAND as ANSWERS
from flows.cli.arguments import ON_A_RUN, Command, CommandGroup, option, print_line
from flows.cli.data import COMMAND as DATA
from storage.errors import InputError
from storage.run import Run, open_run

if TYPE_CHECKING:
    import polars as pl


def print_results(run: Run, iterations: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the results of all iterations as tables, and what to look at next."""
    from flows.reporting.results import CURVE_PATH, alarms
    from flows.reporting.terminal_tables import (
        draw_line,
        engine_line,
        evaluation_table,
        funnel_table,
        gpu_line,
        results_table,
        seconds_table,
        unfinished_line,
    )
    from flows.rounds.shortfall import shortfall

    uri = run.store.uri
    console.print(results_table(iterations))
    for alarm in alarms(run):
        console.print(f"watchdog: {alarm}", style="bold red", highlight=False, markup=False)
    measured = [row for row in iterations if row["benchmarks"]]
    if measured:
        console.print(evaluation_table(measured[-1]))
    console.print(funnel_table(iterations))
    for row in iterations[-1:]:
        if short := shortfall(row["iteration"], row["metrics"]):
            console.print(f"{short}\n", highlight=False, markup=False)
    if drawn_early := draw_line(iterations):
        console.print(f"{drawn_early}\n", highlight=False)
    if unfinished := unfinished_line(iterations):
        console.print(f"{unfinished}\n", highlight=False)
    console.print(seconds_table(iterations))
    console.print(engine_line(iterations), highlight=False)
    if busy := gpu_line(iterations):
        console.print(busy, highlight=False)
    # Without an activated environment the shell does not find a bare `serl`: print the path of this program.
    prefix = "" if shutil.which("serl") else f"{Path(sys.argv[0]).parent}/"
    console.print(
        f"learning curve    {uri}/{CURVE_PATH}\n"
        f"look into it      {prefix}serl show {uri} votes, or open notebooks/inspect_run.ipynb\n"
        f"go on with it     {prefix}{next_command(run)}\n"
        f"see runs in a UI  {prefix}prefect server start, then set PREFECT_API_URL=http://127.0.0.1:4200/api and run",
        highlight=False,
        soft_wrap=True,
    )


def next_command(run: Run) -> str:
    """Return the command that continues a run; `serl resume` does nothing if all iterations are finished."""
    iterations: int = run.config["iterations"]
    if not run.iterations or max(run.iterations) < iterations:
        return f"serl resume {run.store.uri}"
    return f"serl run CONFIG --set iterations={iterations + 1} (all {iterations} iterations are finished)"


def _show(options: argparse.Namespace) -> None:
    run = open_run(options.run)
    if options.status is not None and options.table is None:
        raise InputError("--status goes with a table: rewards, voter_answers, grades")
    if options.lineage:
        from flows.reporting.lineage import draw_lineage, lineage

        print(json.dumps(lineage(run)) if options.json else draw_lineage(run))
    elif options.table is None:
        from flows.reporting.results import run_results

        results = run_results(run)
        if options.json:
            print(json.dumps(results))
        else:
            print_results(run, results["iterations"], Console())
    elif options.table == "tables":
        print("\n".join(run.tables()))
    else:
        _show_table(run, options)


def _show_table(run: Run, options: argparse.Namespace) -> None:
    import polars as pl

    frame = run.table(options.table, options.iteration)
    if options.status is not None:
        frame = _with_status(frame, options.status, options.table)
    frame = frame.head(options.rows)
    if options.json:
        print(frame.write_json())
        return
    # A pipe has no width to fit into; 80 columns would wrap every cell.
    console = Console()
    width = console.width if console.is_terminal else 240
    with pl.Config(tbl_rows=options.rows, tbl_cols=-1, fmt_str_lengths=60, tbl_width_chars=width):
        print(frame)


def _with_status(frame: "pl.DataFrame", status: str, table: str) -> "pl.DataFrame":
    """Return the rows with a status. Raises InputError if the table has no such column or no such status is known."""
    from stages.answers.explain import STATUSES

    if "status" not in frame.columns:
        raise InputError(f"the table {table} has no column status; --status goes with rewards, voter_answers, grades")
    if status not in STATUSES:
        raise InputError(f"--status {status}: unknown; expected one of {', '.join(STATUSES)}")
    return frame.filter(status=status)


def _report(options: argparse.Namespace) -> None:
    from flows.reporting.document import report
    from flows.reporting.plots import learning_curve
    from flows.reporting.render import as_html
    from flows.reporting.results import REPORT_PATH, headline_benchmark, run_results

    run = open_run(options.run)
    iterations = run_results(run)["iterations"]
    if not iterations:
        raise InputError(f"{options.run} has finished no iteration to report on; `serl resume {options.run}` goes on")
    page = as_html(report(run, iterations, learning_curve(iterations, headline_benchmark(run.config)))).encode()
    if options.output is None:
        run.store.replace(REPORT_PATH, page)
    else:
        _write(options.output, page)
    print_line(f"report  {options.output or f'{run.store.uri}/{REPORT_PATH}'}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name a file in a folder that exists") from None


def _compare(options: argparse.Namespace) -> None:
    from flows.reporting.comparison import compare, draw_comparison
    from flows.reporting.gains import PLOT_PATH, all_evaluated, comparison_table, side_by_side
    from flows.reporting.plots import comparison_plot

    runs = [open_run(uri) for uri in (options.run, *options.others)]
    pair = compare(*runs) if len(runs) == 2 else {}
    rows = side_by_side(runs) if all_evaluated(runs) or not pair else []
    if options.json:
        print(json.dumps({"runs": rows, **pair}))
        return
    console = Console()
    if pair:
        console.print(draw_comparison(*runs))
        console.print()
    if not rows:
        return
    console.print(comparison_table(rows))
    names = _distinct_names(rows)
    curves = {name: row["curve"] for name, row in zip(names, rows, strict=True)}
    gains = {name: row["gain"] for name, row in zip(names, rows, strict=True)}
    runs[0].store.replace(PLOT_PATH, comparison_plot(curves, gains, rows[0]["benchmark"]))
    console.print(f"plot  {runs[0].store.uri}/{PLOT_PATH}", highlight=False, soft_wrap=True)


def _distinct_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the runs if they differ, else their URIs."""
    names = [row["name"] for row in rows]
    return names if len(set(names)) == len(names) else [row["run"] for row in rows]


def _export(options: argparse.Namespace) -> None:
    from flows.reporting.hub_export import export

    export(options.run, options.iteration, options.output, options.push, print_line)


def _benchmarks(options: argparse.Namespace) -> None:
    from flows.reporting.terminal_tables import benchmarks_table

    Console(highlight=False).print(benchmarks_table())


GROUP = CommandGroup(
    "inspect",
    (
        Command(
            "show",
            "print a run's results, one of its tables, or its lineage",
            _show,
            (
                *ON_A_RUN,
                option("table", nargs="?", help="name of a table; `serl show RUN tables` lists them"),
                option("--iteration", type=int, help="only this iteration of the table"),
                option(
                    "--status", help="only rows whose answer has this status, such as ambiguous (rewards, grades, ...)"
                ),
                option("--rows", type=int, default=20, help="rows of the table to print (default 20)"),
                option("--lineage", action="store_true", help="draw which artifact came from which"),
                option("--json", action="store_true", help="print JSON"),
            ),
        ),
        Command(
            "report",
            "write results, plots and sample questions as one HTML file",
            _report,
            (
                *ON_A_RUN,
                option("--output", type=Path, metavar="FILE", help="file (default: reports/report.html in the run)"),
            ),
        ),
        Command(
            "compare",
            "compare the gains of runs, in a table and a plot",
            _compare,
            (
                *ON_A_RUN,
                option(
                    "others",
                    nargs="+",
                    metavar="other",
                    help="other runs; if only one is named, settings are compared as well",
                ),
                option("--json", action="store_true", help="print JSON"),
            ),
        ),
        Command(
            "export",
            "write a run's policy and questions for the Hugging Face hub",
            _export,
            (
                *ON_A_RUN,
                option(
                    "--iteration",
                    type=int,
                    help="export the policy after this iteration (default: the newest good one)",
                ),
                option("--output", type=Path, metavar="FOLDER", help="folder to make (default: NAME-ITERATION)"),
                option("--push", metavar="OWNER/NAME", help="upload as well; the token comes from $HF_TOKEN"),
            ),
        ),
        Command("benchmarks", "list the evaluation sets that this software knows by name", _benchmarks),
        ANSWERS,
        DATA,
    ),
)
