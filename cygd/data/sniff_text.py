"""Sniffing of a text file: the options with which the csv source reads it, and what was taken for what."""

from __future__ import annotations

import codecs
import csv
import re
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cygd.data.numbers import PLACEHOLDERS, parse_number
from cygd.data.sources.csv_header import are_row_names, complete_names
from cygd.data.sources.csv_records import declared_delimiter, split_at_blanks
from cygd.data.sources.csv_warnings import TOTAL
from cygd.data.sources.text_io import normalize_encoding, open_bytes, open_text
from cygd.errors import DataError, abbreviate

DEFAULTS = {
    "encoding": "utf-8",
    "comment": "",
    "skip_rows": 0,
    "skip_footer": 0,
    "delimiter": ",",
    "quote": '"',
    "decimal": ".",
    "header": True,
}
DELIMITERS = (",", ";", "\t", "|", "whitespace")
COMMENTS = ("#", "%", "//")
ENCODING_BYTES = 1 << 20  # read to guess the encoding
FIRST_LINES = 200  # lines at the start that decide the format
LAST_LINES = 1000  # lines at the end that may lie below the table, such as empty rows of a sheet
MAX_CHARACTERS, MIN_LINES = 1 << 18, 6  # of those lines, which may be long
GAPS = {word.lower() for word in PLACEHOLDERS} | {"unknown"}
VALUE = re.compile(r"[^a-z]*\d[^a-z]*|\d{4}-\d\d-\d\dT[\d:.+-]+Z?", re.IGNORECASE)  # numbers, dates, money
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")  # 1,200 may be 1200 or 1.2
UNUSED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
YEARS = range(1900, 2100)

Line = tuple[int, str]  # its number, and its text without the line end
Record = tuple[int, list[str]]


@dataclass
class TextGuess:
    """The options that differ from the defaults, and a note on each reading that is not the only one."""

    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, option: str, value: Any, note: str = "") -> None:
        """Set an option, and say why."""
        if value != DEFAULTS[option] or note:
            self.options[option] = value
        if note:
            text = str(value).lower() if isinstance(value, bool) else repr(value)
            self.notes.append(f"{note} ({option}: {text})")


def sniff_text(file: Path) -> TextGuess:
    """Return the options with which a text file is read."""
    guess = TextGuess()
    encoding = sniff_encoding(file)
    fallback = encoding in ("cp1252", "latin-1")
    guess.add("encoding", encoding, f"{file} is not UTF-8 and is taken for {encoding}" if fallback else "")
    first, last = read_ends(file, encoding)
    declared = declared_delimiter(first[0][1]) if first else None
    lines = first[1:] if declared else first
    comment = next((mark for mark in COMMENTS if lines and lines[0][1].startswith(mark)), "")
    table = [line for line in lines if not line[1].startswith(comment or COMMENTS)]
    if not table:
        comment, table = "", lines
    delimiter = declared or sniff_delimiter(table)
    records = parse(table, delimiter)
    if not records:
        return guess
    width = usual_width(records)
    start = first_of_table(records, width)
    above = [line for line in table if line[0] < records[start][0]]
    header_line = commented_names(lines, records, delimiter, width, comment)
    if header_line:
        above, comment = [line for line in lines if line[0] < header_line[0]], ""
        records = [(header_line[0], split(header_line[1], delimiter)), *records]
        start = 0
    elif above or not comment:
        later = [line for line in lines if line[0] > records[start][0]]
        if not comment:
            comment = late_comment(later, delimiter, width)
        elif not any(text.startswith(comment) for _, text in later):
            comment = ""  # skip_rows leaves it out
    if above:
        number = records[start][0]
        guess.add("skip_rows", number - 1, f"{file}: the table is taken to begin on line {number}")
    if comment:
        number, text = next(line for line in lines if line[1].startswith(comment))
        guess.add("comment", comment, f"{file}:{number}: {quote_line(text)} is taken for a comment")
    records = records[start:]
    below = lines_below(last, records, delimiter, width, comment)
    if below:
        number, text = below[0]
        note = f"{file}:{number}: {quote_line(text)} is taken for a line below the table"
        guess.add("skip_footer", len(below), note)
        records = [record for record in records if record[0] < number]
    guess.add("delimiter", "tab" if delimiter == "\t" else delimiter)
    sniff_quote(records, guess)
    sniff_decimal(file, records, delimiter, guess)
    text = next(text for number, text in first if number == records[0][0])
    sniff_header(f"{file}:{records[0][0]}: {quote_line(text)}", [cells for _, cells in records], guess)
    return guess


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
    texts = [text + "\n" for _, text in lines]
    if delimiter == "whitespace":
        try:
            return [(lines[i - 1][0], cells) for i, cells in split_at_blanks(Path(), texts, '"')]
        except DataError:
            return []
    reader, records, line = csv.reader(texts, delimiter=delimiter), [], 0
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
    if any(other in cell for other in ";\t|" if other != delimiter):
        return True
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
        if rows and is_title and min(map(count_filled, rows[-3:])) > 1:
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
    for number, text in reversed(last[1:]):
        if number <= records[0][0] + 1 or text.count('"') % 2:
            break
        cells = [cell.strip() for cell in split(text, delimiter)]
        present = [cell for cell in cells if cell.lower() not in GAPS]
        is_total = bool(present) and TOTAL.fullmatch(present[0]) is not None and labels[present[0]] <= 1
        is_remark = len(cells) < width and bool(present) and not is_value(present[0])
        is_remark = is_remark and (len(cells) == 1 or " " in present[0] or ":" in present[0])
        if comment and text.startswith(comment):
            continue
        if any(cells) and not (is_total or is_remark):
            break
        below.insert(0, (number, text))
    return below


