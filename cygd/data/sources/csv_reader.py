"""Reading of text files of columns, plain or gzip-compressed.

All numbers go into one array that grows in place, so that reading a large file takes little more memory than
the result. `numpy.loadtxt` parses the lines chunk by chunk and returns the cells of columns that begin with
strings. If it rejects anything (a string among numbers, a row of another length), the file is read again
record by record with the line of each error. Line numbers are not stored: a message that needs one counts
the lines of the file.
"""

from __future__ import annotations

import logging
import math
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cygd.data.column import Column, ColumnReader
from cygd.data.memory import TooLarge, check_table_size
from cygd.data.numbers import CellFormat, parse_number
from cygd.data.sources.csv_cells import CsvCells
from cygd.data.sources.csv_header import Header, check_types_and_roles, name_hint, read_header, width_hint
from cygd.data.sources.csv_records import CsvFormat, iterate_records, open_lines
from cygd.data.sources.csv_warnings import warn_about_skipped, warn_about_totals
from cygd.data.sources.paths import format_files, resolve_paths
from cygd.data.table import Table, TableFile
from cygd.errors import DataError, format_count

log = logging.getLogger("cygd")

CHUNK = 4096  # records per chunk, so that a chunk stays in cache
FIRST_RECORDS = 100  # records that decide which columns hold strings


def read_csv(folder: Path, path: str, csv_format: CsvFormat) -> Table:
    """Return the columns of CSV files, in the order of their names."""
    paths, heads = read_heads(folder, path, csv_format)
    values = ColumnValues(len(heads[0].names), csv_format.cells)
    files = read_files(paths, heads, csv_format, values)
    records = partial(iterate_cells, [file.absolute() for file in paths], csv_format)
    columns = values.columns(CsvCells(records, csv_format.cells))
    first_rows = [None if column.missing.all() else int(np.argmin(column.missing)) for column in columns]
    names = names_of_columns(files[0], first_rows, heads[0], csv_format)
    where, index = format_files(paths), heads[0].index
    warn_about_row_names(where, names, heads[0], csv_format)
    named = {name: column for name, column in zip(names, columns, strict=True) if name}
    table = Table(
        named,
        where,
        default_names=not csv_format.header,
        index_columns=index,
        files=files,
        matrix=values.matrix if len(named) == values.n_columns else None,
    )
    warn_about_totals(table, named)
    return table


def read_heads(folder: Path, path: str, csv_format: CsvFormat) -> tuple[list[Path], list[Header]]:
    """Return the files and their headers, or raise an error if they cannot be read as one table."""
    check_format(csv_format)
    paths = resolve_paths(folder, path, "path")
    heads = [read_header(file, csv_format, FIRST_RECORDS) for file in paths]
    for file, head in zip(paths, heads, strict=True):
        check_types_and_roles(file, head)
    return paths, heads


def read_files(
    paths: Sequence[Path], heads: Sequence[Header], csv_format: CsvFormat, values: Values
) -> tuple[TableFile, ...]:
    """Pass the rows of all files to `values`."""
    files = []
    for file, head in zip(paths, heads, strict=True):
        check_same_names(file, head.names, paths[0], heads[0].names)
        first_row = values.n_rows
        values.begin(str(file))
        line_number = partial(line_of_row, file.absolute(), csv_format)
        files.append(TableFile(first_row, str(file), line_number))
        if not read_numbers(file, csv_format, head, values):
            values.truncate(first_row)
            read_records(file, csv_format, values)
        warn_about_skipped(file, csv_format, len(heads[0].names))
    return tuple(files)


def names_of_columns(
    file: TableFile, first_rows: Sequence[int | None], head: Header, csv_format: CsvFormat
) -> list[str]:
    """Return the names of the columns, "" for those that have neither a name nor values.

    `first_rows` holds the first row with a value of each column.
    """
    names = list(head.names)
    if all(names):
        return names
    for i, (name, first_row) in enumerate(zip(names, first_rows, strict=True)):
        if name or first_row is None:
            continue
        if not csv_format.header:
            names[i] = f"c{i}"
        elif i < head.n_cells:
            hint = name_hint(Path(file.where), csv_format)
            raise DataError(f"{file.where}:{head.line}: column {i + 1} of the header has no name", hint=hint)
        else:
            raise width_error(file, first_rows, head)
    if empty := names.count(""):
        count, verb = format_count(empty, "column"), "has" if empty == 1 else "have"
        message = f"%s: left out %s that {verb} neither a name nor values"
        log.warning(message, file.where, count)
    return names


def width_error(file: TableFile, first_rows: Sequence[int | None], head: Header) -> DataError:
    """Return the error for the first row with a value in a column that the header lacks."""
    row = min(row for row in first_rows[head.n_cells :] if row is not None)
    expected = f"expected {format_count(head.n_cells, 'cell')} as in the header"
    line = file.line_number(row) if file.line_number else row
    return DataError(f"{file.where}:{line}: {expected}, got {len(first_rows)}")


