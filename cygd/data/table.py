"""Named columns as a source reads them, before the experiment assigns roles to them.

A column keeps its numbers and its strings side by side: the experiment decides whether it is categorical
(`categorical`), and a column that the experiment does not use may hold anything.

In a categorical column a value that parses as a number *is* that number: 01, 1 and 1.0 are one category.
Labels therefore sort numerically, and a prediction may pass them as strings or as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Dataset, Label, Rows, as_real_array
from cygd.data.formatting import format_location, suggest_name
from cygd.errors import DataError

MISSING_VALUES = frozenset({"", "NA", "NaN", "nan", "null", "?"})


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one column."""

    numbers: npt.NDArray[np.floating[Any]]  # NaN in rows whose value is a string or missing
    string_codes: npt.NDArray[np.int32] | None = (
        None  # indices into `strings`, -1 elsewhere; None: no strings
    )
    strings: tuple[str, ...] = ()  # distinct

    @classmethod
    def from_values(cls, values: object) -> Column:
        """Return a column of numbers and strings; None is missing."""
        array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        if array.dtype.kind in "biuf":
            return cls(array.astype(np.float64))
        reader = ColumnReader()
        numbers, codes = reader.read(["" if value is None else str(value) for value in array.tolist()])
        return cls(numbers, codes, tuple(reader.strings))

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """The rows without a value, as a mask."""
        not_numeric: npt.NDArray[np.bool_] = np.isnan(self.numbers)
        return not_numeric if self.string_codes is None else not_numeric & (self.string_codes < 0)

    @property
    def is_categorical(self) -> bool:
        """Whether more values are strings than numbers."""
        if self.string_codes is None:
            return False
        n_strings = np.count_nonzero(self.string_codes >= 0)
        return bool(n_strings > len(self.numbers) - np.count_nonzero(self.missing) - n_strings)

    @property
    def first_string_row(self) -> int | None:
        """The first row that holds a string, or None."""
        if self.string_codes is None or not (self.string_codes >= 0).any():
            return None
        return int(np.argmax(self.string_codes >= 0))

    def string_at(self, row: int) -> str:
        """Return the string in a row that holds one."""
        return "" if self.string_codes is None else self.strings[self.string_codes[row]]

    def factorize(self) -> tuple[Rows, tuple[Label, ...]]:
        """Return a code per row, -1 if missing, and the sorted labels, numbers before strings."""
        codes = np.full(len(self.numbers), -1, np.int64)
        is_number = ~np.isnan(self.numbers)
        values, codes[is_number] = np.unique(self.numbers[is_number], return_inverse=True)
        labels: list[Label] = [int(value) if value.is_integer() else value for value in values.tolist()]
        if self.string_codes is not None:
            is_string = self.string_codes >= 0
            used = sorted({self.strings[i] for i in np.unique(self.string_codes[is_string])})
            position = {string: len(labels) + i for i, string in enumerate(used)}
            code_of = np.array([position.get(string, -1) for string in self.strings], np.int64)
            codes[is_string] = code_of[self.string_codes[is_string]]
            labels += used
        return codes, tuple(labels)

    def count_labels(self, rows: Rows | None = None) -> dict[Label, int]:
        """Return the sorted labels that occur in the given rows (None: all), with their counts."""
        codes, labels = self.factorize()
        codes = codes if rows is None else codes[rows]
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        return {label: int(count) for label, count in zip(labels, counts, strict=True) if count}

    def take(self, rows: Rows) -> Column:
        """Return the column restricted to some rows."""
        codes = None if self.string_codes is None else self.string_codes[rows]
        return Column(self.numbers[rows], codes, self.strings)


class ColumnReader:
    """Parses the cells of one column, chunk by chunk; `strings` maps each string so far to its code."""

    def __init__(self, decimal: str = ".") -> None:
        self.decimal = decimal
        self.strings: dict[str, int] = {}

    def read(self, cells: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32] | None]:
        """Return the numbers of the next cells, and the codes of their strings if there are any."""
        joined = "\n".join(cells)
        try:
            # most columns are numbers without gaps; float() alone would accept 1_000
            if "_" in joined or (self.decimal != "." and "." in joined):
                raise ValueError
            with_points = cells if self.decimal == "." else [c.replace(self.decimal, ".") for c in cells]
            return np.fromiter(map(float, with_points), np.float64, len(cells)), None
        except ValueError:
            pass
        # most columns repeat a few strings: each distinct cell is parsed once
        parsed = {cell: self.read_cell(cell) for cell in dict.fromkeys(cells)}
        numbers = np.fromiter((parsed[cell][0] for cell in cells), np.float64, len(cells))
        codes = np.fromiter((parsed[cell][1] for cell in cells), np.int32, len(cells))
        return numbers, codes if (codes >= 0).any() else None

    def read_cell(self, cell: str) -> tuple[float, int]:
        """Return a cell's number (NaN if it has none) and the code of its string (-1 if it has none)."""
        cell = cell.strip()
        if cell in MISSING_VALUES:
            return math.nan, -1
        value = parse_number(cell, self.decimal)
        return (math.nan, self.strings.setdefault(cell, len(self.strings))) if value is None else (value, -1)


