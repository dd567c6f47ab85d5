"""The line that an error points at, with carets below what is wrong.

    error: xor.yaml:7:17 model.layers[0].activation: unknown activation 'rleu'
      7 |     activation: rleu
        |                 ^^^^

The file is read again when an error is printed, so that nothing keeps its text until then; what cannot be
read again (a pipe) has no excerpt.
"""

from __future__ import annotations

import re
import shutil
import sys
import traceback
from pathlib import Path
from unicodedata import combining, east_asian_width

from cygd.cli.output import FAILED, USAGE, echo
from cygd.errors import ConfigError, CygdError

__all__ = ["excerpt", "place_of", "print_error", "report_error"]

PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+)(?=$|[: ])", re.DOTALL)
BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # of YAML, which knows more of them than a text file
TAB = "\N{RIGHTWARDS ARROW}"
WORD = re.compile(rf"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s,:\[\]{{}}{TAB}]+""")
LARGEST = 16_000_000  # bytes of a file that is read for one line of it
ELLIPSIS = "..."


def report_error(error: Exception, *, show_traceback: bool = False) -> int:
    """Print an error on stderr and return its exit code."""
    if show_traceback:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            place = " ".join(part for part in (problem.where, problem.key) if part)
            text = f"{place}: {problem.message}" if place else problem.message
            print_error(text, problem.hint, problem.where)
        return error.exit_code
    if isinstance(error, CygdError):
        print_error(error.message, error.hint, getattr(error, "where", None))
        return error.exit_code
    if isinstance(error, ImportError) and "CYGD_CPU" in str(error):
        echo(f"error: {error}")
        return USAGE
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    echo(f"error: unexpected {text}", None if show_traceback else "--traceback shows where it comes from")
    return FAILED


def print_error(text: str, hint: str | None, where: str | None = None) -> None:
    """Print an error, the line of the experiment that is to be changed, and a hint.

    Parameters
    ----------
    text, hint : str
        What is wrong, and what to do.
    where : str, optional
        Where, `file:line:column key`, if the text does not begin with it.
    """
    place = place_of(where or text)
    # a formula that is wrong shows itself, which is more than its line does
    lines = excerpt(place) if place and "\n" not in text else []
    if where and not text.startswith(where):
        lines.insert(0, f"  from {where}")
    echo("\n".join([f"error: {text}", *lines]), hint)


def place_of(message: str) -> str | None:
    """Return the `file:line:column` with which a message begins, if it does.

    Examples
    --------
    >>> place_of("a.yaml:3:11: plugin 'x.py': no such file"), place_of("a.csv:5: row 4")
    ('a.yaml:3:11', None)
    """
    found = PLACE.match(message.split("\n", 1)[0])
    return found and found[0]


def excerpt(where: str) -> list[str]:
    """Return the two lines that show a place, `file:line:column`; none where there is nothing to show."""
    place = PLACE.fullmatch(where)
    if place is None:
        return []
    line, column = int(place["line"]), int(place["column"])
    text = _line(Path(place["file"]), line)
    if text is None or column < 1 or not text.strip():
        return []
    at = min(column - 1, len(text))
    word = WORD.match(text, at)
    shown, before, length = _window(text, at, max(1, len(word[0])) if word else 1)
    number = f"  {line} | "
    carets = _width(shown[before : before + length]) or 1
    return [number + shown, f"{'| ':>{len(number)}}{' ' * _width(shown[:before])}{'^' * carets}"]


def _line(file: Path, number: int) -> str | None:
    """Return a line of a file, without what a terminal would take for a command."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            return None
        lines = BREAKS.split(file.read_bytes().decode("utf-8-sig", "replace"))
    except (OSError, ValueError):
        return None
    if not 1 <= number <= len(lines):
        return None
    return "".join(_shown(character) for character in lines[number - 1])


def _shown(character: str) -> str:
    """Return a character that takes its own place alone: a tab as an arrow, a control character as a mark."""
    if character == "\t":
        return TAB
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _window(text: str, at: int, length: int) -> tuple[str, int, int]:
    """Cut a long line around a place; return what is left, and where the place and its end are in it."""
    room = max(40, shutil.get_terminal_size((100, 24)).columns - 12)
    text = text.rstrip()
    if len(text) <= room:
        return text, at, length
    begin = max(0, min(at - room // 3, len(text) - room))
    end = min(len(text), begin + room)
    head, tail = (ELLIPSIS if begin else ""), (ELLIPSIS if end < len(text) else "")
    return head + text[begin:end] + tail, at - begin + len(head), min(length, end - at)


def _width(text: str) -> int:
    """Return how many columns a terminal takes for a text."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
