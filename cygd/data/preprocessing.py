"""From raw columns to the arrays of a network, and back: what a prediction needs to know.

Everything here was fitted on the training rows. Training and prediction use the same code, in float64 up
to the last step, so that a network sees the same bits in both. `preprocessing.json` stores it:

    {"version": 1,
     "inputs": [{"column": "body_mass_g", "shift": 4201.7, "scale": 801.9},
                {"column": "island", "categories": ["Biscoe", "Dream", "Torgersen"]}],
     "targets": {"columns": ["species"], "classes": ["Adelie", "Chinstrap", "Gentoo"]}}

A number becomes (value - shift) / scale, a category one column of 0 and 1 per label; `fill` replaces a
missing value. Scaled targets have one `shift` and one `scale` per column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Label, as_real_array
from cygd.data.encoding import BLOCK_ROWS, check_finite, encode_column, numeric_column, scale_values
from cygd.data.formatting import format_list, format_location
from cygd.data.table import Column, Table
from cygd.errors import CheckpointError, DataError

__all__ = ["InputColumn", "Preprocessing"]

VERSION = 1


@dataclass(frozen=True)
class InputColumn:
    """How one raw column enters the network.

    Parameters
    ----------
    column : str
        Its name.
    categories : tuple of labels, optional
        The labels of a categorical column, in the order of its one-hot columns.
    fill : number or label, optional
        The replacement for a missing value; without it a missing value is an error.
    shift, scale : float
        A number enters the network as (value - shift) / scale.
    """

    column: str
    categories: tuple[Label, ...] | None = None
    fill: Label | None = None
    shift: float = 0.0
    scale: float = 1.0

    @property
    def width(self) -> int:
        """The number of columns of x that it takes."""
        return 1 if self.categories is None else len(self.categories)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its columns of x."""
        if self.categories is None:
            return (self.column,)
        return tuple(f"{self.column}={label}" for label in self.categories)


