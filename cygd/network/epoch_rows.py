"""Rows of consecutive epochs: what training reports of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

# values of every epoch, measured or not: the last columns
UNMEASURED = ("running_loss", "learning_rate", "seconds")


@dataclass(frozen=True, eq=False)
class EpochRows:
    """What training reports of consecutive epochs.

    Parameters
    ----------
    first : int
        The epoch of the first row.
    names : tuple of str
        Of the columns. The last are running_loss, learning_rate and seconds; in a row before the first
        update only seconds.
    n_measured : int
        The number of columns before these, which are measured.
    values : array of shape (n_rows, n_columns)
    measured : array of bool, shape (n_rows,)
        Whether a row was measured; else its first columns are NaN.
    hashes : array of uint32, shape (n_rows,)
        The CRC-32 of the parameters after each epoch; of no meaning unless the listener reads them.

    Examples
    --------
    >>> table, always = np.array([[0.5, 0.1], [np.nan, 0.2]]), np.array([True, False])
    >>> rows = EpochRows(3, ("loss", "seconds"), 1, table, always, np.zeros(2, np.uint32))
    >>> list(rows)
    [(3, {'loss': 0.5, 'seconds': 0.1}), (4, {'seconds': 0.2})]
    """

    first: int
    names: tuple[str, ...]
    n_measured: int
    values: NDArray[np.float64] = field(repr=False)
    measured: NDArray[np.bool_] = field(repr=False)
    hashes: NDArray[np.uint32] = field(repr=False)

    @classmethod
    def of_epoch(cls, epoch: int, values: Mapping[str, float], crc: int = 0) -> Self:
        """Return the row of one epoch; without a `loss` it was not measured.

        Examples
        --------
        >>> list(EpochRows.of_epoch(1, {"loss": 0.5, "running_loss": 0.6, "seconds": 0.1}))
        [(1, {'loss': 0.5, 'running_loss': 0.6, 'seconds': 0.1})]
        """
        last = [name for name in UNMEASURED if name in values]
        names = (*(name for name in values if name not in UNMEASURED), *last)
        row = [values[name] for name in names]
        return cls.of_row(epoch, names, len(names) - len(last), row, measured="loss" in values, crc=crc)

    @classmethod
    def of_row(
        cls, epoch: int, names: tuple[str, ...], n_measured: int, row: ArrayLike, *, measured: bool, crc: int
    ) -> Self:
        """Return one row, from the values of its columns."""
        values, hashes = np.array([row], np.float64), np.array([crc], np.uint32)
        return cls(epoch, names, n_measured, values, np.array([measured]), hashes)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def last(self) -> int:
        """The epoch of the last row."""
        return self.first + len(self) - 1

    def last_values(self) -> dict[str, float]:
        """Return the values of the last row by name."""
        names = self.names if self.measured[-1] else self.names[self.n_measured :]
        return dict(zip(names, self.values[-1].tolist()[-len(names) :], strict=True))

    def __iter__(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the epoch and the values of each row by name."""
        always = self.names[self.n_measured :]
        measured = self.measured.tolist()
        for index, values in enumerate(self.values.tolist()):
            names = self.names if measured[index] else always
            yield self.first + index, dict(zip(names, values[-len(names) :], strict=True))
