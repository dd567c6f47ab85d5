"""Arrays on their way into a Python function of a component and back out of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd import core
from cygd.components.base import Component, Function
from cygd.components.function_pointers import Pointers
from cygd.errors import PluginError

if TYPE_CHECKING:
    from cygd.components.formula import Program

__all__ = [
    "Array",
    "as_float_array",
    "check_result",
    "numerical_derivative",
    "read_only",
    "run_outputs",
    "run_pointer",
    "run_program",
    "warn_numerical_derivative",
]

log = logging.getLogger("cygd")

Array = NDArray[Any]


def as_float_array(a: ArrayLike) -> Array:
    """Return an array of float32 or float64; other numbers become float64."""
    array = np.asarray(a)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def read_only(array: Array) -> Array:
    """Return a view that a component cannot write through."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_result(result: object, like: Array, what: str) -> Array:
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


def run_program(program: Program, arrays: Sequence[Array], uniforms: Sequence[float] = ()) -> Array:
    """Return the output of a formula's program over arrays that broadcast to one shape."""
    return run_outputs(program, arrays, uniforms)[0]


def run_outputs(program: Program, arrays: Sequence[Array], uniforms: Sequence[float] = ()) -> list[Array]:
    """Return all outputs of a formula's program over arrays that broadcast to one shape."""
    dtype = np.result_type(*arrays)
    module = core._f32 if dtype == np.float32 else core._f64
    whole = np.broadcast_arrays(*arrays)
    flat = [np.ascontiguousarray(array, dtype).reshape(-1) for array in whole]
    out = [np.empty(flat[0].size, dtype) for _ in program.outputs]
    module.Program(program).run(flat, out, uniforms)
    return [values.reshape(whole[0].shape) for values in out]


def run_pointer(pointers: Pointers, values: Sequence[float], h: Array, y_hat: Array | None = None) -> Array:
    """Return f(h), or with y_hat f'(h), of the shape and dtype of h, computed in a dtype that there is."""
    dtype = h.dtype.name if h.dtype.name in pointers.pairs else next(iter(pointers.pairs))
    module = core._f32 if dtype == "float32" else core._f64
    pointer = module.FunctionPointers(pointers.of(dtype), values)
    whole = np.broadcast_arrays(h, h if y_hat is None else y_hat)
    with np.errstate(over="ignore"):
        flat = [np.require(array, dtype, ["C", "A"]).reshape(-1) for array in whole]
    out = np.empty(flat[0].size, dtype)
    if y_hat is None:
        pointer.run(flat[0], out)
    else:
        pointer.run_derivative(*flat, out)
    return out.reshape(whole[0].shape).astype(h.dtype, copy=False)


def warn_numerical_derivative(owner: Component, missing: str) -> None:
    """Warn that a derivative is missing, and say how to give one."""
    log.warning(
        "%s has no derivative: it is measured by central differences, which takes two evaluations and "
        "costs half of the digits; give %s",
        owner,
        missing,
    )


def numerical_derivative(owner: Component, function: Function | None, missing: str) -> Function:
    """Return the derivative of a function by its last array, by central differences, and say so."""
    warn_numerical_derivative(owner, f"derivative={missing}")
    assert function is not None

    def slope(*arrays: Array, **parameters: float) -> Array:
        *first, x = (np.asarray(array, np.float64) for array in arrays)
        # the step at which the error of the formula and that of rounding are alike
        step = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1, np.abs(x))
        above, below = x + step, x - step
        difference = function(*first, above, **parameters) - function(*first, below, **parameters)
        return np.asarray(difference / (above - below))

    return slope
