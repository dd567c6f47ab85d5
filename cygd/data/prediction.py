"""New data for a trained network: its columns, and the rows that can be predicted.

A table whose columns have names is matched by them. One without a header, or of sparse rows, is matched by
position, and so must be as wide as the training data, or lack just the targets: the layout of the training
data says which column is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.containers import is_named, read_stream
from cygd.data.dataset import Array, Rows, as_real_array
from cygd.data.encoding import InputColumn, encode_column
from cygd.data.formatting import format_list
from cygd.data.numbers import parse_number
from cygd.data.preprocessing import Preprocessing
from cygd.data.table import Table
from cygd.errors import DataError, format_count

BY_POSITION_HINT = (
    "a file without column names is read by position; give it a header with the names of its columns"
)


def match_columns(table: Table, preprocessing: Preprocessing, layout: Sequence[str]) -> tuple[Table, str]:
    """Return a table that has the inputs, and a note on columns that were matched by position.

    `layout` lists all columns of the training data in order if they had no names of their own.
    """
    table, note = replace(table, config_hints=False), ""
    if table.default_names and table.targets:
        table = match_features(table, preprocessing, layout)
    elif table.default_names:
        table, note = match_positions(table, preprocessing, layout)
    missing = [name for name in preprocessing.inputs if name not in table.columns]
    if missing and all(parse_number(name) is not None for name in table.columns):
        names = format_list(map(repr, missing))
        hint = "header=false reads a file without a header, by position"
        raise DataError(f"{table.where}: expected a header with the columns {names}, got numbers", hint=hint)
    if len(missing) == 1:
        table.column(missing[0])  # raises with a suggestion
    if missing:
        hint = f"the columns are {format_list(table.columns)}"
        raise DataError(f"{table.where}: missing columns {format_list(map(repr, missing))}", hint=hint)
    return table, note


def match_features(table: Table, preprocessing: Preprocessing, layout: Sequence[str]) -> Table:
    """Return a table of a source that knows its targets, such as sparse rows, under the inputs' names."""
    known = [name for name in layout if name not in preprocessing.targets] or list(preprocessing.inputs)
    features = [name for name in table.columns if name not in table.targets]
    if set(preprocessing.inputs) <= set(features) and not all(map(is_generated, features)):
        return table  # the source itself names the columns
    if len(features) == len(known):
        return rename(table, features, known)
    expected = f"expected {format_count(len(known), 'feature')} as in the training data, got {len(features)}"
    hint = f"features={len(known)} reads those that no row has as 0"
    if len(features) > len(known):
        hint = (
            f"the network has not seen the others: train with data.features: {len(features)}, or remove them"
        )
    raise DataError(f"{table.where}: {expected}", hint=hint)


def match_positions(table: Table, preprocessing: Preprocessing, layout: Sequence[str]) -> tuple[Table, str]:
    """Return a table without header under the names of the training data, and a note on its targets."""
    names, inputs, targets = list(table.columns), preprocessing.inputs, preprocessing.targets
    without_targets = [name for name in layout if name not in targets]
    quoted = format_list(map(repr, targets))
    noun = "target" if len(targets) == 1 else "targets"
    if layout and len(names) == len(layout):
        table = rename(table, names, layout)
        check_target(table, preprocessing)
        places = format_list(layout.index(name) + 1 for name in targets)
        return (
            table,
            f"{table.where}: column {places} of {len(names)} is taken for the {noun} {quoted}, not used",
        )
    if without_targets and len(names) == len(without_targets):
        counted = "1 column is" if len(names) == 1 else f"{len(names)} columns are"
        note = f"{table.where}: {counted} taken for all but the {noun} {quoted}"
        return rename(table, names, without_targets), note
    if len(names) == len(inputs):
        return rename(table, names, inputs), ""
    expected = format_count(len(layout or inputs), "column")
    if layout:
        expected += f" as in the training data, or {len(without_targets)} without the {noun} {quoted}"
    else:
        expected += f", {format_list(inputs)}"
    raise DataError(f"{table.where}: expected {expected}, got {len(names)}", hint=BY_POSITION_HINT)


def check_target(table: Table, preprocessing: Preprocessing) -> None:
    """Raise an error if a column that should be the target holds something else: the columns are others."""
    if not preprocessing.classes:
        return
    name = preprocessing.targets[0]
    present = np.flatnonzero(~table.column(name).missing)
    try:
        encode_column(table.take(present), name, preprocessing.classes)
    except DataError as error:
        place, n_others = list(table.columns).index(name) + 1, format_count(len(table.columns) - 1, "column")
        hint = (
            f"column {place} is the target in the training data; a file without it has {n_others}, "
            "or a header with the names of its columns"
        )
        raise DataError(error.message, hint=hint) from None


