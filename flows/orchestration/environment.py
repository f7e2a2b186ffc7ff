"""Environment variables that Prefect reads when it is imported. This module does not import it."""

import os


def quiet_prefect() -> None:
    """Set defaults that suit a terminal; variables that are set already stay as they are."""
    # The command line reports a failed stage in one line; Prefect would log its traceback as an error before.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "")  # warnings of stages are printed as they are
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
    # A temporary server takes 20-40 s on two busy cores, longer than Prefect's own limit.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    # No telemetry, of the temporary server or of the client, and no notice about it.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
