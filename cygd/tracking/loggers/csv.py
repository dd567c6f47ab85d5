"""metrics.csv: one row for each epoch, always written.

Which columns there are is known before the first epoch, from the experiment: one that does not exist
in the run (no validation rows, no penalty) is left out, and one that was not measured in an epoch is
empty there. Numbers are written by `repr`, the shortest text that reads back to the same bits.

A checkpoint belongs to the rows before that of its epoch, and knows them by their bytes: a run that goes
on from it keeps those, and writes all others again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from cygd.tracking import files
from cygd.tracking.metrics_file import Extent

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

__all__ = ["CsvLogger", "columns"]

# a run of tiny epochs must not wait for the disk, and somebody who follows the file not for long
FLUSH_EVERY = 0.5


def columns(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns of a resolved experiment, `epoch` first and `seconds` last.

    Examples
    --------
    >>> columns({"metrics": ["accuracy"], "data": {"split": {"validation": 0.2}}, "model": {"layers": [1]}})
    ... # doctest: +NORMALIZE_WHITESPACE
    ['epoch', 'loss', 'validation_loss', 'accuracy', 'validation_accuracy',
     'running_loss', 'learning_rate', 'seconds']
    """
    chosen = [spec if isinstance(spec, str) else spec["name"] for spec in config["metrics"]]
    names = ["loss", *(name.rpartition(":")[2] for name in chosen)]  # without the plugin in front
    if validates(config["data"]):
        names = [column for name in names for column in (name, f"validation_{name}")]
    if any(penalizes(layer) for layer in config["model"]["layers"]):
        names.append("penalty")
    return ["epoch", *dict.fromkeys(names), "running_loss", "learning_rate", "seconds"]


def validates(data: Mapping[str, Any]) -> bool:
    """Return whether there are validation rows."""
    split = data.get("split") or {}
    return bool(data.get("validation") or split.get("validation") or split.get("folds"))


def penalizes(layer: Any) -> bool:
    """Return whether a layer has a penalty on its weights."""
    return isinstance(layer, Mapping) and bool(layer.get("l1") or layer.get("l2"))


class CsvLogger:
    """Writes metrics.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._flushed = 0.0
        # the last row, and size and CRC of what stands before and with it; one entry, so that no interrupt
        # gets between
        self._written = (-1, 0, 0, 0, 0)
        self._dirty = True  # there is more than the disk has
        self._failure: OSError | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Write the head, or find the place where a run goes on."""
        self._columns = columns(run.config)
        self._path = run.directory / "metrics.csv"
        try:
            self._begin(getattr(run, "resumed", None))
        except OSError as error:
            self._failure = error

    def _begin(self, epoch: int | None) -> None:
        """Open the file where the row of an epoch belongs; None is the beginning."""
        if epoch is None:
            self._file = self._path.open("wb")
            head = (",".join(self._columns) + "\n").encode()
            self._file.write(head)
            before = Extent().and_then(head)
        else:
            self._file = self._path.open("r+b")
            before = Extent()
            for _ in range(1 + epoch):
                before = before.and_then(self._file.readline())
            self._file.seek(before.size)
            self._file.truncate()
        self._written = ((epoch or 0) - 1, 0, 0, *before)

    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Write the row of one epoch."""
        if self._file is None:
            return
        numbers = [repr(float(metrics[name])) if name in metrics else "" for name in self._columns[1:]]
        line = f"{epoch},{','.join(numbers)}\n".encode()
        _, _, _, size, crc = self._written
        try:
            self._file.write(line)
            now = time.monotonic()
            if now - self._flushed > FLUSH_EVERY:
                self._file.flush()
                self._flushed = now
        except OSError as error:
            self._failure = error
        self._written = (epoch, size, crc, size + len(line), zlib.crc32(line, crc))
        self._dirty = True

    def check(self) -> None:
        """Raise the OSError, if any, by which something could not be written: no run is without its rows.

        The runner asks; a hook that raised would be switched off and the run go on.
        """
        if self._failure is not None:
            self._failure.filename = str(self._path)
            raise self._failure

    def sync(self, epoch: int) -> Extent | None:
        """Bring the rows to the disk and return the extent of those before the row of an epoch.

        None if the rows before it are not written, so that no checkpoint may count on them.
        """
        if self._file is None:
            return None
        self.flush()
        last, size, crc, *behind = self._written
        return {last: Extent(size, crc), last + 1: Extent(*behind)}.get(epoch)

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Bring the rows to the disk."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Bring the rows of the whole epochs to the disk."""
        self._close()

    def flush(self) -> None:
        """Bring what is written to the disk; OSError if that cannot be done."""
        self.check()
        if self._file is not None and self._dirty:
            try:
                self._file.flush()
                files.fsync(self._file.fileno())
            except OSError as error:
                self._failure = error
                self.check()
            self._dirty = False

    def _close(self) -> None:
        told = self._failure is not None
        try:
            if self._file is not None:
                with self._file:
                    self.flush()
        except OSError:
            if not told:
                raise
        finally:
            self._file = None
