"""Columns that lie side by side in memory, as those of a data frame that was made of one array.

A network reads rows, and most data frames hold columns, which must be copied. But a pandas data frame of an
array in C order, its columns taken from it, and those of a structured array are views of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cygd.data.containers import numeric_array
from cygd.data.dataset import Array


def typed_columns(columns: Sequence[Any], dtype: np.dtype[Any]) -> list[Array] | None:
    """Return columns as arrays, or None if one of them does not have the given dtype of NumPy."""
    kinds = [getattr(column, "dtype", None) for column in columns]
    if not all(isinstance(kind, np.dtype) and kind == dtype for kind in kinds):
        return None
    arrays = [numeric_array(column) for column in columns]
    return None if any(array is None or array.ndim != 1 for array in arrays) else arrays  # type: ignore[return-value]


def adjacent_columns(columns: Sequence[Array]) -> Array | None:
    """Return the array in C order whose columns are the given arrays, or None if there is none.

    The result has shape (n_rows, n_columns), shares their memory and is read-only.

    Examples
    --------
    >>> array = np.arange(6.0).reshape(3, 2)
    >>> np.shares_memory(adjacent_columns([array[:, 0], array[:, 1]]), array)
    True
    >>> adjacent_columns([array[:, 1], array[:, 0]]) is None
    True
    """
    first, size = columns[0], columns[0].itemsize
    width, start = size * len(columns), _address(first)
    owner = _owner(first)
    for i, column in enumerate(columns):
        if column.dtype != first.dtype or column.shape != first.shape or column.strides != (width,):
            return None
        # of the same allocation: others may lie there by chance, and be freed
        if _address(column) != start + i * size or _owner(column) is not owner:
            return None
    if not first.flags.aligned or not first.dtype.isnative:
        return None
    view: Array = np.lib.stride_tricks.as_strided(
        first, (len(first), len(columns)), (width, size), writeable=False
    )
    return view


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _owner(array: Array) -> Any:
    """Return the object that owns the memory of an array."""
    owner: Any = array
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return owner
