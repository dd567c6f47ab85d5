"""Evaluation of components outside the engine: their arrays, programs, pointers and numerical derivatives."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd import core
from cygd.components.base import Component, Function
from cygd.errors import PluginError

if TYPE_CHECKING:
    from cygd.components.formula import Program
    from cygd.components.function_pointers import Pointers

log = logging.getLogger("cygd")

Array = NDArray[Any]


def as_float_array(a: ArrayLike) -> Array:
    """Return an array of float32 or float64; other dtypes become float64."""
    array = np.asarray(a)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def read_only(array: Array) -> Array:
    """Return a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_result(result: object, like: Array, what: str) -> Array:
    """Return the result of a component's function in the dtype of `like`, or raise a PluginError."""
    expected = f"{what}: expected an array of shape {like.shape} of {like.dtype}"
    if result is None:
        raise PluginError(f"{expected}, got None", hint="is a `return` missing?")
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        raise PluginError(f"{expected}, got dtype {array.dtype}")
    if array.shape != like.shape:
        raise PluginError(f"{expected}, got shape {array.shape}")
    return array.astype(like.dtype, copy=False)


def run_program(program: Program, arrays: Sequence[Array], uniforms: Sequence[float] = ()) -> list[Array]:
    """Return the outputs of a formula's program over arrays, which are broadcast."""
    dtype = np.result_type(*arrays)
    module = core._f32 if dtype == np.float32 else core._f64
    full = np.broadcast_arrays(*arrays)
    flat = [np.ascontiguousarray(array, dtype).reshape(-1) for array in full]
    out = [np.empty(flat[0].size, dtype) for _ in program.outputs]
    module.Program(program).run(flat, out, uniforms)
    return [values.reshape(full[0].shape) for values in out]


def run_pointer(pointers: Pointers, values: Sequence[float], h: Array, y_hat: Array | None = None) -> Array:
    """Return f(h), or f'(h) given y_hat, like h; computed in the dtype of a pointer if they differ."""
    dtype = h.dtype.name if h.dtype.name in pointers.pairs else next(iter(pointers.pairs))
    module = core._f32 if dtype == "float32" else core._f64
    pointer = module.FunctionPointers(pointers.of(dtype), values)
    full = np.broadcast_arrays(h, h if y_hat is None else y_hat)
    with np.errstate(over="ignore"):
        flat = [np.require(array, dtype, ["C", "A"]).reshape(-1) for array in full]
    out = np.empty(flat[0].size, dtype)
    if y_hat is None:
        pointer.run(flat[0], out)
    else:
        pointer.run_derivative(*flat, out)
    return out.reshape(full[0].shape).astype(h.dtype, copy=False)


def warn_numerical_derivative(owner: Component, argument: str) -> None:
    """Warn that a component has no derivative, and name the argument that gives one."""
    log.warning(
        "%s has no derivative: it is computed by central differences, which takes two evaluations and loses "
        "half of the digits; give %s",
        owner,
        argument,
    )


def numerical_derivative(owner: Component, function: Function | None, signature: str) -> Function:
    """Return the derivative of a function with respect to its last array by central differences; warn."""
    warn_numerical_derivative(owner, f"derivative={signature}")
    assert function is not None
    return NumericalDerivative(function)


@dataclass(frozen=True)
class NumericalDerivative:
    """The derivative of a function with respect to its last array by central differences."""

    function: Function

    def __call__(self, *arrays: Array, **parameters: float) -> Array:
        """Return the derivative of each element."""
        function = self.function
        *first, x = (np.asarray(array, np.float64) for array in arrays)
        # balances the truncation error of the formula and the rounding error
        step = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1, np.abs(x))
        above, below = x + step, x - step
        difference = function(*first, above, **parameters) - function(*first, below, **parameters)
        return np.asarray(difference / (above - below))
