"""Splitting rows into training, validation and test rows.

A part of fraction f of n rows gets f n rows, rounded to the nearest (halves up); the rest are training rows.
One permutation, drawn from the split's own seed, is cut into test, validation and training rows, and each
part is sorted. A stratified split cuts each class separately, and gives the rows left over by rounding to the
classes with the largest remainders; the last row of a class is a training row, in every fold. A split by time
takes the last rows as test rows and those before them as validation rows. Folds divide the rows that are not
test rows: one is the validation rows, the others are the training rows; by time only the earlier ones are, so
that no model is trained on later rows.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cygd.core.random import Stream
from cygd.data.dataset import Label, Rows
from cygd.data.encoding import check_no_infinity, missing_value_error
from cygd.data.formatting import format_list
from cygd.data.numbers import float_label
from cygd.data.table import Table
from cygd.errors import DataError, format_count

if TYPE_CHECKING:
    from cygd.data.times import InvalidTime

log = logging.getLogger("cygd")

TEXTS_TO_TRY = 1000  # with each of the common formats, for a hint
MISSING_TIME_HINT = "data.missing: drop removes such rows; a time is never filled"
ISO_HINT = (
    "a split by time needs numbers, or dates such as 2026-01-31 or 2026-01-31T12:00; "
    "data.split.format declares another format, such as '%d/%m/%Y %I:%M %p'"
)
SAME_FORMAT_HINT = "write all times of the column in one format"
SAME_OFFSET_HINT = (
    "write all times of the column with an offset from UTC, such as Z or +01:00, or none of them"
)


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
        is_single = None if classes is None else is_only_row(classes, shuffled[n_test:])
        return select_fold(shuffled, n_test, folds, fold, by_time=by_time, always_train=is_single)
    # views of one array: large data must not be copied once more
    parts = np.split(shuffled, [n_test, n_test + n_validation])
    for part in parts:
        part.sort()
    test_rows, validation_rows, train_rows = parts
    return SplitRows(train_rows, validation_rows if n_validation else None, test_rows if n_test else None)


def select_fold(
    order: Rows,
    n_test: int,
    folds: int,
    fold: int,
    *,
    by_time: bool,
    always_train: npt.NDArray[np.bool_] | None = None,  # the rows after the test rows that no fold may take
) -> SplitRows:
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
        if always_train is not None:
            is_validation &= ~always_train
            if not is_validation.any():
                raise DataError(
                    f"fold {fold} of {folds} is empty: its rows are the only ones of their classes"
                )
        train_rows, validation_rows = rest[~is_validation], rest[is_validation]
    return SplitRows(np.sort(train_rows), np.sort(validation_rows), np.sort(test_rows) if n_test else None)


def is_only_row(classes: Rows, rows: Rows) -> npt.NDArray[np.bool_]:
    """Return the rows that are the only ones of their class, as a mask."""
    _, codes, counts = np.unique(classes[rows], return_inverse=True, return_counts=True)
    return counts[codes] == 1  # type: ignore[no-any-return]


def sort_by_time(table: Table, name: str | None, time_format: str | None = None) -> Rows:
    """Return the rows in the order of a column of numbers or times, or in their own order without one.

    Times are in ISO 8601, or in the `time_format` of `strptime`; equal ones keep the order of their rows.
    """
    if name is None:
        return np.arange(len(table), dtype=np.uint32)
    column = table.column(name)
    if column.missing.any():
        raise missing_value_error(table, name, MISSING_TIME_HINT)
    if time_format is None and (column.string_codes is None or (column.string_codes < 0).all()):
        check_no_infinity(table, name)
        # integers such as nanoseconds since 1970 are not exact in float64, but their labels are
        is_exact = bool((np.abs(column.numbers) < 2**53).all())
        keys = column.numbers if is_exact else column.factorize()[0]
        return np.argsort(keys, kind="stable").astype(np.uint32)
    texts, first_rows, codes = distinct_texts(table, name, time_format)
    from cygd.data.times import parse_times  # imported here: only times written as text need it

    times = parse_times(texts, time_format)
    if times.invalid is not None:
        row = int(first_rows[times.invalid.position])
        raise invalid_time_error(table.location(row, name), texts, times.invalid, time_format)
    return np.lexsort(times.sort_keys(codes)).astype(np.uint32)


def distinct_texts(table: Table, name: str, time_format: str | None) -> tuple[list[str], Rows, Rows]:
    """Return the distinct texts of a column in the order of their first rows, these rows, and codes."""
    column = table.column(name)
    codes = np.full(len(table), -1) if column.string_codes is None else column.string_codes.astype(np.int64)
    is_number = codes < 0
    text_row = column.first_string_row
    if time_format is None and is_number[0] and text_row is not None:
        message = f"expected a number as in the first row, got {column.string_at(text_row)!r}"
        raise DataError(f"{table.location(text_row, name)}: {message}", hint=SAME_FORMAT_HINT)
    numbers, first, number_codes = np.unique(
        column.numbers[is_number], return_index=True, return_inverse=True
    )
    codes[is_number] = len(column.strings) + number_codes
    texts = [*column.strings]
    if len(numbers):
        cell_codes, cells = column.cells()
        written = [cells[code].text for code in cell_codes[np.flatnonzero(is_number)[first]].tolist()]
        pairs = zip(written, numbers.tolist(), strict=True)
        texts += [number_text(value, time_format) if text is None else text for text, value in pairs]
    used, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return [texts[i] for i in used[order]], first[order], rank[codes]


def number_text(value: float, time_format: str | None) -> str:
    """Return the text of a number, such as 20260131, with the zeros in front that its format asks for."""
    if time_format is None or not value.is_integer():
        return str(float_label(value))
    return f"{value:.0f}".zfill(len(datetime(2000, 11, 11, 11, 11).strftime(time_format)))


def invalid_time_error(
    location: str, texts: Sequence[str], invalid: InvalidTime, time_format: str | None
) -> DataError:
    """Return the error for the first text that is not a time, or not one in the format of the first row."""
    text, reason = texts[invalid.position], invalid.reason
    expected = "a date" if time_format is None else f"a date in the format {time_format!r}"
    hint = None
    if reason == "out_of_range":
        hint = "no such date or time of day exists"
    elif reason != "not_a_time":
        expected += f" written like {texts[0]!r} in the first row"
        hint = SAME_OFFSET_HINT if reason == "offset" else SAME_FORMAT_HINT
    elif time_format is None:
        from cygd.data.times import fitting_formats

        formats = [f"'{name}'" for name in fitting_formats(texts[:TEXTS_TO_TRY])]
        hint = ISO_HINT
        if formats:
            choice = formats[0] if len(formats) == 1 else f"the right one of {' and '.join(formats)}"
            hint = f"a split by time needs its format: set data.split.format to {choice}"
    return DataError(f"{location}: expected {expected}, got {text!r}", hint=hint)


def stratify(order: Rows, classes: Rows, n_test: int, n_validation: int) -> tuple[Rows, int, int]:
    """Return the rows as test, validation and training rows, stratified, and the sizes of the first two.

    The last row of a class is a training row: without it the network could not learn the class.
    """
    groups = [order[classes[order] == k] for k in np.unique(classes)]
    sizes = np.array([len(group) for group in groups])
    # if the parts need more, the classes that lose their last row are an error in `check_small_classes`
    kept = 1 if n_test + n_validation <= len(order) - len(groups) else 0
    in_test = allocate(sizes, sizes - kept, n_test)
    in_validation = allocate(sizes, sizes - in_test - kept, n_validation)
    ends = zip(in_test.tolist(), (in_test + in_validation).tolist(), strict=True)
    parts = [np.split(group, [a, b]) for group, (a, b) in zip(groups, ends, strict=True)]
    pieces = [part[k] for k in range(3) for part in parts]
    return np.concatenate(pieces), n_test, n_validation


def check_small_classes(rows: SplitRows, classes: Rows, labels: Sequence[Label], where: str) -> None:
    """Warn about classes without a row in one of the parts; without a training row they are an error."""
    parts = [part for part in (rows.train, rows.validation, rows.test) if part is not None]
    counts = np.array(
        [np.bincount(codes[codes >= 0], minlength=len(labels)) for codes in map(classes.take, parts)]
    )
    n_rows = counts.sum(axis=0).tolist()

    def describe(selected: npt.NDArray[np.bool_]) -> str:
        return format_list(
            f"{labels[k]!r} ({format_count(n_rows[k], 'row')})" for k in np.flatnonzero(selected).tolist()
        )

    untrained = (counts[0] == 0) & (counts.sum(axis=0) > 0)
    if untrained.any():
        message = f"{where}: the split leaves no training row of the classes {describe(untrained)}"
        raise DataError(message, hint="add rows, or make data.split.validation and data.split.test smaller")
    if len(parts) > 1 and (counts == 0).any():
        message = "%s: classes with too few rows for every part of the split: %s"
        hint = "add rows, or merge classes: what is measured without them says nothing about them"
        log.warning(message, where, describe((counts == 0).any(axis=0)), extra={"hint": hint})


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
    while allocated.sum() < total:
        # largest remainders first, ties to the earlier group
        for i in np.argsort(-(quota - allocated), kind="stable"):
            if allocated.sum() < total and allocated[i] < available[i]:
                allocated[i] += 1
    return allocated
