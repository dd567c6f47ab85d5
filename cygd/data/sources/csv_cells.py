"""The cells of a text file as they are written, for columns whose numbers are labels.

A table keeps the numbers of a file, not their texts. The labels of the few columns that need them are read
again, all in one pass. Quoted words such as "NA" are marked before a line is parsed, because the cells that
`csv` returns do not say whether they were quoted.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from cygd.data.column import QUOTED, read_text_cell
from cygd.data.dataset import Rows
from cygd.data.numbers import Cell, CellFormat
from cygd.errors import DataError

CHUNK = 4096  # records


class CsvCells:
    """The cells of the columns of a table, read when a label is asked for.

    `records` yields the cells of each row of all files, with quoted words marked.
    """

    def __init__(self, records: Callable[[], Iterator[Sequence[str]]], cell_format: CellFormat) -> None:
        self.records = records
        self.format = cell_format
        self.n_rows = 0
        self.loaded: dict[int, tuple[Rows, list[Cell]]] = {}

    def load(self, columns: Iterable[int]) -> None:
        """Read some columns in one pass."""
        wanted = [column for column in columns if column not in self.loaded]
        if not wanted:
            return
        codes = {column: array("i") for column in wanted}
        texts: dict[int, dict[str, int]] = {column: {} for column in wanted}
        records = self.records()
        while chunk := list(islice(records, CHUNK)):
            for column in wanted:
                index, cells = texts[column], [record[column] for record in chunk]
                for cell in dict.fromkeys(cells):
                    index.setdefault(cell, len(index))
                codes[column].extend(map(index.__getitem__, cells))
        for column in wanted:
            self.loaded[column] = self._parse(np.frombuffer(codes[column], np.int32), list(texts[column]))

    def _parse(self, codes: Rows, texts: list[str]) -> tuple[Rows, list[Cell]]:
        if len(codes) != self.n_rows:
            raise DataError("the file changed while it was read")
        cells = [read_text_cell(text, self.format) for text in texts]
        missing = np.array([cell.is_missing for cell in cells], bool)
        return np.where(missing[codes], -1, codes), cells

    def cells(self, column: int) -> tuple[Rows, Sequence[Cell]]:
        """Return a code for each row, -1 if missing, and the cell of each code."""
        self.load([column])
        return self.loaded[column]


def mark_quoted_words(
    lines: Iterable[str], delimiter: str, quote: str, words: Iterable[str]
) -> Iterator[str]:
    """Mark quoted words that without quotes would be missing values.

    Within a quoted cell a quote is doubled, so that the pattern of a whole cell occurs only as a cell.
    """
    listed = "|".join(re.escape(word) for word in words if word)
    if not quote or not listed:
        yield from lines
        return
    q, blank = re.escape(quote), r"\s" if delimiter == "whitespace" else re.escape(delimiter)
    pattern = re.compile(f"((?:^|{blank}) *){q}({listed}){q}(?= *(?:{blank}|[\r\n]*$))")
    marked = rf"\g<1>{quote}{QUOTED}\g<2>{quote}"
    for line in lines:
        yield pattern.sub(marked, line) if quote in line else line
