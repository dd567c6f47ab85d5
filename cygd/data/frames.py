"""Data frames of other libraries: a Dataset of their columns, and predictions as a frame of the same kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cygd.data.containers import is_named, named_columns, read_stream
from cygd.data.dataset import Array, Dataset, Label
from cygd.data.encoding import InputColumn, encode_column, not_a_number_error
from cygd.data.formatting import suggest_name
from cygd.data.matrix_views import adjacent_columns, typed_columns
from cygd.data.sources.frame import check_named_columns
from cygd.data.sources.optional_imports import import_optional
from cygd.data.table import Table
from cygd.errors import DataError

GAP_HINT = "remove such rows, or fill the gaps: a label has no number for a missing value"


def dataset_of_frame(
    frame: Any,
    targets: str | Sequence[str],
    inputs: Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    sample_weight: str | None = None,
) -> Dataset:
    """Return the columns of a data frame as a dataset; `Dataset.from_frame` describes it."""
    check_named_columns(frame)
    named = named_columns(read_stream(frame))
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    special = (*targets, *(() if sample_weight is None else (sample_weight,)))
    chosen = tuple(name for name in named if name not in special) if inputs is None else tuple(inputs)
    _check_names(named, targets, chosen, categorical, sample_weight)
    table = Table.from_mapping(named, (*chosen, *special))
    labelled = {
        name for name, column in table.columns.items() if name in table.categorical or column.is_categorical
    } | set(categorical)
    x, names = _inputs(table, named, chosen, labelled)
    is_class = len(targets) == 1 and (targets[0] in labelled or table.columns[targets[0]].is_boolean)
    if not is_class and (texts := [name for name in targets if name in labelled]):
        message = f"expected one categorical target, got {len(targets)} targets with {texts[0]!r} categorical"
        raise DataError(message, hint="for several yes-or-no targets use columns of 0 and 1")
    classes: tuple[Label, ...] = ()
    if is_class:
        classes = tuple(table.columns[targets[0]].count_labels())
        y: Array = encode_column(table, targets[0], classes, missing_hint=GAP_HINT)[:, None]
    else:
        y = np.stack([_numbers(table, name) for name in targets], axis=1)
    weights = None if sample_weight is None else _numbers(table, sample_weight)
    return Dataset(x, y, names, targets, classes, weights)


def _check_names(
    named: Mapping[str, Any],
    targets: Sequence[str],
    inputs: Sequence[str],
    categorical: Sequence[str],
    sample_weight: str | None,
) -> None:
    """Raise a DataError for a column that does not exist, or that has two roles."""
    if not targets:
        raise DataError("targets: expected at least one column, got none")
    if not inputs:
        raise DataError("inputs: no columns are left for the inputs")
    weight = () if sample_weight is None else (sample_weight,)
    for name in (*targets, *inputs, *categorical, *weight):
        if name not in named:
            raise DataError(f"unknown column {name!r}", hint=suggest_name(name, list(named), "columns"))
    used = (*targets, *inputs, *weight)
    if repeated := [name for name in used if used.count(name) > 1]:
        raise DataError(f"column {repeated[0]!r} is named twice")


def _inputs(
    table: Table, named: Mapping[str, Any], chosen: Sequence[str], labelled: set[str]
) -> tuple[Array, tuple[str, ...]]:
    """Return x and the names of its columns; columns that lie side by side in memory are not copied."""
    if not labelled.intersection(chosen):
        for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
            arrays = typed_columns([named[name] for name in chosen], dtype)
            if arrays is not None:
                view = adjacent_columns(arrays)
                return np.stack(arrays, axis=1) if view is None else view, tuple(chosen)
    parts: list[Array] = []
    names: list[str] = []
    for name in chosen:
        spec = InputColumn(name)
        if name in labelled:
            spec = InputColumn(name, tuple(table.column(name).count_labels()))
            assert spec.categories is not None
            codes = encode_column(table, name, spec.categories, missing_hint=GAP_HINT)
            parts.append((codes[:, None] == np.arange(len(spec.categories))).astype(np.float64))
        else:
            parts.append(_numbers(table, name)[:, None])
        names += spec.features
    return np.concatenate(parts, axis=1), tuple(names)


def _numbers(table: Table, name: str) -> Array:
    """Return a numeric column, with NaN for missing values."""
    column = table.column(name)
    row = column.first_string_row
    if row is not None:
        raise not_a_number_error(table, name, row)
    return column.numbers


def frame_like(data: Any, columns: Mapping[str, Any]) -> Any:
    """Return columns as a data frame of the library, and with the index, of the given data.

    An Arrow stream becomes a table of pyarrow; arrays, mappings and lists become a data frame of pandas.

    Raises
    ------
    DataError
        If narwhals, which knows the libraries, or pandas for an array is not installed.
    """
    user = "as_frame=True"
    narwhals = import_optional("narwhals", "frames", "narwhals", user)
    native = None
    if is_named(data):
        native = narwhals.from_native(read_stream(data), eager_only=True, pass_through=True)
        native = native if isinstance(native, narwhals.DataFrame) else None
    if native is None:
        import_optional("pandas", "frames", "pandas", f"{user} for {type(data).__name__}")
        return narwhals.from_dict(dict(columns), backend="pandas").to_native()
    frame = narwhals.from_dict(dict(columns), backend=native.implementation).to_native()
    index = narwhals.maybe_get_index(native)
    if index is not None:  # of pandas and its likes
        frame.index = index
    return frame
