"""Sniffing of a text file: the options with which the csv source reads it, and what was taken for what."""

from __future__ import annotations

import codecs
import csv
import re
import zlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from cygd.data.numbers import parse_number
from cygd.data.sniff_header import (
    GAPS,
    are_complete_names,
    has_names_below,
    header_votes,
    heading_size,
    is_rule,
    is_value,
    sniff_header,
)
from cygd.data.sources.csv_header import are_types, complete_names
from cygd.data.sources.csv_records import (
    DELIMITER_NAMES,
    declared_delimiter,
    plain_quotes,
    split_at_blanks,
)
from cygd.data.sources.csv_warnings import TOTAL
from cygd.data.sources.text_io import normalize_encoding, open_bytes, open_text
from cygd.data.text_guess import UNDECIDED, Line, Record, TextGuess, quote_line
from cygd.errors import DataError

DELIMITERS = (",", ";", "\t", "|", "whitespace")
COMMENTS = ("#", "%", "//")
ENCODING_BYTES = 1 << 20  # read to guess the encoding
FIRST_LINES = 200  # lines at the start that decide the format
LAST_LINES = 1000  # lines at the end that may lie below the table, such as empty rows of a sheet
MAX_CHARACTERS, MIN_LINES = 1 << 18, 6  # of those lines, which may be long
MAX_MARK = 100  # characters of a line that make it a comment
LONG_REMARK = 30  # characters; shorter texts may be labels
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")  # 1,200 may be 1200 or 1.2
UNUSED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


@dataclass
class TextTable:
    """The table within a text file, as far as it is known."""

    file: Path
    lines: list[Line]  # the first ones, without one that declares the delimiter
    uncommented: list[Line]
    delimiter: str
    width: int  # cells of most records
    records: list[Record]  # of the first lines
    comment: str
    has_names: bool = True  # False if no line has a name for each column


def sniff_text(file: Path, delimiter: str | None = None) -> TextGuess:
    """Return the options with which a text file is read; the delimiter may be known."""
    guess = TextGuess()
    encoding = sniff_encoding(file)
    fallback = encoding in ("cp1252", "latin-1")
    guess.add("encoding", encoding, f"{file} is not UTF-8 and is taken for {encoding}" if fallback else "")
    first, last = read_ends(file, encoding)
    table = find_table(file, first, None if delimiter is None else DELIMITER_NAMES.get(delimiter, delimiter))
    if table is None:
        return guess
    leave_out_start(table, last, guess)
    leave_out_end(table, last, guess)
    guess.add("delimiter", "tab" if table.delimiter == "\t" else table.delimiter)
    sniff_quote(table.records, guess)
    if table.has_names:
        number = table.records[0][0]
        text = next(text for line, text in first if line == number)
        where = f"{file}:{number}: {quote_line(text)}"
        sniff_header(where, [cells for _, cells in table.records], guess)
    has_header = guess.options.get("header", True)
    rows = [[cell.strip() for cell in cells] for _, cells in table.records[has_header:]]
    sniff_decimal(file, rows, table.delimiter, guess)
    return guess


def find_table(file: Path, first: Sequence[Line], known: str | None = None) -> TextTable | None:
    """Return the records of the first lines and their delimiter, or None if there are none."""
    declared = declared_delimiter(first[0][1]) if first else None
    lines = list(first[1:] if declared else first)
    comment = next((mark for mark in COMMENTS if lines and lines[0][1].startswith(mark)), "")
    uncommented = [line for line in lines if not line[1].startswith(comment or COMMENTS)]
    if not uncommented:
        comment, uncommented = "", lines
    delimiter = known or declared or sniff_delimiter(uncommented)
    records = parse(uncommented, delimiter)
    if not records:
        return None
    return TextTable(file, lines, uncommented, delimiter, usual_width(records), records, comment)


