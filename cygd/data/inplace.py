"""The inputs of a network, made in the memory of the table that they come from.

A table that was read from text is one array of all its columns. Inputs that are numbers take no more
room than they did there, so they are written over it from the front, a block of rows behind the block
that is read: a big file needs its arrays once, not twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cygd.data.dataset import Array
from cygd.data.encoding import BLOCK, numbers_of
from cygd.data.preprocessing import InputColumn
from cygd.data.table import Table
from cygd.errors import DataError

__all__ = ["convert_in_place"]


def convert_in_place(
    table: Table, columns: Sequence[InputColumn], dtype: np.dtype[np.floating]
) -> Array | None:
    """Return the inputs, in the memory of the table, which is used up; None where that cannot be done.

    Raises
    ------
    DataError
        For a text, an infinite number, a missing value that nothing fills in.
    """
    matrix = table.matrix
    if matrix is None or any(column.categories is not None for column in columns):
        return None
    for column in columns:
        numbers_of(table, column.column, column.fill)  # refuses what is no number, or missing
    names = list(table.columns)
    chosen = [names.index(column.column) for column in columns]
    shift, scale = (np.array([getattr(column, key) for column in columns]) for key in ("shift", "scale"))
    fill = np.array([np.nan if column.fill is None else float(column.fill) for column in columns])
    x: Array = matrix.reshape(-1).view(dtype)[: len(matrix) * len(chosen)].reshape(len(matrix), -1)
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK, chosen]
        block = np.where(np.isnan(block), fill, block)
        with np.errstate(over="ignore"):
            part = ((block - shift) / scale).astype(dtype)
        finite = np.isfinite(part)
        if not finite.all():
            row, i = divmod(int(np.argmin(finite)), len(chosen))
            place, value = table.place(start + row, names[chosen[i]]), block[row, i]
            raise DataError(f"{place}: {value:g} is beyond the range of {dtype.name}")
        x[start : start + len(part)] = part
    return x
