"""Output of the commands: data on stdout, messages on stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from cygd.errors import CygdError

Item = TypeVar("Item")

# exit codes
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(CygdError):
    """A command line that cannot be parsed."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class LogToStderr(logging.Handler):
    """Prints the records of the logger `cygd` on stderr, in the form of the error messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record and its hint."""
        echo(f"{record.levelname.lower()}: {record.getMessage()}", getattr(record, "hint", None))


@contextlib.contextmanager
def without_repetition() -> Iterator[None]:
    """Print a log record of cygd once if it is repeated, because data are read more than once."""
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return message not in seen and not seen.add(message)  # type: ignore[func-returns-value]

    logger = logging.getLogger("cygd")
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def redirect_stdout() -> contextlib.redirect_stdout[TextIO]:
    """Send what plugins print to stderr, within a `with` block."""
    return contextlib.redirect_stdout(sys.stderr)


def is_interactive() -> bool:
    """Return True if stderr is a terminal."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def echo(text: str, hint: str | None = None) -> None:
    """Print a line on stderr, and a hint below it."""
    print(text, file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def format_number(value: float | None, digits: int = 4) -> str:
    """Return a number in a few digits; None, the JSON form of infinity and NaN, is `not finite`."""
    return "not finite" if value is None else f"{value:.{digits}g}"


def separated(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and print an empty line between them."""
    for number, item in enumerate(items):
        if number:
            print()
        yield item


def print_table(rows: Sequence[dict[str, str]]) -> None:
    """Print rows on stdout as aligned columns under a header."""
    *names, last = rows[0]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [{name: name.upper() for name in rows[0]}, *rows]:
        print("  ".join([*(row[name].ljust(widths[name]) for name in names), row[last]]).rstrip())
