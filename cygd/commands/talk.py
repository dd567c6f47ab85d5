"""How a command talks: data to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from cygd.errors import CygdError

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "UsageError", "say", "table", "talking", "watched"]

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(CygdError):
    """A command line that cannot be understood."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


def talking() -> contextlib.redirect_stdout[TextIO]:
    """Send to stderr what plugins print."""
    return contextlib.redirect_stdout(sys.stderr)


def watched() -> bool:
    """Tell whether what is said is read by a person, at once."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str, hint: str | None = None) -> None:
    """Print a line, and a hint below it, to stderr."""
    print(text, file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def table(rows: Sequence[dict[str, str]]) -> None:
    """Print rows as aligned columns with a head."""
    *names, last = rows[0]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [{name: name.upper() for name in rows[0]}, *rows]:
        print("  ".join([*(row[name].ljust(widths[name]) for name in names), row[last]]).rstrip())
