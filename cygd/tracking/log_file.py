"""log.txt: all log records of a run, including tracebacks.

cygd logs to the logger `cygd`. A `LogFile` collects its records at every level, from before the run folder
exists, without changing what the application's own handlers receive: it is a filter, which sees each record
first and then passes on only those at the level that was set before.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cygd import files
from cygd.tracking.redaction import redact

log = logging.getLogger("cygd")


class LogFile(logging.Filter):
    """Collects log records within a `with` block and writes them to a file once it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self._formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
        self._buffer: list[str] = []
        self._file: IO[str] | None = None
        self._level = self._threshold = logging.NOTSET

    def open(self, path: Path) -> None:
        """Open the file, write the records collected so far, and write later ones at once."""
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._write("\n".join(self._buffer))
        self._buffer.clear()

    def filter(self, record: logging.LogRecord) -> bool:
        """Write a record; return True if the logger's handlers should receive it too."""
        text = self._formatter.format(record)
        # the formatter caches the traceback's text on the record, where other handlers would print it
        record.exc_text = None
        if hint := getattr(record, "hint", None):
            text += f"\n  hint: {hint}"
        text = redact(text)
        if self._file is None:
            self._buffer.append(text)
        else:
            self._write(text)
        return record.levelno >= self._threshold

    def __enter__(self) -> Self:
        others = [other for other in log.filters if isinstance(other, LogFile)]
        self._level = others[0]._level if others else log.level
        self._threshold = others[0]._threshold if others else log.getEffectiveLevel()
        log.addFilter(self)
        log.setLevel(logging.DEBUG)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        log.removeFilter(self)
        if not any(isinstance(other, LogFile) for other in log.filters):
            log.setLevel(self._level)
        if self._file is not None:
            with contextlib.suppress(OSError), self._file:
                self._file.flush()
                files.fsync(self._file.fileno())

    def _write(self, text: str) -> None:
        # on a full disk the run itself fails, and its error must not be replaced by this one
        if text and self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text + "\n")
                self._file.flush()