def is_generated(name: str) -> bool:
    """Return True for a name that a source gives to a column without one: c0, x1."""
    return name[:1] in ("c", "x") and name[1:].isdecimal()


def rename(table: Table, names: Sequence[str], new_names: Sequence[str]) -> Table:
    """Return a table of some columns under new names."""
    columns = {new: table.columns[name] for name, new in zip(names, new_names, strict=True)}
    return replace(table, columns=columns, targets=(), matrix=None)


# -- rows -------------------------------------------------------------------------------------------


def as_table(data: Any, preprocessing: Preprocessing, where: str = "") -> Table:
    """Return raw data as a table with the inputs."""
    if isinstance(data, Table):
        return data
    if is_named(data):
        return Table.from_mapping(data, preprocessing.inputs, preprocessing.cell_format)
    is_numeric = preprocessing.takes_numbers
    array = as_real_array(data, where or "the array") if is_numeric else np.asarray(data, dtype=object)
    array = preprocessing.check_shape(array, where)
    return Table(preprocessing.columns_of_array(array), where)


def transform_usable_rows(
    preprocessing: Preprocessing, data: Any, dtype: npt.DTypeLike, where: str = ""
) -> tuple[Array, npt.NDArray[np.bool_], Table | None]:
    """Return the network's inputs of the rows that can be predicted, which rows these are, and the table.

    The table is None if all rows are usable; otherwise it says what is wrong with the others.
    """
    data = read_stream(data)  # a stream is read once, and the table may be needed
    # without its files: an error that is not shown would look up its line
    attempt = replace(data, files=()) if isinstance(data, Table) else data
    try:
        x = preprocessing.transform_inputs(attempt, dtype, where)
        return x, np.ones(len(x), bool), None
    except DataError:
        table = as_table(data, preprocessing, where)
        for name in preprocessing.inputs:
            table.column(name)  # a column that is missing is missing in all rows
    usable = np.ones(len(table), bool)
    for spec in preprocessing.columns:
        usable &= usable_values(replace(preprocessing, columns=(spec,)), table, spec, np.dtype(dtype))
    return preprocessing.transform_inputs(table.take(np.flatnonzero(usable)), dtype), usable, table


def usable_values(
    preprocessing: Preprocessing, table: Table, spec: InputColumn, dtype: np.dtype[Any]
) -> npt.NDArray[np.bool_]:
    """Return the rows whose value of one column can be used, as a mask; each distinct value is tried once."""
    column = table.column(spec.column)
    if spec.categories is not None:
        rows, value = np.arange(len(table)), column.cells()[0]
    else:
        with np.errstate(over="ignore"):
            rows = np.flatnonzero(~np.isfinite(((column.numbers - spec.shift) / spec.scale).astype(dtype)))
        _, value = np.unique(column.numbers[rows], return_inverse=True)
        if column.string_codes is not None:
            value = value * (len(column.strings) + 1) + column.string_codes[rows] + 1
    _, first, value = np.unique(value, return_index=True, return_inverse=True)
    usable = np.ones(len(table), bool)
    single = Table({spec.column: column})
    usable[rows] = _try_rows(preprocessing, single, rows[first], dtype)[value]
    return usable


def _try_rows(
    preprocessing: Preprocessing, table: Table, rows: Rows, dtype: np.dtype[Any]
) -> npt.NDArray[np.bool_]:
    """Return which rows can be transformed, by halves."""
    try:
        preprocessing.transform_inputs(table.take(rows), dtype)
        return np.ones(len(rows), bool)
    except DataError:
        if len(rows) == 1:
            return np.zeros(1, bool)
    half = len(rows) // 2
    halves = (rows[:half], rows[half:])
    return np.concatenate([_try_rows(preprocessing, table, part, dtype) for part in halves])


def describe_unusable(
    preprocessing: Preprocessing, table: Table, rows: Rows, dtype: npt.DTypeLike
) -> list[str]:
    """Return why rows cannot be predicted, with their places, in the words of the error for each."""
    reasons = []
    for row in rows:
        try:
            preprocessing.transform_inputs(table.take(np.array([row])), dtype)
        except DataError as error:
            reasons.append(error.message)
    return reasons