def leave_out_start(table: TextTable, last: Sequence[Line], guess: TextGuess) -> None:
    """Leave out comments, the lines above the table, and those between its names and the first row."""
    header_line = commented_names(table.lines, table.records, table.delimiter, table.width, table.comment)
    if header_line:
        table.comment = ""
        table.records = [(header_line[0], split(header_line[1], table.delimiter)), *table.records]
        above = [line for line in table.lines if line[0] < header_line[0]]
    else:
        table.records = table.records[first_of_table(table.records, table.width) :]
        while has_names_below([cells for _, cells in table.records], table.width):
            del table.records[0]
        leave_out_heading(table, last)
        start = table.records[0][0]
        above = [line for line in table.uncommented if line[0] < start]
        later = [line for line in table.lines if line[0] > start]
        if not table.comment:
            table.comment = late_comment(later, table.delimiter, table.width)
        elif above and not any(text.lstrip().startswith(table.comment) for _, text in later):
            table.comment = ""  # skip_rows leaves it out
    if above:
        number = table.records[0][0]
        note = f"{table.file}: the table is taken to begin on line {number}"
        guess.add("skip_rows", number - 1, note)
    if table.comment:
        number, text = next(line for line in table.lines if line[1].lstrip().startswith(table.comment))
        note = f"{table.file}:{number}: {quote_line(text)} is taken for a comment"
        guess.add("comment", table.comment, note)
    if not table.has_names:
        note = f"{table.file}: the lines above the first row do not name each column"
        guess.add("header", False, note)


def leave_out_heading(table: TextTable, last: Sequence[Line]) -> None:
    """Let the table begin with its names, and leave out the lines between them and the first row.

    Such a line, of units or totals, can only be a comment; several of them leave no names.
    """
    records, size = table.records, heading_size([cells for _, cells in table.records])
    is_total = size == 1 and starts_with_total(records)
    size += is_total
    rows = [cells for _, cells in records[size:]]
    if len(records) > 1 and are_types(records[1][1]):
        return  # the csv source reports the lines of Orange
    if size == 1 or (is_total and not are_complete_names(records[0][1], rows)):
        return
    names = next((i for i in range(size) if are_complete_names(records[i][1], rows)), size)
    if names < size - 1:
        between = {number for number, _ in records[names + 1 : size]}
        is_free = not any(text.startswith(table.comment) for n, text in table.lines if n > records[0][0])
        mark = comment_mark(table, between, last, is_total) if is_free or not table.comment else ""
        if mark:
            table.comment, table.uncommented = mark, table.lines
        else:
            names = size
    table.has_names = names < size
    table.records = [*records[names : min(names + 1, size)], *records[size:]]


def starts_with_total(records: Sequence[Record]) -> bool:
    """Return True if the first row has a label such as Total, which no other row has."""
    labels = [cells[0].strip() for _, cells in records[1:] if cells]
    return len(labels) > 1 and TOTAL.fullmatch(labels[0]) is not None and labels.count(labels[0]) == 1


def comment_mark(table: TextTable, numbers: set[int], last: Sequence[Line], is_total: bool) -> str:
    """Return with what a line begins, but no other line of the table, or ""; several lines have no mark."""
    if len(numbers) > 1:
        return ""
    number = min(numbers)
    text = next(text for line, text in table.lines if line == number).strip()
    start = table.records[0][0]
    others = [other.strip() for line, other in [*table.lines, *last] if line >= start and line != number]
    marks, separator = [text[:MAX_MARK]], None if table.delimiter == "whitespace" else table.delimiter
    if is_total or all(is_value(cells[0]) for line, cells in table.records if line > number and cells):
        marks.insert(0, text.split(separator)[0].strip())  # no row begins with such a text
    for mark in marks:
        is_other = any(other.startswith(mark) and not is_rule([other]) for other in others)
        if mark and mark not in (table.delimiter, '"', "'") and not is_other:
            return mark
    return ""


def leave_out_end(table: TextTable, last: Sequence[Line], guess: TextGuess) -> None:
    """Leave out the lines below the table."""
    below = lines_below(last, table.records, table.delimiter, table.width, table.comment)
    if below:
        number, text = below[0]
        note = f"{table.file}:{number}: {quote_line(text)} is taken for a line below the table"
        guess.add("skip_footer", len(below), note)
        table.records = [record for record in table.records if record[0] < number]


