"""What waits in the queue of a tracker: rows of some epochs, and copies of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.network.epoch_rows import EpochRows
from cygd.tracking.metrics_file import read_rows


@dataclass(frozen=True)
class LoggedRows:
    """Rows of some epochs, as `EpochRows`, but not of consecutive ones."""

    epochs: range
    names: tuple[str, ...]
    n_measured: int
    values: NDArray[np.float64]
    measured: NDArray[np.bool_]

    @classmethod
    def select(cls, rows: EpochRows, every: int) -> LoggedRows:
        """Return the rows of each epoch that is a multiple of `every`."""
        start = -rows.first % every
        epochs = range(rows.first + start, rows.last + 1, every)
        return cls(
            epochs, rows.names, rows.n_measured, rows.values[start::every].copy(), rows.measured[start::every]
        )

    @classmethod
    def last(cls, rows: EpochRows) -> LoggedRows:
        """Return the last row alone."""
        epochs = range(rows.last, rows.last + 1)
        return cls(epochs, rows.names, rows.n_measured, rows.values[-1:].copy(), rows.measured[-1:])

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the epoch and the values of each row by name."""
        always = self.names[self.n_measured :]
        for epoch, values, measured in zip(
            self.epochs, self.values.tolist(), self.measured.tolist(), strict=True
        ):
            names = self.names if measured else always
            yield epoch, dict(zip(names, values[-len(names) :], strict=True))

    def split(self, count: int) -> tuple[LoggedRows, LoggedRows]:
        """Return the first rows and the others."""
        return tuple(  # type: ignore[return-value]
            LoggedRows(self.epochs[part], self.names, self.n_measured, self.values[part], self.measured[part])
            for part in (slice(count), slice(count, None))
        )


@dataclass(frozen=True)
class Weights:
    """A copy of the weights after an epoch, as arrays by name."""

    epoch: int
    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return 0  # rows


def read_logged_rows(directory: Path, epochs: range) -> list[LoggedRows]:
    """Return rows of metrics.csv of a run folder; a damaged file raises a CheckpointError."""
    if not epochs:
        return []
    rows = read_rows(directory / "metrics.csv")
    found = [epoch for epoch in epochs if epoch < len(rows)]
    logged = []
    for names, same in groupby(found, key=lambda epoch: tuple(rows[epoch])):
        part = list(same)
        values = np.array([list(rows[epoch].values()) for epoch in part])
        each = range(part[0], part[-1] + 1, epochs.step)
        logged.append(LoggedRows(each, names, 0, values, np.ones(len(part), bool)))
    return logged
