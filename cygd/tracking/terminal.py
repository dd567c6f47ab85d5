"""Text on its way to stdout and stderr.

Everything that cygd prints goes through here, because most of it contains text of the user: names of columns,
labels, paths, messages of plugins. Three kinds of output are told apart:

- messages (`echo`, on stderr) and reports (`print_text`, on stdout) are for people: control characters are
  escaped, wherever they go;
- data (`data_output`) and paths (`print_paths`) are for programs: they are escaped on a terminal only, and
  stay byte for byte in a file or a pipe.

Characters that the encoding lacks are written as escapes too. A stderr that cannot be written to changes no
result; a stdout that cannot be written to is an OutputError.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, TextIO
from unicodedata import category, east_asian_width

from cygd.errors import CygdError, escape_controls

ELLIPSIS = "..."
JOINERS = "\u200c\u200d"


class OutputError(CygdError):
    """A stdout that is closed, or on a full disk."""

    exit_code = 1


def echo(text: str, hint: str | None = None) -> None:
    """Print a message on stderr, and a hint below it."""
    lines = text if hint is None or not hint else f"{text}\nhint: {hint}"
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(encodable(escape_controls(lines), sys.stderr) + "\n")
            sys.stderr.flush()


def print_text(text: str = "") -> None:
    """Print a line of a report on stdout."""
    with writing_to_stdout() as stdout:
        stdout.write(encodable(escape_controls(text), stdout) + "\n")


def print_paths(*paths: object) -> None:
    """Print paths on stdout, a line each; their bytes are those of the file system unless on a terminal."""
    for path in map(str, paths):
        with writing_to_stdout() as stdout:
            binary = getattr(stdout, "buffer", None)
            if binary is None or stdout.isatty():
                print_text(escape_controls(path, one_line=True))
            else:
                stdout.flush()
                binary.write(os.fsencode(f"{path}\n"))
                binary.flush()


class DataOutput:
    """A file of text that writes to stdout: unchanged, but escaped if stdout is a terminal."""

    def __init__(self) -> None:
        self.escaped_characters = False  # the encoding of stdout lacks some

    def write(self, text: str) -> int:
        """Write a text."""
        with writing_to_stdout() as stdout:
            shown = encodable(escape_controls(text) if stdout.isatty() else text, stdout)
            self.escaped_characters |= not stdout.isatty() and shown != text
            return stdout.write(shown)

    def flush(self) -> None:
        """Write what is buffered."""
        flush_stdout()


@contextlib.contextmanager
def data_output() -> Iterator[DataOutput]:
    """Return a file for data on stdout; at the end, warn of characters that its encoding lacks."""
    output = DataOutput()
    yield output
    if output.escaped_characters:
        echo(
            f"warning: the encoding of stdout, {sys.stdout.encoding}, lacks characters of the data; "
            "they are written as escapes such as \\u20ac",
            "PYTHONIOENCODING=utf-8 writes all characters",
        )


@contextlib.contextmanager
def binary_output() -> Iterator[IO[bytes]]:
    """Return a file for bytes on stdout, which must not be a terminal."""
    with writing_to_stdout() as stdout:
        if stdout.isatty():
            raise OutputError("expected a file or a pipe for binary data, got the terminal")
        binary = getattr(stdout, "buffer", None)
        if binary is None:  # replaced by text in memory
            raise OutputError("cannot write to stdout: it takes text, not bytes")
        stdout.flush()
        yield binary
        binary.flush()


def flush_stdout() -> None:
    """Write what is buffered for stdout."""
    if sys.stdout is not None:
        with writing_to_stdout() as stdout:
            stdout.flush()


def discard_stdout() -> None:
    """Send what is still buffered for stdout nowhere, so that the interpreter does not fail when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def writing_to_stdout() -> Iterator[TextIO]:
    """Yield stdout; a failure to write becomes an OutputError, except that of a reader that has left."""
    if sys.stdout is None:
        raise OutputError("cannot write to stdout: it is closed")
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error


def is_interactive() -> bool:
    """Return True if stderr is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def encodable(text: str, stream: object) -> str:
    r"""Return a text with escapes such as `\xe9` for the characters that the encoding of a stream lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def display_width(text: str) -> int:
    """Return the number of terminal columns of a text.

    >>> [display_width(text) for text in ("abc", "e\u0301", "\u6f22\u5b57")]
    [3, 1, 4]
    """
    return len(text) if text.isascii() else sum(_widths(text))


def _widths(text: str) -> Iterator[int]:
    """Yield the number of terminal columns of each character."""
    before = ""
    for character in text:
        if category(character) in ("Mn", "Me") or character in JOINERS:
            yield 0  # vowel signs of Thai and Devanagari too, which are no combining characters to Unicode
        elif east_asian_width(character) in "WF":
            yield 0 if before == JOINERS[-1] else 2  # joined emoji are drawn as one
        else:
            yield 1
        before = character


def fit(text: str, columns: int) -> str:
    """Return a text with its middle left out if it takes more than `columns` terminal columns.

    >>> fit("from the beginning to the end", 15), fit("\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", 10)
    ('from the... end', '\u6f22\u5b57...\u5b57')
    """
    if display_width(text) <= columns:
        return text
    end = max(0, columns - len(ELLIPSIS)) // 3
    start = max(0, columns - len(ELLIPSIS) - end)
    return f"{_cut(text, start)}{ELLIPSIS}{_cut(text[::-1], end)[::-1]}"


def _cut(text: str, columns: int) -> str:
    """Return the beginning of a text that takes at most `columns` terminal columns."""
    used = 0
    for index, width in enumerate(_widths(text)):
        used += width
        if used > columns:
            return text[:index]
    return text


def shorten(text: str, length: int) -> str:
    """Return a text with its middle left out if it has more than `length` characters.

    >>> shorten("from the beginning to the end", 15)
    'from the... end'
    """
    if len(text) <= length:
        return text
    end = (length - len(ELLIPSIS)) // 3
    return f"{text[: length - len(ELLIPSIS) - end]}{ELLIPSIS}{text[len(text) - end :]}"
