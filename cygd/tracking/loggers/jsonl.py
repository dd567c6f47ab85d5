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
        self._stream: IO[bytes] | None = None

    def cygd_run_start(self, run: Run) -> None:
        """Open the file; a resumed run keeps the complete lines before its first epoch."""
        path, epoch = run.directory / self.file, getattr(run, "resumed", None)
        kept = 0 if epoch is None else _size_before(path, epoch)
        self._stream = path.open("r+b" if kept else "wb")
        self._stream.truncate(kept)
        self._stream.seek(kept)

    def cygd_epochs_end(self, run: Run, rows: EpochRows) -> None:
        """Write and flush the lines of consecutive epochs."""
        if self._stream is not None:
            for epoch, values in rows:
                line = {name: value if math.isfinite(value) else None for name, value in values.items()}
                self._stream.write(json.dumps({"epoch": epoch, **line}).encode() + b"\n")
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


def _size_before(path: Path, epoch: int) -> int:
    """Return the size of the complete lines of earlier epochs; 0 if the file does not exist."""
    size = 0
    if path.is_file():
        with path.open("rb") as file:
            for line in file:
                try:
                    is_earlier = line.endswith(b"\n") and json.loads(line)["epoch"] < epoch
                except (ValueError, KeyError, TypeError):
                    is_earlier = False
                if not is_earlier:
                    break
                size += len(line)
    return size
