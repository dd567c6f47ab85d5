"""`python -m cygd` and the command `cygd`."""

import sys


def main() -> int:
    """Run the command; a Ctrl-C that comes while it is being imported ends it as quietly as a later one."""
    try:
        from cygd.cli.main import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
