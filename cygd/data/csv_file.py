"""The csv source: text files of columns, plain or gzipped.

A file of numbers alone goes through `numpy.loadtxt`, which is several times faster; whatever that
refuses (texts, gaps, ragged rows) is read again record by record, which knows the line of each
fault. Lines are not kept: a message that needs one counts it in the file.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from cygd.data.files import located
from cygd.data.table import Column, ColumnBuilder, Table, number
from cygd.errors import DataError

__all__ = ["load_csv"]

CHUNK = 16384  # records at a time


def load_csv(folder: Path, *, path: str, header: bool = True, delimiter: str = ",") -> Table:
    """Read a CSV file as named columns.

    Parameters
    ----------
    folder : Path
        Where a relative path starts from.
    path : str
        The file, in UTF-8; one whose name ends in .gz is unpacked.
    header : bool
        Whether the first record holds the names; without it the columns are c0, c1, ...
    delimiter : str
        The character between cells.

    Raises
    ------
    DataError
        Where the file cannot be read, naming the line.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise DataError(f"delimiter is {delimiter!r}; it is one character, such as ',' or ';'")
    file = located(folder, path, "path")
    names, n_lines, first = opening(file, header, delimiter)
    columns = None
    if all(number(cell) is not None for cell in first):
        columns = read_numbers(file, delimiter, n_lines, len(names))
    if columns is None:
        columns = read_cells(file, delimiter, header, len(names))
    return Table(
        dict(zip(names, columns, strict=True)),
        where=str(file),
        line=partial(line_of, file.absolute(), delimiter, header),
        numbered=not header,
    )


def opening(file: Path, header: bool, delimiter: str) -> tuple[list[str], int, list[str]]:
    """Return the names of the columns, the lines of the header and the first record of data."""
    head = list(islice(records(file, delimiter), 2 if header else 1))
    if not head:
        raise DataError(f"{file} is empty")
    if len(head) < 1 + header:
        raise DataError(f"{file} has a header and no rows")
    if not header:
        return [f"c{i}" for i in range(len(head[0][1]))], 0, head[0][1]
    names = [name.strip() for name in head[0][1]]
    line = head[0][0]
    for i, name in enumerate(names):
        if not name:
            hint = "name it, or remove the column; pandas writes none with to_csv(index=False)"
            raise DataError(f"{file}:{line}: column {i + 1} of the header has no name", hint=hint)
        if name in names[:i]:
            raise DataError(f"{file}:{line}: two columns are named {name!r}")
    return names, head[1][0] - 1, head[1][1]


def read_numbers(file: Path, delimiter: str, skip: int, n_columns: int) -> list[Column] | None:
    """Return the columns of a file that holds finite numbers alone, else None."""
    try:
        matrix = np.loadtxt(
            str(file.absolute()),
            delimiter=delimiter,
            skiprows=skip,
            comments=None,
            quotechar='"',
            ndmin=2,
            encoding="utf-8-sig",
        )
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    if matrix.shape[1] != n_columns or not np.isfinite(matrix).all():
        return None
    return [Column(matrix[:, i]) for i in range(n_columns)]


def read_cells(file: Path, delimiter: str, header: bool, n_columns: int) -> list[Column]:
    """Return the columns of any file, record by record."""
    builders = [ColumnBuilder() for _ in range(n_columns)]
    rows = islice(records(file, delimiter), int(header), None)
    while chunk := list(islice(rows, CHUNK)):
        for line, cells in chunk:
            if len(cells) != n_columns:
                expected = f"the {'header' if header else 'first row'} has {n_columns}"
                plural = "" if len(cells) == 1 else "s"
                raise DataError(f"{file}:{line}: the row has {len(cells)} cell{plural}, {expected}")
        for builder, column in zip(builders, zip(*(cells for _, cells in chunk), strict=True), strict=True):
            builder.add(column)
    return [builder.finish() for builder in builders]


def line_of(file: Path, delimiter: str, header: bool, row: int) -> int:
    """Return the line on which a row of data starts."""
    line, _ = next(islice(records(file, delimiter), row + header, None))
    return line


def records(file: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it starts on; empty lines are skipped."""
    with opened(file) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{file}:{line}: {error}") from None


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """Open a file of text, plain or gzipped; what fails while it is read becomes a DataError."""
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as text:
                yield text
        else:
            with file.open(encoding="utf-8-sig", newline="") as text:
                yield text
    except UnicodeDecodeError as error:
        line = undecodable_line(file)
        raise DataError(f"{file}:{line}: not UTF-8 text ({error.reason})", hint=encoding_hint(file)) from None
    except gzip.BadGzipFile:
        raise DataError(f"{file}: not a gzip file") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{file}: the gzip file is damaged or cut off ({error})") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from None


def undecodable_line(file: Path) -> int:
    """Return the first line that is not UTF-8."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for count, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return count
    return 1


def encoding_hint(file: Path) -> str:
    """Return what to do about a file that is not UTF-8."""
    with file.open("rb") as raw:
        if raw.read(2) == b"\x1f\x8b":
            return "it is gzipped: let its name end in .gz"
    return "save it as UTF-8"
