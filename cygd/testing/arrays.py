"""Arrays of all memory layouts that a component may get, and comparisons of its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cygd.components import Component
from cygd.errors import CygdError
from cygd.plugins.component_checks import ComponentCheckError, failing_as, sample_points

Array = NDArray[Any]
T = TypeVar("T")

DTYPES = (np.float64, np.float32)
SHAPES = ((8, 3), (1, 4), (7, 1), (0, 3))
FLAT_SHAPES = ((5,), (1,), (0,))


def layouts(low: float, high: float) -> Iterator[tuple[str, Array]]:
    """Yield the name and an array of shape (6, 4) of each memory layout."""
    wide = sample_points(low, high, 12, 8)
    contiguous = wide[:6, :4].copy()
    contiguous.flags.writeable = False
    yield "a read-only array", contiguous
    yield "every second row", wide[::2, :4]
    yield "every second column", wide[:6, ::2]
    yield "an array in Fortran order", np.asfortranarray(contiguous)
    yield "a reversed array", wide[5::-1, :4]


def guarded(what: str, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function; convert any exception to a ComponentCheckError, whose message begins with `what`."""
    with failing_as(what):
        try:
            return function(*arguments)
        except CygdError as error:
            raise ComponentCheckError(error.message, error.hint) from error


def require_close(what: str, result: Array, expected: Array, tolerance: float) -> None:
    """Check that two arrays agree to a relative tolerance; NaN equals NaN."""
    slack = tolerance * np.maximum(1, np.abs(expected))
    with np.errstate(all="ignore"):
        differs = ~((np.abs(result - expected) <= slack) | (result == expected))
    differs &= ~(np.isnan(result) & np.isnan(expected))
    if differs.any():
        index = tuple(int(i) for i in np.argwhere(differs)[0])
        raise ComponentCheckError(
            f"{what}: at {list(index)}: expected {expected[index]:.9g}, got {result[index]:.9g}"
        )


def require_dtype(component: Component, role: str, function: Callable[[], Any], dtype: type) -> None:
    """Check that a function keeps the dtype; integers and bools pass: their conversion is exact."""
    with np.errstate(all="ignore"):
        result = np.asarray(function()).dtype
    if result.kind == "f" and result != dtype:
        raise ComponentCheckError(
            f"{component}: {role}: expected {np.dtype(dtype)}, got {result}",
            "np.zeros_like, np.ones_like and Python numbers keep the dtype; np.zeros(shape) is float64",
        )


def same_bits(first: Array, second: Array) -> bool:
    """Return True if two arrays have the same bits, including NaN and the sign of zero."""
    return first.tobytes() == second.tobytes()
