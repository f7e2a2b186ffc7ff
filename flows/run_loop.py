"""The loop over a run's iterations, with or without Prefect."""

from collections.abc import Callable

from flows.config.run import RunConfig
from flows.maintenance.retention import prune_weights
from flows.models.early_start import start_engine
from flows.rounds.state import Runner
from flows.run_progress import RunProgress, find_finished, next_context
from flows.runners import LocalRunner
from stages.contract import Context, Progress, no_progress
from stages.shared_resources import Resources
from storage.lease import hold_lease
from storage.run import Run, write_revision
from storage.store import Store


def run_iterations(
    progress: RunProgress,
    store: Store,
    resources: Resources,
    *,
    finished_target: int,
    make_runner: Callable[[Context], Runner] = LocalRunner,
    stage_progress: Callable[[int], Progress] = lambda iteration: no_progress,
    after_iteration: Callable[[Run, bool], None] = lambda run, finished: None,
    trainer_is_here: bool = True,
) -> None:
    """Run iterations until `finished_target` of them are finished.

    After each iteration, write a revision (what the run holds now) and delete the weights that are not needed.

    Args:
        progress: How far the run has come. Each iteration advances it.
        store: The run's store, under a lease that the caller holds.
        resources: Engine, trainer and verifier of this process.
        finished_target: Number of finished iterations to reach, iteration 0 included.
        make_runner: Returns the runner for one iteration.
        stage_progress: Returns the progress callback for the stages of one iteration.
        after_iteration: Called with a snapshot of the run and whether an iteration was finished (False after a
            rollback or stop).
        trainer_is_here: Whether this process runs the stages that use a GPU. If so, its trainer is started before each
            iteration, to load while other stages run, and vLLM before the first one.

    Raises Collapsed if the watchdog has stopped the run.
    """
    record(progress, store)  # an earlier process may have been killed before it did this
    is_first = True
    while progress.finished < finished_target:
        progress.check_not_stopped()
        if trainer_is_here:
            resources.trainer().start(resources.trainer_placement)  # the trainer loads while the other stages run
        if trainer_is_here and is_first:
            start_engine(resources, progress.config, progress.first_missing, progress.newest_policy)
        is_first = False
        iteration = progress.finished
        progress.advance(make_runner(next_context(progress, store, resources, stage_progress(iteration))))
        resources.commits.wait()  # a revision lists committed outputs only
        after_iteration(record(progress, store), progress.finished > iteration)


def record(progress: RunProgress, store: Store) -> Run:
    """Write the newest revision, prune weights, and return a snapshot of the run."""
    revision = progress.revision()
    write_revision(store, revision)
    prune_weights(progress, store)
    return Run(store, revision)


def run_locally(config: RunConfig, stage_progress: Progress = no_progress) -> None:
    """Run every missing iteration of a run in this process, without Prefect.

    Raises RunBusy if another process works on the run, Collapsed if the watchdog stops the run.
    """
    store = Store(config.uri)
    with hold_lease(store), Resources(config.compute, config.engine) as resources:
        run_all(config, store, resources, stage_progress)


def run_all(
    config: RunConfig, store: Store, resources: Resources, stage_progress: Progress = no_progress
) -> RunProgress:
    """Run every missing iteration of a run, without a lease; return its progress. Raises Collapsed."""
    progress = find_finished(config, store)
    run_iterations(
        progress,
        store,
        resources,
        finished_target=config.iterations + 1,
        stage_progress=lambda iteration: stage_progress,
    )
    return progress
