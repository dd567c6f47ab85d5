"""Splitting rows into training, validation and test rows.

A part of fraction f of n rows gets f n rows, rounded to the nearest (halves up); the rest are training rows.
One permutation, drawn from the split's own seed, is cut into test, validation and training rows, and each
part is sorted. A stratified split cuts each class separately, and gives the rows left over by rounding to the
classes with the largest remainders. A split by time takes the last rows as test rows and those before them
as validation rows. Folds divide the rows that are not test rows: one is the validation rows, the others are
the training rows; by time only the earlier ones are, so that no model is trained on later rows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cygd.core.random import Stream
from cygd.data.dataset import Rows
from cygd.data.encoding import missing_value_error
from cygd.data.table import Table
from cygd.errors import DataError, format_count

DATE = re.compile(r"\d{4}-\d\d(-\d\d|$)")  # sorts alphabetically


@dataclass(frozen=True, eq=False)
class SplitRows:
    """The sorted rows of each part, in uint32; None for a part that was not requested."""

    train: Rows
    validation: Rows | None
    test: Rows | None


def split_rows(
    n: int,
    *,
    validation: float = 0.0,  # fraction of all rows
    test: float = 0.0,
    seed: int = 0,  # of the split alone
    classes: Rows | None = None,  # the class of each row, to stratify by
    order: Rows | None = None,  # the rows sorted by time, in place of a random permutation
    folds: int | None = None,
    fold: int = 1,  # the fold that is the validation rows, from 1
) -> SplitRows:
    """Split the rows 0 ... n - 1; a requested part that would be empty is an error."""
    n_validation, n_test = part_size(n, validation, "validation"), part_size(n, test, "test")
    if n_validation + n_test >= n:
        taken = f"validation {validation:g} ({n_validation} rows) and test {test:g} ({n_test} rows)"
        raise DataError(f"no training rows are left of {format_count(n, 'row')}: {taken}")
    by_time = order is not None
    shuffled: Rows = Stream(seed, purpose="split").order(n) if order is None else order[::-1].copy()
    if classes is not None:
        shuffled, n_test, n_validation = stratify(shuffled, classes, n_test, n_validation)
    if folds is not None:
        return select_fold(shuffled, n_test, folds, fold, by_time=by_time)
    # views of one array: large data must not be copied once more
    parts = np.split(shuffled, [n_test, n_test + n_validation])
    for part in parts:
        part.sort()
    test_rows, validation_rows, train_rows = parts
    return SplitRows(train_rows, validation_rows if n_validation else None, test_rows if n_test else None)


def select_fold(order: Rows, n_test: int, folds: int, fold: int, *, by_time: bool) -> SplitRows:
    """Return one fold as validation rows, and the other folds, or those before it, as training rows."""
    test_rows, rest = order[:n_test], order[n_test:]
    n_blocks = folds + by_time  # by time, the first block is training rows only
    if len(rest) < n_blocks:
        raise DataError(f"expected at least {n_blocks} rows for {folds} folds, got {len(rest)}")
    if by_time:
        blocks = np.array_split(rest[::-1], n_blocks)
        train_rows, validation_rows = np.concatenate(blocks[:fold]), blocks[fold].copy()
    else:
        # every folds-th row: rows of one class are adjacent, so each fold gets its share of them
        is_validation = np.arange(len(rest)) % folds == fold - 1
        train_rows, validation_rows = rest[~is_validation], rest[is_validation]
    return SplitRows(np.sort(train_rows), np.sort(validation_rows), np.sort(test_rows) if n_test else None)


def sort_by_time(table: Table, name: str | None) -> Rows:
    """Return the rows in the order of a column of numbers or dates, or in their own order without one."""
    if name is None:
        return np.arange(len(table), dtype=np.uint32)
    column = table.column(name)
    if column.missing.any():
        raise missing_value_error(table, name)
    if column.string_codes is not None:
        # the last entry is for numbers, whose code is -1
        is_date = np.array([DATE.match(string) is not None for string in (*column.strings, "")])
        invalid = ~is_date[column.string_codes]
        if invalid.any():
            row = int(np.argmax(invalid))
            value = column.string_at(row) if column.string_codes[row] >= 0 else f"{column.numbers[row]:g}"
            hint = "a split by time needs numbers, or dates such as 2026-01-31 or 2026-01-31T12:00"
            raise DataError(f"{table.location(row, name)}: expected a date, got {value!r}", hint=hint)
    codes, _ = column.factorize()
    return np.argsort(codes, kind="stable").astype(np.uint32)


def stratify(order: Rows, classes: Rows, n_test: int, n_validation: int) -> tuple[Rows, int, int]:
    """Return the rows as test, validation and training rows, stratified, and the sizes of the first two."""
    groups = [order[classes[order] == k] for k in np.unique(classes)]
    sizes = np.array([len(group) for group in groups])
    in_test = allocate(sizes, sizes, n_test)
    in_validation = allocate(sizes, sizes - in_test, n_validation)
    ends = zip(in_test.tolist(), (in_test + in_validation).tolist(), strict=True)
    parts = [np.split(group, [a, b]) for group, (a, b) in zip(groups, ends, strict=True)]
    pieces = [part[k] for k in range(3) for part in parts]
    return np.concatenate(pieces), int(in_test.sum()), int(in_validation.sum())


def part_size(n: int, fraction: float, name: str) -> int:
    """Return the number of rows that a fraction of n rows is."""
    if not 0 <= fraction < 1:
        raise DataError(f"split.{name}: expected a fraction of at least 0 and below 1, got {fraction:g}")
    rows = math.floor(fraction * n + 0.5)
    if fraction and not rows:
        raise DataError(f"the {name} part is empty: {fraction:g} of {n} rows is less than half a row")
    return rows


def allocate(sizes: Rows, available: Rows, total: int) -> Rows:
    """Divide `total` rows among groups in proportion to their sizes."""
    quota: npt.NDArray[np.float64] = sizes * (total / sizes.sum())
    allocated = np.minimum(np.floor(quota).astype(np.int64), available)
    # largest remainders first, ties to the earlier group
    for i in np.argsort(-(quota - allocated), kind="stable"):
        if allocated.sum() < total and allocated[i] < available[i]:
            allocated[i] += 1
    return allocated
