"""The command line: `serl run | resume | submit | show | report | compare | export | check | …` (`serl --help`).

Errors that a user can act on print as one line and exit with code 2. Heavy imports (Prefect, torch) happen inside the
commands that need them, so `serl show` answers at once.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.config.run import RunConfig, config_of_run, load_config
from flows.shutdown import EXIT_CODE, MESSAGE, Terminated, stoppable
from storage.errors import InputError, SerlError
from storage.run import Run, open_run, write_revision
from storage.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `serl`; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with stoppable():
            options.command(options)
    except SerlError as error:
        print(f"serl: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print(MESSAGE, file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt:
        print("serl: stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `serl show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serl", description="Self-play reinforcement learning for language models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run what a config describes, or go on with it")
    check = commands.add_parser("check", help="say what a config would run, without running it")
    check.add_argument("--against", choices=["paper"], help="print each published setting beside the config's")
    join = commands.add_parser("join", help="lend this machine to the policy updates of a run on another one")
    join.add_argument("--machine", type=int, required=True, help="its number, from 1; machine 0 runs `serl run`")
    serve = commands.add_parser("serve", help="start a vLLM server for runs with `engine: server`")
    submit = commands.add_parser("submit", help="have workers of a Prefect server run what a config describes")
    submit.add_argument("--iterations", type=int, default=1, help="how many missing iterations to do (default 1)")
    submit.add_argument("--watch", action="store_true", help="wait for its end; exit code 1 when it does not complete")
    serve.add_argument("--model", type=Path, help="model folder (default: the policy of the run, or of the config)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen at (default 8000)")
    on_a_config = ((run, _run), (check, _check), (join, _join), (serve, _serve), (submit, _submit))
    for command, action in on_a_config:
        command.add_argument("config", type=Path, help="YAML file, such as configs/quickstart.yaml")
        command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
        command.set_defaults(command=action)
    benchmarks = commands.add_parser("benchmarks", help="list the evaluation sets that have a name")
    benchmarks.set_defaults(command=_benchmarks)
    setup = commands.add_parser("setup-prefect", help="make work pools and automations on a Prefect server")
    setup.add_argument("--cpu-limit", type=int, help="how many flow runs of pool cpu may run at once")
    setup.add_argument("--gpu-limit", type=int, help="how many flow runs of pool gpu may run at once")
    setup.set_defaults(command=_setup_prefect)
    _on_a_run(commands, "resume", _resume, "go on with a run, from its own folder")
    show = _on_a_run(commands, "show", _show, "print a run's results, one of its tables, or what came from what")
    show.add_argument("table", nargs="?", help="name of a table; `serl show RUN tables` lists them")
    show.add_argument("--iteration", type=int, help="only this iteration of the table")
    show.add_argument("--rows", type=int, default=20, help="rows of the table to print (default 20)")
    show.add_argument("--lineage", action="store_true", help="draw which artifact came from which")
    show.add_argument("--json", action="store_true", help="print JSON")
    report = _on_a_run(commands, "report", _report, "write results, plots and sample questions as one HTML file")
    report.add_argument("--output", type=Path, metavar="FILE", help="file (default: reports/report.html in the run)")
    export = _on_a_run(commands, "export", _export, "write its policy and questions for the Hugging Face hub")
    export.add_argument("--iteration", type=int, help="the policy after it (default: the newest good one)")
    export.add_argument("--output", type=Path, metavar="FOLDER", help="folder to make (default: NAME-ITERATION)")
    export.add_argument("--push", metavar="OWNER/NAME", help="upload as well; the token comes from $HF_TOKEN")
    compare = _on_a_run(commands, "compare", _compare, "gains of runs side by side, in a table and a plot")
    compare.add_argument("others", nargs="+", metavar="other", help="other runs; of two, settings are compared as well")
    compare.add_argument("--json", action="store_true", help="print JSON")
    _on_a_run(commands, "repair", _repair, "check every digest and compute again just what is damaged")
    gc = _on_a_run(commands, "gc", _gc, "show what no manifest refers to, and remove it")
    gc.add_argument("--yes", action="store_true", help="remove without asking")
    return parser


def _on_a_run(commands: Any, name: str, action: Callable[[argparse.Namespace], None], what: str) -> Any:
    command = commands.add_parser(name, help=what)
    command.add_argument("run", help="a run: runs/quickstart, or s3://bucket/prefix/name")
    command.set_defaults(command=action)
    return command


def _run(options: argparse.Namespace) -> None:
    _do(load_config(options.config, tuple(options.set)))


def _resume(options: argparse.Namespace) -> None:
    _do(_config_of(options.run))


def _config_of(uri: str) -> RunConfig:
    """The settings of a run, which must lie where they say."""
    config = config_of_run(open_run(uri))
    if Store(config.uri).root != Store(uri).root:
        raise InputError(f"{uri} was made as {config.uri}; run from the folder where that path leads to it")
    return config


def _do(config: RunConfig) -> None:
    """Run what is missing and print the results; a finished run is recognised without starting Prefect."""
    from flows.iteration import find_finished
    from flows.maintenance.retention import prune_weights
    from flows.maintenance.staleness import explain_recomputation
    from flows.reporting.results import run_results
    from storage.lease import check_free

    console = Console()
    store = Store(config.uri)
    store.check_reachable()
    ledger = find_finished(config, store)
    ledger.check_not_stopped()
    if not ledger.complete:
        config.check_inputs()
        store.check_writable()
        check_free(store)  # before the wait for Prefect
        for note in explain_recomputation(ledger, store):
            console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
        _run_flow(config, console)
    else:
        # A kill after the last manifest, or a return to earlier settings, leaves another revision the newest.
        write_revision(store, ledger.revision())
        prune_weights(ledger, store)
        console.print(f"{config.uri} is finished; nothing to do", soft_wrap=True)
    run = open_run(config.uri)
    iterations = run_results(run)["iterations"]
    if ledger.complete:
        from flows.reporting.plots import write_curve

        write_curve(run, iterations)  # the same kill leaves none, or an older one
    _print_results(run, iterations, console)


def _run_flow(config: RunConfig, console: Console) -> None:
    from flows.cli.terminal import TerminalWatcher
    from flows.progress import WATCHER

    _quiet_prefect()
    from flows.orchestration.prefect_server import check_server

    check_server(needed=config.gpu == "deployment")
    with TerminalWatcher(console, config.iterations) as watcher:
        from flows.self_play import serl

        token = WATCHER.set(watcher)
        try:
            serl(config=config, iterations=config.iterations + 1)
        finally:
            WATCHER.reset(token)


def _quiet_prefect() -> None:
    """Defaults that suit a terminal; whoever sets these variables decides otherwise."""
    # A failed stage is told in one line below; Prefect would log its traceback as an error before.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "")  # what stages warn of is printed as it is
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
    # A temporary server takes 20-40 s on two busy cores, longer than Prefect's own limit.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    # No telemetry, of the temporary server or of the client, and no notice about it.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def _print_results(run: Run, iterations: Sequence[dict[str, Any]], console: Console) -> None:
    from flows.cli.terminal import engine_line, evaluation_table, funnel_table, results_table, seconds_table
    from flows.reporting.results import CURVE, alarms

    uri = run.store.uri
    console.print(results_table(iterations))
    for alarm in alarms(run):
        console.print(f"watchdog: {alarm}", style="bold red", highlight=False, markup=False)
    measured = [row for row in iterations if row["benchmarks"]]
    if measured:
        console.print(evaluation_table(measured[-1]))
    console.print(funnel_table(iterations))
    console.print(seconds_table(iterations))
    console.print(engine_line(iterations), highlight=False)
    # Without an activated environment a bare `serl` would not be found: name the one that is running.
    here = "" if shutil.which("serl") else f"{Path(sys.argv[0]).parent}/"
    console.print(
        f"learning curve    {uri}/{CURVE}\n"
        f"look into it      {here}serl show {uri} votes, or open notebooks/inspect_run.ipynb\n"
        f"go on with it     {here}serl resume {uri}\n"
        f"see runs in a UI  {here}prefect server start, then set PREFECT_API_URL=http://127.0.0.1:4200/api and run",
        highlight=False,
        soft_wrap=True,
    )


def _show(options: argparse.Namespace) -> None:
    run = open_run(options.run)
    console = Console()
    if options.lineage:
        from flows.reporting.lineage import draw_lineage, lineage

        print(json.dumps(lineage(run)) if options.json else draw_lineage(run))
    elif options.table is None:
        from flows.reporting.results import run_results

        results = run_results(run)
        if options.json:
            print(json.dumps(results))
        else:
            _print_results(run, results["iterations"], console)
    elif options.table == "tables":
        print("\n".join(run.tables()))
    else:
        import polars as pl

        frame = run.table(options.table, options.iteration).head(options.rows)
        if options.json:
            print(frame.write_json())
        else:
            # In a pipe there is no width to fit into; 80 columns would wrap every cell.
            width = console.width if console.is_terminal else 240
            with pl.Config(tbl_rows=options.rows, tbl_cols=-1, fmt_str_lengths=60, tbl_width_chars=width):
                print(frame)


def _report(options: argparse.Namespace) -> None:
    from flows.reporting.document import report
    from flows.reporting.plots import learning_curve
    from flows.reporting.render import as_html
    from flows.reporting.results import PAGE, headline_benchmark, run_results

    run = open_run(options.run)
    iterations = run_results(run)["iterations"]
    if not iterations:
        raise InputError(f"{options.run} has finished no iteration to report on; `serl resume {options.run}` goes on")
    page = as_html(report(run, iterations, learning_curve(iterations, headline_benchmark(run.config)))).encode()
    if options.output is None:
        run.store.replace(PAGE, page)
    else:
        _write(options.output, page)
    _say(f"report  {options.output or f'{run.store.uri}/{PAGE}'}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; name a file in a folder that exists") from None


def _compare(options: argparse.Namespace) -> None:
    from flows.reporting.comparison import compare, draw_comparison
    from flows.reporting.gains import PICTURE, comparison_table, evaluated, side_by_side
    from flows.reporting.plots import comparison

    runs = [open_run(uri) for uri in (options.run, *options.others)]
    pair = compare(*runs) if len(runs) == 2 else {}
    rows = side_by_side(runs) if evaluated(runs) or not pair else []
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
    runs[0].store.replace(PICTURE, comparison(curves, gains, rows[0]["benchmark"]))
    console.print(f"plot  {runs[0].store.uri}/{PICTURE}", highlight=False, soft_wrap=True)


def _distinct_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Names of runs where these differ, else where they lie."""
    names = [row["name"] for row in rows]
    return names if len(set(names)) == len(names) else [row["run"] for row in rows]


