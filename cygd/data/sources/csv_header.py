"""The head of a text file: column names, row names, and first lines that do not belong to the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from cygd.data.formatting import suggest_delimiter
from cygd.data.numbers import parse_number
from cygd.data.sources.csv_records import CsvFormat, iterate_records
from cygd.errors import DataError

HINT_RECORDS = 20  # records that a hint looks at
FIRST_CELLS = 1 << 16  # enough to decide it in a wide file, whose records are long
ORANGE_TYPES = {
    "c", "d", "s", "t", "n", "continuous", "discrete", "string", "time", "basket", "numeric", "nominal",
}  # fmt: skip
ORANGE_ROLES = {"", "class", "meta", "ignore", "weight", "i", "m", "c", "w", "target", "feature"}
COMMENT = re.compile(r"\s*(#|%|//|;|!)")
INDEX_NAME = re.compile(r"Unnamed: \d+(\.\d+)?(_level_\d+)?")  # of pandas, for a nameless column


@dataclass(frozen=True)
class Header:
    """The column names, the number of lines up to the first record, and the first records.

    The first columns without a name hold row names; a later one has the name "" here.
    """

    names: list[str]
    n_lines: int
    first_records: list[list[str]]
    index: tuple[str, ...] = ()  # the columns of row names
    line: int = 1
    n_cells: int = 0  # of the header itself; an R header has one cell fewer than the rows


def read_header(file: Path, csv_format: CsvFormat, count: int) -> Header:
    """Read the header and the first `count` records of a file."""
    records = read_first_records(file, csv_format, count)
    if not records:
        raise DataError(f"{file} is empty")
    first_records = [cells for _, cells in records[csv_format.header :]]
    line, cells = records[0]
    if any("\0" in cell for cell in cells):
        hint = "it is a binary file, or UTF-16 without a byte order mark (data.encoding: utf-16-le)"
        raise DataError(f"{file}:{line}: expected text, got null characters", hint=hint)
    if not first_records:
        is_row = csv_format.header and any(parse_number(cell) is not None for cell in cells)
        advice = "use header: false if the file has no column names" if is_row else None
        raise DataError(f"{file} has a header but no rows", hint=advice)
    if not csv_format.header:
        names = [f"c{i}" for i in range(len(cells))]
        for i in reversed(range(1, len(names))):  # delimiters at the end of each line
            if any(i < len(record) and record[i].strip() for record in first_records):
                break
            names[i] = ""
        return Header(names, 0, first_records, (), line, len(names))
    names = complete_names([name.strip() for name in cells], first_records)
    n_index = next((i for i, name in enumerate(names) if name), 0)
    names[:n_index] = index_names(n_index, names)
    check_distinct(f"{file}:{line}", names)
    index = [name for i, name in enumerate(names) if i < n_index or INDEX_NAME.fullmatch(name)]
    return Header(names, records[1][0] - 1, first_records, tuple(index), line, len(cells))


def check_types_and_roles(file: Path, head: Header) -> None:
    """Raise an error for the second and third line of an Orange file: types and roles of the columns."""
    rows = [[cell.strip().lower() for cell in record] for record in head.first_records[:2]]
    if not head.n_lines or not rows or not are_types(rows[0]):
        return
    has_roles = len(rows) > 1 and {cell.partition("=")[0] for cell in rows[1]} <= ORANGE_ROLES
    if not has_roles and {len(cell) for cell in rows[0]} == {1}:
        return  # letters, which may be labels
    line = head.n_lines + 1
    looks, them = (f"lines {line} and {line + 1} look", "them") if has_roles else (f"line {line} looks", "it")
    hint = f"delete {them}, or set data.skip_rows: {line + has_roles} and data.header: false"
    message = f"{file}:{line}: {looks} like the types{' and roles' if has_roles else ''} of the columns"
    raise DataError(f"{message}, as Orange writes them", hint=f"{hint}; the columns are then c0, c1, ...")


def are_types(cells: Sequence[str]) -> bool:
    """Return True if all cells are types of columns, as Orange writes them."""
    return {cell.strip().lower() for cell in cells} <= ORANGE_TYPES


def read_first_records(file: Path, csv_format: CsvFormat, count: int) -> list[tuple[int, list[str]]]:
    """Return the first `count` records with their lines, fewer of them if they are long."""
    records: list[tuple[int, list[str]]] = []
    for line, cells in islice(iterate_records(file, csv_format), count):
        records.append((line, cells))
        if len(records) > 3 and len(records) * len(cells) >= FIRST_CELLS:
            break
    return records


def complete_names(names: list[str], records: Sequence[list[str]]) -> list[str]:
    """Return the names of all columns, "" for those that the header leaves out.

    All rows may have one cell more than the header: the first holds row names, as R writes them. Or the
    additional cells are empty, after a delimiter at the end of each row.
    """
    widths = {len(record) for record in records}
    if len(widths) != 1:
        return names
    extra = widths.pop() - len(names)
    if extra > 0 and not any(cell.strip() for record in records for cell in record[-extra:]):
        return names + [""] * extra
    if extra == 1 and len(names) > 1 and have_row_names(records):
        return ["", *names]
    if extra < 0 and len(names) + extra > 0 and not any(names[extra:]):
        return names[:extra]
    return names


def have_row_names(records: Sequence[Sequence[str]]) -> bool:
    """Return True if the first cells may be row names, and the first record is not a header below a title."""
    if not are_row_names([record[0].strip() for record in records]):
        return False
    first, *others = ([parse_number(cell) is not None for cell in record[1:]] for record in records)
    cells = [record[1:] for record in records]
    return any(first) or not (any(map(any, others)) or are_names(cells[0], cells[1:]))


def are_names(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True if texts are rather names than labels: none of them occurs below, where others recur."""
    columns = [[row[i].strip() for row in rows if i < len(row)] for i in range(len(cells))]
    recur = any(len(set(column)) < len(column) for column in columns)
    return recur and not any(cell.strip() in column for cell, column in zip(cells, columns, strict=True))


