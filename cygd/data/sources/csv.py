"""The csv source: text files of columns, plain or gzipped.

All numbers go into one array that grows in its place, so that a big file takes hardly more memory
than what is read from it. Lines go through `numpy.loadtxt`, chunk by chunk, which hands over the cells of
the columns that begin with texts; a file in which that refuses something (a text among numbers, a ragged
row) is read again record by record, which knows the line of each fault. Lines are not kept: a message
that needs one counts it in the file.
"""

from __future__ import annotations

import csv
import logging
import math
import zlib
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cygd.data.sources.paths import resolve_paths
from cygd.data.sources.text_io import known_encoding, opened
from cygd.data.table import Column, ColumnReader, Source, Table, number
from cygd.errors import DataError

__all__ = ["load_csv"]

log = logging.getLogger("cygd")

CHUNK = 4096  # records at a time: what is read of them stays in cache
FIRST = 100  # records by which columns of texts are told
WORDS = {"tab": "\t", "\\t": "\t", "whitespace": "whitespace", "comma": ",", "semicolon": ";"}


@dataclass(frozen=True)
class Form:
    """How a file of columns is written."""

    header: bool
    delimiter: str
    decimal: str
    quote: str
    encoding: str


def load_csv(
    folder: Path,
    *,
    path: str,
    header: bool = True,
    delimiter: str = ",",
    decimal: str = ".",
    quote: str = '"',
    encoding: str = "utf-8",
) -> Table:
    """Read a CSV file as named columns.

    Parameters
    ----------
    folder : Path
        Where a relative path starts from.
    path : str
        The file, or a pattern such as `part-*.csv`, whose files are read in the order of their names; one
        that ends in .gz is unpacked.
    header : bool
        Whether the first record holds the names; without it the columns are c0, c1, ...
    delimiter : str
        The character between cells; or tab, or whitespace, which is any number of blanks.
    decimal : str
        The character in front of the fraction, "." or ",".
    quote : str
        The character around cells that contain a delimiter; an empty text is none.
    encoding : str
        What the bytes stand for.

    Raises
    ------
    DataError
        Where a file cannot be read, naming the line.
    """
    form = checked(Form(header, WORDS.get(delimiter, delimiter), decimal, quote, known_encoding(encoding)))
    files = resolve_paths(folder, path, "path")
    names = opening(files[0], form)[0]
    cells = Cells(len(names), decimal)
    sources = []
    for file in files:
        own, n_lines, first = opening(file, form)
        texts = {i for row in first for i, cell in enumerate(row) if not plain(cell, decimal)}
        if own != names:
            raise DataError(f"{file}: {differing(own, names)} {files[0]}", hint="all files need one header")
        line = partial(line_of, file.absolute(), form)
        sources.append(Source(cells.count, str(file), line))
        start = cells.count
        if not read_numbers(file, form, n_lines, cells, texts):
            cells.cut(start)
            read_cells(file, form, cells)
    columns = dict(zip(names, cells.columns(), strict=True))
    warn_of_commas(files[0], columns)
    if len(files) == 1:
        return Table(columns, str(files[0]), line, numbered=not header, matrix=cells.matrix)
    where = f"{files[0]} and {len(files) - 1} more"
    return Table(columns, where, numbered=not header, sources=tuple(sources), matrix=cells.matrix)


def warn_of_commas(file: Path, columns: Mapping[str, Column]) -> None:
    """Warn about columns that are categories because their numbers have decimal commas."""
    for name, column in columns.items():
        words = column.words[:100]
        if column.categorical and all("," in word and number(word, ",") is not None for word in words):
            log.warning(
                "%s: column %r holds texts such as %r, which are categories",
                *(file, name, words[0]),
                extra={"hint": "data.decimal: ',' reads them as numbers"},
            )


def checked(form: Form) -> Form:
    """Refuse a form in which a cell could be read in two ways."""
    delimiter, quote = form.delimiter, form.quote
    if delimiter != "whitespace" and (len(delimiter) != 1 or delimiter in "\r\n" or delimiter == quote):
        words = "it is one character, such as ',' or ';', or tab, or whitespace"
        raise DataError(f"delimiter is {delimiter!r}; {words}")
    if len(quote) > 1 or quote in ("\r", "\n"):
        raise DataError(f"quote is {quote!r}; it is one character, or '' for none")
    if delimiter == form.decimal:
        hint = "where numbers have a decimal comma, cells are mostly divided by ';'"
        raise DataError(f"delimiter and decimal are both {delimiter!r}", hint=hint)
    return form


