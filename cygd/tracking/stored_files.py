"""Files of a run folder that are read back: JSON of a known shape, and arrays.

A run folder may be damaged, edited or from elsewhere. So every file is checked as it is read: it must be a
regular file, its JSON must have the expected keys and types, and its arrays must be numbers that take no more
memory than the file accounts for. What fails is one CheckpointError that names the file.
"""

from __future__ import annotations

import io
import json
import math
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.errors import CheckpointError

LARGEST = 2**62  # counts beyond it would overflow
MAX_JSON = 64_000_000  # bytes; its objects take some ten times as much memory
FREE_SIZE = 64_000_000  # bytes of arrays that a small compressed file may hold
MAX_RATIO = 16  # of the size of larger arrays to that of their file
NUMERIC = "biufc"  # the kinds of NumPy's numeric types
HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Type(NamedTuple):
    """A type of JSON values."""

    expected: str  # in the words of an error message
    fits: Callable[[Any], bool]


COUNT = Type("a whole number of at least 0", lambda value: type(value) is int and 0 <= value < LARGEST)
INTEGER = Type("a whole number", lambda value: type(value) is int and -LARGEST < value < LARGEST)
NUMBER = Type("a number", lambda value: type(value) is float or INTEGER.fits(value))
TEXT = Type("a text", lambda value: type(value) is str)
NULL = Type("null", lambda value: value is None)
OBJECT = Type("an object", lambda value: type(value) is dict)
LIST = Type("a list", lambda value: type(value) is list)

# the content of result.json and of each kind of file in environment.json
RESULT = {
    "status": TEXT,
    "metrics?": {...: (NUMBER, NULL)},
    "epochs?": COUNT,
    "best_epoch?": (COUNT, NULL),
    "seconds?": (NUMBER, NULL),
    "error?": TEXT,
}
FINISHED = {**RESULT, "metrics": OBJECT, "epochs": COUNT}
HASHES = {...: TEXT}


def read_json(path: Path, shape: Any, *, missing: str | None = None) -> Any:
    """Return the content of a JSON file of the expected shape; `missing` is the hint if there is none."""
    try:
        content = parse_json(read_bytes(path, MAX_JSON, missing=missing))
        check_shape(content, shape)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise CheckpointError(f"{path} is damaged: {reason}") from None
    return content


def parse_json(data: bytes) -> Any:
    """Return the content of JSON in UTF-8, or raise a ValueError; its texts can be encoded again."""
    content = json.loads(data.decode())
    if b"\\ud" in data.lower():  # an escaped surrogate: half a character, unless its other half follows
        json.dumps(content, ensure_ascii=False).encode()
    return content


def check_shape(value: Any, shape: Any, key: str = "") -> None:
    """Raise a ValueError that names the first value which does not have the expected shape.

    A shape is a `Type`; a tuple of types, and last perhaps another shape, of which one must fit; `[shape]`
    for a list; or a mapping from keys to shapes, in which `name?` may be missing and `...` stands for every
    key. Other keys are ignored.

    >>> check_shape({"epochs": 1, "seen": [2]}, {"epochs": COUNT, "seen": [COUNT], "seconds?": NUMBER})
    >>> check_shape({"epochs": "1"}, {"epochs": COUNT})
    Traceback (most recent call last):
    ValueError: epochs: expected a whole number of at least 0, got '1'
    """
    prefix = f"{key}: " if key else ""
    if isinstance(shape, list):
        check_shape(value, LIST, key)
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{key}[{index}]")
    elif isinstance(shape, Mapping):
        check_shape(value, OBJECT, key)
        for name, inner in shape.items():
            names = list(value) if name is ... else [name.removesuffix("?")]
            for each in names:
                if each in value:
                    check_shape(value[each], inner, f"{key}.{each}" if key else str(each))
                elif not name.endswith("?"):
                    raise ValueError(f"{prefix}the key {each!r} is missing")
    else:
        types = [shape] if isinstance(shape, Type) else [each for each in shape if isinstance(each, Type)]
        if any(each.fits(value) for each in types):
            return
        if not isinstance(shape, Type) and len(types) < len(shape):  # the last one is a list or mapping
            check_shape(value, shape[-1], key)
            return
        expected = " or ".join(each.expected for each in types)
        raise ValueError(f"{prefix}expected {expected}, got {_abbreviate(value)}")


def read_bytes(path: Path, limit: int | None = None, *, missing: str | None = None) -> bytes:
    """Return the content of a regular file; a pipe or device could block or never end."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{path} is damaged: expected a regular file")
        if limit is not None and status.st_size > limit:
            raise CheckpointError(f"{path} is damaged: expected at most {limit} bytes, got {status.st_size}")
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", hint=missing) from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None


def read_npz(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file, or raise a ValueError; a small file takes no great memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > max(FREE_SIZE, MAX_RATIO * len(data)):
                raise ValueError(
                    f"expected arrays that fit its {len(data)} bytes, got {size} bytes when unpacked"
                )
            arrays = {}
            for entry in archive.infolist():
                content = archive.read(entry)
                arrays[entry.filename.removesuffix(".npy")] = _read_array(content, entry.filename)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        # the last two: an unknown compression, an encrypted entry
        raise ValueError(str(error) or type(error).__name__) from None


def _read_array(content: bytes, name: str) -> NDArray[Any]:
    """Return the array in the content of an .npy file; NumPy's reader would allocate what a header claims."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = HEADER_READERS.get(version)
        if read_header is None:
            raise ValueError(f"expected format version 1.0 or 2.0, got {version}")
        shape, in_columns, dtype = read_header(stream)
    except Exception as error:  # the header is a Python literal, which can fail in many ways
        # a pickle has no header
        reason = (
            error if content.startswith(b"\x93NUMPY") else "expected an array of numbers, got something else"
        )
        raise ValueError(f"{name}: {reason}") from None
    if dtype.kind not in NUMERIC:
        got = "Python objects" if dtype.hasobject else f"the type {dtype}"
        raise ValueError(f"{name}: expected an array of numbers, got {got}")
    size = math.prod(shape) * dtype.itemsize
    if size != len(content) - stream.tell():
        raise ValueError(
            f"{name}: expected {size} bytes for the shape {shape}, got {len(content) - stream.tell()}"
        )
    order: Any = "F" if in_columns else "C"
    return np.ndarray(shape, dtype, content, stream.tell(), order=order).copy(order)


def _abbreviate(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
