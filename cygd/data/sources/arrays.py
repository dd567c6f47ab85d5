"""The sources that hold x and y as arrays: inline in the experiment, .npy and .npz files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cygd.data.dataset import Array, Dataset
from cygd.data.sources.paths import resolve_path
from cygd.data.table import label_array
from cygd.errors import DataError

__all__ = ["load_inline", "load_npy", "load_npz"]

UNREADABLE = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error)


def load_inline(folder: Path, *, x: Sequence[object], y: Sequence[object], classes: bool = False) -> Dataset:
    """Take x and y from the experiment itself; texts in y are class labels.

    Parameters
    ----------
    folder : Path
        Not used.
    x : list
        A list of numbers per sample, or one number.
    y : list
        A list of numbers per sample, or one number or text.
    classes : bool
        Whether `y` holds class numbers.
    """
    texts = any(isinstance(value, str) for row in y for value in (row if isinstance(row, list) else [row]))
    numbers = inline_array(x, "x")
    return dataset(numbers, inline_labels(y) if texts else inline_array(y, "y"), classes or texts)


def load_npy(folder: Path, *, x: str, y: str, classes: bool = False) -> Dataset:
    """Map x and y from two .npy files; they are read as they are needed.

    Parameters
    ----------
    folder : Path
        Where relative paths start from.
    x, y : str
        The files.
    classes : bool
        Whether `y` holds class numbers.
    """
    x_file, y_file = resolve_path(folder, x, "x"), resolve_path(folder, y, "y")
    return dataset(mapped(x_file), mapped(y_file), classes, str(x_file), str(y_file))


def load_npz(folder: Path, *, path: str, classes: bool = False) -> Dataset:
    """Read the arrays x and y, and sample_weight where there is one, of an .npz file.

    Parameters
    ----------
    folder : Path
        Where a relative path starts from.
    path : str
        The file.
    classes : bool
        Whether `y` holds class numbers.
    """
    file = resolve_path(folder, path, "path")
    arrays = {}
    try:
        with file.open("rb") as opened:  # NumPy would leave it open where it is damaged
            archive = np.load(opened, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DataError(f"{file} is a .npy file", hint="read it with source: npy")
            found = archive.files
            for name in ("x", "y", "sample_weight"):
                if name in found:
                    arrays[name] = archive[name]
    except UNREADABLE as error:
        raise unreadable(file, error) from None
    for name in ("x", "y"):
        if name not in arrays:
            raise DataError(f"{file} holds no array {name!r}; it holds {', '.join(found) or 'none'}")
    where = {"x": f"{file}: x", "y": f"{file}: y"}
    return dataset(arrays["x"], arrays["y"], classes, where["x"], where["y"], arrays.get("sample_weight"))


def dataset(
    x: Array, y: Array, classes: bool, x_name: str = "x", y_name: str = "y", weights: Array | None = None
) -> Dataset:
    """Return x and y as a dataset; class numbers become indices into their sorted labels."""
    for name, array in ((x_name, x), (y_name, y)):
        if array.dtype.hasobject:
            raise DataError(f"{name} holds Python objects, not numbers")
    labels: Sequence[int | float | str] = ()
    if classes or y.dtype.kind in "US":
        y, labels = label_array(y, y_name)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{x_name} holds values of type {x.dtype}, not real numbers")
    if x.ndim and y.ndim and len(x) != len(y):
        raise DataError(f"{x_name} has {len(x)} rows, {y_name} has {len(y)}")
    return Dataset(x, y, classes=labels, sample_weight=weights)


def mapped(file: Path) -> Array:
    """Return the array of a .npy file, memory-mapped."""
    if file.suffix == ".npz":
        raise DataError(f"{file} is an .npz file", hint="read it with source: npz and path")
    try:
        with file.open("rb") as opened:
            if not opened.read(1):
                raise DataError(f"{file} is empty")
        return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except UNREADABLE as error:
        raise unreadable(file, error) from None


def unreadable(file: Path, error: Exception) -> DataError:
    """Return what a user is told of a file that NumPy could not read."""
    if isinstance(error, DataError):
        return error
    if isinstance(error, OSError):
        return DataError(f"{file}: {error.strerror or error}")
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(f"{file} holds Python objects, not numbers")
    return DataError(f"{file}: not a NumPy file that can be read ({error})")


def inline_array(values: Sequence[object], name: str) -> Array:
    """Return the numbers of a list, or of a list of lists of equal length."""
    nested = [isinstance(row, list | tuple) for row in values]
    if any(nested) and not all(nested):
        row = nested.index(not nested[0])
        raise DataError(f"{name}[{row}] is {'a list' if nested[row] else 'a number'}, unlike the rows before")
    rows: list[Sequence[object]] = [row if isinstance(row, list | tuple) else [row] for row in values]
    for i, numbers in enumerate(rows):
        if len(numbers) != len(rows[0]):
            raise DataError(f"{name}[{i}] has {len(numbers)} values, {name}[0] has {len(rows[0])}")
        for j, value in enumerate(numbers):
            if isinstance(value, bool) or not isinstance(value, int | float):
                place = f"{name}[{i}][{j}]" if nested[i] else f"{name}[{i}]"
                raise DataError(f"{place} is {value!r}, not a number")
    return np.array(rows, np.float64) if rows else np.empty((0, 1))


def inline_labels(values: Sequence[object]) -> Array:
    """Return the class labels of a list, one text or number a row."""
    flat = [row[0] if isinstance(row, list | tuple) and len(row) == 1 else row for row in values]
    for i, value in enumerate(flat):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise DataError(f"y[{i}] is {value!r}; a class label is a text or a number")
    return np.array([str(value) for value in flat])