@dataclass(frozen=True)
class TableFile:
    """A file that a table was read from."""

    first_row: int  # the row of the table that is the file's first
    where: str  # the file's name in messages
    line_number: Callable[[int], int] | None = None  # row of the file -> line, for text files


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length."""

    columns: Mapping[str, Column]
    where: str = ""  # the file or source of the columns in messages
    index: Rows | None = None  # the rows of the source that remain after rows were dropped
    default_names: bool = False  # names are generated (c0, x0, ...): a column may be given by its position
    targets: tuple[str, ...] = ()  # declared by the source, like `categorical`
    categorical: frozenset[str] = frozenset()
    index_columns: tuple[str, ...] = ()  # row names and numbers, which are no inputs unless they are named
    sample_weight: Array | None = None  # if the source returns weights apart from the columns
    files: tuple[TableFile, ...] = ()  # in the order of their rows
    matrix: npt.NDArray[np.float64] | None = None  # the numbers of all columns are its columns, in order
    config_hints: bool = True  # whether hints may name keys of the experiment: False for a prediction

    def __len__(self) -> int:
        return next((len(column.numbers) for column in self.columns.values()), 0)

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        if name not in self.columns:
            where = f"{self.where}: " if self.where else ""
            hint = suggest_name(name, list(self.columns), "columns")
            raise DataError(f"{where}unknown column {name!r}", hint=hint)
        return self.columns[name]

    def location(self, row: int, name: str) -> str:
        """Return the location of a value, as messages begin: file:line, row and column."""
        row = row if self.index is None else int(self.index[row])
        if not self.files:
            return format_location(self.where, row, name)
        file = next(file for file in reversed(self.files) if file.first_row <= row)
        return format_location(file.where, row - file.first_row, name, file.line_number)

    def take(self, rows: Rows) -> Table:
        """Return the table restricted to some rows."""
        return replace(
            self,
            columns={name: column.take(rows) for name, column in self.columns.items()},
            index=rows if self.index is None else self.index[rows],
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
            matrix=None,
        )

    @classmethod
    def from_dataset(cls, data: Dataset, where: str = "", *, with_inputs: bool = True) -> Table:
        """Return the columns of a dataset: inputs and targets, or the targets alone."""
        columns = {}
        if with_inputs:
            x = np.asarray(data.x, np.float64)
            columns = {name: Column(x[:, i]) for i, name in enumerate(data.inputs)}
        targets = tuple(data.targets)
        if data.classes:
            targets = targets if len(targets) == 1 else ("y",)
            columns[targets[0]] = column_of_classes(data.class_indices(), tuple(data.classes))
        else:
            # float32 stays float32 (and memory-mapped); all computation on it is in float64
            single = data.y.dtype == np.float32
            y = np.asarray(data.y) if single else np.asarray(data.y, np.float64)
            columns.update((name, Column(y[:, i])) for i, name in enumerate(targets))
        return cls(
            columns,
            where,
            default_names=True,
            targets=targets,
            categorical=frozenset(targets) if data.classes else frozenset(),
            sample_weight=None if data.sample_weight is None else np.asarray(data.sample_weight, np.float64),
        )

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Table:
        """Return the columns of a mapping or data frame; scalars become one row."""
        columns = {}
        for name in data.keys():  # noqa: SIM118 (iterating over a data frame differs)
            values = data[name]
            if isinstance(values, list | tuple):  # as objects: NumPy would turn 1 and "a" into strings
                values = np.array(values, dtype=object)
            values = np.atleast_1d(values)
            if values.ndim != 1:
                raise DataError(f"column {str(name)!r}: expected one dimension, got the shape {values.shape}")
            columns[str(name)] = Column.from_values(values)
        lengths = {name: len(column.numbers) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise DataError(f"the columns differ in length: {counts}")
        return cls(columns)


def column_of_classes(indices: Rows, labels: tuple[Label, ...]) -> Column:
    """Return the column of the labels that class indices refer to."""
    strings = tuple(label for label in labels if isinstance(label, str))
    numbers = np.array([math.nan if isinstance(label, str) else float(label) for label in labels])
    codes = np.array([strings.index(label) if isinstance(label, str) else -1 for label in labels], np.int32)
    return Column(numbers[indices], codes[indices] if strings else None, strings)


def parse_number(text: str, decimal: str = ".") -> float | None:
    """Return the number that a text represents, or None; unlike `float`, reject 1_000."""
    if "_" in text or (decimal != "." and "." in text):
        return None
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return None


def factorize_labels(values: object, name: str) -> tuple[Array, tuple[Label, ...]]:
    """Return class indices and sorted labels of one column of class numbers or strings."""
    array = np.asarray(values)
    if array.dtype.kind not in "US":
        array = as_real_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name}: expected one column of class labels, got the shape {array.shape}")
    column = Column.from_values(array.astype(str) if array.dtype.kind in "US" else array)
    if column.missing.any():
        raise DataError(f"{name}: row {int(np.argmax(column.missing))} (from 0): the class label is missing")
    return column.factorize()
