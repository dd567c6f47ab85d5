"""The frame source: the named columns of a data frame that a program passes to `cygd.run`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd.data.column import Column
from cygd.data.containers import is_named, named_columns, read_stream
from cygd.data.dataset import reject_sparse
from cygd.data.numbers import CellFormat
from cygd.data.table import Table
from cygd.errors import DataError

PARTS = ("validation", "test")


def load_frame(
    folder: Path,
    *,
    columns: Mapping[str, Any],
    decimal: str = ".",  # this and the others: how texts write numbers, as for csv
    thousands: str = "",
    percent: bool = False,
    units: Sequence[str] | None = None,
    missing_values: Sequence[str] | None = None,
) -> Table:
    """Return the columns of a mapping, a data frame or an Arrow table."""
    cell_format = CellFormat.of_options(decimal, thousands, percent, units, missing_values)
    check_named_columns(columns)
    try:
        named = named_columns(columns)
        if "" in named:
            raise DataError(f"column {list(named).index('') + 1} has no name")
        if not named:
            raise DataError("expected at least one column, got none")
    except DataError as error:
        raise DataError(f"columns: {error.message}", hint=error.hint) from None
    table = Table.from_mapping(named, cell_format=cell_format)
    if not len(table):
        raise DataError("columns: expected at least one row, got none")
    return replace(table, where="data")


def check_named_columns(data: Any) -> None:
    """Raise a DataError for what has no named columns; a pandas Series has keys, but those of rows."""
    reject_sparse(data, "columns")
    if not is_named(data) or (hasattr(data, "keys") and hasattr(data, "to_frame")):
        hint = "name the columns: data={'x': ..., 'y': ...}, or make a data frame of it"
        raise DataError(f"columns: expected a mapping or a data frame, got {type(data).__name__}", hint=hint)


def with_tables(experiment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an experiment whose Arrow streams are tables: a run reads its data more than once."""
    section = experiment.get("data")
    if not isinstance(section, Mapping) or section.get("source") != "frame":
        return experiment
    section = {key: with_columns(value) if key in PARTS else value for key, value in section.items()}
    return {**experiment, "data": with_columns(section)}


def with_columns(options: Any) -> Any:
    """Return the options of a source with a table in place of a stream."""
    if not isinstance(options, Mapping) or "columns" not in options:
        return options
    return {**options, "columns": read_stream(options["columns"])}


def csv_of(table: Table) -> str:
    """Return the text of a CSV file that is read as the same table."""
    text = io.StringIO()
    import csv  # imported here: few runs get a frame

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
