"""Reading of text files of columns block by block, in the memory of one block.

What a cell means depends on the other cells of its column: whether True is a number, or N/A a label. So the
files are read twice: once for the kinds of the columns, which finds all errors too, and once for the values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data.column import Column, ColumnReader
from cygd.data.column_kind import ColumnKind, KindCounter
from cygd.data.numbers import CellFormat
from cygd.data.sources.csv import csv_format_of
from cygd.data.sources.csv_cells import CsvCells
from cygd.data.sources.csv_reader import (
    iterate_cells,
    names_of_columns,
    read_files,
    read_heads,
    warn_about_row_names,
)
from cygd.data.sources.csv_records import CsvFormat
from cygd.data.sources.csv_warnings import TOTAL, warn_about_totals
from cygd.data.sources.paths import format_files
from cygd.data.sources.table_blocks import Names, TableBlocks, changed_error
from cygd.data.table import Table


def csv_blocks(folder: Path, *, path: str, **options: Any) -> TableBlocks:
    """Return the rows of CSV files in blocks; the options are those of `load_csv`."""
    csv_format = csv_format_of(**options)
    paths, heads = read_heads(folder, path, csv_format)
    counts = ColumnCounts(len(heads[0].names), csv_format.cells)
    files = read_files(paths, heads, csv_format, counts)
    columns = counts.columns
    names = names_of_columns(files[0], [column.first_row for column in columns], heads[0], csv_format)
    where = format_files(paths)
    warn_about_row_names(where, names, heads[0], csv_format)
    table = Table({}, where, default_names=not csv_format.header, index_columns=heads[0].index, files=files)
    named = {name: column for name, column in zip(names, columns, strict=True) if name}
    warn_about_totals(table, named, counts.n_rows)
    kinds = [column.counter.kind for column in columns]
    file_paths = [file.absolute() for file in paths]
    read = partial(_read_blocks, file_paths, csv_format, table, names, kinds)
    return TableBlocks(counts.n_rows, table.default_names, read)


def _read_blocks(
    paths: Sequence[Path],
    csv_format: CsvFormat,
    table: Table,  # without columns
    names: Sequence[str],
    kinds: Sequence[ColumnKind],
    n_rows: int,
    wanted: Names,
) -> Iterator[Table]:
    """Yield tables of up to `n_rows` rows."""
    records, start = iterate_cells(paths, csv_format), 0
    while rows := list(islice(records, n_rows)):
        if any(len(cells) != len(names) for cells in rows):
            raise changed_error()
        source = CsvCells(partial(iter, rows), csv_format.cells)
        source.n_rows = len(rows)
        empty = Column(np.full(len(rows), np.nan))
        columns = {
            name: _read_column(rows, i, csv_format.cells, source, kinds[i])
            if wanted is None or name in wanted
            else empty
            for i, name in enumerate(names)
            if name
        }
        index = np.arange(start, start + len(rows))
        start += len(rows)
        yield Table(
            columns,
            table.where,
            index,
            default_names=table.default_names,
            index_columns=table.index_columns,
            files=table.files,
        )


def _read_column(
    rows: Sequence[Sequence[str]], i: int, cell_format: CellFormat, source: CsvCells, kind: ColumnKind
) -> Column:
    reader = ColumnReader(cell_format)
    numbers, codes = reader.read([cells[i] for cells in rows])
    given = source if kind.has_numbers else None
    return Column.from_cells(numbers, codes, tuple(reader.strings), given, i, kind)


@dataclass
class StringsOfColumn:
    """What is kept of a column in the first reading."""

    counter: KindCounter = field(default_factory=KindCounter)
    first_row: int | None = None  # with a value
    totals: Counter[str] = field(default_factory=Counter)  # labels such as Total
    ends: dict[int, str] = field(default_factory=dict)  # the strings in first and last rows of files

    def string_of_row(self, row: int) -> str:
        """Return the string in the first or last row of a file, or "" if it holds none."""
        return self.ends.get(row, "")

    def count_string(self, text: str) -> int:
        """Return the number of rows that hold a label such as Total."""
        return self.totals[text]

    def copy(self) -> StringsOfColumn:
        """Return a copy that counts on its own."""
        counter = KindCounter(**vars(self.counter))
        return StringsOfColumn(counter, self.first_row, Counter(self.totals), dict(self.ends))


class ColumnCounts:
    """Takes the rows of files, as `ColumnValues`, and keeps what they decide instead of the values."""

    def __init__(self, n_columns: int, cell_format: CellFormat) -> None:
        self.n_columns, self.format = n_columns, cell_format
        self.n_rows = self.first_row = 0  # all rows so far, and before the file that is read
        self.columns = [StringsOfColumn() for _ in range(n_columns)]
        self.before: list[StringsOfColumn] = []  # the counts when the file began

    def begin(self, where: str) -> None:
        """Expect the rows of a file."""
        self.before = [column.copy() for column in self.columns]
        self.first_row = self.n_rows

    def truncate(self, n_rows: int) -> None:
        """Forget the rows of the file that began last."""
        self.n_rows = n_rows
        self.columns = [column.copy() for column in self.before]

    def append(self, chunk: npt.NDArray[np.float64], cells: Mapping[int, Sequence[str]]) -> None:
        """Count the values of some rows."""
        if self.format.missing_numbers:
            chunk[np.isin(chunk, self.format.missing_numbers)] = np.nan
        for i, column in enumerate(self.columns):
            numbers, codes, strings = chunk[:, i], None, tuple[str, ...]()
            if i in cells:
                reader = ColumnReader(self.format)  # of its own: a column may have any number of strings
                numbers, codes = reader.read(cells[i])
                strings = tuple(reader.strings)
            self._count(column, numbers, codes, strings)
        self.n_rows += len(chunk)

    def _count(
        self,
        column: StringsOfColumn,
        numbers: npt.NDArray[np.float64],
        codes: npt.NDArray[np.int32] | None,
        strings: Sequence[str],
    ) -> None:
        column.counter.add(numbers, codes, strings)
        if column.first_row is None:
            present = ~np.isnan(numbers) if codes is None else ~np.isnan(numbers) | (codes >= 0)
            column.first_row = self.n_rows + int(np.argmax(present)) if present.any() else None
        first, last = self.n_rows, self.n_rows + len(numbers) - 1
        if first > self.first_row + 1:
            column.ends.pop(first - 1, None)  # the last row so far is not that of the file
        if codes is None:
            return
        for row in (first, last) if first == self.first_row else (last,):
            if codes[row - first] >= 0:
                column.ends[row] = strings[codes[row - first]]
        for code, text in enumerate(strings):
            if TOTAL.fullmatch(text):
                column.totals[text] += int(np.count_nonzero(codes == code))
