"""Rows of raw columns in the form that exported models take: numbers with NaN for gaps, and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cygd.data import InputColumn, Preprocessing, Table
from cygd.data.dataset import Label
from cygd.data.encoding import encode_column, numeric_column

Columns = list[npt.NDArray[Any]]  # float64, or objects of str


def has_text_labels(column: InputColumn) -> bool:
    """Return True for a categorical column whose labels are texts, or numbers that float64 cannot hold."""
    return column.categories is not None and not are_numbers(column.categories)


def are_numbers(labels: Sequence[Label]) -> bool:
    """Return True if all labels are numbers that float64 holds exactly."""
    return all(not isinstance(label, str) and float(label) == label for label in labels)


def raw_columns(preprocessing: Preprocessing, table: Table) -> Columns:
    """Return each input column of rows that can be predicted; gaps are NaN in numbers, "" in texts."""
    return [_raw_column(column, table) for column in preprocessing.columns]


def _raw_column(column: InputColumn, table: Table) -> npt.NDArray[Any]:
    if column.categories is None:
        return np.asarray(numeric_column(table, column.column, np.nan), np.float64)
    gap = "" if has_text_labels(column) else np.nan
    codes = encode_column(table, column.column, (*column.categories, gap), gap)
    if has_text_labels(column):
        return np.array([*map(str, column.categories), gap], dtype=object)[codes]
    return np.array([*column.categories, gap], np.float64)[codes]
