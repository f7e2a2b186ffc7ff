"""One of several processes that start the same run; its settings come on standard input."""

import sys
from contextlib import nullcontext

import flows.inline
from flows.config import RunConfig
from flows.inline import do_run
from storage.errors import RunBusy


def main() -> int:
    """Exit code 2 when another process has the run, as on the command line."""
    config = RunConfig.model_validate_json(sys.stdin.read())
    if "--no-lease" in sys.argv:
        flows.inline.hold_lease = nullcontext  # type: ignore[assignment]
    try:
        do_run(config)
    except RunBusy as error:
        print(error, file=sys.stderr)
        return 2
    return 0
