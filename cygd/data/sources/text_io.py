"""Opening of text files, plain or gzip-compressed, with clear errors while they are read.

The first bytes show what else a file may be. A compressed file needs the suffix .gz, a pipe has no name.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from cygd.data.memory import physical_memory
from cygd.data.sources.pipes import content_of
from cygd.data.sources.signatures import GZIP, SIGNATURE_BYTES, check_is_text
from cygd.errors import DataError, did_you_mean

COMMON_ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "shift_jis", "gb18030")


BUFFER_SIZE = 2**17
USUAL_RATIO = 100  # of the size of a table to that of its gzip file; gzip itself reaches 1000


def normalize_encoding(name: str) -> str:
    """Return Python's name of an encoding; UTF-8 becomes utf-8-sig, which skips a byte order mark."""
    try:
        codec = codecs.lookup(name)
        if not codec._is_text_encoding:
            raise LookupError
    except (LookupError, ValueError):
        hint = did_you_mean(name, COMMON_ENCODINGS) or f"common encodings are {', '.join(COMMON_ENCODINGS)}"
        raise DataError(f"encoding: unknown encoding {name!r}", hint=hint) from None
    return "utf-8-sig" if codec.name == "utf-8" else codec.name


class _Unpacked(io.RawIOBase):
    """The content of a gzip file, of which a small one cannot fill the memory."""

    def __init__(self, file: Path, content: Path) -> None:
        self._file, self._size = file, 0
        self._packed = gzip.open(content)  # noqa: SIM115 (closed below)
        self._packed_size, memory = content.stat().st_size, physical_memory()
        self._limit = None if memory is None else max(memory // 2, USUAL_RATIO * self._packed_size)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes; raise a DataError beyond the limit."""
        count = self._packed.readinto(buffer)
        self._size += count
        if self._limit is not None and self._size > self._limit:
            expected = f"expected a table that fits the {self._packed_size} bytes of its gzip file"
            message = f"{self._file}: {expected}, got more than {self._limit} bytes when unpacked"
            raise DataError(message, hint="if this is no mistake, name the unpacked file")
        return count

    def close(self) -> None:
        """Close the gzip file."""
        self._packed.close()
        super().close()


def open_bytes(file: Path) -> BinaryIO:
    """Open a text file as bytes, decompressed; raise an error if it is not text."""
    content = content_of(file)
    raw = content.open("rb")
    start = raw.read(SIGNATURE_BYTES)
    raw.seek(0)
    is_compressed = start.startswith(GZIP)
    if file.suffix.lower() == ".gz" or (is_compressed and content != file):
        raw.close()
        return cast("BinaryIO", io.BufferedReader(_Unpacked(file, content), BUFFER_SIZE))
    try:
        if is_compressed:
            hint = "the file is gzip-compressed: rename it to end in .gz"
            raise DataError(f"{file}: not UTF-8 text, but a gzip file", hint=hint)
        check_is_text(file, content, start)
    except DataError:
        raw.close()
        raise
    return raw


@contextmanager
def open_text(file: Path, encoding: str = "utf-8-sig") -> Iterator[TextIO]:
    """Open a text file, plain or gzip-compressed; an error while it is read becomes a DataError."""
    try:
        with io.TextIOWrapper(open_bytes(file), encoding=encoding, newline="") as text:
            yield text
    except UnicodeError as error:  # a UTF-16 file without a byte order mark raises no UnicodeDecodeError
        reason = getattr(error, "reason", None) or str(error)
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        message = f"{file}:{undecodable_line(file, encoding)}: not {name} text ({reason})"
        raise DataError(message, hint=encoding_hint(file)) from None
    except gzip.BadGzipFile:
        raise DataError(f"{file}: not a gzip file") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{file}: the gzip file is damaged or truncated ({error})") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from None


def undecodable_line(file: Path, encoding: str) -> int:
    """Return the first line that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(file) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                decoder.decode(line)
            except UnicodeError:
                return number
    return 1


def encoding_hint(file: Path) -> str:
    """Return a hint for a file that cannot be decoded."""
    with open_bytes(file) as content:
        start = content.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "the file starts with a UTF-16 byte order mark: set data.encoding: utf-16"
    return "save the file as UTF-8, or set its encoding, such as data.encoding: cp1252"
