"""`cygd completion SHELL`: the script by which a shell completes the command lines of cygd."""

from __future__ import annotations

import argparse

from cygd.cli.output import DONE, UsageError, print_text
from cygd.errors import did_you_mean

SHELLS = ("bash", "zsh", "fish")
USAGE = "|".join(SHELLS)


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", metavar=USAGE, help="the shell; see the examples")


def run(options: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    if options.shell not in SHELLS:
        hint = did_you_mean(options.shell or "", SHELLS) or f"cygd completion {USAGE}"
        got = f"got {options.shell!r}" if options.shell else "got none"
        raise UsageError(f"expected a shell, {got}", hint)
    try:
        import argcomplete.shell_integration
    except ImportError:
        raise UsageError("completion needs argcomplete", 'pip install "cygd[completion]"') from None
    print_text(argcomplete.shell_integration.shellcode(["cygd"], shell=options.shell))
    return DONE
