"""From raw columns to the arrays of a network, and back: what a prediction needs to know.

Training and prediction use the same code, in float64 up to the last step, so that a network sees the same
bits in both. `preprocessing.json` stores what was fitted on the training rows:

    {"version": 1,
     "inputs": [{"column": "body_mass_g", "shift": 4201.7, "scale": 801.9},
                {"column": "island", "categories": ["Biscoe", "Dream", "Torgersen"]}],
     "targets": {"columns": ["species"], "classes": ["Adelie", "Chinstrap", "Gentoo"]},
     "cells": {"missing_values": ["-999"], "thousands": ","}}

`cells` are the options of the source that say how texts write numbers and missing values, if there are any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.column import Column
from cygd.data.containers import is_named, named_columns, read_stream
from cygd.data.dataset import Array, Label, as_real_array, reject_sparse
from cygd.data.encoding import (
    BLOCK_ROWS,
    InputColumn,
    all_finite,
    check_finite,
    encode_column,
    numeric_column,
    scale_values,
)
from cygd.data.formatting import format_list, format_location
from cygd.data.matrix_views import adjacent_columns, typed_columns
from cygd.data.numbers import CELL_OPTIONS, CellFormat
from cygd.data.table import Table, load_cells
from cygd.errors import CheckpointError, DataError

VERSION = 1


@dataclass(frozen=True)
class Preprocessing:
    """Column order, categories and scaling, as fitted on the training rows.

    Examples
    --------
    >>> metres = Preprocessing((InputColumn("height", shift=1.5, scale=0.5),), ("age",))
    >>> metres.transform_inputs({"height": [1.0, 2.0]})
    array([[-1.],
           [ 1.]])
    >>> Preprocessing.from_json(metres.to_json()) == metres
    True
    """

    columns: tuple[InputColumn, ...]
    targets: tuple[str, ...]
    classes: tuple[Label, ...] = ()  # empty for numeric targets
    target_shift: tuple[float, ...] = ()  # y = y_hat * scale + shift; empty if targets are not scaled
    target_scale: tuple[float, ...] = ()
    layout: tuple[str, ...] = ()  # all columns of the training data in order, if they have generated names
    cells: Mapping[str, Any] = field(default_factory=dict, hash=False)  # options of `CellFormat`

    @cached_property
    def cell_format(self) -> CellFormat:
        """How texts write numbers and missing values."""
        return CellFormat.of_options(**self.cells)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The raw columns that a prediction needs, in order."""
        return tuple(column.column for column in self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns of x; a categorical column has one per label."""
        return tuple(name for column in self.columns for name in column.features)

    def transform_inputs(self, data: Any, dtype: npt.DTypeLike = np.float64, where: str = "") -> Array:
        """Return the inputs of the network for raw data, which messages call `where`.

        The data are a Table, a mapping of column names to values, a data frame, an Arrow table or stream
        (other columns are ignored), or an array of shape (n_samples, n_columns) in the order of `inputs`. An
        array of the given dtype that needs no scaling is returned as it is, and so are columns of it.
        """
        if isinstance(data, Table):
            return self._transform_table(data, dtype)
        reject_sparse(data, where or "the array")
        if is_named(data):
            data = read_stream(data)
            if self.takes_numbers and not self.is_scaled:
                named = named_columns(data)
                # taken from the frame once; without one of them, the error says more of the frame itself
                data = named if named.keys() >= set(self.inputs) else data
                arrays = typed_columns([named.get(name) for name in self.inputs], np.dtype(dtype))
                x = None if arrays is None else adjacent_columns(arrays)
                if x is not None and all_finite(x):
                    return x
            return self._transform_table(Table.from_mapping(data, self.inputs, self.cell_format), dtype)
        if not self.takes_numbers:
            is_numeric = isinstance(data, np.ndarray) and data.dtype.kind in "biuf"
            # as objects: NumPy would turn 1 and "a" into strings, and large integers beside 0.5 into floats
            array = self.check_shape(data if is_numeric else np.asarray(data, dtype=object), where)
            columns = self.columns_of_array(array)
            return self._transform_table(Table(columns, where), dtype)
        array = self.check_shape(as_real_array(data, where or "the array"), where)
        return self._transform_array(array, dtype, where)

    def _transform_table(self, table: Table, dtype: npt.DTypeLike) -> Array:
        if self.takes_numbers and not self.is_scaled and np.dtype(dtype) == np.float64:
            columns = [table.column(name) for name in self.inputs]
            if all(column.string_codes is None for column in columns):
                matrix = adjacent_columns([column.numbers for column in columns])
                if matrix is not None and matrix.dtype == dtype and all_finite(matrix):
                    return matrix
        x = np.empty((len(table), len(self.features)), dtype)
        load_cells(table, [spec.column for spec in self.columns if spec.categories is not None])
        first = 0
        for spec in self.columns:
            part = x[:, first : first + len(spec.features)]
            if spec.categories is None:
                values = numeric_column(table, spec.column, spec.fill)
                part[:] = scale_values(values[:, None], [spec], x.dtype, table.location)
            else:
                part[:] = 0
                part[np.arange(len(x)), encode_column(table, spec.column, spec.categories, spec.fill)] = 1
            first += part.shape[1]
        return x

    def _transform_array(self, array: Array, dtype: npt.DTypeLike, where: str) -> Array:
        if not self.is_scaled and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
            check_finite(array, self.inputs, where)
            return array
        x = np.empty(array.shape, dtype)
        locate = partial(format_location, where)
        for start in range(0, len(array), BLOCK_ROWS):
            block = np.asarray(array[start : start + BLOCK_ROWS], np.float64)
            check_finite(block, self.inputs, where, start)
            x[start : start + BLOCK_ROWS] = scale_values(block, self.columns, x.dtype, locate, start)
        return x

    @property
    def takes_numbers(self) -> bool:
        """Whether an array of numbers needs scaling alone."""
        is_plain = all(column.categories is None and column.fill is None for column in self.columns)
        return is_plain and not self.cell_format.missing_numbers

    @property
    def is_scaled(self) -> bool:
        """Whether a numeric column is shifted or scaled."""
        return any((column.shift, column.scale) != (0, 1) for column in self.columns)

    def columns_of_array(self, array: Array) -> dict[str, Column]:
        """Return the columns of an array in the order of `inputs`."""
        return {name: Column.from_values(array[:, i], self.cell_format) for i, name in enumerate(self.inputs)}

    def check_shape(self, array: Array, where: str) -> Array:
        """Return an array of two dimensions with a column for each of `inputs`."""
        n_columns = len(self.columns)
        if array.ndim == 1 and n_columns == 1:
            return array[:, None]
        if array.ndim != 2 or array.shape[1] != n_columns:
            expected = f"expected the shape (n_samples, {n_columns})"
            hint = f"the columns are {format_list(self.inputs)}"
            raise DataError(f"{where or 'the array'}: {expected}, got {array.shape}", hint=hint)
        return array

    def transform_targets(self, y: Array, dtype: npt.DTypeLike = np.float64) -> Array:
        """Return targets as the network sees them."""
        if self.target_scale:
            y = (y - np.array(self.target_shift)) / np.array(self.target_scale)
        with np.errstate(over="ignore"):
            return y.astype(dtype, copy=False)

    def inverse_targets(self, y_hat: Array) -> Array:
        """Return network outputs, or transformed targets, in their original units."""
        if not self.target_scale:
            return y_hat
        y: Array = np.asarray(y_hat, np.float64) * np.array(self.target_scale) + np.array(self.target_shift)
        return y.astype(np.asarray(y_hat).dtype, copy=False)

    def output_names(self, n_outputs: int, *, all_classes: bool = False) -> list[str]:
        """Return the names of the columns of a prediction: for classes the label, then an output each.

        One output of two classes is that of the second one, unless `all_classes`.
        """
        if not self.classes:
            return list(self.targets)
        name, classes = self.targets[0], self.classes[0 if all_classes or n_outputs > 1 else 1 :]
        return [name, *(f"{name}={label}" for label in classes)]

    def labels(self, outputs: Array) -> list[Label] | None:
        """Return the predicted class of each row of outputs, or None for numeric targets."""
        if not self.classes:
            return None
        predicted = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
        return [self.classes[int(i)] for i in predicted]

    # -- JSON ---------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for `json.dumps`; floats are restored with the same bits."""
        inputs = []
        for column in self.columns:
            entry: dict[str, Any] = {"column": column.column}
            if column.categories is not None:
                entry["categories"] = list(column.categories)
            elif (column.shift, column.scale) != (0, 1):
                entry |= {"shift": column.shift, "scale": column.scale}
            if column.fill is not None:
                entry["fill"] = column.fill
            inputs.append(entry)
        targets: dict[str, Any] = {"columns": list(self.targets)}
        if self.classes:
            targets["classes"] = list(self.classes)
        if self.target_scale:
            targets |= {"shift": list(self.target_shift), "scale": list(self.target_scale)}
        layout = {"layout": list(self.layout)} if self.layout else {}
        cells = {"cells": dict(self.cells)} if self.cells else {}
        return {"version": VERSION, "inputs": inputs, "targets": targets, **layout, **cells}

    @classmethod
    def from_json(cls, data: object) -> Preprocessing:
        """Return what `to_json` wrote, or raise a CheckpointError if it cannot have written this."""
        top = _JsonEntry(data, "")
        version = top.get("version", int)
        top.expect(version == VERSION, f"expected version {VERSION}, got {version}")
        entries = [_JsonEntry(item, f"inputs[{i}]") for i, item in enumerate(top.get("inputs", list))]
        columns = tuple(entry.input_column() for entry in entries)
        top.expect(len({c.column for c in columns}) == len(columns), "duplicate column in inputs")
        targets = _JsonEntry(top.get("targets", dict), "targets")
        names, layout = targets.strings("columns"), top.strings("layout", [])
        shift, scale = targets.floats("shift"), targets.floats("scale")
        is_valid = len(shift) == len(scale) and len(scale) in (0, len(names)) and 0 not in scale
        targets.expect(is_valid, "expected a shift and a nonzero scale for each column")
        cells = _JsonEntry(top.get("cells", dict, {}), "cells").cells()
        return cls(columns, names, targets.labels("classes") or (), shift, scale, layout, cells)


def is_word(value: object) -> bool:
    """Return True for a word that an option lists, which may be a number."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class _JsonEntry:
    """A mapping in preprocessing.json whose values are checked as they are read."""

    def __init__(self, data: object, path: str) -> None:
        self.path = path
        self.expect(isinstance(data, Mapping), f"expected a mapping, got {type(data).__name__}")
        self.data: Any = data

    def expect(self, condition: bool, message: str) -> None:
        if not condition:
            raise CheckpointError(": ".join(filter(None, ["preprocessing.json", self.path, message])))

    def get(self, key: str, kind: type, default: Any = ...) -> Any:
        value = self.data.get(key, default)
        self.expect(value is not ..., f"the key {key!r} is missing")
        is_valid = value is default or (isinstance(value, kind) and not isinstance(value, bool))
        self.expect(is_valid, f"{key}: expected {kind.__name__}, got {value!r}")
        return value

    def strings(self, key: str, default: Any = ...) -> tuple[str, ...]:
        values = self.get(key, list, default)
        is_valid = all(isinstance(value, str) for value in values)
        self.expect(is_valid, f"{key}: expected a list of strings, got {values!r}")
        return tuple(values)

    def floats(self, key: str) -> tuple[float, ...]:
        return tuple(self.float(value, f"{key}[{i}]") for i, value in enumerate(self.get(key, list, [])))

    def float(self, value: Any, key: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        self.expect(is_number and math.isfinite(value), f"{key}: expected a finite number, got {value!r}")
        return float(value)

    def labels(self, key: str) -> tuple[Label, ...] | None:
        values = self.get(key, list, None)
        if values is None:
            return None
        is_valid = values and len(set(map(str, values))) == len(values)
        self.expect(is_valid, f"{key}: expected a list of distinct labels, got {values!r}")
        return tuple(self.label(value, key) for value in values)

    def label(self, value: Any, key: str) -> Label:
        is_label = isinstance(value, int | float | str) and not isinstance(value, bool)
        self.expect(is_label, f"{key}: expected a label, got {value!r}")
        return value  # type: ignore[no-any-return]

    def cells(self) -> dict[str, Any]:
        for key, value in self.data.items():
            self.expect(key in CELL_OPTIONS, f"unknown key {key!r}")
            kind = list if CELL_OPTIONS[key] is None else type(CELL_OPTIONS[key])
            is_valid = isinstance(value, kind) and (not isinstance(value, list) or all(map(is_word, value)))
            self.expect(is_valid, f"{key}: expected {kind.__name__}, got {value!r}")
        try:
            CellFormat.of_options(**self.data)
        except DataError as error:
            self.expect(False, error.message)
        return dict(self.data)

    def input_column(self) -> InputColumn:
        name, categories, fill = self.get("column", str), self.labels("categories"), self.data.get("fill")
        if fill is not None:
            self.label(fill, "fill")
            if categories is None:
                self.float(fill, "fill")
            else:
                self.expect(fill in categories, f"fill: expected one of the categories, got {fill!r}")
        shift = self.float(self.data.get("shift", 0.0), "shift")
        scale = self.float(self.data.get("scale", 1.0), "scale")
        self.expect(scale != 0, "scale: expected a nonzero number, got 0")
        return InputColumn(name, categories, fill, shift, scale)
