"""Sniffing of a data file: its source with the options, and what each column appears to hold.

`cygd new` writes the guesses into an experiment, where the user can correct them; an experiment itself is
never guessed at.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cygd.components import Components
from cygd.data.column import Column
from cygd.data.dataset import Array, Dataset, Label
from cygd.data.number_texts import describe_texts
from cygd.data.numbers import CellFormat, parse_number
from cygd.data.source import DataSource
from cygd.data.sources.paths import resolve_paths
from cygd.data.sources.text_io import normalize_encoding, open_text
from cygd.data.table import Table
from cygd.errors import DataError

SOURCES = {".npz": "npz", ".parquet": "parquet", ".svm": "svmlight", ".svmlight": "svmlight"}
DEFAULTS = {"encoding": "utf-8", "delimiter": ",", "decimal": ".", "header": True}
DELIMITERS = ",;\t|"
ENCODING_BYTES = 1 << 20  # read to guess the encoding
DELIMITER_LINES = 20  # read to guess the delimiter
MAX_LABELS = 20  # of a categorical column; a column with more holds names or notes
MAX_CLASS_NUMBERS = 12  # of a numeric column that looks like class numbers
ROW_NUMBERS = re.compile(
    r"(row|record|sample|line)?_?(id|idx|index|nr|no|number|names?)|unnamed.*", re.IGNORECASE
)


@dataclass(frozen=True)
class ColumnGuess:
    """What a column appears to hold."""

    name: str
    labels: dict[Label, int] | None  # counts by label; None for a numeric column
    low: float  # NaN for a categorical column, like `high`
    high: float
    missing: int  # rows without a value
    distinct: int  # distinct values
    has_class_numbers: bool = False  # any two numbers, or a few from 0 or 1 upwards
    unusable: str = ""  # why it cannot be an input


@dataclass(frozen=True)
class TableGuess:
    """What a file appears to be."""

    source: str  # the data source for an experiment, with its options
    options: dict[str, Any]
    table: Table
    columns: list[ColumnGuess]


def sniff_table(path: str, components: Components) -> TableGuess:
    """Guess the source of a data file from its suffix, and the options from its first lines."""
    file = resolve_paths(Path(), path, "--data")[0]
    name = SOURCES.get(file.suffix.lower(), "csv")
    options = {"path": path, **(sniff_csv_options(file) if name == "csv" else {})}
    source = components.get("data_source", name)
    assert isinstance(source, DataSource)
    data = source.configured(options).read(Path())
    table = Table.from_dataset(data, str(file)) if isinstance(data, Dataset) else data
    if not len(table):
        raise DataError(f"{file} has no rows")
    columns = [sniff_column(column_name, column) for column_name, column in table.columns.items()]
    return TableGuess(name, options, table, columns)


def sniff_csv_options(file: Path) -> dict[str, Any]:
    """Return the options of a text file that differ from the defaults."""
    encoding = sniff_encoding(file)
    with open_text(file, normalize_encoding(encoding)) as text:
        lines = list(islice((line for line in text if line.strip()), DELIMITER_LINES))
    scores = {",": (0, 0)}  # the number of lines as wide as the first one, and that width
    for delimiter in DELIMITERS:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        if widths and widths[0] > 1:
            scores[delimiter] = widths.count(widths[0]), widths[0]
    delimiter = max(scores, key=lambda candidate: scores[candidate])
    records = list(csv.reader(lines, delimiter=delimiter))
    decimal = sniff_decimal(records) if delimiter != "," else "."
    options: dict[str, Any] = {
        "encoding": encoding,
        "delimiter": "tab" if delimiter == "\t" else delimiter,
        "decimal": decimal,
        "header": not records or has_header(records[:2], decimal),
    }
    return {option: value for option, value in options.items() if value != DEFAULTS[option]}


def sniff_encoding(file: Path) -> str:
    """Return the encoding that the first bytes of a file suggest."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as raw:
        try:
            start = raw.read(ENCODING_BYTES)
        except (OSError, EOFError, zlib.error):
            return "utf-8"  # `open_text` reports the error
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def sniff_decimal(records: list[list[str]]) -> str:
    """Return the decimal separator: a comma if some cells are numbers only with it, and none only without.

    Cells such as 1,200 do not decide it, because the comma may separate thousands.
    """
    cells = [cell.strip() for record in records[1:] for cell in record]
    thousands = CellFormat(thousands=",")
    commas = any(
        parse_number(cell) is None and parse_number(cell, ",") is not None and thousands.parse(cell) is None
        for cell in cells
    )
    points = any(parse_number(cell) is not None and parse_number(cell, ",") is None for cell in cells)
    return "," if commas and not points else "."


def has_header(records: list[list[str]], decimal: str) -> bool:
    """Return True if the first record holds names: if it has numbers in other cells than the second."""
    kinds = [[parse_number(cell, decimal) is not None for cell in record] for record in records]
    return not any(kinds[0]) or (len(kinds) > 1 and kinds[0] != kinds[1])


def sniff_column(name: str, column: Column) -> ColumnGuess:
    """Return what a column appears to hold."""
    missing = int(np.count_nonzero(column.missing))
    # the cells are not read again for columns of numbers, of which a file may have thousands
    counts = (column if column.is_categorical else replace(column, source=None)).count_labels()
    distinct = len(counts)
    if column.is_categorical:
        unusable = ""
        if distinct == 1:
            unusable = "the same in every row"
        elif (remedy := describe_texts(list(column.string_counts))) is not None:
            unusable = f"strings that look like numbers: {remedy}"
        elif distinct > min(MAX_LABELS, len(column.numbers) / 2):
            unusable = f"{distinct} different strings"
        return ColumnGuess(name, counts, np.nan, np.nan, missing, distinct, unusable=unusable)
    present = column.numbers[~np.isnan(column.numbers)]
    low, high = (float(present.min()), float(present.max())) if len(present) else (np.nan, np.nan)
    consecutive = distinct <= MAX_CLASS_NUMBERS and np.array_equal([*counts], low + np.arange(distinct))
    has_class_numbers = distinct == 2 or (low in (0, 1) and consecutive)
    unusable = unusable_reason(name, column, present)
    return ColumnGuess(name, None, low, high, missing, distinct, has_class_numbers, unusable)


def unusable_reason(name: str, column: Column, present: Array) -> str:
    """Return why a numeric column cannot be an input, or ""."""
    if not len(present):
        return "empty"
    if column.first_string_row is not None:
        return f"numbers, but also strings such as {column.string_at(column.first_string_row)!r}"
    if not np.isfinite(present).all():
        return "some values are not finite"
    if present.min() == present.max():
        return "the same in every row"
    return "row numbers" if ROW_NUMBERS.fullmatch(name) and (np.diff(present) == 1).all() else ""
