"""Warnings about the columns of an experiment that may not be read as they are meant."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

import numpy as np

from cygd.data.encoding import InputColumn
from cygd.data.formatting import format_list
from cygd.data.memory import physical_memory
from cygd.data.numbers import PLACEHOLDERS
from cygd.data.table import Table, load_cells
from cygd.errors import DataError, format_count

log = logging.getLogger("cygd")

MANY_LABELS = 1000
MANY_LABELS_SHARE = 0.5  # of the rows, in a column of more than a few labels
FEW_LABELS = 50


def warn_about_columns(table: Table, categorical: Collection[str], listed: Collection[str]) -> None:
    """Log a warning for each surprising reading of a categorical column; `listed` ones are meant to be so."""
    load_cells(table, categorical)
    for name in (name for name in table.columns if name in categorical):
        message = None
        if name not in listed:
            message = warn_about_texts(table, name)
        if not message:
            warn_about_placeholders(table, name, listed)
        warn_about_spellings(table, name)
        warn_about_large_floats(table, name)


def warn_about_texts(table: Table, name: str) -> bool:
    """Warn about texts that look like numbers, and about a mixture of both; return True if there was one."""
    column = table.columns[name]
    texts = list(column.string_counts)
    if not texts:
        return False
    from cygd.data.number_texts import describe_texts  # imported here: only texts need it

    remedy = describe_texts(texts, text_file=table.is_text)
    if remedy is not None:
        example = next(text for text in texts if any(map(str.isdigit, text)))
        message = "%s: column %r is categorical, because it holds strings such as %r"
        hint = f"{remedy}; list {name!r} under data.categorical if they are categories"
        log.warning(message, table.where, name, example, extra={"hint": hint})
        return True
    counts = column.count_labels()
    n_numbers = sum(count for label, count in counts.items() if not isinstance(label, str))
    if n_numbers and texts and name not in table.categorical:
        message = "%s: column %r is categorical, because %d of its %d values are strings such as %r"
        n_texts = sum(counts.values()) - n_numbers
        hint = f"list {name!r} under data.categorical if the numbers are labels too"
        values = (table.where, name, n_texts, n_texts + n_numbers, texts[0])
        log.warning(message, *values, extra={"hint": hint})
        return True
    return False


def warn_about_number_texts(table: Table, used: Collection[str], categorical: Collection[str]) -> None:
    """Warn about columns whose type is text, and which are numbers because all their values are."""
    for name in (name for name in used if name in table.number_texts and name not in categorical):
        message = "%s: column %r holds texts, and is numeric because all of them are numbers"
        hint = f"list {name!r} under data.categorical if they are categories, such as postal codes"
        log.warning(message, table.where, name, extra={"hint": hint})


def warn_about_placeholders(table: Table, name: str, listed: Collection[str]) -> None:
    """Warn about labels such as N/A, which may mean a missing value."""
    counts = {
        text: count for text, count in table.columns[name].string_counts.items() if text in PLACEHOLDERS
    }
    if not counts or name in listed:
        return
    (word, count), *_ = counts.items()
    message = "%s: column %r has the label %r in %s, which may stand for a missing value"
    option = "set data.missing_values: [" + ", ".join(f'"{text}"' for text in counts) + "]"
    hint = f"{option} if so, or list {name!r} under data.categorical if it is a label"
    log.warning(message, table.where, name, word, format_count(count, "row"), extra={"hint": hint})


def warn_about_spellings(table: Table, name: str) -> None:
    """Warn about texts that became one label because they are the same number."""
    merged = table.columns[name].merged_spellings()
    if not merged:
        return
    label, texts = next(iter(merged.items()))
    more = f", and {len(merged) - 1} more such labels" if len(merged) > 1 else ""
    message = "%s: column %r: %s are one label, %s%s"
    hint = "a number is a label by its value; to keep them apart, write a letter before them, as in v2.10"
    spelled = " and ".join(map(repr, texts)) if len(texts) == 2 else format_list(map(repr, texts))
    log.warning(message, table.where, name, spelled, label, more, extra={"hint": hint})


def warn_about_large_floats(table: Table, name: str) -> None:
    """Warn about labels of floats beyond 2^53, of which neighbors may already be one."""
    column = table.columns[name]
    if column.source is None and column.numbers.size and np.nanmax(np.abs(column.numbers), initial=0) > 2**53:
        message = "%s: column %r has labels beyond 2^53 as floats, which cannot tell neighbors apart"
        hint = "store it as integers or texts"
        log.warning(message, table.where, name, extra={"hint": hint})


def check_width(columns: Sequence[InputColumn], n_rows: int, itemsize: int, where: str) -> None:
    """Warn about columns of very many labels; raise an error if the inputs cannot be held in memory."""
    width = sum(len(column.features) for column in columns)
    size = n_rows * width * itemsize
    memory = physical_memory()
    widest = max(columns, key=lambda column: len(column.features))
    n_labels = len(widest.features)
    hint = f"leave {widest.column!r} out of data.inputs if its labels do not repeat, or group them"
    if memory is not None and size > memory:
        message = f"{where}: {n_rows} rows of {width} inputs take {size / 1e9:.0f} GB"
        message += f", more than the {memory / 1e9:.0f} GB of this machine"
        raise DataError(message, hint=hint if n_labels > 1 else "use fewer inputs, or dtype: float32")
    for column in columns:
        count = len(column.features)
        if count <= FEW_LABELS or (count <= MANY_LABELS and count <= MANY_LABELS_SHARE * n_rows):
            continue
        message = "%s: column %r has %d labels in %d rows, and each becomes an input: %d inputs, %s in all"
        hint = f"leave {column.column!r} out of data.inputs if its labels do not repeat, or group them"
        amount = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
        log.warning(message, where, column.column, count, n_rows, width, amount, extra={"hint": hint})
