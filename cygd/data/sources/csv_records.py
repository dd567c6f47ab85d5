"""Records of a text file: lines that hold data, and their cells.

Lines that hold none (comments, `skip_rows`, `skip_footer`, the `sep=;` of Excel) are replaced by empty lines,
which both ways of reading skip, so that line numbers remain those of the file.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

from cygd.data.numbers import USUAL_CELLS, CellFormat
from cygd.data.sources.csv_cells import mark_quoted_words
from cygd.data.sources.text_io import open_text
from cygd.errors import DataError

MAX_CELL = 1 << 24  # characters; a longer one is the rest of the file after a quote that is never closed
DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "whitespace": "whitespace", "comma": ",", "semicolon": ";"}
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class CsvFormat:
    """The format of a file of columns."""

    header: bool = True
    delimiter: str = ","
    decimal: str = "."
    quote: str = '"'
    encoding: str = "utf-8-sig"
    comment: str = ""
    skip_rows: int = 0
    skip_footer: int = 0
    cells: CellFormat = USUAL_CELLS


@contextmanager
def open_lines(file: Path, csv_format: CsvFormat) -> Iterator[Iterator[str]]:
    """Open a file as its lines; those that hold no data are empty."""
    with open_text(file, csv_format.encoding) as text:
        first = text.readline()
        if separator := declared_delimiter(first):
            if not csv_format.skip_rows and separator != csv_format.delimiter:
                name = "tab" if separator == "\t" else separator
                message = f"{file}:1: the line {first.strip()!r} of Excel declares another delimiter"
                raise DataError(message, hint=f"set data.delimiter: {name!r}")
            first = "\n"
        lines: Iterator[str] = chain([first], text)
        if csv_format.skip_rows:
            lines = blank_start(lines, csv_format.skip_rows)
        if csv_format.comment:
            lines = blank_comments(lines, csv_format.comment, csv_format.quote)
        if csv_format.skip_footer:
            lines = blank_end(lines, csv_format.skip_footer)
        yield lines


def declared_delimiter(line: str) -> str | None:
    """Return the delimiter that the first line of a file declares to Excel, or None."""
    match = SEPARATOR_LINE.fullmatch(line)
    return match[1] if match else None


def blank_start(lines: Iterator[str], count: int) -> Iterator[str]:
    """Replace the first lines by empty ones."""
    for _ in islice(lines, count):
        yield "\n"
    yield from lines


def blank_comments(lines: Iterator[str], comment: str, quote: str) -> Iterator[str]:
    """Replace the lines that begin with `comment` by empty ones, except within quoted cells."""
    n_quotes = 0
    for line in lines:
        if not n_quotes % 2 and line.lstrip().startswith(comment):
            yield "\n"
        else:
            n_quotes += line.count(quote) if quote else 0
            yield line


def blank_end(lines: Iterator[str], count: int) -> Iterator[str]:
    """Replace the last `count` lines that are not empty by empty ones."""
    waiting: deque[str] = deque()
    n_lines = 0  # of `waiting` that are not empty
    for line in lines:
        waiting.append(line)
        n_lines += bool(line.strip())
        while n_lines > count:
            first = waiting.popleft()
            n_lines -= bool(first.strip())
            yield first
    yield from ["\n"] * len(waiting)


def split_line(line: str, csv_format: CsvFormat) -> list[str]:
    """Return the cells of one line."""
    quote = csv_format.quote or None
    if csv_format.delimiter == "whitespace":
        quoted = csv.reader([" ".join(line.split())], delimiter=" ", quotechar=quote)
    else:
        quoted = csv.reader([line], delimiter=csv_format.delimiter, quotechar=quote, skipinitialspace=True)
    return next(quoted, [])


def iterate_records(
    file: Path, csv_format: CsvFormat, *, mark: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record with the line it starts on; empty lines are skipped.

    With `mark`, quoted words that without quotes would be missing values are marked.
    """
    with open_lines(file, csv_format) as lines:
        lines = plain_quotes(lines, csv_format.delimiter, csv_format.quote)
        if mark:
            words = csv_format.cells.text_if_quoted
            lines = mark_quoted_words(lines, csv_format.delimiter, csv_format.quote, words)
        if csv_format.delimiter == "whitespace":
            yield from split_at_blanks(file, lines, csv_format.quote)
            return
        if csv.field_size_limit() < MAX_CELL:  # a limit of the process, which the module sets low
            csv.field_size_limit(MAX_CELL)
        reader = csv.reader(
            lines,
            delimiter=csv_format.delimiter,
            quotechar=csv_format.quote or None,
            quoting=csv.QUOTE_MINIMAL if csv_format.quote else csv.QUOTE_NONE,
            skipinitialspace=True,  # cells are stripped, but a quote must come first to count
            strict=True,
        )
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise_quote_error(file, csv_format, line, str(error))


