"""From raw columns to the arrays of a network, and back: what a prediction has to know.

Everything here was fitted on the training rows. Training and prediction go the same way, in float64
until the last step, so that a network sees the same bits in both. `preprocessing.json` is its text:

    {"version": 1,
     "inputs": [{"column": "body_mass_g", "shift": 4201.7, "scale": 801.9},
                {"column": "island", "categories": ["Biscoe", "Dream", "Torgersen"]}],
     "targets": {"columns": ["species"], "classes": ["Adelie", "Chinstrap", "Gentoo"]}}

A number becomes (value - shift) / scale, a category one column of 0 and 1 per label; `fill` stands in
for a missing value. Targets have one `shift` and one `scale` per column where they are scaled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Label, real_array
from cygd.data.encoding import BLOCK, check_finite, encode, numbers_of, scaled
from cygd.data.table import Column, Table, listed
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
        What stands in for a missing value; without it a missing value is an error.
    shift, scale : float
        (value - shift) / scale is what the network sees of a number.
    """

    column: str
    categories: tuple[Label, ...] | None = None
    fill: Label | None = None
    shift: float = 0.0
    scale: float = 1.0

    @property
    def width(self) -> int:
        """How many columns of x it takes."""
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
        The classes of a categorical target; empty for numbers.
    target_shift, target_scale : tuple of float
        y = y_hat * scale + shift; empty where targets are not scaled.

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
        """The columns of x: a categorical column has one for each label."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def unscaled(self) -> bool:
        """Whether x holds the values of the raw columns unchanged."""
        return all(c.categories is None and (c.shift, c.scale) == (0, 1) for c in self.columns)

    def transform_inputs(self, data: Any, dtype: npt.DTypeLike = np.float64, where: str = "") -> Array:
        """Return the inputs of the network for raw data.

        Parameters
        ----------
        data : mapping, array or Table
            A mapping of column names to values (a data frame is one; columns that are not needed may
            be there too), or an array of shape (n_samples, n_columns) in the order of `inputs`.
        dtype : dtype
            Of the result. An array of this type that is not scaled is returned as it is.
        where : str
            What the data are called in messages.

        Raises
        ------
        DataError
            For a column that is not there, a text in a column of numbers, a category that training
            has not seen, a value that is missing or not finite.
        """
        if isinstance(data, Table):
            return self._of_table(data, dtype)
        if hasattr(data, "keys"):
            return self._of_table(Table.of_mapping(data), dtype)
        if any(c.categories is not None or c.fill is not None for c in self.columns):
            return self._of_table(self._cut(np.asarray(data, dtype=object), where), dtype)
        return self._of_array(real_array(data, where or "the array"), dtype, where)

    def _of_table(self, table: Table, dtype: npt.DTypeLike) -> Array:
        x = np.empty((len(table), len(self.features)), dtype)
        at = 0
        for spec in self.columns:
            if spec.categories is None:
                values = numbers_of(table, spec.column, spec.fill)
                x[:, at] = scaled(table, spec.column, values, spec.shift, spec.scale, x.dtype)
            else:
                codes = encode(table, spec.column, spec.categories, spec.fill)
                x[:, at : at + spec.width] = 0
                x[np.arange(len(x)), at + codes] = 1
            at += spec.width
        return x

    def _of_array(self, array: Array, dtype: npt.DTypeLike, where: str) -> Array:
        array = self._shaped(array, where)
        wanted = np.dtype(dtype)
        if self.unscaled and array.dtype == wanted and array.flags.c_contiguous and array.flags.aligned:
            check_finite(array, self.inputs, where)
            return array
        x = np.empty(array.shape, wanted)
        shift = np.array([column.shift for column in self.columns])
        scale = np.array([column.scale for column in self.columns])
        for start in range(0, len(array), BLOCK):
            block = np.asarray(array[start : start + BLOCK], np.float64)
            check_finite(block, self.inputs, where, start)
            with np.errstate(over="ignore"):
                x[start : start + BLOCK] = (block - shift) / scale
            words = f"is beyond the range of {wanted.name}"
            check_finite(x[start : start + BLOCK], self.inputs, where, start, words)
        return x

    def _cut(self, array: Array, where: str) -> Table:
        array = self._shaped(array, where)
        columns = {name: Column.of(array[:, i]) for i, name in enumerate(self.inputs)}
        return Table(columns, where)

    def _shaped(self, array: Array, where: str) -> Array:
        """Return an array as one of two dimensions with a column for each of `inputs`."""
        n, named = len(self.columns), f"{where or 'the array'} has the shape {array.shape}"
        if array.ndim == 1 and n == 1:
            return array[:, None]
        if array.ndim != 2 or array.shape[1] != n:
            hint = f"the columns are {listed(self.inputs)}"
            raise DataError(f"{named}; (n_samples, {n}) is needed", hint=hint)
        return array

    def transform_targets(self, y: Array, dtype: npt.DTypeLike = np.float64) -> Array:
        """Return targets as the network sees them."""
        if self.target_scale:
            y = (y - np.array(self.target_shift)) / np.array(self.target_scale)
        with np.errstate(over="ignore"):
            return y.astype(dtype, copy=False)

    def inverse_targets(self, y_hat: Array) -> Array:
        """Return outputs of the network, or targets as it sees them, in their original units."""
        if not self.target_scale:
            return y_hat
        y: Array = np.asarray(y_hat, np.float64) * np.array(self.target_scale) + np.array(self.target_shift)
        return y.astype(np.asarray(y_hat).dtype, copy=False)

    # -- as text ------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return everything as what `json.dumps` takes; floats come back with the same bits."""
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
            For anything that it could not have written.
        """
        top = Entry(data, "preprocessing.json")
        version = top.get("version", int)
        if version != VERSION:
            raise CheckpointError(f"preprocessing.json is of version {version}; this cygd reads {VERSION}")
        entries = [Entry(item, f"inputs[{i}]") for i, item in enumerate(top.get("inputs", list))]
        columns = tuple(entry.input_column() for entry in entries)
        if len({column.column for column in columns}) != len(columns):
            raise CheckpointError("preprocessing.json: inputs names a column twice")
        targets = Entry(top.get("targets", dict), "targets")
        names = tuple(targets.texts("columns"))
        shift, scale = (tuple(targets.floats(key)) for key in ("shift", "scale"))
        if not (len(shift) == len(scale) and len(scale) in (0, len(names))) or 0 in scale:
            raise targets.wrong("shift and scale do not fit the columns")
        return cls(columns, names, tuple(targets.labels("classes") or ()), shift, scale)


class Entry:
    """A mapping of preprocessing.json, read with care."""

    def __init__(self, data: object, where: str) -> None:
        self.where = where
        if not isinstance(data, Mapping):
            raise self.wrong(f"expected a mapping, found {type(data).__name__}")
        self.data = data

    def wrong(self, message: str) -> CheckpointError:
        prefix = "" if self.where == "preprocessing.json" else "preprocessing.json: "
        return CheckpointError(f"{prefix}{self.where}: {message}")

    def get(self, key: str, kind: type, default: Any = ...) -> Any:
        value = self.data.get(key, default)
        if value is ...:
            raise self.wrong(f"the key {key!r} is missing")
        if value is not default and not (isinstance(value, kind) and not isinstance(value, bool)):
            raise self.wrong(f"{key} is {value!r}, not {kind.__name__}")
        return value

    def texts(self, key: str) -> list[str]:
        values: list[str] = self.get(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(f"{key} is {values!r}, not a list of texts")
        return values

    def floats(self, key: str) -> list[float]:
        return [self.float(value, f"{key}[{i}]") for i, value in enumerate(self.get(key, list, []))]

    def float(self, value: object, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(f"{key} is {value!r}, not a finite number")
        return float(value)

    def labels(self, key: str) -> tuple[Label, ...] | None:
        values = self.get(key, list, None)
        if values is None:
            return None
        if not values or len(set(map(str, values))) != len(values):
            raise self.wrong(f"{key} is {values!r}, not a list of different labels")
        return tuple(self.label(value, key) for value in values)

    def label(self, value: object, key: str) -> Label:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.wrong(f"{key}: {value!r} is not a label")
        return value

    def input_column(self) -> InputColumn:
        name, categories = self.get("column", str), self.labels("categories")
        fill = self.get("fill", object, None)
        if fill is not None:
            fill = self.label(fill, "fill")
            if categories is None:
                self.float(fill, "fill")
            elif fill not in categories:
                raise self.wrong(f"fill is {fill!r}, which is none of the categories")
        shift, scale = (self.float(self.data.get(key, default), key) for key, default in SCALING)
        if not scale:
            raise self.wrong("scale is 0")
        return InputColumn(name, categories, fill, shift, scale)


SCALING = (("shift", 0.0), ("scale", 1.0))
