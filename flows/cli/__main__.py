"""`python -m flows.cli`, for environments without the script `serl`."""

import sys

from flows.cli import main

if __name__ == "__main__":
    sys.exit(main())
