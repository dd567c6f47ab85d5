"""The logger that writes metrics.csv: one row per epoch, in every run.

A checkpoint refers to the rows before that of its epoch by their size and CRC. A run that resumes from it
keeps these rows and writes all later ones again. The format of the file is in `cygd.tracking.metrics_file`.
"""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, NamedTuple

from cygd import files
from cygd.tracking.metrics_file import Extent, column_names, extent_before, format_header, format_rows

if TYPE_CHECKING:
    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run

# seconds between flushes: short epochs must not wait for the disk, and readers must not wait long for rows
FLUSH_INTERVAL = 0.5


class _LastRow(NamedTuple):
    """The epoch of the last row written, and the extents of the file before and after the row."""

    epoch: int
    before: Extent
    after: Extent


class CsvLogger:
    """Writes metrics.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._flush_time = 0.0
        # replaced as a whole, so that an interrupt cannot leave it half updated
        self._last = _LastRow(-1, Extent(), Extent())
        self._needs_sync = True
        self._error: OSError | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Write the header, or find the row from which the run resumes."""
        self._columns = column_names(run.config)
        self._path = run.directory / "metrics.csv"
        try:
            self._open(getattr(run, "resumed", None))
        except OSError as error:
            self._error = error

    def _open(self, resumed: int | None) -> None:
        """Open the file and discard the rows from the resumed epoch on, or all if it is None."""
        if resumed is None:
            self._file = self._path.open("wb")
            header = format_header(self._columns)
            self._file.write(header)
            extent = Extent().extend(header)
        else:
            self._file = self._path.open("r+b")
            extent = extent_before(self._file, resumed)
            self._file.seek(extent.size)
            self._file.truncate()
        self._last = _LastRow((resumed or 0) - 1, Extent(), extent)

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Write the rows of consecutive epochs."""
        if self._file is None:
            return
        earlier, last = format_rows(self._columns, rows)
        before = self._last.after.extend(earlier)
        try:
            self._file.write(earlier + last)
            now = time.monotonic()
            if now - self._flush_time > FLUSH_INTERVAL:
                self._file.flush()
                self._flush_time = now
        except OSError as error:
            self._error = error
        self._last = _LastRow(rows.last, before, before.extend(last))
        self._needs_sync = True

    def check(self) -> None:
        """Raise the OSError of a failed write, if there was one.

        The runner calls this, because a run must not continue without its rows: a hook that raises an error
        would only be disabled.
        """
        if self._error is not None:
            self._error.filename = str(self._path)
            raise self._error

    def sync(self, epoch: int) -> Extent | None:
        """Sync the file and return the extent of the rows before that of an epoch.

        Returns None if these rows have not been written; a checkpoint must not refer to them then.
        """
        if self._file is None:
            return None
        self.flush()
        last = self._last
        return {last.epoch: last.before, last.epoch + 1: last.after}.get(epoch)

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Sync and close the file."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Sync and close the file; it has the rows of the completed epochs."""
        self._close()

    def flush(self) -> None:
        """Sync the file to the disk; raise an OSError if this fails."""
        self.check()
        if self._file is not None and self._needs_sync:
            try:
                self._file.flush()
                files.fsync(self._file.fileno())
            except OSError as error:
                self._error = error
                self.check()
            self._needs_sync = False

    def _close(self) -> None:
        already_raised = self._error is not None
        try:
            if self._file is not None:
                with self._file:
                    self.flush()
        except OSError:
            if not already_raised:
                raise
        finally:
            self._file = None