def sniff_encoding(file: Path) -> str:
    """Return the encoding that the first bytes of a file suggest."""
    try:
        with open_bytes(file) as raw:
            start = raw.read(ENCODING_BYTES)
    except (OSError, EOFError, zlib.error):
        return "utf-8"  # `open_text` reports the error
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if b"\0" in start:
        return "utf-8"  # the csv source reports a binary file
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
        return "utf-8"
    except UnicodeDecodeError:
        return "latin-1" if UNUSED_IN_CP1252.search(start) else "cp1252"


def read_ends(file: Path, encoding: str) -> tuple[list[Line], list[Line]]:
    """Return the first and the last lines that are not empty."""
    first: list[Line] = []
    last: deque[Line] = deque()
    n_first = n_last = 0  # characters
    with open_text(file, normalize_encoding(encoding)) as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            last.append((number, line.rstrip("\r\n")))
            n_last += len(line)
            while len(last) > LAST_LINES or (n_last > MAX_CHARACTERS and len(last) > MIN_LINES):
                n_last -= len(last.popleft()[1])
            if len(first) < FIRST_LINES and (n_first < MAX_CHARACTERS or len(first) < MIN_LINES):
                first.append(last[-1])
                n_first += len(line)
    return first, list(last)


def parse(lines: Sequence[Line], delimiter: str) -> list[Record]:
    """Return the records of some lines, [] if they have none with this delimiter."""
    texts = [*plain_quotes([text + "\n" for _, text in lines], delimiter, '"')]
    if delimiter == "whitespace":
        try:
            return [(lines[i - 1][0], cells) for i, cells in split_at_blanks(Path(), texts, '"')]
        except DataError:
            return []
    reader, records, line = csv.reader(texts, delimiter=delimiter, skipinitialspace=True), [], 0
    try:
        for cells in reader:
            records.append((lines[line][0], cells))
            line = reader.line_num
    except csv.Error:  # a cell above the limit, which may lie below the first lines
        return records
    return records


def split(text: str, delimiter: str) -> list[str]:
    """Return the cells of one line."""
    records = parse([(1, text)], delimiter)
    return records[0][1] if records else []


# -- delimiter, first and last line -----------------------------------------------------------------


def sniff_delimiter(lines: Sequence[Line]) -> str:
    """Return the delimiter with which most records have the same width, and most cells hold one value."""
    scores = {}
    for delimiter in DELIMITERS:
        records = parse(lines, delimiter)
        width = usual_width(records)
        if width > 1:
            same = [cells for _, cells in records if len(cells) == width]
            cells = [cell.strip() for record in same for cell in record]
            clean = sum(not holds_several(cell, delimiter) for cell in cells) / len(cells)
            scores[delimiter] = len(same) / len(records) * clean
    return max(scores, key=lambda delimiter: scores[delimiter]) if scores else ","


def holds_several(cell: str, delimiter: str) -> bool:
    """Return True if a cell holds values that another delimiter separates."""
    if cell.count('"') % 2 or any(other in cell for other in ";\t|" if other != delimiter):
        return True  # a quote that is not closed holds the delimiter
    if delimiter == "whitespace":
        return "," in cell and parse_number(cell, ",") is None
    words = cell.split()
    return len(words) > 1 and all(parse_number(word.replace(",", ".")) is not None for word in words)


def usual_width(records: Sequence[Record]) -> int:
    """Return the number of cells that most records have."""
    widths = Counter(len(cells) for _, cells in records)
    return max(widths, key=lambda width: (widths[width], width), default=0)


