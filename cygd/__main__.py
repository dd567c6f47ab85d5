"""`python -m cygd` is the command `cygd`."""

import sys

from cygd.cli import main

if __name__ == "__main__":
    sys.exit(main())
