"""`python -m cygd` and the command `cygd`."""

import sys


def main() -> int:
    """Run the command; exit with 130 on Ctrl-C, also while cygd is being imported."""
    try:
        from cygd.cli.main import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
