"""Arrays with names: what a data source gives, and what training gets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cygd.errors import DataError

if TYPE_CHECKING:
    pass

__all__ = ["Array", "Dataset", "Label", "Part", "Rows"]

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
        Where shapes, lengths or types do not fit.

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
        x, y = real_columns(self.x, "x"), real_columns(self.y, "y")
        if len(x) != len(y):
            raise DataError(f"x has {len(x)} rows, y has {len(y)}")
        if not len(x):
            raise DataError("x and y have no rows")
        if not x.shape[1] or not y.shape[1]:
            raise DataError(f"{'y' if x.shape[1] else 'x'} has no columns")
        inputs = column_names(self.inputs, x.shape[1], "x")
        targets = column_names(self.targets, y.shape[1], "y")
        if repeated := sorted({name for name in inputs + targets if (inputs + targets).count(name) > 1}):
            raise DataError(f"two columns are named {repeated[0]!r}")
        fields = {"x": x, "y": y, "inputs": inputs, "targets": targets, "classes": class_labels(self.classes)}
        if self.sample_weight is not None:
            weights = real_array(self.sample_weight, "sample_weight")
            if weights.shape not in ((len(x),), (len(x), 1)):
                raise DataError(f"sample_weight has the shape {weights.shape}, x has {len(x)} rows")
            fields["sample_weight"] = weights.reshape(-1)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def class_indices(self) -> Rows:
        """Return the index of each row's class, read from one column of indices or one-hot columns."""
        n_classes = len(self.classes)
        if len(set(self.classes)) != n_classes:
            raise DataError(f"classes has a label twice: {', '.join(map(repr, self.classes))}")
        y = np.asarray(self.y)
        if y.shape[1] == 1:
            wrong = ~np.isin(y[:, 0], np.arange(n_classes))
            allowed = f"a class index, 0 to {n_classes - 1}"
        elif y.shape[1] == n_classes:
            wrong = ~(np.isin(y, (0, 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1))
            allowed = "one 1 and else 0"
        else:
            raise DataError(f"y has {y.shape[1]} columns for {n_classes} classes; 1 or {n_classes} fit")
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"row {row}: y is {y[row].tolist()}; with classes it is {allowed}")
        return (y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """The training, validation or test rows; without `rows` it is all of `x` and `y`.

    The parts of a split share `x` and `y`, and `rows` are the indices of their own rows in them (uint32,
    which the core takes as they are), so that a big memory-mapped array is never copied.
    """

    x: Array
    y: Array
    sample_weight: Array | None = None
    rows: Rows | None = None

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    def take(self) -> tuple[Array, Array, Array | None]:
        """Return x, y and sample_weight of this part's rows alone (a copy, where it is a part)."""
        if self.rows is None:
            return self.x, self.y, self.sample_weight
        weights = None if self.sample_weight is None else self.sample_weight[self.rows]
        return self.x[self.rows], self.y[self.rows], weights


def real_array(values: object, name: str) -> Array:
    """Return values as an array of real numbers, or say why they are none."""
    # NumPy imports this module when somebody asks for it: where nobody has, nothing is masked
    if "numpy.ma" in sys.modules and isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array; fill it first")
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
    except ValueError:
        raise DataError(f"{name} is ragged: its rows differ in length") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds values of type {array.dtype}, not real numbers")
    return array


def real_columns(values: object, name: str) -> Array:
    """Return values as an array of two dimensions; one dimension is one column."""
    array = real_array(values, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise DataError(f"{name} has the shape {array.shape}; it needs two dimensions, samples and columns")
    return array


def class_labels(labels: Sequence[object]) -> tuple[Label, ...]:
    """Return labels as plain texts and numbers."""
    plain: list[Label] = []
    for given in labels:
        label = given.item() if isinstance(given, np.generic) else given
        if isinstance(label, bool) or not isinstance(label, int | float | str) or label != label:
            raise DataError(f"classes has {label!r}; a class label is a text or a number")
        plain.append(label)
    return tuple(plain)


def column_names(names: Sequence[str], count: int, letter: str) -> tuple[str, ...]:
    """Return the given names of `count` columns, or the default ones."""
    if not names:
        return tuple(f"{letter}{i}" for i in range(count))
    if len(names) != count:
        raise DataError(f"{letter} has {count} columns and {len(names)} names: {', '.join(names)}")
    return tuple(names)
