"""Error messages, with the line of the experiment that an error refers to and carets below the value.

    error: xor.yaml:7:17 model.layers[0].activation: unknown activation 'rleu'
      7 |     activation: rleu
        |                 ^^^^

The file is read again when the error is printed, so that no other part of cygd keeps its text. A file that
cannot be read again, such as a pipe, has no excerpt.
"""

from __future__ import annotations

import re
import shutil
import traceback
from pathlib import Path

from cygd.cli.output import FAILED, USAGE, echo, echo_message
from cygd.errors import ConfigError, CygdError, escape_controls, format_count
from cygd.tracking.terminal import ELLIPSIS, display_width

LOCATION = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+)(?=$|[: ])")
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # of YAML, which has more of them than str.split
TAB = "\N{RIGHTWARDS ARROW}"
WORD = re.compile(rf"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s,:\[\]{{}}{TAB}]+""")
MAX_PROBLEMS = 50  # that are printed
MAX_BYTES = 16_000_000  # of a file that is read for one line


def report_error(error: Exception, *, show_traceback: bool = False) -> int:
    """Print an error on stderr and return its exit code."""
    if show_traceback:
        echo("".join(traceback.format_exception(error)).rstrip("\n"))
    if isinstance(error, ConfigError):
        for problem in error.problems[:MAX_PROBLEMS]:
            print_error(str(problem._replace(hint=None)), problem.hint, problem.where)
        if len(error.problems) > MAX_PROBLEMS:
            echo(f"... and {format_count(len(error.problems) - MAX_PROBLEMS, 'more error')}")
        return error.exit_code
    if isinstance(error, CygdError):
        print_error(error.message, error.hint, getattr(error, "where", None))
        return error.exit_code
    if isinstance(error, ImportError) and "CYGD_CPU" in str(error):
        echo_message(f"error: {error}")
        return USAGE
    if isinstance(error, MemoryError):
        echo(f"error: not enough memory: {error}", "use fewer units or rows, or model.dtype=float32")
        return FAILED
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = None if show_traceback else "--traceback shows where it was raised"
    echo_message(f"error: unexpected {text}", hint)
    return FAILED


def print_error(text: str, hint: str | None, where: str | None = None) -> None:
    """Print an error, the line of the experiment that it refers to, and a hint.

    `where` is the location, `file:line:column key`, if the text does not begin with it.
    """
    # the message of a formula error contains the formula and carets already
    lines = [] if "\n" in text else source_lines(where or text)
    if where and not text.startswith(where):
        lines.insert(0, f"  from {where}")
    echo_message("\n".join([f"error: {text}", *lines]), hint)


def source_lines(message: str) -> list[str]:
    """Return the line at the `file:line:column` with which a message begins, and the carets below it.

    There are none if the message begins with something else, or the line cannot be read.
    """
    match = LOCATION.match(message)
    if match is None:
        return []
    number, column = int(match["line"]), int(match["column"])
    line = _read_line(Path(match["file"]), number)
    if line is None or column < 1 or not line.strip():
        return []
    start = min(column - 1, len(line))
    word = WORD.match(line, start)
    text, start, length = _cut(line, start, max(1, len(word[0])) if word else 1)
    prefix = f"  {number} | "
    carets = "^" * (display_width(text[start : start + length]) or 1)
    return [prefix + text, f"{'| ':>{len(prefix)}}{' ' * display_width(text[:start])}{carets}"]


def _read_line(file: Path, number: int) -> str | None:
    """Return a line of a file, without control characters, which a terminal would execute."""
    try:
        if not file.is_file() or file.stat().st_size > MAX_BYTES:
            return None
        lines = LINE_BREAK.split(file.read_bytes().decode("utf-8-sig", "replace"))
    except (OSError, ValueError):
        return None
    if not 1 <= number <= len(lines):
        return None
    line = lines[number - 1].replace("\t", TAB)
    return "".join(
        c if c.isprintable() and escape_controls(c) == c else "\N{REPLACEMENT CHARACTER}" for c in line
    )


def _cut(line: str, start: int, length: int) -> tuple[str, int, int]:
    """Cut a line to the terminal, around a word; return the text, and start and length of the word in it."""
    room = max(40, shutil.get_terminal_size((100, 24)).columns - 12)
    line = line.rstrip()
    if len(line) <= room:
        return line, start, length
    first = max(0, min(start - room // 3, len(line) - room))
    last = min(len(line), first + room)
    head, tail = (ELLIPSIS if first else ""), (ELLIPSIS if last < len(line) else "")
    return head + line[first:last] + tail, start - first + len(head), min(length, last - start)
