"""Which rows train, validate and test.

A part of fraction f of n rows gets f n rows, rounded to the nearest (halves up); what is left
trains. One permutation, drawn from the split's own seed, is cut into test, validation and training
rows, each part in the order of the data. A stratified split cuts each class by itself, in the same
permutation, and gives the rows that rounding left over to the classes with the largest remainders,
so that the parts are as large as without it.

In the order of time the test rows are the last ones, and the validation rows those before them. Folds
divide what the test leaves: the rows of one fold validate, those of the others train; in the order of
time those of the folds before it, so that nobody learns from what comes later.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cygd.core.random import Stream
from cygd.data.dataset import Rows
from cygd.data.encoding import missing_value
from cygd.data.table import Table
from cygd.errors import DataError

__all__ = ["SplitRows", "in_time", "split_rows"]

DATE = re.compile(r"\d{4}-\d\d(-\d\d|$)")


@dataclass(frozen=True, eq=False)
class SplitRows:
    """The rows of each part, ascending, in uint32; None for a part that was not asked for."""

    train: Rows
    validation: Rows | None
    test: Rows | None


def split_rows(
    n: int,
    *,
    validation: float = 0.0,
    test: float = 0.0,
    seed: int = 0,
    classes: Rows | None = None,
    order: Rows | None = None,
    folds: int | None = None,
    fold: int = 1,
) -> SplitRows:
    """Divide the rows 0 ... n - 1.

    Parameters
    ----------
    n : int
        How many rows there are.
    validation, test : float
        Their fractions of all rows.
    seed : int
        Of the split alone.
    classes : array of int, optional
        The class of each row: the split is stratified by it.
    order : array of int, optional
        The rows in the order of time, in place of a drawn one.
    folds, fold : int, optional
        How many folds there are, and which of them validates, from 1.

    Raises
    ------
    DataError
        Where a part that was asked for would have no row.
    """
    n_validation, n_test = count(n, validation, "validation"), count(n, test, "test")
    if n_validation + n_test >= n:
        taken = f"validation {validation:g} ({n_validation} rows) and test {test:g} ({n_test} rows)"
        raise DataError(f"the split leaves no row of {n} for training: {taken}")
    timed = order is not None
    drawn: Rows = Stream(seed, purpose="split").order(n) if order is None else order[::-1].copy()
    if classes is not None:
        drawn, n_test, n_validation = stratified(drawn, classes, n_test, n_validation)
    if folds is not None:
        return one_fold(drawn, n_test, folds, fold, timed=timed)
    # pieces of one array, which big data can do without a copy of
    parts = np.split(drawn, [n_test, n_test + n_validation])
    for part in parts:
        part.sort()
    test_rows, validation_rows, train_rows = parts
    return SplitRows(
        train_rows,
        validation_rows if n_validation else None,
        test_rows if n_test else None,
    )


def one_fold(order: Rows, n_test: int, folds: int, fold: int, *, timed: bool) -> SplitRows:
    """Return the rows of one fold for validation, and of the others, or of those before it, for training.

    Raises
    ------
    DataError
        Where a fold would have no row.
    """
    test_rows, rest = order[:n_test], order[n_test:]
    blocks = folds + timed  # the first one in time has nothing before it to learn from
    if len(rest) < blocks:
        raise DataError(f"{len(rest)} rows are too few for {folds} folds")
    if timed:
        blocks_in_time = np.array_split(rest[::-1], blocks)
        train_rows, validation_rows = np.concatenate(blocks_in_time[:fold]), blocks_in_time[fold].copy()
    else:
        # every so many rows, which keeps the shares of classes that stand one behind the other
        validates = np.arange(len(rest)) % folds == fold - 1
        train_rows, validation_rows = rest[~validates], rest[validates]
    return SplitRows(np.sort(train_rows), np.sort(validation_rows), np.sort(test_rows) if n_test else None)


def in_time(table: Table, name: str | None) -> Rows:
    """Return the rows in the order of a column of numbers or dates; without one as they stand.

    Raises
    ------
    DataError
        For a missing value, or a text that is no date whose order is that of its letters.
    """
    if name is None:
        return np.arange(len(table), dtype=np.uint32)
    column = table.column(name)
    if column.missing.any():
        raise missing_value(table, name)
    if column.texts is not None:
        dated = np.array([DATE.match(word) is not None for word in (*column.words, "")])
        wrong = ~dated[column.texts]  # a number has the code -1, which is the last place
        if wrong.any():
            row = int(np.argmax(wrong))
            found = column.text(row) if column.texts[row] >= 0 else f"{column.numbers[row]:g}"
            hint = "the split by time goes by numbers, or by dates such as 2026-01-31 or 2026-01-31T12:00"
            raise DataError(f"{table.place(row, name)}: {found!r} is no date", hint=hint)
    codes, _ = column.labels()
    return np.argsort(codes, kind="stable").astype(np.uint32)


def stratified(order: Rows, classes: Rows, n_test: int, n_validation: int) -> tuple[Rows, int, int]:
    """Return the permutation with the rows of the test in front, those of the validation behind them."""
    groups = [order[classes[order] == k] for k in np.unique(classes)]
    sizes = np.array([len(group) for group in groups])
    in_test = allot(sizes, sizes, n_test)
    in_validation = allot(sizes, sizes - in_test, n_validation)
    ends = zip(in_test.tolist(), (in_test + in_validation).tolist(), strict=True)
    cut = [np.split(group, [a, b]) for group, (a, b) in zip(groups, ends, strict=True)]
    pieces = [part[k] for k in range(3) for part in cut]
    return np.concatenate(pieces), int(in_test.sum()), int(in_validation.sum())


def count(n: int, fraction: float, name: str) -> int:
    """Return how many of n rows a fraction is."""
    if not 0 <= fraction < 1:
        raise DataError(f"split.{name} is {fraction:g}; it is a fraction, 0 or more and below 1")
    rows = math.floor(fraction * n + 0.5)
    if fraction and not rows:
        raise DataError(f"the {name} part has no rows: {fraction:g} of {n} rows is less than half a row")
    return rows


def allot(sizes: Rows, available: Rows, wanted: int) -> Rows:
    """Return how many rows of each group make up `wanted` rows, in proportion to the sizes."""
    quota: npt.NDArray[np.float64] = sizes * (wanted / sizes.sum())
    given = np.minimum(np.floor(quota).astype(np.int64), available)
    # the largest remainders first, ties to the earlier group
    for i in np.argsort(-(quota - given), kind="stable"):
        if given.sum() < wanted and given[i] < available[i]:
            given[i] += 1
    return given
