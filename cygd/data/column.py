"""One column as a source reads it: numbers and strings side by side, and labels if they are asked for.

The experiment decides whether a column is categorical (`categorical`), and a column that it does not use may
hold anything. In a categorical column a cell that is a number means its exact value: 01, 1 and 1.0 are
one label, in every container. In a column of texts only plain digits are numbers, so that 1E2 may be a name.
Labels sort by value, numbers before strings. True and False, in a column without other texts, are the numbers
1 and 0; the labels of a column that holds nothing else are False and True.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cygd.data.column_kind import ColumnKind, KindCounter, is_text
from cygd.data.containers import convert_values
from cygd.data.dataset import Label, Rows
from cygd.data.known_labels import boolean_word
from cygd.data.numbers import (
    USUAL_CELLS,
    Cell,
    CellFormat,
    as_float,
    float_label,
    infinity_or_nan,
)

QUOTED = "\ufdd0"  # begins a quoted cell whose word is missing without quotes; no text contains it


class CellSource(Protocol):
    """Gives the cells of columns as the source writes them, when labels are asked for."""

    def load(self, columns: Iterable[int]) -> None:
        """Read some columns at once."""

    def cells(self, column: int) -> tuple[Rows, Sequence[Cell]]:
        """Return a code for each row, -1 if missing, and the cell of each code."""


@dataclass(frozen=True, eq=False)
class LoadedCells:
    """The cells of one column that are already known."""

    codes: Rows
    distinct: Sequence[Cell]

    def load(self, columns: Iterable[int]) -> None:
        """Do nothing."""

    def cells(self, column: int = 0) -> tuple[Rows, Sequence[Cell]]:
        """Return codes and cells."""
        return self.codes, self.distinct


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one column."""

    numbers: npt.NDArray[np.floating[Any]]  # NaN in rows whose value is a string or missing
    string_codes: npt.NDArray[np.int32] | None = (
        None  # indices into `strings`, -1 elsewhere; None: no strings
    )
    strings: tuple[str, ...] = ()  # distinct
    source: CellSource | None = None  # of the cells, where numbers and strings do not determine the labels
    position: int = 0  # of the column in its source
    rows: Rows | None = None  # of the source that remain
    of_texts: bool | None = None  # `is_categorical` of the whole column, if only some rows remain
    has_booleans: bool = False  # True and False are among the numbers, as 1 and 0
    is_boolean: bool = False  # and there are no other numbers

    @classmethod
    def from_values(cls, values: object, cell_format: CellFormat = USUAL_CELLS) -> Column:
        """Return a column of numbers and strings; None and NaN are missing."""
        converted = convert_values(values, cell_format)
        if isinstance(converted, np.ndarray):
            return cls.from_array(converted, cell_format.missing_numbers)
        return cls.from_distinct(*converted)

    @classmethod
    def from_array(cls, array: npt.NDArray[Any], missing: Sequence[float] = ()) -> Column:
        """Return a column of numbers or booleans; `missing` are numbers for a missing value.

        Numbers in float64 are not copied, and must not change.
        """
        numbers = array.astype(np.float64, copy=bool(missing))
        if array.dtype.kind == "b":
            cells = LoadedCells(array.astype(np.int64), (Cell("False"), Cell("True")))
            return cls(numbers, source=cells, has_booleans=True, is_boolean=True)
        if missing:
            numbers[np.isin(numbers, missing)] = math.nan
        return cls(numbers, source=integer_cells(array, missing))

    @classmethod
    def from_distinct(cls, codes: Rows, cells: Sequence[Cell], kind: ColumnKind | None = None) -> Column:
        """Return the column of some cells; a code of -1 is missing. `kind` is as for `from_cells`."""
        return cls.from_cells(*separate_strings(codes, cells), LoadedCells(codes, cells), kind=kind)

    @classmethod
    def from_cells(
        cls,
        numbers: npt.NDArray[np.float64],
        codes: npt.NDArray[np.int32] | None,
        strings: Sequence[str],
        source: CellSource | None = None,
        position: int = 0,
        kind: ColumnKind | None = None,
    ) -> Column:
        """Return the column of the cells that a `ColumnReader` read; the numbers are changed in place.

        In a column of numbers the words of pandas' list are missing, inf is infinite, and True and False are
        1 and 0 if there are no other texts. For some rows of a column `kind` is that of the whole one.
        """
        of_texts = None if kind is None else kind.is_categorical
        column = cls(numbers, codes, tuple(strings), source, position, of_texts=of_texts)
        if kind is None:
            if codes is None:
                return column
            counter = KindCounter()
            counter.add(numbers, codes, strings)
            kind = counter.kind
        has_booleans, is_boolean = kind.has_booleans, kind.is_boolean
        if codes is None:
            return replace(column, has_booleans=has_booleans, is_boolean=is_boolean)
        if not has_booleans and kind.is_categorical:
            return column
        values = [(number_of_word if has_booleans else infinity_or_nan)(word) for word in column.strings]
        is_word = np.array([*(value is not None for value in values), False])[codes]
        if not is_word.any():
            return replace(column, has_booleans=has_booleans, is_boolean=is_boolean)
        if has_booleans and source is None:  # the words are the labels
            source = LoadedCells(codes.astype(np.int64), [*map(Cell, column.strings)])
        by_code = np.array([0.0 if value is None else value for value in values])
        numbers[is_word] = by_code[codes[is_word]]
        codes = np.where(is_word, np.int32(-1), codes)
        codes = codes if (codes >= 0).any() else None
        return cls(numbers, codes, column.strings, source, position, None, of_texts, has_booleans, is_boolean)

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """The rows without a value, as a mask."""
        not_numeric: npt.NDArray[np.bool_] = np.isnan(self.numbers)
        return not_numeric if self.string_codes is None else not_numeric & (self.string_codes < 0)

    @cached_property
    def string_counts(self) -> dict[str, int]:
        """The strings that occur, with their numbers of rows."""
        if self.string_codes is None:
            return {}
        counts = np.bincount(self.string_codes[self.string_codes >= 0], minlength=len(self.strings))
        return {self.strings[i]: int(counts[i]) for i in np.flatnonzero(counts)}

    @cached_property
    def is_categorical(self) -> bool:
        """Whether more values are texts than numbers; words that may mean a missing value are neither."""
        if self.of_texts is not None:
            return self.of_texts
        if self.string_codes is None:
            return False
        n_numbers = np.count_nonzero(~np.isnan(self.numbers))
        if not n_numbers:
            return any(infinity_or_nan(text) is None for text in self.strings)
        return bool(sum(count for text, count in self.string_counts.items() if is_text(text)) > n_numbers)

    @property
    def first_string_row(self) -> int | None:
        """The first row that holds a string, or None; other strings come before True and False."""
        if self.string_codes is None or not (self.string_codes >= 0).any():
            return None
        is_other = np.array([*(boolean_word(text) is None for text in self.strings), False])
        is_string = is_other[self.string_codes]
        return int(np.argmax(is_string if is_string.any() else self.string_codes >= 0))

    def string_at(self, row: int) -> str:
        """Return the string in a row that holds one."""
        return "" if self.string_codes is None else self.strings[self.string_codes[row]]

    def string_of_row(self, row: int) -> str:
        """Return the string in a row, or "" if it holds none."""
        return self.string_at(row) if self.string_codes is not None and self.string_codes[row] >= 0 else ""

    def count_string(self, text: str) -> int:
        """Return the number of rows that hold a string."""
        return self.string_counts.get(text, 0)

    def cells(self) -> tuple[Rows, Sequence[Cell]]:
        """Return a code for each row, -1 if missing, and the cell of each code; some may not occur."""
        if self.source is not None:
            codes, cells = self.source.cells(self.position)
            return codes if self.rows is None else codes[self.rows], cells
        codes = np.full(len(self.numbers), -1, np.int64)
        is_number = ~np.isnan(self.numbers)
        values, codes[is_number] = np.unique(self.numbers[is_number], return_inverse=True)
        cells = [Cell(None, float_label(value)) for value in values.tolist()]
        if self.string_codes is not None:
            is_string = self.string_codes >= 0
            codes[is_string] = len(cells) + self.string_codes[is_string]
            cells += [Cell(text) for text in self.strings]
        return codes, cells

    def label(self, cell: Cell) -> Label | None:
        """Return the label of one of the column's cells, or None for a missing value."""
        boolean = boolean_word(cell.text) if self.has_booleans else None
        if boolean is not None and not cell.is_missing:
            return str(boolean) if self.is_boolean else int(boolean)
        return cell.label(among_texts=self.is_categorical)

    def factorize(self) -> tuple[Rows, tuple[Label, ...]]:
        """Return a code per row, -1 if missing, and the sorted labels, numbers before strings."""
        codes, cells = self.cells()
        used = np.unique(codes[codes >= 0]).tolist()
        labels = {i: self.label(cells[i]) for i in used}
        # by its text: a label must be found again in preprocessing.json
        distinct: dict[str, Label] = {label: label for label in labels.values() if isinstance(label, str)}
        distinct |= {str(label): label for label in labels.values() if not isinstance(label, str | None)}
        ordered = sorted(distinct.values(), key=lambda label: (isinstance(label, str), label))
        position = {str(label): i for i, label in enumerate(ordered)}
        index = np.full(len(cells) + 1, -1, np.int64)
        for i, label in labels.items():
            index[i] = -1 if label is None else position[str(label)]
        return index[codes], tuple(ordered)

    def count_labels(self, rows: Rows | None = None) -> dict[Label, int]:
        """Return the sorted labels that occur in the given rows (None: all), with their counts."""
        codes, labels = self.factorize()
        codes = codes if rows is None else codes[rows]
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        return {label: int(count) for label, count in zip(labels, counts, strict=True) if count}

    def merged_spellings(self) -> dict[Label, list[str]]:
        """Return the texts of each label that is written in several ways."""
        if self.source is None:
            return {}
        codes, cells = self.cells()
        spellings: dict[Label, list[str]] = {}
        for i in np.unique(codes[codes >= 0]).tolist():
            cell = cells[i]
            label = self.label(cell)
            if label is not None and cell.text is not None and cell.text not in spellings.get(label, ()):
                spellings.setdefault(label, []).append(cell.text)
        return {label: texts for label, texts in spellings.items() if len(texts) > 1}

    def take(self, rows: Rows) -> Column:
        """Return the column restricted to some rows."""
        selected = None
        if self.source is not None:
            selected = rows if self.rows is None else self.rows[rows]
        codes = None if self.string_codes is None else self.string_codes[rows]
        return replace(
            self,
            numbers=self.numbers[rows],
            string_codes=codes,
            rows=selected,
            of_texts=self.is_categorical,
        )