def warn_about_row_names(where: str, names: Sequence[str], head: Header, csv_format: CsvFormat) -> None:
    """Log a warning for rows that begin with a cell that the header lacks, as R writes them."""
    n_named = len([name for name in names if name])
    if csv_format.header and head.n_cells < n_named and head.index:
        message = "%s: the header has one cell fewer than the rows: column %r, the first, holds row names"
        log.warning(message, where, head.index[0], extra={"hint": f"data.inputs may name {head.index[0]!r}"})


def check_format(csv_format: CsvFormat) -> None:
    """Raise an error for a format in which a cell would be ambiguous."""
    delimiter, quote = csv_format.delimiter, csv_format.quote
    if delimiter != "whitespace" and (len(delimiter) != 1 or delimiter in "\r\n" or delimiter == quote):
        expected = "one character, such as ',' or ';', or tab, or whitespace"
        raise DataError(f"delimiter: expected {expected}, got {delimiter!r}")
    if len(quote) > 1 or quote in ("\r", "\n"):
        raise DataError(f"quote: expected one character, or '' for none, got {quote!r}")
    if csv_format.comment and csv_format.comment in (delimiter, quote):
        other = "delimiter" if csv_format.comment == delimiter else "quote"
        raise DataError(f"comment and {other} are both {csv_format.comment!r}")
    if delimiter == csv_format.decimal and not quote:  # in quotes, 1,5 is one cell
        hint = "files with decimal commas usually have the delimiter ';'"
        raise DataError(f"delimiter and decimal are both {delimiter!r}", hint=hint)


def check_same_names(file: Path, names: list[str], first_file: Path, expected: list[str]) -> None:
    """Raise an error if the header of a file differs from that of the first file."""
    hint = "all files need the same header"
    if len(names) != len(expected):
        count = format_count(len(expected), "column")
        raise DataError(f"{file}: expected {count} as in {first_file}, got {len(names)}", hint=hint)
    for i, (name, wanted) in enumerate(zip(names, expected, strict=True), start=1):
        if name != wanted:
            message = f"{file}: expected column {i} to be {wanted!r} as in {first_file}, got {name!r}"
            raise DataError(message, hint=hint)


class Values(Protocol):
    """What takes the rows of files, chunk by chunk."""

    n_columns: int

    @property
    def n_rows(self) -> int:
        """The number of rows so far."""

    def begin(self, where: str) -> None:
        """Expect the rows of a file."""

    def append(self, chunk: npt.NDArray[np.float64], cells: Mapping[int, Sequence[str]]) -> None:
        """Take rows of numbers, some columns of which are still to be parsed from their cells."""

    def truncate(self, n_rows: int) -> None:
        """Drop all rows after the first `n_rows`, which are those of the file that began last."""


class ColumnValues:
    """The values read so far: one array of numbers, and the codes of strings in the columns that have any.

    `array` grows in place if the system can remap pages; a NumPy array would be concatenated from chunks.
    """

    def __init__(self, n_columns: int, cell_format: CellFormat) -> None:
        self.n_columns = n_columns
        self.numbers = array("d")
        self.format = cell_format
        self.readers = [ColumnReader(cell_format) for _ in range(n_columns)]
        self.codes: dict[int, array[int]] = {}
        self.where = ""  # the file that is read

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.numbers) // self.n_columns

    def begin(self, where: str) -> None:
        """Read a file."""
        self.where = where

    def append(self, chunk: npt.NDArray[np.float64], cells: Mapping[int, Sequence[str]]) -> None:
        """Append rows of numbers, some columns of which are still to be parsed from their cells."""
        start = self.n_rows
        if self.format.missing_numbers:
            chunk[np.isin(chunk, self.format.missing_numbers)] = math.nan
        for i, column in cells.items():
            chunk[:, i], codes = self.readers[i].read(column)
            if codes is not None:
                self.padded_codes(i, start).frombytes(codes.data.cast("B"))
        self.numbers.frombytes(np.ascontiguousarray(chunk).data.cast("B"))
        check_table_size(self.size, self.where, self.n_rows)

    @property
    def size(self) -> int:
        """The bytes of the numbers, the codes and about those of the strings."""
        n_codes = sum(map(len, self.codes.values()))
        return 8 * len(self.numbers) + 4 * n_codes + sum(reader.n_characters for reader in self.readers)

    def padded_codes(self, column: int, n_rows: int) -> array[int]:
        """Return the codes of a column, padded to `n_rows` with -1 for rows without strings."""
        codes = self.codes.setdefault(column, array("i"))
        codes.frombytes(np.full(n_rows - len(codes), -1, np.int32).data.cast("B"))
        return codes

    def truncate(self, n_rows: int) -> None:
        """Drop all rows after the first `n_rows`."""
        del self.numbers[n_rows * self.n_columns :]
        for codes in self.codes.values():
            del codes[n_rows:]

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """All numbers, of shape (n_rows, n_columns)."""
        return np.frombuffer(self.numbers).reshape(-1, self.n_columns)

    def columns(self, source: CsvCells) -> list[Column]:
        """Return the columns; their numbers are views of `matrix`, and numbers among labels have a source."""
        source.n_rows = self.n_rows
        columns, matrix = [], self.matrix
        for i, reader in enumerate(self.readers):
            numbers, codes = matrix[:, i], None
            if i in self.codes:
                codes = np.frombuffer(self.padded_codes(i, self.n_rows), np.int32)
            has_numbers = codes is None or not np.isnan(numbers).all()
            columns.append(
                Column.from_cells(numbers, codes, tuple(reader.strings), source if has_numbers else None, i)
            )
        return columns