def plain_quotes(lines: Iterable[str], delimiter: str, quote: str) -> Iterator[str]:
    """Remove what `csv` does not expect around quoted cells.

    That is blanks before the delimiter, and the = of ="01", as which Excel exports a text.
    """
    if not quote or delimiter in (" ", "whitespace"):
        yield from lines
        return
    q, end = re.escape(quote), f"(?={re.escape(delimiter)}|[\r\n]*$)"
    blanks = re.compile(f"(?<!{q}){q} +{end}")
    formula = re.compile(f"(^|{re.escape(delimiter)}) *=({q}[^{q}]*{q} *{end})")
    for line in lines:
        plain = formula.sub(r"\1\2", line) if f"={quote}" in line else line
        yield blanks.sub(quote, plain) if f"{quote} " in plain else plain


def raise_quote_error(file: Path, csv_format: CsvFormat, line: int, reason: str) -> NoReturn:
    """Raise the error for a record that cannot be parsed, with the line on which its last quote opened."""
    quote = csv_format.quote
    if quote:
        q, delimiter = re.escape(quote), re.escape(csv_format.delimiter)
        cell = re.compile(f" *(?:{q}[^{q}]*(?:{q}{q}[^{q}]*)*{q}|(?!{q})[^{delimiter}\r\n]*){delimiter}")
        with open_lines(file, csv_format) as lines:
            record = read_up_to(islice(lines, line - 1, None), MAX_CELL)
        offset = 0
        while match := cell.match(record, offset):
            offset = match.end()
        line += count_lines(record[:offset])
    if "limit" in reason:
        reason = f"more than {MAX_CELL} characters"
    hint = f"close its quote, or double a quote within it ({quote * 2}); data.quote: '' ignores quotes"
    raise DataError(f"{file}:{line}: {reason}, in the quoted cell that begins here", hint=hint)


def read_up_to(lines: Iterable[str], limit: int) -> str:
    """Return the first lines, joined, until they have more than `limit` characters."""
    parts, size = [], 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size > limit:
            break
    return "".join(parts)


def count_lines(text: str) -> int:
    """Return the number of line ends in a text."""
    return text.count("\n") + text.replace("\r\n", "").count("\r")


def split_at_blanks(file: Path, lines: Iterable[str], quote: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a file whose cells are separated by any number of blanks, as `iterate_records`."""
    numbered = enumerate(lines, 1)
    if not quote:
        yield from ((number, cells) for number, line in numbered if (cells := line.split()))
        return
    q = re.escape(quote)
    cell = re.compile(rf"\s*(?:{q}([^{q}]*(?:{q}{q}[^{q}]*)*){q}(?=\s|$)|((?!{q})\S+))")
    for number, line in numbered:
        if quote not in line:
            if cells := line.split():
                yield number, cells
            continue
        cells, position, end = [], 0, len(line.rstrip())
        while position < end:
            match = cell.match(line, position)
            if match is None:
                where = f"{file}:{number + count_lines(line[:position])}"
                line = line[:position] + complete_cell(where, line[position:], numbered, quote)
                match, end = cell.match(line, position), len(line.rstrip())
            if match is None:
                message = f"{where}: expected a blank after the quoted cell that begins here"
                raise DataError(message, hint="data.quote: '' ignores quotes")
            cells.append(match[2] if match[1] is None else match[1].replace(quote * 2, quote))
            position = match.end()
        if cells:
            yield number, cells


def complete_cell(where: str, rest: str, numbered: Iterator[tuple[int, str]], quote: str) -> str:
    """Return the rest of a line that begins with a quote, with the lines up to that on which it closes."""
    q = re.escape(quote)
    if re.match(rf"\s*{q}[^{q}]*(?:{q}{q}[^{q}]*)*{q}(?!{q})", rest):
        return rest  # it closes before something other than a blank
    parts, size, reason = [rest], 0, "unexpected end of data"
    for _, line in numbered:
        parts.append(line)
        size += len(line)
        if quote in line and any(len(run) % 2 for run in re.findall(f"{q}+", line)):
            return "".join(parts)
        if size > MAX_CELL:
            reason = f"more than {MAX_CELL} characters"
            break
    hint = "close its quote; data.quote: '' ignores quotes"
    raise DataError(f"{where}: {reason}, in the quoted cell that begins here", hint=hint)