# -- numbers and names ------------------------------------------------------------------------------


def sniff_quote(records: Sequence[Record], guess: TextGuess) -> None:
    """Set the quote to ' if all texts are within it."""
    texts = [cell for _, cells in records for cell in cells if cell and not is_value(cell)]
    if texts and all(len(text) > 1 and text[0] == text[-1] == "'" for text in texts):
        guess.add("quote", "'")


def sniff_decimal(file: Path, records: Sequence[Record], delimiter: str, guess: TextGuess) -> None:
    """Set the decimal separator: a comma if some cells are numbers only with it, and none only without."""
    if delimiter == ",":
        return
    cells = [cell.strip() for _, cells in records[1:] for cell in cells]
    commas = [cell for cell in cells if parse_number(cell) is None and parse_number(cell, ",") is not None]
    points = any(parse_number(cell) is not None and parse_number(cell, ",") is None for cell in cells)
    if not commas or points:
        return
    if all(GROUPED.fullmatch(cell) for cell in commas):
        note = f"{file}: {commas[0]!r} may be {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}"
        guess.notes.append(f"{note}: nothing is guessed; set decimal: ',' if commas are decimal points")
    else:
        guess.add("decimal", ",")


def sniff_header(where: str, records: list[list[str]], guess: TextGuess) -> None:
    """Set whether the first record holds names; `where` is its place and text."""
    first, rows = records[0], records[1:]
    if rows and len(first) < len(rows[0]):
        return  # names without one for the row names, or with additional delimiters in the rows
    names, values, repeated = header_votes(first, rows)
    above_row_names = not first[0].strip() and all(map(str.strip, first[1:])) and len(first) > 1
    above_row_names = above_row_names and are_row_names([row[0].strip() for row in rows if row])
    if is_sequence(first, rows) or (above_row_names and values > names):
        guess.add(
            "header",
            True,
            f"{where} may be names or a row and is taken for names; change `header` if it is a row",
        )
    elif names and values:
        kind = "names" if names > values else "a row"
        other = "a row" if names > values else "names"
        note = f"{where} may be names or a row and is taken for {kind}; change `header` if it is {other}"
        guess.add("header", names > values, note)
    elif values:
        guess.add("header", False, f"{where} is taken for a row, not for names")
    elif not names and rows:
        kind, other = ("a row, as values recur below", "names") if repeated else ("names", "a row")
        note = f"{where}: every cell is text; taken for {kind}; change `header` if it is {other}"
        guess.add("header", not repeated, note)


def header_votes(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[int, int, int]:
    """Return how many cells are names above values, values above values, and texts that recur below."""
    names = values = repeated = 0
    for i, cell in enumerate(cell.strip() for cell in first):
        below = [row[i].strip() for row in rows if i < len(row)]
        present = [other for other in below if other.lower() not in GAPS]
        n_values = sum(map(is_value, present))
        holds_values = not present or 2 * n_values > len(present)
        if cell.lower() in GAPS:
            continue
        if is_value(cell):
            values += holds_values
        elif present and holds_values:
            names += 1
        else:
            repeated += cell in present
    return names, values, repeated


def is_value(cell: str) -> bool:
    """Return True for a number, a date, an amount of money: what is rarely the name of a column."""
    return VALUE.fullmatch(cell) is not None or parse_number(cell) is not None


def is_sequence(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return True for names that count: 0, 1, 2, ... as pandas writes them, or years."""

    def numbers(cells: Sequence[str]) -> Iterator[int]:
        return (int(cell) for cell in map(str.strip, cells) if cell.isdecimal() and cell.isascii())

    def counts(cells: Sequence[str]) -> bool:
        found = list(numbers(cells))
        return len(found) > 1 and found == list(range(found[0], found[0] + len(found)))

    found = list(numbers(first))
    named = [cell for cell in first if cell.strip()]
    is_range = counts(first) and (
        (found[0] == 0 and len(found) == len(named)) or all(number in YEARS for number in found)
    )
    return is_range and not all(map(counts, rows))


def quote_line(text: str) -> str:
    """Return a line as a note quotes it."""
    return repr(abbreviate(text, 40))
