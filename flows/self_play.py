"""The Prefect flow `serl`: run the next missing iterations of a run."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.changes import say_what_changed
from flows.config import RunConfig
from flows.iteration import find_finished, next_context
from flows.keep import let_go
from flows.report import Report
from flows.tasks import AsTasks
from flows.watch import WATCHER
from stages.resources import Resources
from storage.lease import hold_lease
from storage.run import write_revision
from storage.store import Store


@flow(name="serl", flow_run_name="{config.name}", persist_result=False, validate_parameters=True)
def serl(
    config: RunConfig,
    iterations: Annotated[int, Field(ge=1, description="How many missing iterations to do.")] = 1,
) -> None:
    """Do the next `iterations` missing iterations of the run that `config` describes; iteration 0 counts.

    What is finished is found from manifests alone, so a run that was stopped anywhere, on any machine, goes on there.
    """
    watcher = WATCHER.get()
    store = Store(config.uri)
    store.check_reachable()
    store.check_writable()
    with hold_lease(store) as lease, Resources(config.compute, config.engine) as resources:
        ledger = find_finished(config, store)
        for note in say_what_changed(ledger, store):
            get_run_logger().warning(note)
        if not ledger.complete:
            config.check_inputs()
        write_revision(store, ledger.revision())
        let_go(ledger, store)  # a kill may have come between
        report = Report(config.uri)
        wanted = min(ledger.finished + iterations, config.iterations + 1)
        while ledger.finished < wanted:
            ledger.check_not_stopped()
            resources.trainer().start(config.compute.trainer)  # it loads while the other stages run
            before = ledger.finished
            progress = watcher.stage_progress(before)
            ledger.advance(AsTasks(next_context(ledger, store, resources, progress), lease))
            write_revision(store, ledger.revision())
            let_go(ledger, store)
            results = report.publish()
            for alarm in report.new_alarms():
                get_run_logger().warning(alarm)
                watcher.alarm(alarm)
            if ledger.finished > before:
                watcher.iteration_done(results)
