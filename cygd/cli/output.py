"""Output of the commands: exit codes, log records on stderr, JSON on stdout."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeVar

from cygd.errors import CygdError
from cygd.tracking.terminal import binary_output as binary_output
from cygd.tracking.terminal import data_output as data_output
from cygd.tracking.terminal import echo as echo
from cygd.tracking.terminal import flush_stdout as flush_stdout
from cygd.tracking.terminal import is_interactive as is_interactive
from cygd.tracking.terminal import print_paths as print_paths
from cygd.tracking.terminal import print_text as print_text
from cygd.tracking.terminal import shorten

Item = TypeVar("Item")

# exit codes
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

MAX_LINE = 1500  # characters of a line of a message


class UsageError(CygdError):
    """A command line that cannot be parsed."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class LogToStderr(logging.Handler):
    """Prints the records of the logger `cygd` on stderr, in the form of the error messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record and its hint."""
        echo_message(f"{record.levelname.lower()}: {record.getMessage()}", getattr(record, "hint", None))


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


def echo_message(text: str, hint: str | None = None) -> None:
    """Print a message that contains text of others on stderr.

    Its further lines are indented, so that none of them can look like a message of cygd, and long lines are
    cut in the middle.
    """
    echo(_format_message(text), _format_message(hint) if hint else None)


def _format_message(text: str) -> str:
    first, *more = (shorten(line, MAX_LINE) for line in text.split("\n"))
    return "\n".join([first, *(line if line.startswith(" ") else f"  {line}" for line in more)])


def format_number(value: float | None, digits: int = 4) -> str:
    """Return a number in a few digits; None, the JSON form of infinity and NaN, is `not finite`."""
    return "not finite" if value is None else f"{value:.{digits}g}"


def separated(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and print an empty line between them."""
    for number, item in enumerate(items):
        if number:
            print_text()
        yield item


def print_json(content: Any, indent: int = 2) -> None:
    """Print JSON in ASCII on stdout."""
    # DEL is the only control character that JSON does not escape
    print_text(json.dumps(content, indent=indent).replace("\x7f", "\\u007f"))
