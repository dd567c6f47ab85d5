"""log.txt: all log records of a run, including tracebacks.

cygd logs to the logger `cygd`. A `LogFile` collects its records at every level, from before the run folder
exists, without changing what the application's own handlers receive: one filter on the logger sees each
record first, gives it to the files, and passes on only records at the level that was set before.

Runs in several threads have one file each: a record belongs to the files that are open in its context. A
thread that a run starts has an empty context; its records belong to the run if no other is in progress.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cygd import files
from cygd.errors import RunError, escape_controls
from cygd.tracking.redaction import redact

log = logging.getLogger("cygd")

_FORMATTER = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
_in_context: ContextVar[tuple[LogFile, ...]] = ContextVar("cygd_log_files", default=())  # outermost first


class LogFile(logging.Handler):
    """Collects log records within a `with` block and writes them to a file once it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: list[str] = []
        self._file: IO[str] | None = None
        self._closed = False
        self._token: Token[tuple[LogFile, ...]] | None = None

    def open(self, path: Path) -> None:
        """Open the file, write the records collected so far, and write later ones at once.

        Raises
        ------
        RunError
            If the file cannot be opened.
        """
        try:
            file = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise RunError(
                f"cannot write {str(path)!r}: {error.strerror}",
                hint="free disk space or make the file writable, then try again",
            ) from error
        assert self.lock is not None
        with self.lock:
            self._file = file
            self._write("\n".join(self._buffer))
            self._buffer.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or keep it until the file is opened."""
        text = _FORMATTER.format(record)
        # the formatter caches the traceback's text on the record, where other handlers would print it
        record.exc_text = None
        if hint := getattr(record, "hint", None):
            text += f"\nhint: {hint}"
        # indented, so that a text of others cannot look like a record
        text = escape_controls(redact(text)).replace("\n", "\n  ")
        if self._file is not None:
            self._write(text)
        elif not self._closed:
            self._buffer.append(text)

    def __enter__(self) -> Self:
        outer: tuple[LogFile, ...] = _in_context.get()
        self._token = _in_context.set((*outer, self))
        _router.add(self, run=outer[0] if outer else self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _in_context.reset(self._token)
        _router.remove(self)
        assert self.lock is not None
        with self.lock:
            # a thread that outlives the run may still log in a copy of its context
            file, self._file, self._closed = self._file, None, True
            if file is not None:
                with contextlib.suppress(OSError), file:
                    file.flush()
                    files.fsync(file.fileno())

    def _write(self, text: str) -> None:
        # on a full disk the run itself fails, and its error must not be replaced by this one
        if text and self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text + "\n")
                self._file.flush()


class _Router(logging.Filter):
    """Gives each record to its files; it is a filter of the logger while there are any."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._runs: dict[LogFile, LogFile] = {}  # file -> the outermost one of its run
        self._level = self._threshold = logging.NOTSET  # of the logger without this filter

    def add(self, log_file: LogFile, run: LogFile) -> None:
        """Give records to a file from now on."""
        with self._lock:
            if not self._runs:
                self._level, self._threshold = log.level, log.getEffectiveLevel()
                log.addFilter(self)
                log.setLevel(logging.DEBUG)
            self._runs = {**self._runs, log_file: run}  # replaced, because `filter` does not lock

    def remove(self, log_file: LogFile) -> None:
        """Give no more records to a file."""
        with self._lock:
            self._runs = {other: run for other, run in self._runs.items() if other is not log_file}
            if not self._runs:
                log.removeFilter(self)
                log.setLevel(self._level)

    def filter(self, record: logging.LogRecord) -> bool:
        """Write a record; return True if the logger's handlers should receive it too."""
        runs = self._runs
        for log_file in _in_context.get() or (runs if len(set(runs.values())) == 1 else ()):
            log_file.handle(record)
        return record.levelno >= self._threshold


_router = _Router()
