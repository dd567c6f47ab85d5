"""Named columns as a source reads them, before the experiment assigns roles to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.column import CellSource, Column, LoadedCells, integer_cells
from cygd.data.containers import is_declared_categorical, named_columns
from cygd.data.dataset import Array, Dataset, Label, Rows, as_real_array
from cygd.data.formatting import format_location, suggest_delimiter, suggest_name
from cygd.data.numbers import USUAL_CELLS, Cell, CellFormat, as_float
from cygd.errors import DataError


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
    number_texts: frozenset[str] = frozenset()  # columns whose type is text, though all values are numbers
    index_columns: tuple[str, ...] = ()  # row names and numbers, which are inputs only if they are named
    sample_weight: Array | None = None  # if the source returns weights apart from the columns
    files: tuple[TableFile, ...] = ()  # in the order of their rows
    matrix: npt.NDArray[np.float64] | None = None  # the numbers of all columns are its columns, in order
    config_hints: bool = True  # whether hints may name keys of the experiment: False for a prediction

    def __len__(self) -> int:
        return next((len(column.numbers) for column in self.columns.values()), 0)

    @property
    def is_text(self) -> bool:
        """Whether the cells come from a text file, whose options say how they are written."""
        return any(file.line_number is not None for file in self.files)

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        if name not in self.columns:
            where = f"{self.where}: " if self.where else ""
            known = list(self.columns)
            hint = suggest_delimiter(known) or suggest_name(name, known, "columns")
            raise DataError(f"{where}unknown column {name!r}", hint=hint)
        return self.columns[name]

    def location(self, row: int, name: str) -> str:
        """Return the location of a value, as messages begin: file:line, row and column."""
        row = row if self.index is None else int(self.index[row])
        if not self.files:
            return format_location(self.where, row, name)
        file = next(file for file in reversed(self.files) if file.first_row <= row)
        return format_location(file.where, row - file.first_row, name, file.line_number)

    def value_text(self, row: int, name: str) -> str:
        """Return a value as its file writes it, or else as Python does."""
        codes, cells = self.column(name).cells()
        if codes[row] < 0:
            return "a missing value"
        text, number = cells[codes[row]][:2]
        return str(number) if text is None else text

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
            source = integer_cells(np.asarray(data.x))
            columns = {name: Column(x[:, i], source=source, position=i) for i, name in enumerate(data.inputs)}
        targets = tuple(data.targets)
        if data.classes:
            targets = targets if len(targets) == 1 else ("y",)
            columns[targets[0]] = column_of_classes(data.class_indices(), tuple(data.classes))
        else:
            # float32 stays float32 (and memory-mapped); all computation on it is in float64
            single = data.y.dtype == np.float32
            y = np.asarray(data.y) if single else np.asarray(data.y, np.float64)
            source = integer_cells(np.asarray(data.y))
            columns.update(
                (name, Column(y[:, i], source=source, position=i)) for i, name in enumerate(targets)
            )
        return cls(
            columns,
            where,
            default_names=True,
            targets=targets,
            categorical=frozenset(targets) if data.classes else frozenset(),
            sample_weight=None if data.sample_weight is None else np.asarray(data.sample_weight, np.float64),
        )

    @classmethod
    def from_mapping(
        cls,
        data: Mapping[str, Any],
        names: Sequence[str] | None = None,
        cell_format: CellFormat = USUAL_CELLS,
    ) -> Table:
        """Return the columns of a mapping, a data frame or an Arrow table; scalars become one row.

        Columns other than `names` (None: all) are left out, whatever they hold.
        """
        values = named_columns(data)
        for name in names or ():
            if name.strip() not in values:
                raise DataError(f"unknown column {name!r}", hint=hint_for_missing(name, values, data))
        selected = {name: values[name.strip()] for name in (values if names is None else names)}
        columns = {name: column_of_values(name, column, cell_format) for name, column in selected.items()}
        lengths = {name: len(column.numbers) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise DataError(f"the columns differ in length: {counts}")
        declared = frozenset(name for name, column in selected.items() if is_declared_categorical(column))
        texts = (
            name for name, column in columns.items() if name not in declared and holds_number_texts(column)
        )
        return cls(columns, categorical=declared, number_texts=frozenset(texts))


def hint_for_missing(name: str, values: Mapping[str, Any], data: Any) -> str:
    """Return a hint for a column that a mapping or a data frame lacks, which may be the index of pandas."""
    if name in getattr(getattr(data, "index", None), "names", ()):
        return f"{name!r} is the index of the data frame: call .reset_index()"
    return suggest_name(name, list(values), "columns")


def holds_number_texts(column: Column) -> bool:
    """Return True for a column of numbers all of which are texts, as in a data frame of strings."""
    if not isinstance(column.source, LoadedCells) or column.has_booleans or column.is_categorical:
        return False
    codes, cells = column.cells()
    used = np.unique(codes[codes >= 0]).tolist()
    return bool(used) and all(cells[i].text is not None for i in used)


def column_of_values(name: str, values: Any, cell_format: CellFormat = USUAL_CELLS) -> Column:
    """Return the column of an array, a list, or the column of a data frame; a scalar is one row."""
    shape = values.shape if isinstance(values, np.ndarray) else ()
    if isinstance(values, list | tuple) and values and isinstance(values[0], list | tuple):
        shape = (len(values), len(values[0]))
    if len(shape) > 1:
        raise DataError(f"column {name!r}: expected one dimension, got the shape {shape}")
    try:
        return Column.from_values(values, cell_format)
    except DataError as error:
        raise DataError(f"column {name!r}: {error.message}", hint=error.hint) from None


def load_cells(table: Table, names: Iterable[str]) -> None:
    """Read the cells of some columns at once, whose labels are needed."""
    by_source: dict[CellSource, list[int]] = {}
    for column in (table.columns[name] for name in names if name in table.columns):
        if column.source is not None:
            by_source.setdefault(column.source, []).append(column.position)
    for source, positions in by_source.items():
        source.load(positions)


def column_of_classes(indices: Rows, labels: tuple[Label, ...]) -> Column:
    """Return the column of the labels that class indices refer to."""
    strings = tuple(label for label in labels if isinstance(label, str))
    numbers = np.array([math.nan if isinstance(label, str) else as_float(label) for label in labels])
    codes = np.array([strings.index(label) if isinstance(label, str) else -1 for label in labels], np.int32)
    cells = [Cell(label) if isinstance(label, str) else Cell(None, label) for label in labels]
    return Column(
        numbers[indices],
        codes[indices] if strings else None,
        strings,
        LoadedCells(indices, cells),
        of_texts=True,
    )


def factorize_labels(values: object, name: str) -> tuple[Array, tuple[Label, ...]]:
    """Return class indices and sorted labels of one column of class numbers or strings."""
    array = np.asarray(values)
    if array.dtype.kind not in "US":
        array = as_real_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name}: expected one column of class labels, got the shape {array.shape}")
    try:
        column = Column.from_values(array)
    except DataError as error:
        raise DataError(f"{name}: {error.message}", hint=error.hint) from None
    codes, labels = column.factorize()
    if (codes < 0).any():
        raise DataError(f"{name}: row {int(np.argmax(codes < 0))} (from 0): the class label is missing")
    return codes, labels
