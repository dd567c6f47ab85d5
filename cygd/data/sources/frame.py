"""The frame source: the named columns of a data frame that a program passes to `cygd.run`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.column import Column
from cygd.data.dataset import reject_sparse
from cygd.data.table import Table
from cygd.errors import DataError


def load_frame(folder: Path, *, columns: Mapping[str, Any]) -> Table:
    """Return the columns of a mapping, a data frame or an Arrow table."""
    table = Table.from_mapping(named_columns(columns))
    if not len(table):
        raise DataError("columns: expected at least one row, got none")
    return replace(table, where="data")


def named_columns(data: Any) -> dict[str, Any]:
    """Return the columns of a mapping, a data frame or an Arrow table by their names."""
    check_named_columns(data)
    if hasattr(data, "get_column"):  # Polars
        names, column = list(data.columns), data.get_column
    elif hasattr(data, "column_names"):  # Arrow
        names, column = data.column_names, data.column
    else:
        names, column = list(data.keys()), data.__getitem__
    texts = [str(name).strip() for name in names]  # as the header of a text file
    for i, text in enumerate(texts):
        if not text or text in texts[:i]:
            problem = f"duplicate column name {text!r}" if text else f"column {i + 1} has no name"
            raise DataError(f"columns: {problem}")
    if not texts:
        raise DataError("columns: expected at least one column, got none")
    return {text: column(name) for text, name in zip(texts, names, strict=True)}


def check_named_columns(data: Any) -> None:
    """Raise a DataError for what has no named columns; a pandas Series has keys, but those of rows."""
    reject_sparse(data, "columns")
    if hasattr(data, "get_column") or hasattr(data, "column_names"):
        return
    if not hasattr(data, "keys") or hasattr(data, "to_frame"):
        hint = "name the columns: data={'x': ..., 'y': ...}, or make a data frame of it"
        raise DataError(f"columns: expected a mapping or a data frame, got {type(data).__name__}", hint=hint)


def csv_of(table: Table) -> str:
    """Return the text of a CSV file that is read as the same table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*map(cells_of, table.columns.values()), strict=True))
    return text.getvalue()


def cells_of(column: Column) -> list[str]:
    """Return the values of a column as text, which a reader of text files reads back exactly."""
    numbers = column.numbers
    if column.string_codes is None and column.source is None:
        return ["" if number != number else repr(number) for number in numbers.astype(np.float64).tolist()]
    codes, labels = column.factorize()
    texts = [*map(str, labels), ""]  # the last one for missing values, whose code is -1
    return [texts[code] for code in codes.tolist()]