def are_row_names(cells: Sequence[str]) -> bool:
    """Return True if cells may be row names: distinct, and strings or integers."""
    is_fraction = any("." in cell and parse_number(cell) is not None for cell in cells)
    return len(cells) > 1 and len(set(cells)) == len(cells) and not is_fraction


def index_names(count: int, names: Sequence[str]) -> list[str]:
    """Return names for the first columns, which have none: Unnamed: 0, as in pandas, if it is free."""
    known, numbers = set(names), iter(range(len(names) + count))
    free = (name for i in numbers if (name := f"Unnamed: {i}") not in known)
    return list(islice(free, count))


def check_distinct(where: str, names: Sequence[str]) -> None:
    """Raise an error for a name that occurs twice; columns without a name are checked when they are read.

    `where` is the place of the header, `file:line`.
    """
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            hint = "give each column its own name in the header"
            skipped = f"data.skip_rows: {where.rpartition(':')[2]}"
            hint += f", or set data.header: false and {skipped} to name them c0, c1, ..."
            if parse_number(name) is not None:
                hint = "use header: false if the file has no column names"
            raise DataError(f"{where}: duplicate column name {name!r}", hint=hint)
        seen.add(name)


def name_hint(file: Path, csv_format: CsvFormat) -> str:
    """Return a hint for a header that lacks a name: a title may lie above the table."""
    records = read_first_records(file, csv_format, HINT_RECORDS)
    complete = (line for line, cells in records if all(cell.strip() for cell in cells))
    line = next(complete, records[0][0])
    if line > records[0][0] and sum(bool(cell.strip()) for cell in records[0][1]) <= 1:
        return f"set data.skip_rows: {line - 1} if the table begins on line {line}"
    hint = "name it or remove the column; in pandas, to_csv(index=False) omits the index column"
    return f"{hint}; data.header: false and data.skip_rows: {records[0][0]} name all columns c0, c1, ..."


def _fits_another_delimiter(
    file: Path, csv_format: CsvFormat, records: Sequence[tuple[int, list[str]]]
) -> bool:
    """Return whether a delimiter within the only name gives all records the same cells."""
    if len(records[0][1]) != 1:
        return False
    for delimiter in {*";\t|"} & {*records[0][1][0]}:
        found = read_first_records(file, replace(csv_format, delimiter=delimiter), HINT_RECORDS)
        if len({len(cells) for _, cells in found}) == 1:
            return True
    return False


def width_hint(
    file: Path, csv_format: CsvFormat, n_columns: int, line: int, cells: Sequence[str], n_after: int
) -> str | None:
    """Return a hint for a record of another width; `n_after` records follow it."""
    records = read_first_records(file, csv_format, HINT_RECORDS)
    for start_line, record in [*records[:2], (line, list(cells))]:
        if record and (comment := COMMENT.match(record[0])):
            return f"set data.comment: {comment[1]!r} if line {start_line} is a comment"
    other = csv_format.delimiter == csv_format.decimal or _fits_another_delimiter(file, csv_format, records)
    if other and (hint := suggest_delimiter(records[0][1])):
        return hint
    usual, count = Counter(len(record) for _, record in records).most_common(1)[0]
    if usual != n_columns and count > 1 and usual > 1:
        start = next(number for number, record in records if len(record) == usual)
        return f"set data.skip_rows: {start - 1} if the table begins on line {start}"
    if csv_format.header and (hint := suggest_delimiter(records[0][1])):
        return hint
    if n_after < 3 and not all(parse_number(cell) is not None or not cell.strip() for cell in cells):
        return f"set data.skip_footer: {n_after + 1} if the table ends before this line"
    return None
