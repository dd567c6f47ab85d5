"""metrics.jsonl: one JSON object for each epoch, for programs that follow a run."""

from __future__ import annotations

import json
import math
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from cygd.tracking.results import Result, Run

__all__ = ["JsonlLogger"]


class JsonlLogger:
    """Writes `{"epoch": 1, "loss": 0.5, ...}` line by line; a number that is not finite is null.

    Parameters
    ----------
    file : str
        The name of the file in the run folder.
    """

    def __init__(self, file: str = "metrics.jsonl") -> None:
        self.file = file
        self._out: IO[str] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Open the file; a run that goes on keeps the lines before the epoch with which it begins."""
        path, epoch = run.directory / self.file, getattr(run, "resumed", None)
        if epoch is None or not path.is_file():
            self._out = path.open("w")
            return
        self._out = path.open("r+")
        for _ in range(epoch):
            self._out.readline()
        self._out.seek(self._out.tell())
        self._out.truncate()

    def cygd_epoch_end(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Write the line of one epoch, at once."""
        if self._out is not None:
            values = {name: float(value) for name, value in metrics.items()}
            line = {name: value if math.isfinite(value) else None for name, value in values.items()}
            self._out.write(json.dumps({"epoch": epoch, **line}) + "\n")
            self._out.flush()

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Close the file."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None