class Cells:
    """What was read of the cells: one array of numbers, and codes of the texts where there are any.

    `array` grows in its place where the system can move pages, unlike a NumPy array that is put together.
    """

    def __init__(self, n_columns: int, decimal: str) -> None:
        self.n_columns = n_columns
        self.numbers = array("d")
        self.readers = [ColumnReader(decimal) for _ in range(n_columns)]
        self.codes: dict[int, array[int]] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.numbers) // self.n_columns

    def add_numbers(self, chunk: npt.NDArray[np.float64]) -> None:
        """Add rows of numbers alone."""
        self.numbers.frombytes(np.ascontiguousarray(chunk).data.cast("B"))

    def add(self, columns: Sequence[Sequence[str]]) -> None:
        """Add the cells of the next rows, column by column."""
        chunk = np.empty((len(columns[0]), self.n_columns))
        self.add_mixed(chunk, dict(enumerate(columns)))

    def add_mixed(self, chunk: npt.NDArray[np.float64], columns: Mapping[int, Sequence[str]]) -> None:
        """Add rows of numbers, of which some columns are yet to be read from their cells."""
        start = self.count
        for i, cells in columns.items():
            chunk[:, i], codes = self.readers[i].read(cells)
            if codes is not None:
                self.codes_until(i, start).frombytes(codes.data.cast("B"))
        self.add_numbers(chunk)

    def codes_until(self, column: int, count: int) -> array[int]:
        """Return the codes of a column, of which the rows so far that had none have -1."""
        codes = self.codes.setdefault(column, array("i"))
        codes.frombytes(np.full(count - len(codes), -1, np.int32).data.cast("B"))
        return codes

    def cut(self, count: int) -> None:
        """Forget the rows behind the first ones."""
        del self.numbers[count * self.n_columns :]
        for codes in self.codes.values():
            del codes[count:]

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """All numbers, one row a record."""
        return np.frombuffer(self.numbers).reshape(-1, self.n_columns)

    def columns(self) -> list[Column]:
        """Return the columns; their numbers are views of the one array."""
        found, matrix = [], self.matrix
        for i, reader in enumerate(self.readers):
            codes = self.codes_until(i, self.count) if i in self.codes else None
            texts = None if codes is None else np.frombuffer(codes, np.int32)
            found.append(Column(matrix[:, i], texts, tuple(reader.words)))
        return found


def opening(file: Path, form: Form) -> tuple[list[str], int, list[list[str]]]:
    """Return the names of the columns, the lines of the header and the first records of data."""
    head = list(islice(records(file, form), FIRST))
    first = [cells for _, cells in head[form.header :]]
    if not head:
        raise DataError(f"{file} is empty")
    if len(head) < 1 + form.header:
        raise DataError(f"{file} has a header and no rows")
    if not form.header:
        return [f"c{i}" for i in range(len(head[0][1]))], 0, first
    names = [name.strip() for name in head[0][1]]
    line = head[0][0]
    for i, name in enumerate(names):
        if not name:
            hint = "name it, or remove the column; pandas writes none with to_csv(index=False)"
            raise DataError(f"{file}:{line}: column {i + 1} of the header has no name", hint=hint)
        if name in names[:i]:
            raise DataError(f"{file}:{line}: two columns are named {name!r}")
    return names, head[1][0] - 1, first


def plain(cell: str, decimal: str) -> bool:
    """Return whether a cell is a finite number."""
    value = number(cell, decimal)
    return value is not None and math.isfinite(value)


def differing(names: list[str], others: list[str]) -> str:
    """Return in which column two headers differ."""
    if len(names) != len(others):
        return f"it has {len(names)} columns, unlike the {len(others)} of"
    i = next(i for i, (one, other) in enumerate(zip(names, others, strict=True)) if one != other)
    return f"column {i + 1} is {names[i]!r}, unlike {others[i]!r} in"


def read_numbers(file: Path, form: Form, skip: int, cells: Cells, texts: Collection[int]) -> bool:
    """Read a file that holds finite numbers alone, but for some columns; return whether it does."""
    if texts and form.decimal != ".":
        return False
    numbers = [i for i in range(cells.n_columns) if i not in texts]
    delimiter = None if form.delimiter == "whitespace" else form.delimiter
    try:
        with opened(file, form.encoding) as text:
            for _ in islice(text, skip):
                pass
            while lines := list(islice(text, CHUNK)):
                if not any(map(str.strip, lines)):
                    continue
                # a record may not go on in the next chunk, nor a text be read otherwise than by `csv`
                quotes = sum(line.count(form.quote) for line in lines) if form.quote else 0
                if quotes % 2 or (quotes and texts):
                    return False
                if form.decimal != ".":
                    if any("." in line for line in lines):
                        return False  # which would read as what it is not
                    lines = [line.replace(form.decimal, ".") for line in lines]
                read: dict[int, list[str]] = {i: [] for i in texts}
                chunk = np.loadtxt(
                    lines,
                    delimiter=delimiter,
                    comments=None,
                    quotechar=form.quote or None,
                    ndmin=2,
                    encoding=None,  # converters get texts, not bytes
                    converters={i: partial(kept, found) for i, found in read.items()} or None,
                )
                if chunk.shape[1] != cells.n_columns or not np.isfinite(chunk[:, numbers]).all():
                    return False
                cells.add_mixed(chunk, read)
    except (DataError, ValueError, OSError, EOFError, zlib.error):
        return False
    return True


def kept(cells: list[str], cell: str) -> float:
    """Keep a cell for later."""
    cells.append(cell)
    return 0.0


def read_cells(file: Path, form: Form, cells: Cells) -> None:
    """Read any file, record by record."""
    rows = islice(records(file, form), int(form.header), None)
    while chunk := list(islice(rows, CHUNK)):
        for line, row in chunk:
            if len(row) != cells.n_columns:
                expected = f"the {'header' if form.header else 'first row'} has {cells.n_columns}"
                plural = "" if len(row) == 1 else "s"
                raise DataError(f"{file}:{line}: the row has {len(row)} cell{plural}, {expected}")
        cells.add(list(zip(*(row for _, row in chunk), strict=True)))


def line_of(file: Path, form: Form, row: int) -> int:
    """Return the line on which a row of data starts."""
    line, _ = next(islice(records(file, form), row + form.header, None))
    return line


def records(file: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it starts on; empty lines are skipped."""
    with opened(file, form.encoding) as text:
        if form.delimiter == "whitespace":
            yield from ((line, cells) for line, record in enumerate(text, 1) if (cells := record.split()))
            return
        reader = csv.reader(
            text,
            delimiter=form.delimiter,
            quotechar=form.quote or None,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            strict=True,
        )
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{file}:{line}: {error}") from None