def read_numbers(file: Path, csv_format: CsvFormat, head: Header, values: Values) -> bool:
    """Read a file of finite numbers, except in columns that begin with strings; return True on success."""
    decimal, quote = csv_format.decimal, csv_format.quote
    with_strings = columns_with_strings(head.first_records, decimal)
    if decimal != "." and (with_strings or decimal == csv_format.delimiter):
        return False
    numeric = [i for i in range(values.n_columns) if i not in with_strings]
    try:
        with open_lines(file, csv_format) as all_lines:
            for _ in islice(all_lines, head.n_lines):
                pass
            while lines := list(islice(all_lines, CHUNK)):
                if not any(map(str.strip, lines)):
                    continue
                # a quoted record may continue in the next chunk, and `csv` parses quoted strings differently
                n_quotes = sum(line.count(quote) for line in lines) if quote else 0
                if n_quotes % 2 or (n_quotes and with_strings):
                    return False
                if decimal != ".":
                    if any("." in line for line in lines):
                        return False  # a point is not part of a number here
                    lines = [line.replace(decimal, ".") for line in lines]
                cells: dict[int, list[str]] = {i: [] for i in with_strings}
                chunk = np.loadtxt(
                    lines,
                    delimiter=None if csv_format.delimiter == "whitespace" else csv_format.delimiter,
                    comments=None,
                    quotechar=quote or None,
                    ndmin=2,
                    encoding=None,  # converters receive str, not bytes
                    converters={i: partial(collect_cell, column) for i, column in cells.items()} or None,
                )
                if chunk.shape[1] != values.n_columns or not np.isfinite(chunk[:, numeric]).all():
                    return False
                values.append(chunk, cells)
    except TooLarge:
        raise
    except (DataError, ValueError, OSError, EOFError, zlib.error):
        return False
    return True


def columns_with_strings(records: list[list[str]], decimal: str) -> set[int]:
    """Return the columns in which a cell is not a finite number."""
    values = ((i, parse_number(cell, decimal)) for cells in records for i, cell in enumerate(cells))
    return {i for i, value in values if value is None or not math.isfinite(value)}


def collect_cell(cells: list[str], cell: str) -> float:
    """Append a cell to be parsed later, and return a placeholder."""
    cells.append(cell)
    return 0.0


def read_records(file: Path, csv_format: CsvFormat, values: Values) -> None:
    """Read any file, record by record."""
    records = islice(iterate_records(file, csv_format, mark=True), int(csv_format.header), None)
    while chunk := list(islice(records, CHUNK)):
        for i, (line, cells) in enumerate(chunk):
            if len(cells) != values.n_columns:
                where = "the header" if csv_format.header else "the first row"
                expected = f"expected {format_count(values.n_columns, 'cell')} as in {where}"
                after = len(chunk) - i - 1 + sum(1 for _ in islice(records, 3))
                hint = width_hint(file, csv_format, values.n_columns, line, cells, after)
                raise DataError(f"{file}:{line}: {expected}, got {len(cells)}", hint=hint)
        columns = zip(*(cells for _, cells in chunk), strict=True)
        values.append(np.empty((len(chunk), values.n_columns)), dict(enumerate(columns)))


def iterate_cells(files: Sequence[Path], csv_format: CsvFormat) -> Iterator[list[str]]:
    """Yield the cells of each row of some files, with quoted words marked."""
    for file in files:
        for _, cells in islice(iterate_records(file, csv_format, mark=True), int(csv_format.header), None):
            yield cells


def line_of_row(file: Path, csv_format: CsvFormat, row: int) -> int:
    """Return the line on which a row of data starts."""
    line, _ = next(islice(iterate_records(file, csv_format), row + csv_format.header, None))
    return line