def first_of_table(records: Sequence[Record], width: int) -> int:
    """Return the index of the first record of the table, below titles of another width or a single cell."""
    for i, (_, cells) in enumerate(records):
        rows = [row for _, row in records[i + 1 :] if len(row) == width]
        is_title = count_filled(cells) <= 1 and (cells[0].strip() or not any(map(str.strip, cells)))
        if rows and is_title and sorted(map(count_filled, rows))[len(rows) // 2] > 1:
            continue
        if len(cells) == width or (rows and len(complete_names(cells, rows)) == width):
            return i
    return 0


def count_filled(cells: Sequence[str]) -> int:
    """Return the number of cells that are not empty."""
    return sum(bool(cell.strip()) for cell in cells)


def commented_names(
    lines: Sequence[Line], records: Sequence[Record], delimiter: str, width: int, comment: str
) -> Line | None:
    """Return the last comment above the table if it holds the names of the columns."""
    above = [line for line in lines if line[0] < records[0][0]]
    if not comment or not above or delimiter == "whitespace":
        return None
    names = split(above[-1][1], delimiter)
    rows = [cells for _, cells in records]
    is_header = len(names) == width > 1 and header_votes(names, rows)[0] > header_votes(rows[0], rows[1:])[0]
    return above[-1] if is_header else None


def late_comment(lines: Sequence[Line], delimiter: str, width: int) -> str:
    """Return the mark of comments between the rows, or ""."""
    for mark in COMMENTS:
        marked = [text for _, text in lines if text.startswith(mark)]
        if marked and all(len(split(text, delimiter)) != width for text in marked):
            return mark
    return ""


def lines_below(
    last: Sequence[Line], records: Sequence[Record], delimiter: str, width: int, comment: str
) -> list[Line]:
    """Return the lines at the end that do not belong to the table: totals, sources and remarks."""
    below: list[Line] = []
    labels = Counter(cell.strip() for _, cells in records for cell in cells)
    has_values = 2 * sum(n for label, n in labels.items() if is_value(label)) > labels.total()
    for number, text in reversed(last[1:]):
        if number <= records[0][0] + 1 or text.count('"') % 2:
            break
        cells = [cell.strip() for cell in split(text, delimiter)]
        present = [cell for cell in cells if cell.lower() not in GAPS]
        is_total = bool(present) and TOTAL.fullmatch(present[0]) is not None and labels[present[0]] <= 1
        if comment and text.startswith(comment):
            continue
        if any(cells) and not (is_total or is_remark(cells, present, width, delimiter, has_values)):
            break
        below.insert(0, (number, text))
    return below


def is_remark(
    cells: Sequence[str], present: Sequence[str], width: int, delimiter: str, has_values: bool
) -> bool:
    """Return True for a line of text, which a spreadsheet may have filled up with delimiters.

    `has_values` says whether most cells of the table are values.
    """
    if not present or is_value(present[0]):
        return False
    if delimiter == "whitespace":  # each word is a cell
        n_values = sum(map(is_value, present))
        return 2 * n_values < len(present) and (len(cells) != width or (has_values and not n_values))
    is_long = any(" " in cell and len(cell) > LONG_REMARK for cell in present)
    if len(cells) < width:
        return len(cells) == 1 or " " in present[0] or ":" in present[0] or is_long
    return width > 2 and len(present) == 1 and (is_long or ":" in present[0])


# -- quotes and numbers -----------------------------------------------------------------------------


def sniff_quote(records: Sequence[Record], guess: TextGuess) -> None:
    """Set the quote to ' if all texts are within it."""
    texts = [cell for _, cells in records for cell in cells if cell and not is_value(cell)]
    if texts and all(len(text) > 1 and text[0] == text[-1] == "'" for text in texts):
        guess.add("quote", "'")


def sniff_decimal(file: Path, rows: Sequence[Sequence[str]], delimiter: str, guess: TextGuess) -> None:
    """Set the decimal separator: a comma if some cells are numbers only with it, and none only without.

    Where commas separate the cells, decimal commas are in quotes, and so are lists such as "1,2" and "3,4,5":
    no column may hold other texts beside such numbers.
    """
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if is_decimal(cell)]
    points = any(parse_number(cell) is not None and parse_number(cell, ",") is None for cell in cells)
    if not commas or points:
        return
    is_grouped = all(map(GROUPED.fullmatch, commas))
    if delimiter == ",":
        columns = [column for column in zip_longest(*rows, fillvalue="") if any(map(is_decimal, column))]
        others = (cell for column in columns for cell in column if cell.lower() not in GAPS)
        if is_grouped or any(parse_number(cell, ",") is None for cell in others):
            return
    if is_grouped:
        note = f"{file}: {commas[0]!r} may be {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}"
        guess.notes.append(f"{note}: {UNDECIDED}; set decimal: ',' if commas are decimal points")
    else:
        guess.add("decimal", ",")


def is_decimal(cell: str) -> bool:
    """Return True for a number that has a decimal comma."""
    return "," in cell and parse_number(cell, ",") is not None
