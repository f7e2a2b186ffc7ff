"""A whole run in this process, without Prefect: for scripts such as `make proof`, and for tests."""

from flows.config.run import RunConfig
from flows.iteration import Inputs, LookupRunner, RunProgress, find_finished, next_context, present
from flows.maintenance.retention import prune_weights
from stages.contract import Progress, Result, Stage, no_progress, run_stage
from stages.resources import Resources
from stages.settings import Settings
from storage.lease import hold_lease
from storage.run import write_revision
from storage.store import Store


class Inline(LookupRunner):
    """A runner that runs every stage here and now."""

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        return run_stage(stage, present(inputs), settings, self.context)


def do_run(config: RunConfig, progress: Progress = no_progress) -> None:
    """Do everything that is missing of a run.

    Raises RunBusy when another process works on it, Collapsed when the watchdog stops it.
    """
    store = Store(config.uri)
    with hold_lease(store), Resources(config.compute, config.engine) as resources:
        run_inline(config, store, resources, progress)


def run_inline(config: RunConfig, store: Store, resources: Resources, progress: Progress = no_progress) -> RunProgress:
    """Do everything that is missing, with a revision after each iteration."""
    ledger = find_finished(config, store)
    write_revision(store, ledger.revision())
    prune_weights(ledger, store)  # a kill may have come between
    while not ledger.complete:
        ledger.check_not_stopped()
        resources.trainer().start(config.compute.trainer)  # it loads while the other stages run
        ledger.advance(Inline(next_context(ledger, store, resources, progress)))
        write_revision(store, ledger.revision())
        prune_weights(ledger, store)
    return ledger
