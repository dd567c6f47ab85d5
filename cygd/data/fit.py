"""Fitting on the training rows, `rows` (None: all): categories, fill values, scaling, classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cygd.core.deterministic import column_statistics
from cygd.data.dataset import Array, Label, Rows
from cygd.data.encoding import InputColumn, check_finite, check_no_infinity, numeric_column
from cygd.data.table import Table
from cygd.errors import DataError

log = logging.getLogger("cygd")


def fit_array(
    x: Array, names: Sequence[str], rows: Rows | None, scale: str, where: str
) -> tuple[InputColumn, ...]:
    """Fit each column of an array of numbers."""
    columns = tuple(InputColumn(name) for name in names)
    if scale == "none":
        return columns
    check_finite(x, names, where)
    scaling = fit_scaling(x, names, rows, scale)
    return tuple(replace(c, shift=a, scale=b) for c, a, b in zip(columns, *scaling, strict=True))


def fit_numbers(table: Table, name: str, rows: Rows | None, scale: str, fill: bool) -> InputColumn:
    """Fit a numeric column: with `fill` its mean, which replaces missing values, and its scaling."""
    mean = None
    if fill:
        numeric_column(table, name, 0.0)  # rejects strings and infinite numbers
        column = table.column(name)
        present = np.flatnonzero(~column.missing) if rows is None else rows[~column.missing[rows]]
        if not len(present):
            raise DataError(f"column {name!r} has no value in the training rows: its mean is undefined")
        mean = float(column_statistics(column.numbers[:, None], present)[0][0])
    values = numeric_column(table, name, mean)
    shift, factor = fit_scaling(values[:, None], [name], rows, scale)
    return InputColumn(name, fill=mean, shift=shift[0], scale=factor[0])


def fit_categories(table: Table, name: str, rows: Rows | None, fill: bool) -> InputColumn:
    """Fit a categorical column: the labels of the training rows, and the most frequent one."""
    check_no_infinity(table, name)
    counts = table.column(name).count_labels(rows)
    if not counts:
        raise DataError(f"column {name!r} has no value in the training rows")
    most_frequent = max(counts, key=lambda label: counts[label])
    return InputColumn(name, tuple(counts), most_frequent if fill else None)


def fit_classes(table: Table, name: str, rows: Rows | None) -> tuple[Label, ...]:
    """Return the classes of a categorical target in the training rows, at least two."""
    check_no_infinity(table, name)
    labels = tuple(table.column(name).count_labels(rows))
    if len(labels) < 2:
        only = f"only {labels[0]!r}" if labels else "none"
        hint = "add rows, or split with stratify: true"
        message = f"expected at least two classes of the target {name!r} in the training rows, got {only}"
        raise DataError(message, hint=hint)
    return labels


def fit_scaling(
    values: Array, names: Sequence[str], rows: Rows | None, kind: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return shift and scale of each column: standard is (v - mean) / std, minmax (v - min) / (max - min).

    A column that is constant in the training rows becomes 0, with a warning.
    """
    if kind == "none":
        return (0.0,) * len(names), (1.0,) * len(names)
    mean, std, low, high = column_statistics(values, rows)
    with np.errstate(over="ignore"):
        shift, scale = (mean, std) if kind == "standard" else (low, high - low)
    is_constant = low == high
    constant = [str(name) for name in np.asarray(names)[is_constant]]
    if constant:
        subject = "1 column is" if len(constant) == 1 else f"{len(constant)} columns are"
        log.warning(
            "%s constant in the training rows; scaled (%s) to 0: %s", subject, kind, ", ".join(constant)
        )
    shift, scale = np.where(is_constant, low, shift), np.where(is_constant, 1.0, scale)
    invalid = ~(np.isfinite(shift) & np.isfinite(scale) & (scale > 0))
    if invalid.any():
        i = int(np.argmax(invalid))
        message = f"column {names[i]!r} cannot be scaled ({kind}): it ranges from {low[i]:g} to {high[i]:g}"
        raise DataError(message, hint="convert the column to other units")
    return tuple(shift.tolist()), tuple(scale.tolist())
