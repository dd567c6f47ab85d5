"""log.txt: everything that is said about a run, with every traceback.

cygd's diagnostics go to one logger, `cygd`. A journal listens there from before the run folder exists,
at every level, without making anything louder for the application's own handlers: it is a filter,
which sees a record first and then lets through what would have passed without it.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cygd.tracking import files

__all__ = ["LogFile"]

log = logging.getLogger("cygd")


class LogFile(logging.Filter):
    """Collects what is logged within a `with` block, and writes it to a file once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._format = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
        self._waiting: list[str] = []
        self._file: IO[str] | None = None
        self._level = self._threshold = logging.NOTSET

    def open(self, path: Path) -> None:
        """Write to a file from now on, beginning with what was said before."""
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._write("\n".join(self._waiting))
        self._waiting.clear()

    def filter(self, record: logging.LogRecord) -> bool:
        """Write a record down; return whether it goes on to the logger's handlers."""
        text = self._format.format(record)
        # a formatter leaves the traceback's text on the record, where other handlers would print it
        record.exc_text = None
        if hint := getattr(record, "hint", None):
            text += f"\n  hint: {hint}"
        if self._file is None:
            self._waiting.append(text)
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
        # where nothing can be written the run itself fails, and must get to say so
        if text and self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text + "\n")
                self._file.flush()
