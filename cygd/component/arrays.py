"""Arrays on their way into a Python function of a component and back out of it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd.component.base import Component, Function
from cygd.errors import PluginError

__all__ = ["Array", "checked", "floats", "measured", "read_only"]

log = logging.getLogger("cygd")

Array = NDArray[Any]


def floats(a: ArrayLike) -> Array:
    """Return an array of float32 or float64; other numbers become float64."""
    array = np.asarray(a)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def read_only(array: Array) -> Array:
    """Return a view that a component cannot write through."""
    view = array.view()
    view.flags.writeable = False
    return view


def checked(result: object, like: Array, what: str) -> Array:
    """Return the array that a component returned, in the type of `like`, or raise a PluginError."""
    wanted = f"instead of an array of shape {like.shape}"
    if result is None:
        raise PluginError(f"{what} returned None {wanted}", hint="is a `return` missing?")
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        raise PluginError(f"{what} returned values of type {array.dtype} {wanted} of {like.dtype}")
    if array.shape != like.shape:
        raise PluginError(f"{what} returned shape {array.shape} {wanted}")
    return array.astype(like.dtype, copy=False)


def measured(owner: Component, function: Function | None, missing: str) -> Function:
    """Return the derivative of a function by its last array, by central differences, and say so."""
    log.warning(
        "%s has no derivative: it is measured by central differences, which takes two evaluations and "
        "costs half of the digits; give derivative=%s",
        owner,
        missing,
    )
    assert function is not None

    def slope(*arrays: Array, **parameters: float) -> Array:
        *first, x = (np.asarray(array, np.float64) for array in arrays)
        # the step at which the error of the formula and that of rounding are alike
        step = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1, np.abs(x))
        above, below = x + step, x - step
        difference = function(*first, above, **parameters) - function(*first, below, **parameters)
        return np.asarray(difference / (above - below))

    return slope
