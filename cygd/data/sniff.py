"""What a file of data seems to be: its source with the options, and what each column seems to hold.

A guess is for somebody who begins, and is written down where it can be corrected; an experiment itself is
never guessed at.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cygd.components import Components
from cygd.data.dataset import Dataset, Label
from cygd.data.source import DataSource
from cygd.data.sources.paths import resolve_paths
from cygd.data.sources.text_io import known_encoding, opened
from cygd.data.table import Column, Table, number
from cygd.errors import DataError

__all__ = ["ColumnGuess", "TableGuess", "sniff_table"]

SOURCES = {".npz": "npz", ".parquet": "parquet", ".svm": "svmlight", ".svmlight": "svmlight"}
USUAL = {"encoding": "utf-8", "delimiter": ",", "decimal": ".", "header": True}
DELIMITERS = ",;\t|"
BYTES = 1 << 20  # that are looked at for the encoding
LINES = 20  # that are looked at for the delimiter
MOST_LABELS = 20  # of a column of texts; more are names or notes, not categories
MOST_CLASSES = 12  # that are given as numbers
COUNTS = re.compile(r"(row|record|sample|line)?_?(id|idx|index|nr|no|number|names?)|unnamed.*", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnGuess:
    """What a column seems to hold.

    Attributes
    ----------
    name : str
    labels : dict of label to count, or None
        Of a column of categories.
    low, high : float
        Of a column of numbers.
    missing, distinct : int
        How many rows have no value, and how many different ones there are.
    numbers_classes : bool
        Whether its numbers look like numbers of classes: two of any kind, or a few from 0 or 1 upwards.
    unfit : str
        Why it can be no input, or "".
    """

    name: str
    labels: dict[Label, int] | None
    low: float
    high: float
    missing: int
    distinct: int
    numbers_classes: bool = False
    unfit: str = ""


@dataclass(frozen=True)
class TableGuess:
    """What a file seems to be.

    Attributes
    ----------
    source, options
        What an experiment writes for it.
    table : Table
        Its columns.
    views : list of View
        What they seem to hold.
    """

    source: str
    options: dict[str, Any]
    table: Table
    views: list[ColumnGuess]


def sniff_table(path: str, components: Components) -> TableGuess:
    """Look at a file of data; its name says which kind it is, its first lines how it is written.

    Raises
    ------
    DataError
        Where it cannot be read.
    """
    file = resolve_paths(Path(), path, "--data")[0]
    source = SOURCES.get(file.suffix.lower(), "csv")
    options = text_options(file) if source == "csv" else {}
    component = components.get("data_source", source)
    assert isinstance(component, DataSource)
    data = component.configured({"path": path, **options}).read(Path())
    table = Table.of_dataset(data, str(file)) if isinstance(data, Dataset) else data
    if not len(table):
        raise DataError(f"{file} has no rows")
    return TableGuess(
        source, {"path": path, **options}, table, [view(n, c) for n, c in table.columns.items()]
    )


def text_options(file: Path) -> dict[str, Any]:
    """Return the options of a file of text that are not the usual ones."""
    encoding = encoding_of(file)
    with opened(file, known_encoding(encoding)) as text:
        lines = list(islice((line for line in text if line.strip()), LINES))
    fitting = {",": (0, 0)}  # how many lines have as many cells as the first one, and how many those are
    for delimiter in DELIMITERS:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        if widths and widths[0] > 1:
            fitting[delimiter] = widths.count(widths[0]), widths[0]
    delimiter = max(fitting, key=lambda one: fitting[one])
    records = list(csv.reader(lines, delimiter=delimiter))
    decimal = decimal_of(records) if delimiter != "," else "."
    found: dict[str, Any] = {
        "encoding": encoding,
        "delimiter": "tab" if delimiter == "\t" else delimiter,
        "decimal": decimal,
        "header": not records or has_header(records[:2], decimal),
    }
    return {option: value for option, value in found.items() if value != USUAL[option]}


def encoding_of(file: Path) -> str:
    """Return what the bytes of a file seem to stand for."""
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as raw:
        try:
            start = raw.read(BYTES)
        except (OSError, EOFError, zlib.error):
            return "utf-8"  # whoever opens it says what is wrong
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def decimal_of(records: list[list[str]]) -> str:
    """Return the character in front of the fraction: a comma where cells are numbers with it alone."""
    cells = [cell for record in records[1:] for cell in record]
    commas = any(number(cell) is None and number(cell, ",") is not None for cell in cells)
    points = any(number(cell) is not None and number(cell, ",") is None for cell in cells)
    return "," if commas and not points else "."


def has_header(records: list[list[str]], decimal: str) -> bool:
    """Tell whether the first record holds names: whether it is of another kind than the second."""
    kinds = [[number(cell, decimal) is not None for cell in record] for record in records]
    return not any(kinds[0]) or (len(kinds) > 1 and kinds[0] != kinds[1])


def view(name: str, column: Column) -> ColumnGuess:
    """Return what a column seems to hold."""
    missing = int(np.count_nonzero(column.missing))
    codes, labels = column.labels()
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    n_rows, distinct = len(column.numbers), len(labels)
    if column.categorical:
        known = dict(zip(labels, counts.tolist(), strict=True))
        unfit = "" if distinct <= min(MOST_LABELS, n_rows / 2) else f"{distinct} different texts"
        unfit = "the same in every row" if distinct == 1 else unfit
        return ColumnGuess(name, known, np.nan, np.nan, missing, distinct, unfit=unfit)
    present = column.numbers[~np.isnan(column.numbers)]
    low, high = (float(present.min()), float(present.max())) if len(present) else (np.nan, np.nan)
    upwards = low in (0, 1) and distinct <= MOST_CLASSES and np.array_equal(labels, low + np.arange(distinct))
    unfit = "; ".join(reasons(name, column, present))
    return ColumnGuess(name, None, low, high, missing, distinct, distinct == 2 or upwards, unfit)


def reasons(name: str, column: Column, present: Any) -> Iterator[str]:
    """Yield why a column of numbers can be no input."""
    if not len(present):
        yield "empty"
    elif column.first_text is not None:
        yield f"numbers, but also texts such as {column.text(column.first_text)!r}"
    elif not np.isfinite(present).all():
        yield "not all of it is finite"
    elif present.min() == present.max():
        yield "the same in every row"
    elif COUNTS.fullmatch(name) and (np.diff(present) == 1).all():
        yield "it counts the rows"
