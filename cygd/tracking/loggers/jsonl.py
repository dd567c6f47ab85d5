"""The logger that writes metrics.jsonl: one JSON object per epoch, for programs that follow a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cygd.errors import ConfigError

if TYPE_CHECKING:
    from cygd.network.epoch_rows import EpochRows
    from cygd.tracking.results import Result, Run


class JsonlLogger:
    """Writes one line `{"epoch": 1, "loss": 0.5, ...}` per epoch; non-finite numbers become null.

    Parameters
    ----------
    file : str
        The file name in the run folder.
    """

    def __init__(self, file: str = "metrics.jsonl") -> None:
        if file in ("", "..") or file != Path(file).name:
            raise ConfigError(f"log.jsonl: file: expected a file name in the run folder, got {file!r}")
        self.file = file
        self._stream: IO[str] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Open the file; a resumed run keeps the lines before its first epoch."""
        path, epoch = run.directory / self.file, getattr(run, "resumed", None)
        if epoch is None or not path.is_file():
            self._stream = path.open("w")
            return
        self._stream = path.open("r+")
        for _ in range(epoch):
            self._stream.readline()
        self._stream.seek(self._stream.tell())
        self._stream.truncate()

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Write and flush the lines of consecutive epochs."""
        if self._stream is not None:
            for epoch, values in rows:
                line = {name: value if math.isfinite(value) else None for name, value in values.items()}
                self._stream.write(json.dumps({"epoch": epoch, **line}) + "\n")
            self._stream.flush()

    def cygd_run_end(self, run: Run, result: Result) -> None:
        """Close the file."""
        self._close()

    def cygd_run_error(self, run: Run, error: BaseException) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
