"""Files of text, plain or gzipped: opened, and with a clear word where they cannot be read."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cygd.errors import DataError, did_you_mean

__all__ = ["known_encoding", "opened"]

USUAL = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "shift_jis", "gb18030")


def known_encoding(name: str) -> str:
    """Return the name of an encoding as Python has it; UTF-8 skips the mark that some editors put in front.

    Raises
    ------
    DataError
        Where there is no such encoding.
    """
    try:
        found = codecs.lookup(name)
        if not found._is_text_encoding:
            raise LookupError
    except (LookupError, ValueError):
        hint = did_you_mean(name, USUAL) or f"usual ones are {', '.join(USUAL)}"
        raise DataError(f"encoding is {name!r}, which is none", hint=hint) from None
    return "utf-8-sig" if found.name == "utf-8" else found.name


@contextmanager
def opened(file: Path, encoding: str = "utf-8-sig") -> Iterator[TextIO]:
    """Open a file of text, plain or gzipped; what fails while it is read becomes a DataError."""
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding=encoding, newline="") as text:
                yield text
        else:
            with file.open(encoding=encoding, newline="") as text:
                yield text
    except UnicodeError as error:  # a UTF-16 file without its mark is no UnicodeDecodeError
        reason = getattr(error, "reason", None) or str(error)
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        message = f"{file}:{undecodable_line(file, encoding)}: not {name} text ({reason})"
        raise DataError(message, hint=encoding_hint(file)) from None
    except gzip.BadGzipFile:
        raise DataError(f"{file}: not a gzip file") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{file}: the gzip file is damaged or cut off ({error})") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from None


def undecodable_line(file: Path, encoding: str) -> int:
    """Return the first line that is no text in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for count, line in enumerate(lines, start=1):
            try:
                decoder.decode(line)
            except UnicodeError:
                return count
    return 1


def encoding_hint(file: Path) -> str:
    """Return what to do about a file that is not text in the encoding expected."""
    with file.open("rb") as raw:
        start = raw.read(2)
    if start == b"\x1f\x8b":
        return "it is gzipped: let its name end in .gz"
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "it begins like UTF-16: data.encoding: utf-16 reads that"
    return "save it as UTF-8, or name what it is, such as data.encoding: cp1252"
