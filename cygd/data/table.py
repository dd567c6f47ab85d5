"""Named columns as they were read, before anybody decided what they mean.

A column keeps its numbers and its texts side by side: whether it is categorical depends on the
experiment (`categorical`), and a column that the experiment does not use may hold anything.

In a categorical column a value that reads as a number *is* that number: 01, 1 and 1.0 are one
category. So labels sort as a reader expects, and are found again whether a prediction gives them as
text or as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.dataset import Array, Dataset, Label, Rows, real_array
from cygd.errors import DataError, did_you_mean

__all__ = ["MISSING", "Column", "ColumnReader", "Source", "Table", "label_array", "listed", "number", "place"]

MISSING = frozenset({"", "NA", "NaN", "nan", "null", "?"})


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one column: a number per row, NaN where there is none, and codes of texts.

    `texts` holds an index into `words`, -1 where the value is a number or missing; None when the
    whole column has no text.
    """

    numbers: npt.NDArray[np.floating[Any]]
    texts: npt.NDArray[np.int32] | None = None
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: object) -> Column:
        """Return the column of a sequence of numbers and texts; None is missing."""
        array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        if array.dtype.kind in "biuf":
            return cls(array.astype(np.float64))
        reader = ColumnReader()
        numbers, texts = reader.read(["" if value is None else str(value) for value in array.tolist()])
        return cls(numbers, texts, tuple(reader.words))

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Whether each row has no value."""
        absent: npt.NDArray[np.bool_] = np.isnan(self.numbers)
        return absent if self.texts is None else absent & (self.texts < 0)

    @property
    def categorical(self) -> bool:
        """Whether it is a column of texts: more of its values are texts than numbers."""
        if self.texts is None:
            return False
        n_texts = np.count_nonzero(self.texts >= 0)
        return bool(n_texts > len(self.numbers) - np.count_nonzero(self.missing) - n_texts)

    @property
    def first_text(self) -> int | None:
        """The first row that holds a text, or None."""
        if self.texts is None or not (self.texts >= 0).any():
            return None
        return int(np.argmax(self.texts >= 0))

    def text(self, row: int) -> str:
        """Return the text of a row that holds one."""
        return "" if self.texts is None else self.words[self.texts[row]]

    def labels(self) -> tuple[Rows, tuple[Label, ...]]:
        """Return a code per row, -1 where missing, and the labels: numbers, then texts, both sorted."""
        codes = np.full(len(self.numbers), -1, np.int64)
        present = ~np.isnan(self.numbers)
        values, codes[present] = np.unique(self.numbers[present], return_inverse=True)
        labels: list[Label] = [plain(value) for value in values.tolist()]
        if self.texts is not None:
            is_text = self.texts >= 0
            used = sorted({self.words[i] for i in np.unique(self.texts[is_text])})
            place = {word: len(labels) + i for i, word in enumerate(used)}
            code_of = np.array([place.get(word, -1) for word in self.words], np.int64)
            codes[is_text] = code_of[self.texts[is_text]]
            labels += used
        return codes, tuple(labels)

    def take(self, rows: Rows) -> Column:
        """Return the column of some rows."""
        texts = None if self.texts is None else self.texts[rows]
        return Column(self.numbers[rows], texts, self.words)


class ColumnReader:
    """Reads the cells of one column, chunk by chunk; `words` are the texts so far, with their codes."""

    def __init__(self, decimal: str = ".") -> None:
        self.decimal = decimal
        self.words: dict[str, int] = {}

    def read(self, cells: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32] | None]:
        """Return the numbers of the next cells, and the codes of their texts where they have any."""
        joined = "\n".join(cells)
        try:
            # most columns are numbers without gaps; float() alone would accept 1_000
            if "_" in joined or (self.decimal != "." and "." in joined):
                raise ValueError
            plain = cells if self.decimal == "." else [cell.replace(self.decimal, ".") for cell in cells]
            return np.fromiter(map(float, plain), np.float64, len(cells)), None
        except ValueError:
            pass
        # a text is mostly one of a few: each is looked at once
        known = {cell: self.cell(cell) for cell in dict.fromkeys(cells)}
        numbers = np.fromiter((known[cell][0] for cell in cells), np.float64, len(cells))
        codes = np.fromiter((known[cell][1] for cell in cells), np.int32, len(cells))
        return numbers, codes if (codes >= 0).any() else None

    def cell(self, cell: str) -> tuple[float, int]:
        """Return a cell's number (NaN when it is none) and the code of its text (-1 when it is none)."""
        text = cell.strip()
        if text in MISSING:
            return math.nan, -1
        value = number(text, self.decimal)
        return (math.nan, self.words.setdefault(text, len(self.words))) if value is None else (value, -1)


