"""Who is told how a run goes: nobody by default, a terminal when the command line runs it."""

from contextvars import ContextVar
from typing import Any, Protocol

from stages.contract import Progress, no_progress


class Watcher(Protocol):
    """Is told about progress. Kept out of the flow's parameters, which the Prefect API stores."""

    def stage_progress(self, iteration: int) -> Progress:
        """The callback for the stages of one iteration."""

    def iteration_done(self, results: dict[str, Any]) -> None:
        """An iteration is committed; `results` as from `flows.reporting.results.iteration_results`."""

    def alarm(self, text: str) -> None:
        """The watchdog has found something."""


class NoWatcher:
    """For runs that nobody watches."""

    def stage_progress(self, iteration: int) -> Progress:
        return no_progress

    def iteration_done(self, results: dict[str, Any]) -> None:
        """Nothing to show."""

    def alarm(self, text: str) -> None:
        """Nobody to tell."""


WATCHER: ContextVar[Watcher] = ContextVar("WATCHER", default=NoWatcher())  # noqa: B039 - it holds no state
