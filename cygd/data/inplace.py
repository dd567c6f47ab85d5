"""Conversion of a table to inputs in the table's own memory.

A table that was read from text is one array of all its columns. Numeric inputs take no more memory than
the table, so they overwrite it from the front, each block of rows after it has been read: a large file needs
memory for its arrays once, not twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cygd.data.dataset import Array
from cygd.data.encoding import BLOCK_ROWS, InputColumn, numeric_column, scale_values
from cygd.data.table import Table


def convert_in_place(
    table: Table, columns: Sequence[InputColumn], dtype: np.dtype[np.floating]
) -> Array | None:
    """Return the inputs in the memory of the table, overwriting it; None if that is impossible."""
    matrix = table.matrix
    if matrix is None or any(column.categories is not None for column in columns):
        return None
    for column in columns:
        numeric_column(table, column.column, column.fill)  # raises before anything is overwritten
    position = {name: i for i, name in enumerate(table.columns)}
    selected = [position[column.column] for column in columns]
    fill = np.array([np.nan if column.fill is None else float(column.fill) for column in columns])
    x: Array = matrix.reshape(-1).view(dtype)[: len(matrix) * len(selected)].reshape(len(matrix), -1)
    for start in range(0, len(matrix), BLOCK_ROWS):
        block = matrix[start : start + BLOCK_ROWS, selected]
        block = np.where(np.isnan(block), fill, block)
        x[start : start + len(block)] = scale_values(block, columns, dtype, table.location, start)
    return x
