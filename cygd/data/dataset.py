"""Named arrays: the Dataset that a data source returns, and the Part that training receives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cygd.core.primitives import is_masked
from cygd.errors import DataError, format_count

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = npt.NDArray[np.integer[Any]]
Label: TypeAlias = int | float | str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets as plain arrays, with the names of their columns.

    Parameters
    ----------
    x : array of shape (n_samples, n_inputs)
        Any real dtype; memory-mapped arrays stay so. One dimension is one column.
    y : array of shape (n_samples, n_outputs)
        Numbers; or, with `classes`, one column of class indices 0 ... k - 1 or k one-hot columns.
    inputs, targets : sequence of str, optional
        Names of the columns; default x0, x1, ... and y0, y1, ...
    classes : sequence of str, int or float, optional
        The label of each class, in the order of its index; empty for numeric targets.
    sample_weight : array of shape (n_samples,), optional
        Nonnegative weights of the rows.

    Raises
    ------
    DataError
        If shapes, lengths or dtypes do not match.

    Examples
    --------
    >>> data = Dataset(x=[[0, 0], [0, 1]], y=[0, 1])
    >>> data.y.shape, data.inputs, data.targets
    ((2, 1), ('x0', 'x1'), ('y0',))
    """

    x: Array
    y: Array
    inputs: Sequence[str] = ()
    targets: Sequence[str] = ()
    classes: Sequence[Label] = ()
    sample_weight: Array | None = None

    def __post_init__(self) -> None:
        x, y = as_real_columns(self.x, "x"), as_real_columns(self.y, "y")
        if len(x) != len(y):
            raise DataError(f"y: expected {format_count(len(x), 'row')} as in x, got {len(y)}")
        if not len(x):
            raise DataError("x and y have no rows")
        if not x.shape[1] or not y.shape[1]:
            raise DataError(f"{'y' if x.shape[1] else 'x'} has no columns")
        inputs = column_names(self.inputs, x.shape[1], "x")
        targets = column_names(self.targets, y.shape[1], "y")
        if repeated := sorted(name for name, count in Counter(inputs + targets).items() if count > 1):
            raise DataError(f"duplicate column name {repeated[0]!r}")
        fields = {"x": x, "y": y, "inputs": inputs, "targets": targets, "classes": as_labels(self.classes)}
        if self.sample_weight is not None:
            weights = as_real_array(self.sample_weight, "sample_weight")
            if weights.shape not in ((len(x),), (len(x), 1)):
                raise DataError(f"sample_weight: expected the shape ({len(x)},), got {weights.shape}")
            fields["sample_weight"] = weights.reshape(-1)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        targets: str | Sequence[str],
        *,
        inputs: Sequence[str] | None = None,
        categorical: Sequence[str] = (),
        sample_weight: str | None = None,
    ) -> Dataset:
        """Return the columns of a data frame as a dataset.

        A categorical input becomes one column of 0 and 1 for each label, in sorted order; a categorical
        target, or a boolean one, becomes class indices. A missing number is NaN.

        Parameters
        ----------
        frame : data frame, Arrow table or stream, or mapping
            Of pandas, Polars, pyarrow, or any object with `__arrow_c_stream__`. Columns of float32 or float64
            that are views of one array in C order are not copied.
        targets : str or sequence of str
            The columns to predict.
        inputs : sequence of str, optional
            By default all columns but the targets and the sample weight.
        categorical : sequence of str
            Columns of numbers that are categories; columns of texts and of categorical types are.
        sample_weight : str, optional
            The column of the weights of the rows.

        Raises
        ------
        DataError
            If a column does not exist, has two roles, mixes numbers and texts, or is categorical and has a
            missing value.

        Examples
        --------
        >>> frame = {"island": ["Dream", "Biscoe", "Dream"], "mass": [3750, 5000, 4200], "sex": list("mff")}
        >>> data = Dataset.from_frame(frame, "sex")
        >>> data.inputs, data.classes
        (('island=Biscoe', 'island=Dream', 'mass'), ('f', 'm'))
        >>> data.x[0].tolist(), data.y[:, 0].tolist()
        ([0.0, 1.0, 3750.0], [1, 0, 0])
        """
        # by name: this module knows arrays only, and the tables of that one are made of datasets too
        of_frame = import_module("cygd.data.frames").dataset_of_frame
        dataset: Dataset = of_frame(frame, targets, inputs, categorical, sample_weight)
        return dataset

    def _repr_html_(self) -> str:
        # by name, as above
        html: str = import_module("cygd.data.notebook").describe_dataset(self)
        return html

    def class_indices(self) -> Rows:
        """Return the index of each row's class, read from one column of indices or from one-hot columns."""
        n_classes = len(self.classes)
        if len(set(self.classes)) != n_classes:
            raise DataError(f"classes: expected distinct labels, got {', '.join(map(repr, self.classes))}")
        y = np.asarray(self.y)
        if y.shape[1] == 1:
            invalid = ~np.isin(y[:, 0], np.arange(n_classes))
            expected = f"a class index from 0 to {n_classes - 1}"
        elif y.shape[1] == n_classes:
            invalid = ~(np.isin(y, (0, 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1))
            expected = "a one-hot row"
        else:
            raise DataError(f"y: expected 1 or {n_classes} columns for {n_classes} classes, got {y.shape[1]}")
        if invalid.any():
            row = int(np.argmax(invalid))
            raise DataError(f"y: row {row} (from 0): expected {expected}, got {y[row].tolist()}")
        return (y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """The training, validation or test rows; without `rows`, all rows of `x` and `y`.

    The parts of a split share `x` and `y`. `rows` holds the indices of a part's rows in them, in uint32, the
    type that the core reads, so that a large memory-mapped array is never copied.
    """

    x: Array
    y: Array
    sample_weight: Array | None = None
    rows: Rows | None = None
    # what runs on the same data compute from these arrays, which never change
    memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    def take(self) -> tuple[Array, Array, Array | None]:
        """Return x, y and sample_weight of this part's rows, copied if `rows` is given."""
        if self.rows is None:
            return self.x, self.y, self.sample_weight
        weights = None if self.sample_weight is None else self.sample_weight[self.rows]
        return self.x[self.rows], self.y[self.rows], weights


def as_real_array(values: object, name: str) -> Array:
    """Return values as an array of real numbers."""
    reject_sparse(values, name)
    if is_masked(values):
        raise DataError(f"{name}: masked arrays are not supported", hint=f"fill it first: {name}.filled(...)")
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
    except ValueError:
        raise DataError(f"{name}: expected rows of equal length") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected real numbers, got the type {array.dtype}")
    return array


def reject_sparse(values: object, name: str = "") -> None:
    """Raise a DataError for a sparse matrix of SciPy, which NumPy would take for one object."""
    if not isinstance(values, np.ndarray) and hasattr(values, "toarray") and hasattr(values, "nnz"):
        message = f"sparse matrices are not supported, got {type(values).__name__}"
        hint = "make it dense: .toarray(); a file of sparse rows is source: svmlight"
        raise DataError(f"{name}: {message}" if name else message, hint=hint)


def as_real_columns(values: object, name: str) -> Array:
    """Return values as an array of two dimensions; one dimension becomes one column."""
    array = as_real_array(values, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{name}: expected two dimensions, rows and columns, got the shape {array.shape}")
    return array


def as_labels(values: Sequence[object]) -> tuple[Label, ...]:
    """Return class labels as Python strings and numbers."""
    labels: list[Label] = []
    for value in values:
        label = value.item() if isinstance(value, np.generic) else value
        if isinstance(label, bool) or not isinstance(label, int | float | str) or label != label:
            raise DataError(f"classes: expected strings or numbers, got {label!r}")
        labels.append(label)
    return tuple(labels)


def column_names(names: Sequence[str], count: int, letter: str) -> tuple[str, ...]:
    """Return the given names of `count` columns, or the default ones."""
    if not names:
        return tuple(f"{letter}{i}" for i in range(count))
    if len(names) != count:
        expected = format_count(count, "column name")
        raise DataError(f"{letter}: expected {expected}, got {len(names)}: {', '.join(names)}")
    return tuple(names)
