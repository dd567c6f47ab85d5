"""Warnings about text files that can be read, but probably not as they are meant."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Protocol

from cygd.data.sources.csv_records import CsvFormat, split_line
from cygd.data.sources.text_io import open_text
from cygd.data.table import Table

log = logging.getLogger("cygd")

MIN_ROWS = 3  # above which a first row may be a total, not the name of one of few things
TOTAL = re.compile(
    r"(grand|sub)?[ -]?"
    r"(totals?|sums?|averages?|avg|means?|summe|gesamt|insgesamt|mittelwert|somme|moyenne|suma)\W*",
    re.IGNORECASE,
)


class Strings(Protocol):
    """The strings of a column of a file."""

    def string_of_row(self, row: int) -> str:
        """Return the string in the first or last row of a file, or "" if it holds none."""

    def count_string(self, text: str) -> int:
        """Return the number of rows that hold a string."""


def warn_about_totals(table: Table, strings: Mapping[str, Strings], n_rows: int | None = None) -> None:
    """Log a warning for a file whose first or last row has a label such as Total, which no other row has."""
    n_rows = len(table) if n_rows is None else n_rows
    starts = [file.first_row for file in table.files]
    ends = [start - 1 for start in starts[1:]] + [n_rows - 1]
    starts = starts if n_rows > MIN_ROWS else []
    for i, (name, column) in enumerate(strings.items()):
        for row in sorted({*ends, *([] if i else starts)}):
            label = column.string_of_row(row)
            if TOTAL.fullmatch(label) and column.count_string(label) == 1:
                is_last = row in ends
                message = f"%s: the {'last' if is_last else 'first'} row may be a total: it holds %r"
                hint = f"data.{'skip_footer: 1' if is_last else f'comment: {label!r}'} leaves it out"
                log.warning(message, table.location(row, name), label, extra={"hint": hint})


def warn_about_skipped(file: Path, csv_format: CsvFormat, n_columns: int) -> None:
    """Log a warning for a line that is skipped but looks like a row of data."""
    n_first, n_last = csv_format.skip_rows, csv_format.skip_footer
    if not n_first and not n_last:
        return
    with open_text(file, csv_format.encoding) as lines:
        skipped = [("skip_rows", line) for line in islice(lines, n_first)]
        skipped += [("skip_footer", line) for line in deque(filter(str.strip, lines), maxlen=n_last)]
    for option, line in skipped:
        cells = [cell.strip() for cell in split_line(line, csv_format)]
        present = [cell for cell in cells if cell]
        n_numbers = sum(csv_format.cells.parse(cell) is not None for cell in present)
        if len(cells) == n_columns and 2 * n_numbers > len(present) and not TOTAL.fullmatch(present[0]):
            log.warning("%s: data.%s leaves out the row %r", file, option, line.strip())
