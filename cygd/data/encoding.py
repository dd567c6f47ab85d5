"""Columns of a table as numbers: what is not a finite number, or not a known category, is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Label, Rows
from cygd.data.table import Table, listed, number, place
from cygd.errors import DataError

__all__ = ["all_finite", "check_finite", "encode", "numbers_of", "scaled"]

BLOCK = 8192  # rows at a time, so that a memory-mapped array never comes into memory whole
MISSING_HINT = "data.missing: drop leaves such rows out, data.missing: mean fills the gaps of inputs"


def numbers_of(table: Table, name: str, fill: Label | None = None) -> npt.NDArray[np.floating[Any]]:
    """Return a column of numbers; `fill` stands in for missing values.

    Raises
    ------
    DataError
        For a text, an infinite number, or a missing value without `fill`.
    """
    column = table.column(name)
    row = column.first_text
    if row is not None:
        text, line = column.text(row), table.place(row, name)
        # a table without a file is a prediction, for which the experiment is long past
        advise = table.where and table.advise
        hint = f"list {name!r} under data.categorical if it holds categories" if advise else None
        if table.where and number(text, ",") is not None:
            hint = f"{'data.decimal: ' if table.advise else 'decimal='}',' reads decimal commas"
        raise DataError(f"{line}: {text!r} is not a number", hint=hint)
    if all_finite(column.numbers):
        return column.numbers
    check_no_infinity(table, name)
    missing = column.missing
    if fill is None:
        raise missing_value(table, name)
    return np.where(missing, float(fill), column.numbers)


def encode(table: Table, name: str, categories: Sequence[Label], fill: Label | None = None) -> Rows:
    """Return the index of each row's label in `categories`.

    Raises
    ------
    DataError
        For a label that is not among them, or a missing value without `fill`.
    """
    check_no_infinity(table, name)
    codes, labels = table.column(name).labels()
    index = {label: i for i, label in enumerate(categories)}
    known = np.array([*(index.get(label, -1) for label in labels), -1], np.int64)
    found = known[codes]  # a missing value has the code -1, which is the last place
    missing = codes < 0
    if missing.any():
        if fill is None:
            raise missing_value(table, name)
        found[missing] = index[fill]
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        raise DataError(
            f"{table.place(row, name)}: the label {labels[codes[row]]!r} was not seen in training",
            hint=f"the labels of the training rows are {listed(categories)}",
        )
    return found


def scaled(
    table: Table, name: str, values: Array, shift: float, scale: float, dtype: np.dtype[np.floating]
) -> Array:
    """Return (values - shift) / scale in the type of the network."""
    with np.errstate(over="ignore"):
        result = ((values - shift) / scale).astype(dtype)
    finite = np.isfinite(result)
    if not finite.all():
        row = int(np.argmin(finite))
        raise DataError(f"{table.place(row, name)}: {values[row]:g} is beyond the range of {dtype.name}")
    return result


def all_finite(values: Array) -> bool:
    """Return whether all numbers are finite, without an array of their size."""
    return all(np.isfinite(values[start : start + BLOCK]).all() for start in range(0, len(values), BLOCK))


def check_finite(
    x: Array, names: Sequence[str], where: str = "", first: int = 0, words: str | None = None
) -> None:
    """Raise a DataError that names the first value that is not finite, counting rows from `first`."""
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), BLOCK):
        finite = np.isfinite(x[start : start + BLOCK])
        if not finite.all():
            row, column = divmod(int(np.argmin(finite)), x.shape[1])
            at = place(where, first + start + row, names[column])
            raise DataError(f"{at}: the value {words or f'is {x[start + row, column]}, not a finite number'}")


def check_no_infinity(table: Table, name: str) -> None:
    """Raise a DataError for an infinite number."""
    infinite = np.isinf(table.column(name).numbers)
    if infinite.any():
        row = int(np.argmax(infinite))
        value = table.column(name).numbers[row]
        raise DataError(f"{table.place(row, name)}: the value is {value}, not a finite number")


def missing_value(table: Table, name: str) -> DataError:
    """Return the error for the first missing value of a column."""
    row = int(np.argmax(table.column(name).missing))
    hint = MISSING_HINT if table.where and table.advise else None
    return DataError(f"{table.place(row, name)}: the value is missing", hint=hint)
