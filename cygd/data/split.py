"""Which rows train, validate and test.

A part of fraction f of n rows gets f n rows, rounded to the nearest (halves up); what is left
trains. One permutation, drawn from the split's own seed, is cut into test, validation and training
rows, each part in the order of the data. A stratified split cuts each class by itself, in the same
permutation, and gives the rows that rounding left over to the classes with the largest remainders,
so that the parts are as large as without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cygd.core.random import Stream
from cygd.data.dataset import Rows
from cygd.errors import DataError

__all__ = ["SplitRows", "split_rows"]


@dataclass(frozen=True, eq=False)
class SplitRows:
    """The rows of each part, ascending, in uint32; None for a part that was not asked for."""

    train: Rows
    validation: Rows | None
    test: Rows | None


def split_rows(
    n: int, *, validation: float = 0.0, test: float = 0.0, seed: int = 0, classes: Rows | None = None
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

    Raises
    ------
    DataError
        Where a part that was asked for would have no row.
    """
    n_validation, n_test = count(n, validation, "validation"), count(n, test, "test")
    if n_validation + n_test >= n:
        taken = f"validation {validation:g} ({n_validation} rows) and test {test:g} ({n_test} rows)"
        raise DataError(f"the split leaves no row of {n} for training: {taken}")
    order: Rows = Stream(seed, purpose="split").order(n)
    if classes is not None:
        order, n_test, n_validation = stratified(order, classes, n_test, n_validation)
    # pieces of one array, which big data can do without a copy of
    parts = np.split(order, [n_test, n_test + n_validation])
    for part in parts:
        part.sort()
    test_rows, validation_rows, train_rows = parts
    return SplitRows(
        train_rows,
        validation_rows if n_validation else None,
        test_rows if n_test else None,
    )


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
