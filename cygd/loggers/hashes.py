"""hashes.csv: a hash of the weights for each epoch, by which two runs can be told apart.

The hash is the CRC-32 of all parameters: of two networks that differ, one in four thousand million has
the same, and it costs a tiny epoch next to nothing. The rows name their epochs, so that one that is missing
(of a run that was killed) says nothing, and nothing wrong.
"""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cygd.hookspecs import hookimpl

if TYPE_CHECKING:
    from cygd.runner import Result, Run

__all__ = ["Hashes", "read_hashes"]

NAME = "hashes.csv"
HEAD = "epoch,weights\n"
DIGITS = 8


class Hashes:
    """Writes hashes.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Write the head, or keep the rows before the epoch from which a run goes on."""
        path = run.directory / NAME
        first = getattr(run, "resumed", None)
        kept = {} if first is None else read_hashes(run.directory)
        rows = [f"{epoch},{text}\n" for epoch, text in kept.items() if epoch < (first or 0)]
        self._parameters = run.network.parameters.data
        self._file = path.open("w", newline="")
        self._file.write("".join([HEAD, *rows]))

    @hookimpl(tryfirst=True)
    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Write the row of one epoch."""
        if self._file is None:
            return
        self._file.write(f"{epoch},{zlib.crc32(self._parameters):08x}\n")

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


def read_hashes(folder: Path) -> dict[int, str]:
    """Return the hashes of a run by their epochs; none where there is no such file."""
    try:
        lines = (folder / NAME).read_text().splitlines()[1:]
    except OSError:
        return {}
    rows = [line.partition(",") for line in lines]
    return {int(epoch): text for epoch, _, text in rows if epoch.isdecimal() and len(text) == DIGITS}