@dataclass(frozen=True)
class Source:
    """A file of several that a table was read from.

    Parameters
    ----------
    start : int
        Its first row.
    where : str
        Its name, for messages.
    line : callable, optional
        Tells the line of a row of its own, where it has lines.
    """

    start: int
    where: str
    line: Callable[[int], int] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length.

    Parameters
    ----------
    columns : mapping of str to Column
    where : str
        The file they come from, for messages.
    line : callable, optional
        Tells a row's line in that file; it is asked for messages only.
    index : array of int64, optional
        The rows of the source that are left, once some were dropped.
    numbered : bool
        Whether the names were made up (c0, x0, ...), so that a position may stand for a name.
    targets, categorical : frozenset of str
        Columns that the source itself says are targets, or categories.
    weights : array, optional
        Weights of the rows that came beside the columns.
    sources : tuple of Source
        The files, where there are several.
    matrix : array of shape (n_rows, n_columns), optional
        The one array that all columns' numbers are views of, in their order.
    advise : bool
        Whether there is an experiment that could still be told something else about them.
    """

    columns: Mapping[str, Column]
    where: str = ""
    line: Callable[[int], int] | None = None
    index: Rows | None = None
    numbered: bool = False
    targets: tuple[str, ...] = ()
    categorical: frozenset[str] = field(default_factory=frozenset)
    weights: Array | None = None
    sources: tuple[Source, ...] = ()
    matrix: npt.NDArray[np.float64] | None = None
    advise: bool = True

    def __len__(self) -> int:
        return next((len(column.numbers) for column in self.columns.values()), 0)

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        if name not in self.columns:
            known = list(self.columns)
            hint = did_you_mean(name, known) or f"there are {listed(known)}"
            where = f"{self.where}: " if self.where else ""
            raise DataError(f"{where}there is no column {name!r}", hint=hint)
        return self.columns[name]

    def place(self, row: int, name: str) -> str:
        """Return where a value stands, as messages begin: file:line, row and column."""
        row = row if self.index is None else int(self.index[row])
        if not self.sources:
            return place(self.where, row, name, self.line)
        source = [source for source in self.sources if source.start <= row][-1]
        return place(source.where, row - source.start, name, source.line)

    def take(self, rows: Rows) -> Table:
        """Return the table of some rows."""
        return replace(
            self,
            columns={name: column.take(rows) for name, column in self.columns.items()},
            index=rows if self.index is None else self.index[rows],
            weights=None if self.weights is None else self.weights[rows],
            matrix=None,
        )

    @classmethod
    def of_dataset(cls, data: Dataset, where: str = "", *, with_inputs: bool = True) -> Table:
        """Return the columns of a dataset; without inputs only its targets."""
        columns = {}
        if with_inputs:
            x = np.asarray(data.x, np.float64)
            columns = {name: Column(x[:, i]) for i, name in enumerate(data.inputs)}
        targets = tuple(data.targets)
        if data.classes:
            targets = targets if len(targets) == 1 else ("y",)
            columns[targets[0]] = class_column(data.class_indices(), tuple(data.classes))
        else:
            # float32 stays as it is, mapped if it is mapped: what is computed of it is computed in double
            single = data.y.dtype == np.float32
            y = np.asarray(data.y) if single else np.asarray(data.y, np.float64)
            columns.update((name, Column(y[:, i])) for i, name in enumerate(targets))
        return cls(
            columns,
            where,
            numbered=True,
            targets=targets,
            categorical=frozenset(targets) if data.classes else frozenset(),
            weights=None if data.sample_weight is None else np.asarray(data.sample_weight, np.float64),
        )

    @classmethod
    def of_mapping(cls, data: Mapping[str, Any]) -> Table:
        """Return the columns of a mapping (or a data frame); single values are one row."""
        columns = {}
        for name in data.keys():  # noqa: SIM118 (a data frame is not iterated by its keys)
            values = data[name]
            if isinstance(values, list | tuple):  # as objects, or NumPy would make 1 and "a" both texts
                values = np.array(values, dtype=object)
            values = np.atleast_1d(values)
            if values.ndim != 1:
                raise DataError(f"column {str(name)!r} has the shape {values.shape}; it needs one dimension")
            columns[str(name)] = Column.of(values)
        lengths = {name: len(column.numbers) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            raise DataError(f"the columns differ in length: {counts}")
        return cls(columns)


def class_column(indices: Rows, labels: tuple[Label, ...]) -> Column:
    """Return the column of labels that class indices stand for."""
    words = tuple(label for label in labels if isinstance(label, str))
    numbers = np.array([math.nan if isinstance(label, str) else float(label) for label in labels])
    texts = np.array([words.index(label) if isinstance(label, str) else -1 for label in labels], np.int32)
    return Column(numbers[indices], texts[indices] if words else None, words)


def place(where: str, row: int, name: str, line: Callable[[int], int] | None = None) -> str:
    """Return where a value stands; rows count from 1 in a file with lines and from 0 in an array."""
    if line is not None:
        return f"{where}:{line(row)}: row {row + 1}, column {name!r}"
    return f"{where + ': ' if where else ''}row {row} (from 0), column {name!r}"


def listed(names: Iterable[object], most: int = 8) -> str:
    """Return names in a row, the first ones where there are many.

    Examples
    --------
    >>> listed("abc", most=2)
    'a, b, ...'
    """
    words = [str(name) for name in names]
    return ", ".join(words[:most] + ["..."] * (len(words) > most)) or "none"


def number(text: str, decimal: str = ".") -> float | None:
    """Return the number that a text reads as, or None.

    Examples
    --------
    >>> number(" 1e-3"), number("1_000"), number("one"), number("2,5", ",")
    (0.001, None, None, 2.5)
    """
    if "_" in text or (decimal != "." and "." in text):
        return None
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return None


def plain(value: float) -> Label:
    """Return a whole number as int."""
    return int(value) if value.is_integer() else value


def label_array(values: object, name: str) -> tuple[Array, tuple[Label, ...]]:
    """Return class indices and labels of an array of class numbers or texts of one column."""
    array = np.asarray(values)
    if array.dtype.kind not in "US":
        array = real_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name} has the shape {array.shape}; class labels are one column")
    column = Column.of(array.astype(str) if array.dtype.kind in "US" else array)
    if column.missing.any():
        raise DataError(f"{name}: row {int(np.argmax(column.missing))} (from 0) has no class label")
    return column.labels()
