"""Environment variables that Prefect reads when it is imported. This module does not import Prefect."""

import os


def set_prefect_defaults() -> None:
    """Set defaults that suit a terminal; variables that are set already stay as they are."""
    # The command line prints one line for a failed stage. Without this, Prefect would print the traceback first.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    # One signal ends this process and the temporary server; Prefect would print each event that finds no server.
    os.environ.setdefault("PREFECT_INTERNAL_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "")  # prints warnings of stages without Prefect's log format
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
    # A temporary server takes 20-40 s on two busy cores, longer than Prefect's own limit.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    # Turns off the telemetry of server and client, and the notice that announces it.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
