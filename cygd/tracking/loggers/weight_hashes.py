"""The logger that writes hashes.csv: a hash of the weights per epoch, to find where two runs diverge.

The hash is the CRC-32 of all parameters: two different networks have the same one with probability 2^-32, and
its cost is negligible even for tiny epochs. Rows contain their epoch, so the rows that a killed run lost do
not make the others wrong.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cygd.core import csv_rows

if TYPE_CHECKING:
    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run

NAME = "hashes.csv"
HEADER = b"epoch,weights\n"
ROW = rb"(\d{1,18}),([0-9a-f]{8})\n"


class WeightHashLogger:
    """Writes hashes.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Write the header; a resumed run keeps the rows before its first epoch."""
        path = run.directory / NAME
        kept = _rows_before(path, getattr(run, "resumed", None))
        if not kept:
            self._file = path.open("wb")
            self._file.write(HEADER)
            return
        # kept rows are not rewritten: a run killed in between would lose them
        self._file = path.open("r+b")
        self._file.seek(kept)
        self._file.truncate()

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Write the rows of consecutive epochs."""
        if self._file is not None:
            self._file.write(csv_rows.format_hashes(rows.first, rows.hashes))

    def flush(self) -> None:
        """Flush the rows written so far, so that a killed run keeps them."""
        with contextlib.suppress(OSError):  # hashes are optional: metrics.csv reports a full disk
            if self._file is not None:
                self._file.flush()

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Close the file."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Close the file; it has the rows of the completed epochs, unless the disk is full."""
        with contextlib.suppress(OSError):
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _rows_before(path: Path, epoch: int | None) -> int:
    """Return the size of the header and the complete rows before an epoch; 0 to keep nothing."""
    lines = _lines(path)
    if epoch is None or lines[:1] != [HEADER]:
        return 0
    size = len(HEADER)
    for line in lines[1:]:
        row = re.fullmatch(ROW, line)
        if row is None or int(row[1]) >= epoch:
            break
        size += len(line)
    return size


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    except OSError:
        return []


def read_weight_hashes(folder: Path) -> dict[int, str]:
    """Return the hashes of a run by epoch; empty if the run folder has no hashes.csv."""
    rows = [re.fullmatch(ROW, line) for line in _lines(folder / NAME)[1:]]
    return {int(row[1]): row[2].decode() for row in rows if row is not None}
