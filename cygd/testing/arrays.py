"""Arrays in all the ways in which a component may meet them, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Component
from cygd.errors import CygdError, describe_exception, hint_of
from cygd.plugins.component_checks import ComponentCheckError, sample_points

__all__ = ["DTYPES", "SHAPES", "Array", "guarded", "layouts", "require_close", "require_dtype", "same_bits"]

Array = NDArray[Any]

DTYPES = (np.float64, np.float32)
SHAPES = ((8, 3), (1, 4), (7, 1), (0, 3))


def layouts(low: float, high: float) -> Iterator[tuple[str, Array]]:
    """Yield arrays of (6, 4) that lie in memory in different ways, with a name for each."""
    wide = sample_points(low, high, 12, 8)
    plain = wide[:6, :4].copy()
    plain.flags.writeable = False
    yield "a read-only array", plain
    yield "every second row", wide[::2, :4]
    yield "every second column", wide[:6, ::2]
    yield "an array in Fortran order", np.asfortranarray(plain)
    yield "a reversed array", wide[5::-1, :4]


def guarded(what: str, function: Callable[..., Array], *arguments: Any) -> Array:
    """Call a function; whatever it raises becomes an Unfit that says with what it was called."""
    try:
        with np.errstate(all="ignore"):
            return function(*arguments)
    except ComponentCheckError:
        raise
    except CygdError as error:
        raise ComponentCheckError(error.message, error.hint) from error
    except Exception as error:
        raise ComponentCheckError(f"{what}: {describe_exception(error)}", hint=hint_of(error)) from error


def require_close(what: str, found: Array, expected: Array, tolerance: float) -> None:
    """Require that two arrays agree to a relative tolerance, NaN with NaN."""
    slack = tolerance * np.maximum(1, np.abs(expected))
    with np.errstate(all="ignore"):
        apart = ~((np.abs(found - expected) <= slack) | (found == expected))
    apart &= ~(np.isnan(found) & np.isnan(expected))
    if apart.any():
        place = tuple(int(i) for i in np.argwhere(apart)[0])
        raise ComponentCheckError(f"{what}: at {list(place)} {found[place]:.9g} and {expected[place]:.9g}")


def require_dtype(component: Component, role: str, function: Callable[[], Any], dtype: type) -> None:
    """Require that what a function returns is no wider and no narrower than its input.

    Integers and bools pass: they are exact, and turned into numbers of the right type.
    """
    with np.errstate(all="ignore"):
        found = np.asarray(function()).dtype
    if found.kind == "f" and found != dtype:
        raise ComponentCheckError(
            f"{component}: {role} returns {found} for {np.dtype(dtype)}",
            "np.zeros_like, np.ones_like and Python numbers keep the type; np.zeros(shape) is float64",
        )


def same_bits(first: Array, second: Array) -> bool:
    """Return whether two arrays are the same to the last bit, NaN and the sign of zero included."""
    return first.tobytes() == second.tobytes()
