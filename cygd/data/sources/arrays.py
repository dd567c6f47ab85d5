"""The sources of arrays x and y: inline in the experiment, .npy and .npz files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from cygd.data.dataset import Array, Dataset
from cygd.data.memory import physical_memory
from cygd.data.sources.paths import resolve_path
from cygd.data.sources.pipes import content_of
from cygd.data.table import factorize_labels
from cygd.errors import DataError, format_count


def load_inline(
    folder: Path, *, x: Sequence[object] | Array, y: Sequence[object] | Array, classes: bool = False
) -> Dataset:
    """Return x and y from the experiment itself, lists or arrays; strings in y are class labels."""
    x_array = x if isinstance(x, np.ndarray) else inline_array(x, "x")
    if isinstance(y, np.ndarray):
        return make_dataset(x_array, y, classes)
    values = [value for row in y for value in (row if isinstance(row, list) else [row])]
    has_strings = any(isinstance(value, str) for value in values)
    if values and len(values) == len(y) and all(isinstance(value, bool) for value in values):
        y_array = np.array(values)
    else:
        y_array = inline_labels(y) if has_strings or classes else inline_array(y, "y")
    return make_dataset(x_array, y_array, classes or has_strings)


def load_npy(folder: Path, *, x: str, y: str, classes: bool = False) -> Dataset:
    """Memory-map x and y from two .npy files; `classes` says that y holds class numbers."""
    x_file, y_file = resolve_path(folder, x, "x"), resolve_path(folder, y, "y")
    return make_dataset(map_array(x_file), map_array(y_file), classes, str(x_file), str(y_file))


def load_npz(folder: Path, *, path: str, classes: bool = False) -> Dataset:
    """Read the arrays x and y, and sample_weight if it exists, from an .npz file."""
    file = resolve_path(folder, path, "path")
    with open_npz(file) as archive:
        names = archive.files
        arrays = {
            name: read_member(archive, name, file) for name in ("x", "y", "sample_weight") if name in names
        }
    for name in ("x", "y"):
        if name not in arrays:
            raise DataError(f"{file}: expected an array {name!r}, got {', '.join(names) or 'none'}")
    weights = arrays.get("sample_weight")
    return make_dataset(arrays["x"], arrays["y"], classes, f"{file}: x", f"{file}: y", weights)


@contextmanager
def open_npz(file: Path, hint: str = "use source: npy") -> Iterator[NpzFile]:
    """Open an .npz file, or raise an error with the hint if it is an .npy file."""
    try:
        with content_of(file).open("rb") as raw:  # np.load(path) would not close a damaged file
            archive = np.load(raw, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DataError(f"{file}: expected an .npz file, got an .npy file", hint=hint)
            yield archive
    except _read_errors() as error:
        raise array_file_error(file, error) from None


def read_member(archive: NpzFile, name: str, file: Path) -> Array:
    """Return an array of an .npz file; raise a DataError if it cannot fit into the memory of the machine."""
    assert archive.zip is not None
    entries = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.zip.infolist()}
    size, memory = entries[name], physical_memory()
    if memory is not None and size > memory:  # a few bytes can claim to be anything
        raise DataError(
            f"{file}: {name} takes {size} bytes when unpacked, more than the memory of {memory} bytes"
        )
    array: Array = archive[name]
    return array


def make_dataset(
    x: Array, y: Array, classes: bool, x_name: str = "x", y_name: str = "y", weights: Array | None = None
) -> Dataset:
    """Return x and y as a dataset; class numbers become indices into their sorted labels.

    One column of booleans is the classes False and True; other booleans are 0 and 1.
    """
    for name, array in ((x_name, x), (y_name, y)):
        if array.dtype.hasobject:
            raise DataError(f"{name}: expected numbers, got Python objects")
    labels: Sequence[int | float | str] = ()
    if classes or y.dtype.kind in "US" or (y.dtype.kind == "b" and y.size == len(np.atleast_1d(y))):
        y, labels = factorize_labels(y, y_name)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{x_name}: expected real numbers, got the type {x.dtype}")
    if x.ndim and y.ndim and len(x) != len(y):
        raise DataError(f"{y_name}: expected {format_count(len(x), 'row')} as in {x_name}, got {len(y)}")
    return Dataset(x, y, classes=labels, sample_weight=weights)


def map_array(file: Path) -> Array:
    """Return the array of an .npy file, memory-mapped."""
    if file.suffix == ".npz":
        hint = "use source: npz with path"
        raise DataError(f"{file}: expected an .npy file, got an .npz file", hint=hint)
    try:
        content = content_of(file)
        if not content.stat().st_size:
            raise DataError(f"{file} is empty")
        return np.load(content, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except _read_errors() as error:
        raise array_file_error(file, error) from None


def _read_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of NumPy for a file that it cannot read."""
    from zipfile import BadZipFile  # imported here because it is slow, and few runs read arrays

    return (ValueError, EOFError, OSError, MemoryError, BadZipFile, zlib.error)


def array_file_error(file: Path, error: Exception) -> DataError:
    """Return the error for a file that NumPy cannot read."""
    if isinstance(error, DataError):
        return error
    if isinstance(error, OSError):
        return DataError(f"{file}: {error.strerror or error}")
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(f"{file}: expected numbers, got Python objects")
    reason = str(error)
    if "pickle" in reason:  # NumPy would advise to load it unsafely
        reason = "it holds no array; pickles are never loaded"
    return DataError(f"{file}: cannot be read as a NumPy file ({reason})")


def inline_array(values: Sequence[object], name: str) -> Array:
    """Return the array of a list of numbers, or of a list of lists of equal length.

    A column of booleans alone is 0 and 1; a boolean among numbers is rather a mistake.
    """
    nested = [isinstance(row, list | tuple) for row in values]
    if any(nested) and not all(nested):
        row = nested.index(not nested[0])
        expected, got = ("a list", "a number") if nested[0] else ("a number", "a list")
        raise DataError(f"{name}[{row}]: expected {expected} like the rows before, got {got}")
    rows: list[Sequence[object]] = [row if isinstance(row, list | tuple) else [row] for row in values]
    is_boolean = [all(isinstance(value, bool) for value in column) for column in zip(*rows, strict=False)]
    for i, numbers in enumerate(rows):
        if len(numbers) != len(rows[0]):
            raise DataError(
                f"{name}[{i}]: expected {len(rows[0])} values as in {name}[0], got {len(numbers)}"
            )
        for j, value in enumerate(numbers):
            if isinstance(value, bool) and is_boolean[j]:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                location = f"{name}[{i}][{j}]" if nested[i] else f"{name}[{i}]"
                raise DataError(f"{location}: expected a number, got {value!r}")
    return np.array(rows, np.float64) if rows else np.empty((0, 1))


def inline_labels(values: Sequence[object]) -> Array:
    """Return the class labels of a list, one string or number per row."""
    labels = [row[0] if isinstance(row, list | tuple) and len(row) == 1 else row for row in values]
    for i, value in enumerate(labels):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise DataError(f"y[{i}]: expected a class label, a string or a number, got {value!r}")
    return np.array([str(value) for value in labels])
