"""Commands that run: check, run, resume, submit, join."""

import argparse

from rich.console import Console

from flows.cli.arguments import ON_A_CONFIG, ON_A_RUN, Command, CommandGroup, config_of, load, option, print_line
from flows.cli.inspect import print_results
from flows.config.run import RunConfig
from flows.orchestration.environment import set_prefect_defaults
from storage.errors import InputError
from storage.run import open_run
from storage.store import Store


def do_run(config: RunConfig) -> None:
    """Run what is missing and print the results; a finished run is recognised without starting Prefect."""
    from flows.maintenance.staleness import explain_recomputation
    from flows.models.forms import fallback_note
    from flows.preflight.checks import check_inputs
    from flows.reporting.results import run_results
    from flows.run_loop import record
    from flows.run_progress import find_finished
    from storage.lease import check_free

    console = Console()
    store = Store(config.uri)
    store.check_reachable()
    progress = find_finished(config, store)
    progress.check_not_stopped()
    if not progress.complete:
        check_inputs(progress.resolved)
        store.check_writable()
        check_free(store)  # before the wait for Prefect
        notes = explain_recomputation(progress, store)
        if progress.finished == 0 and (fallback := fallback_note(progress.config)):
            notes = [*notes, fallback]
        for note in notes:
            console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
        run_flow(progress.config, console)
    else:
        # The newest revision may hold another state: a process may have been killed after the last manifest, or the
        # user may have returned to earlier settings.
        record(progress, store)
        console.print(f"{config.uri} is finished; nothing to do", soft_wrap=True)
    run = open_run(config.uri)
    iterations = run_results(run)["iterations"]
    if progress.complete:
        from flows.reporting.plots import write_curve

        write_curve(run, iterations)  # a kill after the last manifest leaves no curve, or an older one
    print_results(run, iterations, console)


def run_flow(config: RunConfig, console: Console) -> None:
    """Run the Prefect flow in this process, with a progress bar."""
    from flows.cli.progress_bar import TerminalObserver
    from flows.observer import OBSERVER

    set_prefect_defaults()
    from flows.orchestration.server_checks import check_server

    check_server(needed=config.gpu == "deployment")
    with TerminalObserver(console, config.iterations) as observer:
        from flows.self_play import serl

        token = OBSERVER.set(observer)
        try:
            serl(config=config, iterations=config.iterations + 1)
        finally:
            OBSERVER.reset(token)


def _run(options: argparse.Namespace) -> None:
    do_run(load(options))


def _resume(options: argparse.Namespace) -> None:
    do_run(config_of(options.run))


def _check(options: argparse.Namespace) -> None:
    config = load(options)
    if options.against:
        from flows.preflight.paper_settings import against_paper

        Console(highlight=False).print(against_paper(config))
        return
    from flows.preflight.description import describe_and_judge

    text, refusal = describe_and_judge(config)
    print(text, flush=True)
    if refusal:
        raise InputError(refusal)


def _submit(options: argparse.Namespace) -> None:
    set_prefect_defaults()
    from flows.orchestration.submit_run import submit

    submit(load(options), options.iterations, watch=options.watch, say=print_line)


def _join(options: argparse.Namespace) -> None:
    from stages.engines.gpu import on_all_gpus
    from stages.trainer.launcher import join

    placement = on_all_gpus(load(options).compute).trainer
    if placement.nodes == 1:
        raise InputError("compute.trainer.nodes is 1, expected the number of machines of the update, at least 2")
    if not 0 < options.node < placement.nodes:
        raise InputError(
            f"--node {options.node}: expected a number from 1 to {placement.nodes - 1}, as "
            f"compute.trainer.nodes is {placement.nodes}"
        )
    join(placement, options.node, print_line)


GROUP = CommandGroup(
    "run",
    (
        Command(
            "check",
            "say what a config would run, without running it",
            _check,
            (
                *ON_A_CONFIG,
                option("--against", choices=["paper"], help="print each published setting next to the config's"),
            ),
        ),
        Command("run", "run what a config describes, or resume it", _run, ON_A_CONFIG),
        Command("resume", "resume a run from its own folder", _resume, ON_A_RUN),
        Command(
            "submit",
            "let workers of a Prefect server run what a config describes",
            _submit,
            (
                *ON_A_CONFIG,
                option("--iterations", type=int, default=1, help="number of missing iterations to do (default 1)"),
                option("--watch", action="store_true", help="wait for the end; exit code 2 if the run fails"),
            ),
        ),
        Command(
            "join",
            "let this machine take part in the policy updates of a run on another machine",
            _join,
            (
                *ON_A_CONFIG,
                option(
                    "--node",
                    "--machine",
                    type=int,
                    required=True,
                    help="number of this machine, from 1; node 0 runs `serl run`",
                ),
            ),
        ),
    ),
)
