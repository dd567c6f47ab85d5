"""Sniffing of a data file: its source with the options, and what each column appears to hold.

`cygd new` writes the guesses into an experiment, where the user can correct them; an experiment itself is
never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cygd.components import Components
from cygd.data.column import Column
from cygd.data.dataset import Array, Dataset, Label
from cygd.data.number_texts import describe_texts, only_options, parse
from cygd.data.numbers import PLACEHOLDERS
from cygd.data.sniff_text import sniff_text
from cygd.data.source import DataSource, source_of_file
from cygd.data.sources.paths import resolve_paths
from cygd.data.table import Table
from cygd.data.text_guess import UNDECIDED, TextGuess
from cygd.errors import DataError

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
    is_boolean: bool = False  # as a target it is categorical by itself


@dataclass(frozen=True)
class TableGuess:
    """What a file appears to be."""

    source: str  # the data source for an experiment, with its options
    options: dict[str, Any]
    table: Table
    columns: list[ColumnGuess]
    notes: list[str]  # what was taken for what, where other readings are possible


def sniff_table(
    path: str,
    components: Components,
    notes: list[str] | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> TableGuess:
    """Guess the source of a data file from its suffix, and the options from its first lines.

    `notes`, if any, receives the notes also where the file cannot be read with these options; `chosen` are
    options that are not guessed.
    """
    chosen = {} if chosen is None else chosen
    file = resolve_paths(Path(), path, "--data")[0]
    name = source_of_file(file)
    name = "csv" if name == "npy" else name  # one array is not a table, as the error of the csv source says
    name = chosen.get("source", name)
    guess = sniff_text(file, chosen.get("delimiter")) if name == "csv" else TextGuess()
    guess.notes = [note for note in guess.notes if not any(f"({key}: " in note for key in chosen)]
    if notes is not None:
        notes += guess.notes
        guess.notes = notes
    options = {"path": path, **guess.options, **{key: chosen[key] for key in chosen if key != "source"}}
    source = components.get("data_source", name)
    assert isinstance(source, DataSource)
    data = source.configured(options).read(Path())
    table = Table.from_dataset(data, str(file)) if isinstance(data, Dataset) else data
    if name == "csv":
        table = read_number_texts(file, source, table, options, guess.notes)
    if name == "csv" and "missing_values" not in chosen and (words := missing_words(table)):
        options["missing_values"] = words
        listed = ", ".join(map(repr, words))
        guess.notes.append(f"{file}: {listed} among numbers is taken for a missing value (missing_values)")
        data = source.configured(options).read(Path())
        assert isinstance(data, Table)
        table = data
    if not len(table):
        raise DataError(f"{file} has no rows")
    columns = [sniff_column(column_name, column) for column_name, column in table.columns.items()]
    for i, column in enumerate(columns):
        if column.name in table.index_columns:
            columns[i] = replace(column, unusable="row names")
    return TableGuess(name, options, table, columns, guess.notes)


def read_number_texts(
    file: Path, source: DataSource, table: Table, options: dict[str, Any], notes: list[str]
) -> Table:
    """Return a table whose texts that can only be one number, 5% or $5.00 or 1.299,99, are numbers.

    The options hold for the whole file: none is set that would read another column differently.
    """
    for name, column in table.columns.items():
        found, example = only_options(list(column.string_counts))
        if "percent" in found and not np.isnan(column.numbers).all():
            continue  # 5 beside 5% may be 5 or 0.05
        if "units" in found:
            found["units"] = sorted({*options.get("units", []), *found["units"]})
        chosen = {key: value for key, value in found.items() if options.get(key) != value}
        if not chosen or any(key in options for key in chosen if key != "units"):
            continue
        both = {"decimal": ".", **options, **chosen}
        if both.get("thousands") == both["decimal"]:
            continue  # columns that are written differently
        again = source.configured({**options, **chosen}).read(Path())
        assert isinstance(again, Table)
        if not set(again.columns[name].string_counts) <= PLACEHOLDERS or not keeps_numbers(table, again):
            continue
        options.update(chosen)
        table = again
        texts = {key: "true" if value is True else repr(value) for key, value in found.items()}
        listed = ", ".join(f"{key}: {text}" for key, text in texts.items())
        notes[:] = [note for note in notes if UNDECIDED not in note or "decimal" not in found]
        reading = f"{example!r} is taken for {parse(example, found):.12g}"
        notes.append(f"{file}: column {name!r}: {reading} ({listed})")
    return table


def keeps_numbers(table: Table, other: Table) -> bool:
    """Return True if all numbers of a table are the same in another."""
    for name, column in table.columns.items():
        present = ~np.isnan(column.numbers)
        if not np.array_equal(column.numbers[present], other.columns[name].numbers[present]):
            return False
    return True


def missing_words(table: Table) -> list[str]:
    """Return the words for a missing value that columns of numbers hold, and no column of texts."""
    words: set[str] = set()
    labels: set[str] = set()
    for column in table.columns.values():
        strings = set(column.string_counts)
        if column.is_categorical:
            labels |= strings
        elif strings <= PLACEHOLDERS:
            words |= strings
    return sorted(words - labels)


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
    return ColumnGuess(
        name, None, low, high, missing, distinct, has_class_numbers, unusable, column.is_boolean
    )


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
