"""hashes.csv: a hash of the weights for each epoch, by which two runs can be told apart.

The hash is the CRC-32 of all parameters: of two networks that differ, one in four thousand million has
the same, and it costs a tiny epoch next to nothing. The rows name their epochs, so that one that is missing
(of a run that was killed) says nothing, and nothing wrong.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

__all__ = ["WeightHashLogger", "read_weight_hashes"]

NAME = "hashes.csv"
HEAD = b"epoch,weights\n"
ROW = re.compile(rb"(\d+),([0-9a-f]{8})\n")


class WeightHashLogger:
    """Writes hashes.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Write the head, or keep the rows before the epoch from which a run goes on."""
        path = run.directory / NAME
        kept = _rows_before(path, getattr(run, "resumed", None))
        self._parameters = run.network.parameters.data
        if not kept:
            self._file = path.open("wb")
            self._file.write(HEAD)
            return
        # rows that stay are not written again: who is killed in between would have lost them
        self._file = path.open("r+b")
        self._file.seek(kept)
        self._file.truncate()

    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Write the row of one epoch."""
        if self._file is None:
            return
        self._file.write(b"%d,%08x\n" % (epoch, zlib.crc32(self._parameters)))

    def flush(self) -> None:
        """Hand over what is written, so that a kill from here on takes none of it."""
        with contextlib.suppress(OSError):  # they are an extra: the rows say when the disk is full
            if self._file is not None:
                self._file.flush()

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Close the file."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Close the file; the rows of the whole epochs are in it, unless the disk is full."""
        with contextlib.suppress(OSError):
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _rows_before(path: Path, epoch: int | None) -> int:
    """Return the size of the head and the whole rows before an epoch; 0 where there is nothing to keep."""
    lines = _lines(path)
    if epoch is None or lines[:1] != [HEAD]:
        return 0
    size = len(HEAD)
    for line in lines[1:]:
        row = ROW.fullmatch(line)
        if row is None or int(row[1]) >= epoch:
            break
        size += len(line)
    return size


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except OSError:
        return []


def read_weight_hashes(folder: Path) -> dict[int, str]:
    """Return the hashes of a run by their epochs; none where there is no such file."""
    rows = [ROW.fullmatch(line) for line in _lines(folder / NAME)[1:]]
    return {int(row[1]): row[2].decode() for row in rows if row is not None}