def _repair(options: argparse.Namespace) -> None:
    from flows.maintenance.repair import drop_damaged_revisions, set_damage_aside

    console, store = Console(), Store(options.run)
    store.check_reachable()
    for path in drop_damaged_revisions(store):
        console.print(f"damaged  {store.uri}/{path}: an earlier revision takes its place", soft_wrap=True)
    config = _config_of(options.run)
    if not set_damage_aside(store, console):
        console.print("no damage: every file has the digest that its manifest records")
    _do(config)


def _gc(options: argparse.Namespace) -> None:
    from flows.maintenance.repair import collect_garbage

    open_run(options.run)  # says so when it is none
    collect_garbage(Store(options.run), Console(), yes=options.yes)


def _join(options: argparse.Namespace) -> None:
    from stages.trainer.launcher import join

    placement = load_config(options.config, tuple(options.set)).compute.trainer
    if not 0 < options.machine < placement.nodes:
        raise InputError(
            f"--machine {options.machine}: expected a number from 1 to {placement.nodes - 1}, as "
            f"compute.trainer.nodes is {placement.nodes}"
        )
    join(placement, options.machine, _say)


def _serve(options: argparse.Namespace) -> None:
    from stages.engines.loader import check_installed
    from stages.engines.vllm_server import serve
    from stages.import_inputs import content_of_policy

    config = load_config(options.config, tuple(options.set))
    check_installed("vllm")
    folder = options.model or config.newest_policy()
    if folder is None:
        raise InputError(
            f"the policy of {options.config} is made by its warm start; run it first "
            "(`serl run` with `--set iterations=0 --set engine=transformers`), or name a model folder with --model"
        )
    content_of_policy(str(folder))
    print(f"vLLM server for {folder} at http://{options.host}:{options.port}", flush=True)
    serve(folder, config.compute.vllm, host=options.host, port=options.port, threads=config.compute.threads)


def _export(options: argparse.Namespace) -> None:
    from flows.reporting.hub_export import export

    export(options.run, options.iteration, options.output, options.push, _say)


def _submit(options: argparse.Namespace) -> None:
    _quiet_prefect()
    from flows.orchestration.submit import submit

    submit(load_config(options.config, tuple(options.set)), options.iterations, watch=options.watch, say=_say)


def _setup_prefect(options: argparse.Namespace) -> None:
    _quiet_prefect()
    from flows.orchestration.provision import setup_prefect

    setup_prefect({"cpu": options.cpu_limit, "gpu": options.gpu_limit}, _say)


def _say(line: str) -> None:
    Console().print(line, highlight=False, soft_wrap=True, markup=False)


def _check(options: argparse.Namespace) -> None:
    config = load_config(options.config, tuple(options.set))
    if options.against:
        from flows.preflight.paper_settings import against_paper

        Console(highlight=False).print(against_paper(config))
        return
    from flows.preflight.description import describe

    print(describe(config))


def _benchmarks(options: argparse.Namespace) -> None:
    from flows.cli.terminal import benchmarks_table

    Console(highlight=False).print(benchmarks_table())


if __name__ == "__main__":
    sys.exit(main())
