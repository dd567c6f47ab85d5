"""Files of a run folder that are read back: JSON of a known shape, and bytes.

A run folder may be damaged, edited or from elsewhere. So every file is checked as it is read: it must be a
regular file, its JSON must have the expected keys and types, and its arrays must be numbers that take no more
memory than the file accounts for. What fails is one CheckpointError that names the file.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cygd.errors import CheckpointError, abbreviate

LARGEST = 2**62  # counts beyond it would overflow
MAX_JSON = 64_000_000  # bytes; its objects take some ten times as much memory


class Type(NamedTuple):
    """A type of JSON values."""

    expected: str  # in the words of an error message
    fits: Callable[[Any], bool]


COUNT = Type("a whole number of at least 0", lambda value: type(value) is int and 0 <= value < LARGEST)
INTEGER = Type("a whole number", lambda value: type(value) is int and -LARGEST < value < LARGEST)
NUMBER = Type("a number", lambda value: type(value) is float or INTEGER.fits(value))
FINITE = Type("a finite number", lambda value: NUMBER.fits(value) and math.isfinite(value))
TEXT = Type("a text", lambda value: type(value) is str)
NULL = Type("null", lambda value: value is None)
OBJECT = Type("an object", lambda value: type(value) is dict)
LIST = Type("a list", lambda value: type(value) is list)

# the content of result.json and of each kind of file in environment.json
RESULT = {
    "status": TEXT,
    "metrics?": {...: (FINITE, NULL)},
    "epochs?": COUNT,
    "best_epoch?": (COUNT, NULL),
    "seconds?": (FINITE, NULL),
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
    for a list; or a mapping from keys to shapes, in which `name?` may be missing and `...` means every
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
        raise ValueError(f"{prefix}expected {expected}, got {abbreviate(repr(value))}")


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