@dataclass(frozen=True, eq=False)
class IntegerCells:
    """The cells of an array of integers, one column or several, that float64 cannot hold."""

    array: npt.NDArray[np.integer[Any]]
    missing: Sequence[float] = ()  # numbers for a missing value

    def load(self, columns: Iterable[int]) -> None:
        """Do nothing."""

    def cells(self, column: int = 0) -> tuple[Rows, Sequence[Cell]]:
        """Return codes and cells."""
        values = self.array if self.array.ndim == 1 else self.array[:, column]
        distinct, codes = np.unique(values, return_inverse=True)
        cells = [Cell(None, value, value in self.missing) for value in distinct.tolist()]
        is_missing = np.array([cell.is_missing for cell in cells], bool)
        codes = codes.reshape(-1)
        return np.where(is_missing[codes], -1, codes), cells


def separate_strings(
    codes: Rows, cells: Sequence[Cell]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32] | None, tuple[str, ...]]:
    """Return the numbers, the codes of the strings and the strings of some cells."""
    strings: dict[str, int] = {}
    numbers, string_codes = np.full(len(cells) + 1, np.nan), np.full(len(cells) + 1, -1, np.int32)
    for i, cell in enumerate(cells):
        if cell.is_missing:
            continue
        if cell.number is not None:
            numbers[i] = as_float(cell.number)
        elif cell.text is not None:
            string_codes[i] = strings.setdefault(cell.text, len(strings))
    return numbers[codes], string_codes[codes] if strings else None, tuple(strings)