@dataclass(frozen=True)
class Preprocessing:
    """Column order, categories and scaling, as fitted on the training rows.

    Parameters
    ----------
    columns : tuple of InputColumn
        The raw columns in order.
    targets : tuple of str
        Names of the target columns.
    classes : tuple of labels
        The classes of a categorical target; empty for numeric targets.
    target_shift, target_scale : tuple of float
        y = y_hat * scale + shift; empty if targets are not scaled.

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
    classes: tuple[Label, ...] = ()
    target_shift: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The raw columns that a prediction needs, in order."""
        return tuple(column.column for column in self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns of x; a categorical column has one per label."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def is_identity(self) -> bool:
        """Whether x holds the values of the raw columns unchanged."""
        return all(c.categories is None and (c.shift, c.scale) == (0, 1) for c in self.columns)

    def transform_inputs(self, data: Any, dtype: npt.DTypeLike = np.float64, where: str = "") -> Array:
        """Return the inputs of the network for raw data.

        Parameters
        ----------
        data : mapping, array or Table
            A mapping of column names to values, such as a data frame (other columns are ignored), or an
            array of shape (n_samples, n_columns) in the order of `inputs`.
        dtype : dtype
            The dtype of the result. An array of this dtype that needs no scaling is returned as it is.
        where : str
            The name of the data in messages.

        Raises
        ------
        DataError
            For a missing column, a string in a numeric column, a label that does not occur in the
            training rows, or a value that is missing or not finite.
        """
        if isinstance(data, Table):
            return self._transform_table(data, dtype)
        if hasattr(data, "keys"):
            return self._transform_table(Table.from_mapping(data), dtype)
        if any(c.categories is not None or c.fill is not None for c in self.columns):
            array = self._check_shape(np.asarray(data, dtype=object), where)
            columns = {name: Column.from_values(array[:, i]) for i, name in enumerate(self.inputs)}
            return self._transform_table(Table(columns, where), dtype)
        array = self._check_shape(as_real_array(data, where or "the array"), where)
        return self._transform_array(array, dtype, where)

    def _transform_table(self, table: Table, dtype: npt.DTypeLike) -> Array:
        x = np.empty((len(table), len(self.features)), dtype)
        first = 0
        for spec in self.columns:
            if spec.categories is None:
                values = numeric_column(table, spec.column, spec.fill)
                locate = partial(table.location, name=spec.column)
                x[:, first] = scale_values(values, spec.shift, spec.scale, x.dtype, locate)
            else:
                codes = encode_column(table, spec.column, spec.categories, spec.fill)
                x[:, first : first + spec.width] = 0
                x[np.arange(len(x)), first + codes] = 1
            first += spec.width
        return x

    def _transform_array(self, array: Array, dtype: npt.DTypeLike, where: str) -> Array:
        dtype = np.dtype(dtype)
        if self.is_identity and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
            check_finite(array, self.inputs, where)
            return array
        x = np.empty(array.shape, dtype)
        shift = np.array([column.shift for column in self.columns])
        scale = np.array([column.scale for column in self.columns])
        for start in range(0, len(array), BLOCK_ROWS):
            block = np.asarray(array[start : start + BLOCK_ROWS], np.float64)
            check_finite(block, self.inputs, where, start)

            def locate(row: int, column: int, start: int = start) -> str:
                return format_location(where, start + row, self.inputs[column])

            x[start : start + BLOCK_ROWS] = scale_values(block, shift, scale, dtype, locate)
        return x

    def _check_shape(self, array: Array, where: str) -> Array:
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
        return {"version": VERSION, "inputs": inputs, "targets": targets}

    @classmethod
    def from_json(cls, data: object) -> Preprocessing:
        """Return what `to_json` wrote.

        Raises
        ------
        CheckpointError
            For anything that `to_json` cannot have written.
        """
        top = JsonEntry(data, "")
        version = top.get("version", int)
        if version != VERSION:
            raise top.error(f"expected version {VERSION}, got {version}")
        entries = [JsonEntry(item, f"inputs[{i}]") for i, item in enumerate(top.get("inputs", list))]
        columns = tuple(entry.input_column() for entry in entries)
        if len({column.column for column in columns}) != len(columns):
            raise top.error("duplicate column in inputs")
        targets = JsonEntry(top.get("targets", dict), "targets")
        names = tuple(targets.strings("columns"))
        shift, scale = tuple(targets.floats("shift")), tuple(targets.floats("scale"))
        if not (len(shift) == len(scale) and len(scale) in (0, len(names))) or 0 in scale:
            raise targets.error("expected a shift and a nonzero scale for each column")
        return cls(columns, names, tuple(targets.labels("classes") or ()), shift, scale)


class JsonEntry:
    """A mapping in preprocessing.json whose values are checked as they are read."""

    def __init__(self, data: object, path: str) -> None:
        self.path = path
        if not isinstance(data, Mapping):
            raise self.error(f"expected a mapping, got {type(data).__name__}")
        self.data = data

    def error(self, message: str) -> CheckpointError:
        return CheckpointError(": ".join(filter(None, ["preprocessing.json", self.path, message])))

    def get(self, key: str, kind: type, default: Any = ...) -> Any:
        value = self.data.get(key, default)
        if value is ...:
            raise self.error(f"the key {key!r} is missing")
        if value is not default and not (isinstance(value, kind) and not isinstance(value, bool)):
            raise self.error(f"{key}: expected {kind.__name__}, got {value!r}")
        return value

    def strings(self, key: str) -> list[str]:
        values: list[str] = self.get(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{key}: expected a list of strings, got {values!r}")
        return values

    def floats(self, key: str) -> list[float]:
        return [self.float(value, f"{key}[{i}]") for i, value in enumerate(self.get(key, list, []))]

    def float(self, value: object, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(f"{key}: expected a finite number, got {value!r}")
        return float(value)

    def labels(self, key: str) -> tuple[Label, ...] | None:
        values = self.get(key, list, None)
        if values is None:
            return None
        if not values or len(set(map(str, values))) != len(values):
            raise self.error(f"{key}: expected a list of distinct labels, got {values!r}")
        return tuple(self.label(value, key) for value in values)

    def label(self, value: object, key: str) -> Label:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.error(f"{key}: expected a label, got {value!r}")
        return value

    def input_column(self) -> InputColumn:
        name, categories = self.get("column", str), self.labels("categories")
        fill = self.get("fill", object, None)
        if fill is not None:
            fill = self.label(fill, "fill")
            if categories is None:
                self.float(fill, "fill")
            elif fill not in categories:
                raise self.error(f"fill: expected one of the categories, got {fill!r}")
        shift = self.float(self.data.get("shift", 0.0), "shift")
        scale = self.float(self.data.get("scale", 1.0), "scale")
        if not scale:
            raise self.error("scale: expected a nonzero number, got 0")
        return InputColumn(name, categories, fill, shift, scale)
