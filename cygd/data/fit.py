"""What is fitted on the training rows: categories, fillings, scaling, classes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from cygd.core.deterministic import column_statistics
from cygd.data.dataset import Array, Label, Rows
from cygd.data.encoding import check_finite, check_no_infinity, numbers_of
from cygd.data.preprocessing import InputColumn
from cygd.data.table import Table
from cygd.errors import DataError

__all__ = ["fit_array", "fit_classes", "fit_inputs", "fit_scaling"]

log = logging.getLogger("cygd")


def fit_inputs(
    table: Table,
    names: Sequence[str],
    categorical: Collection[str],
    rows: Rows | None,
    *,
    scale: str,
    fill: bool,
) -> tuple[InputColumn, ...]:
    """Return how each input column of a table enters the network.

    Parameters
    ----------
    table : Table
        All rows.
    names, categorical : str
        The input columns, and which of them hold categories.
    rows : array of int64, optional
        The training rows.
    scale : str
        none, standard or minmax; for numbers.
    fill : bool
        Whether missing values are filled, with the mean or the most frequent label.
    """
    return tuple(
        fit_categories(table, name, rows, fill)
        if name in categorical
        else fit_numbers(table, name, rows, scale, fill)
        for name in names
    )


def fit_array(
    x: Array, names: Sequence[str], rows: Rows | None, scale: str, where: str
) -> tuple[InputColumn, ...]:
    """Return how each column of an array of numbers enters the network."""
    columns = tuple(InputColumn(name) for name in names)
    if scale == "none":
        return columns
    check_finite(x, names, where)
    scaling = fit_scaling(x, names, rows, scale)
    return tuple(replace(c, shift=a, scale=b) for c, a, b in zip(columns, *scaling, strict=True))


def fit_numbers(table: Table, name: str, rows: Rows | None, scale: str, fill: bool) -> InputColumn:
    """Fit a column of numbers."""
    filling = None
    if fill:
        numbers_of(table, name, 0.0)  # refuses what is neither a number nor missing
        column = table.column(name)
        present = of_training(~column.missing, rows)
        if not len(present):
            raise DataError(f"column {name!r} has no value in the training rows: there is no mean to fill in")
        filling = float(column_statistics(column.numbers[:, None], present)[0][0])
    values = numbers_of(table, name, filling)
    shift, factor = fit_scaling(values[:, None], [name], rows, scale)
    return InputColumn(name, fill=filling, shift=shift[0], scale=factor[0])


def fit_categories(table: Table, name: str, rows: Rows | None, fill: bool) -> InputColumn:
    """Fit a column of categories: the labels of the training rows, and the most frequent of them."""
    labels, counts = training_labels(table, name, rows)
    if not labels:
        raise DataError(f"column {name!r} has no value in the training rows")
    return InputColumn(name, categories=labels, fill=labels[int(np.argmax(counts))] if fill else None)


def fit_classes(table: Table, name: str, rows: Rows | None) -> tuple[Label, ...]:
    """Return the classes that a categorical target has in the training rows, at least two."""
    labels, _ = training_labels(table, name, rows)
    if len(labels) < 2:
        only = f"only the class {labels[0]!r}" if labels else "no class"
        hint = "a classification needs two; take more rows, or split with stratify: true"
        raise DataError(f"the target {name!r} has {only} in the training rows", hint=hint)
    return labels


def training_labels(table: Table, name: str, rows: Rows | None) -> tuple[tuple[Label, ...], Array]:
    """Return the labels of the training rows, sorted, and how often each occurs."""
    check_no_infinity(table, name)
    codes, labels = table.column(name).labels()
    counts = np.bincount(codes[of_training(codes >= 0, rows)], minlength=len(labels))
    seen = np.flatnonzero(counts)
    return tuple(labels[i] for i in seen), counts[seen]


def of_training(chosen: Array, rows: Rows | None) -> Rows:
    """Return the training rows for which a condition holds."""
    return np.flatnonzero(chosen) if rows is None else rows[chosen[rows]]


def fit_scaling(
    values: Array, names: Sequence[str], rows: Rows | None, kind: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return shift and scale of each column: standard is (v - mean) / deviation, minmax (v - min) / range.

    A column that is constant in the training rows becomes 0, and is warned of.
    """
    if kind == "none":
        return (0.0,) * len(names), (1.0,) * len(names)
    mean, deviation, low, high = column_statistics(values, rows)
    with np.errstate(over="ignore"):
        shift, scale = (mean, deviation) if kind == "standard" else (low, high - low)
    constant = low == high
    still = [str(name) for name in np.asarray(names)[constant]]
    if still:
        what = "column is" if len(still) == 1 else "columns are"
        log.warning(
            "%d %s constant in the training rows; scaled (%s) to 0: %s",
            *(len(still), what, kind, ", ".join(still)),
        )
    shift, scale = np.where(constant, low, shift), np.where(constant, 1.0, scale)
    wrong = ~(np.isfinite(shift) & np.isfinite(scale) & (scale > 0))
    if wrong.any():
        i = int(np.argmax(wrong))
        message = f"column {names[i]!r} cannot be scaled ({kind}): it goes from {low[i]:g} to {high[i]:g}"
        raise DataError(message, hint="give it in other units")
    return tuple(shift.tolist()), tuple(scale.tolist())
