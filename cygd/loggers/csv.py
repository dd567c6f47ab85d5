"""metrics.csv: one row for each epoch, always written.

Which columns there are is known before the first epoch, from the experiment: one that does not exist
in the run (no validation rows, no penalty) is left out, and one that was not measured in an epoch is
empty there. Numbers are written by `repr`, the shortest text that reads back to the same bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from cygd.hookspecs import hookimpl

if TYPE_CHECKING:
    from cygd.runner import Result, Run

__all__ = ["Csv", "columns"]

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


class Csv:
    """Writes metrics.csv into the run folder."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._flushed = 0.0

    def cygd_run_start(self, run: Run) -> None:
        """Write the head."""
        self._columns = columns(run.config)
        self._file = (run.directory / "metrics.csv").open("w", newline="")
        self._file.write(",".join(self._columns) + "\n")

    # before all others, so that the row is there when one of them is interrupted
    @hookimpl(tryfirst=True)
    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Write the row of one epoch."""
        if self._file is None:
            return
        numbers = [repr(float(metrics[name])) if name in metrics else "" for name in self._columns[1:]]
        self._file.write(f"{epoch},{','.join(numbers)}\n")
        now = time.monotonic()
        if now - self._flushed > FLUSH_EVERY:
            self._file.flush()
            self._flushed = now

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Bring the rows to the disk."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Bring the rows of the whole epochs to the disk."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
