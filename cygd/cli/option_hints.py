"""Messages that name options of a data source as keys of an experiment, reworded for the command line.

`cygd predict` takes such options as `first_index=0`, where an experiment has `data.first_index: 0`.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Collection, Iterator

from cygd.data.formatting import command_line_option
from cygd.errors import DataError

SETTING = re.compile(r"""data\.(\w+): ('[^']*'|"[^"]*"|\[[^\]]*\]|[^\s,;:()]+)""")
KEY = re.compile(r"data\.(\w+)")


def for_command_line(text: str, options: Collection[str]) -> str:
    """Return a message with the given options as arguments.

    Examples
    --------
    >>> print(for_command_line("set data.comment: '#' if line 1 is a comment", ["comment"]))
    set comment='#' if line 1 is a comment
    """
    if any(name not in options for name in KEY.findall(text)):
        return text

    text = SETTING.sub(lambda match: command_line_option(match[1], match[2]), text)
    return KEY.sub(r"\1", text)


def hint_for_command_line(hint: str | None, options: Collection[str]) -> str | None:
    """Return a hint with the given options as arguments, without the parts that name other keys."""
    parts = [for_command_line(part, options) for part in (hint or "").split("; ")]
    return "; ".join(part for part in parts if part and not KEY.search(part)) or None


@contextlib.contextmanager
def command_line_hints(options: Collection[str]) -> Iterator[None]:
    """Reword the data errors and the warnings that are raised and logged within the block."""

    def reword(record: logging.LogRecord) -> bool:
        record.msg, record.args = for_command_line(record.getMessage(), options), ()
        record.hint = hint_for_command_line(getattr(record, "hint", None), options)
        return True

    logger = logging.getLogger("cygd")
    logger.addFilter(reword)
    try:
        yield
    except DataError as error:
        hint = hint_for_command_line(error.hint, options)
        raise DataError(for_command_line(error.message, options), hint=hint) from None
    finally:
        logger.removeFilter(reword)
