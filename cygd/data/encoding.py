"""Encoding of raw columns as arrays of numbers or category codes, and checks that their values are finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Label, Rows
from cygd.data.formatting import format_list, format_location
from cygd.data.known_labels import KnownLabels
from cygd.data.table import Table
from cygd.errors import DataError

BLOCK_ROWS = 8192  # rows per block, so that a memory-mapped array is never loaded as a whole
MISSING_HINT = "data.missing: drop removes such rows, data.missing: mean fills missing inputs"


@dataclass(frozen=True)
class InputColumn:
    """How one raw column enters the network: (value - shift) / scale, or one column of 0 and 1 per label."""

    column: str  # its name
    categories: tuple[Label, ...] | None = None  # in the order of the one-hot columns; None: numeric
    fill: Label | None = None  # replaces a missing value, which is an error without it
    shift: float = 0.0
    scale: float = 1.0

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its columns of x."""
        if self.categories is None:
            return (self.column,)
        return tuple(f"{self.column}={label}" for label in self.categories)


def numeric_column(
    table: Table, name: str, fill: Label | None = None, missing_hint: str = MISSING_HINT
) -> npt.NDArray[np.floating[Any]]:
    """Return a numeric column; `fill` replaces missing values, else `missing_hint` says what to do."""
    column = table.column(name)
    row = column.first_string_row
    if row is not None:
        raise not_a_number_error(table, name, row)
    if all_finite(column.numbers):
        return column.numbers
    check_no_infinity(table, name)
    if fill is None:
        raise missing_value_error(table, name, missing_hint)
    return np.where(column.missing, float(fill), column.numbers)


def not_a_number_error(table: Table, name: str, row: int) -> DataError:
    """Return the error for a text in a column of numbers."""
    column = table.column(name)
    string, hint = column.string_at(row), None
    if table.where:
        from cygd.data.number_texts import describe_texts  # imported here: only this error needs it

        hint = describe_texts(
            list(column.string_counts),
            text_file=table.is_text,
            in_experiment=table.config_hints,
        )
    if table.where and hint is None:
        option = "data.missing_values" if table.config_hints else "missing_values"
        hint = f"set {option}: [{string!r}] if the word stands for a missing value"
        if table.config_hints:
            hint = f"list {name!r} under data.categorical if it holds categories, or {hint}"
    return DataError(f"{table.location(row, name)}: expected a number, got {string!r}", hint=hint)


def encode_column(
    table: Table,
    name: str,
    categories: Sequence[Label],
    fill: Label | None = None,
    missing_hint: str = MISSING_HINT,
) -> Rows:
    """Return the index of each row's label in `categories`; `fill` and `missing_hint` as above."""
    column = table.column(name)
    codes, cells = column.cells()
    labels = KnownLabels(categories)
    used = np.unique(codes[codes >= 0]).tolist()
    known = {i: labels.find(cells[i]) for i in used}
    # the last entry is for missing values, whose code is -1
    index_of_code = np.full(len(cells) + 1, -1, np.int64)
    is_missing = np.full(len(cells) + 1, False)
    is_missing[-1] = True
    for i, position in known.items():
        label = column.label(cells[i]) if position < 0 else None
        index_of_code[i] = position if label is None else labels.index.get(label, -1)
        is_missing[i] = position < 0 and label is None
    encoded, missing = index_of_code[codes], is_missing[codes]
    if missing.any():
        if fill is None:
            hint = (
                f"{missing_hint}; in quotes a word such as NA is a label" if table.is_text else missing_hint
            )
            raise missing_value_error(table, name, hint, int(np.argmax(missing)))
        encoded[missing] = labels.index[fill]
    if (encoded < 0).any():
        check_no_infinity(table, name)
        row = int(np.argmax(encoded < 0))
        unknown = column.label(cells[codes[row]])
        raise DataError(
            f"{table.location(row, name)}: unknown label {unknown!r}",
            hint=f"the labels of the training rows are {format_list(categories)}",
        )
    return encoded


def scale_values(
    values: Array,  # (n_rows, n_columns)
    columns: Sequence[InputColumn],
    dtype: np.dtype[Any],
    locate: Callable[[int, str], str],  # row and column name -> location in messages
    first_row: int = 0,  # the row of the first values, as `locate` counts
) -> Array:
    """Return (values - shift) / scale in the dtype of the network."""
    shift = np.array([column.shift for column in columns])
    scale = np.array([column.scale for column in columns])
    with np.errstate(over="ignore"):
        scaled: Array = ((values - shift) / scale).astype(dtype)
    finite = np.isfinite(scaled)
    if not finite.all():
        row, i = divmod(int(np.argmin(finite)), len(columns))
        location = locate(first_row + row, columns[i].column)
        raise DataError(f"{location}: {float(values[row, i])!r} is out of range for {dtype.name}")
    return scaled


def all_finite(values: Array) -> bool:
    """Return True if all numbers are finite, without a temporary array of their size."""
    blocks = range(0, len(values), BLOCK_ROWS)
    return all(np.isfinite(values[start : start + BLOCK_ROWS]).all() for start in blocks)


def check_finite(x: Array, names: Sequence[str], where: str = "", first_row: int = 0) -> None:
    """Raise a DataError for the first value that is not finite, counting rows from `first_row`."""
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), BLOCK_ROWS):
        finite = np.isfinite(x[start : start + BLOCK_ROWS])
        if not finite.all():
            row, column = divmod(int(np.argmin(finite)), x.shape[1])
            location = format_location(where, first_row + start + row, names[column])
            raise DataError(f"{location}: expected a finite number, got {x[start + row, column]}")


def check_no_infinity(table: Table, name: str) -> None:
    """Raise a DataError for an infinite number."""
    infinite = np.isinf(table.column(name).numbers)
    if infinite.any():
        row = int(np.argmax(infinite))
        value = table.column(name).numbers[row]
        raise DataError(f"{table.location(row, name)}: expected a finite number, got {value}")


def missing_value_error(
    table: Table, name: str, hint: str = MISSING_HINT, row: int | None = None
) -> DataError:
    """Return the error for the first missing value of a column."""
    row = int(np.argmax(table.column(name).missing)) if row is None else row
    advice = hint if table.where and table.config_hints else None
    return DataError(f"{table.location(row, name)}: the value is missing", hint=advice)