def number_of_word(word: str) -> float | None:
    """Return the number that a word is in a column of numbers, or None: inf, NaN for N/A, 1 for True."""
    boolean = boolean_word(word)
    return infinity_or_nan(word) if boolean is None else float(boolean)


def integer_cells(array: npt.NDArray[Any], missing: Sequence[float] = ()) -> IntegerCells | None:
    """Return the cells of an array if it holds integers beyond those of float64."""
    if array.dtype.kind not in "iu" or array.itemsize < 8 or not array.size:
        return None
    is_large = max(int(array.max()), -int(array.min())) > 2**53
    return IntegerCells(array, missing) if is_large else None


class ColumnReader:
    """Parses the cells of one column, chunk by chunk; `strings` maps each string so far to its code."""

    def __init__(self, cell_format: CellFormat | None = None) -> None:
        self.format = cell_format or CellFormat()
        self.strings: dict[str, int] = {}
        self.n_characters = 0  # of the chunks that had new strings

    def read(self, cells: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32] | None]:
        """Return the numbers of the next cells, and the codes of their strings if there are any."""
        joined, decimal = "\n".join(cells), self.format.decimal
        try:
            # most columns are numbers without gaps; float() alone would accept 1_000
            if "_" in joined or (decimal != "." and "." in joined):
                raise ValueError
            with_points = cells if decimal == "." else [c.replace(decimal, ".") for c in cells]
            numbers = np.fromiter(map(float, with_points), np.float64, len(cells))
            if np.isfinite(numbers).all():
                if self.format.missing_numbers:
                    numbers[np.isin(numbers, self.format.missing_numbers)] = math.nan
                return numbers, None
        except ValueError:
            pass
        # most columns repeat a few strings: each distinct cell is parsed once
        n_strings = len(self.strings)
        parsed = {cell: self.read_cell(cell) for cell in dict.fromkeys(cells)}
        self.n_characters += len(joined) if len(self.strings) > n_strings else 0
        numbers = np.fromiter((parsed[cell][0] for cell in cells), np.float64, len(cells))
        codes = np.fromiter((parsed[cell][1] for cell in cells), np.int32, len(cells))
        return numbers, codes if (codes >= 0).any() else None

    def read_cell(self, cell: str) -> tuple[float, int]:
        """Return a cell's number (NaN if it has none) and the code of its string (-1 if it has none)."""
        text = cell.removeprefix(QUOTED).strip()
        if text == cell.strip() and text in self.format.missing:
            return math.nan, -1
        value = self.format.parse(text)
        if value is None or not math.isfinite(value):
            return math.nan, self.strings.setdefault(text, len(self.strings))
        return (math.nan if value in self.format.missing_numbers else value), -1


def read_text_cell(cell: str, cell_format: CellFormat) -> Cell:
    """Return what a cell of a text file holds."""
    text = cell.removeprefix(QUOTED).strip()
    return cell_format.cell(text, quoted=cell.startswith(QUOTED) and bool(text))
