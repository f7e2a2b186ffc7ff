"""Who is informed of a run's progress: the log by default, the terminal when the command line starts the run."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from stages.contract import Progress, no_progress


class Observer(Protocol):
    """Receives a run's progress. An observer is no parameter of the flow, because the Prefect API stores parameters."""

    def stage_progress(self, iteration: int) -> Progress:
        """Return the progress callback for the stages of one iteration."""

    def iteration_done(self, results: dict[str, Any]) -> None:
        """Show a finished iteration. `results`: as `flows.reporting.results.iteration_results` returns them."""

    def alarm(self, text: str) -> None:
        """Show a warning of the watchdog or of a tracker."""

    @property
    def line(self) -> Callable[[str], None] | None:
        """Takes a line about the running stage (see `flows.stage_lines`); None for the log of the flow run."""


class NoObserver:
    """Shows nothing but what goes into the log of the flow run."""

    line = None

    def stage_progress(self, iteration: int) -> Progress:
        """Return a callback that does nothing."""
        return no_progress

    def iteration_done(self, results: dict[str, Any]) -> None:
        """Do nothing."""

    def alarm(self, text: str) -> None:
        """Do nothing."""


OBSERVER: ContextVar[Observer] = ContextVar("OBSERVER", default=NoObserver())  # noqa: B039 - NoObserver has no state
