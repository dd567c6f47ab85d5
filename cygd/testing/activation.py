"""The suite for activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cygd.components import Activation
from cygd.components.evaluation import read_only
from cygd.plugins.component_checks import (
    ComponentCheckError,
    call,
    check_component,
    check_derivative,
    sample_points,
)
from cygd.testing.arrays import (
    DTYPES,
    SHAPES,
    Array,
    guarded,
    layouts,
    require_close,
    require_dtype,
    same_bits,
)
from cygd.testing.cpu_levels import Check, levels_agree, on_every_level

__all__ = ["check_activation", "checks"]

FAR = (20.0, 100.0, 1e3, 1e4)
CORNERS = (-3.0, -1.0, 0.0, 1.0, 3.0)  # where kinks usually are


def check_activation(activation: Activation) -> None:
    """Check all that training relies on in an activation.

    It keeps shape and type for float32 and float64, for one row, no row, strided and read-only arrays,
    leaves its input as it was, gives the same bits twice, sees no element but its own (row-wise: no row
    but its own), does not hide a NaN, makes none of a large h, and its derivative is the derivative: at
    ordinary points, in the tails and around kinks (unless it is a surrogate). What the core runs is checked
    at every CPU level of this machine, and the levels must agree.

    Parameters
    ----------
    activation : Activation
        The activation, with the values of its parameters that are to be checked.

    Raises
    ------
    AssertionError
        What is wrong, where, and by how much.

    Examples
    --------
    >>> check_activation(Activation("square", lambda h: h * h, lambda h: 2 * h))
    >>> check_activation(Activation("square", lambda h: h * h, lambda h: h))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: activation 'square': derivative is not ...
    """
    for _, check in checks(activation):
        check()


def checks(activation: Activation) -> Iterator[Check]:
    """Yield the checks of `check_activation`, each with what it is about."""
    if not isinstance(activation, Activation):
        raise ComponentCheckError(f"{activation!r} is no Activation")
    compiled = activation.function is None

    def check(function: Callable[[Activation], None]) -> Callable[[], None]:
        return lambda: on_every_level(function, activation, compiled)

    yield "first trial", lambda: check_component(activation)
    yield "shapes and types", check(_shapes)
    yield "same bits twice", check(_determinism)
    yield "layouts in memory", check(_layouts)
    yield "each unit by itself" if not activation.rowwise else "each row by itself", check(_independence)
    yield "NaN stays NaN", check(_nan)
    yield "tails", check(_tails)
    if len(activation.dtypes) > 1:
        yield "float32 and float64", check(_precision)
    if not activation.surrogate:
        yield "derivative", check(_derivative)
        if not activation.rowwise:
            yield "kinks", check(_kinks)
    if compiled:
        yield "CPU levels agree", lambda: _levels(activation)


def _f(activation: Activation, h: Array) -> Array:
    """Return f(h), having looked that h stays as it is."""
    if activation.function is not None:
        return call(activation, "function", h)
    before = h.copy()
    y_hat = activation.evaluate(h)
    if not same_bits(h, before):
        raise ComponentCheckError(f"{activation}: f changes its input")
    return y_hat


def _back(activation: Activation, h: Array) -> Array:
    """Return f'(h), or for a row-wise activation delta for some g."""
    y_hat = activation.evaluate(h)
    if activation.rowwise:
        return activation.backpropagate(h, y_hat, np.cos(h))
    return activation.evaluate_derivative(h, y_hat)


def _role(activation: Activation) -> str:
    return "backward" if activation.rowwise else "derivative"


def _shapes(activation: Activation) -> None:
    for dtype in DTYPES:
        _shapes_of(activation, dtype)


def _shapes_of(activation: Activation, dtype: type) -> None:
    flat = () if activation.rowwise else ((5,), (1,), (0,))
    for shape in (*SHAPES, *flat):
        h: Array = sample_points(-4, 4, 1, int(np.prod(shape))).reshape(shape).astype(dtype)
        what = f"{activation} with h of shape {shape} of {h.dtype}"
        for found in (guarded(what, _f, activation, h), guarded(what, _back, activation, h)):
            if found.shape != shape or found.dtype != dtype:
                raise ComponentCheckError(f"{what} gives shape {found.shape} of {found.dtype}")
    function, values = activation.function, activation.parameters
    if function is None:
        return
    h = read_only(sample_points(-4, 4, 4, 3).astype(dtype))
    require_dtype(activation, "function", lambda: function(h, **values), dtype)
    derivative = activation.derivative
    if derivative is not None and not activation.numerical:
        arguments = (h, activation.evaluate(h)) if activation.derivative_takes_y_hat else (h,)
        require_dtype(activation, "derivative", lambda: derivative(*arguments, **values), dtype)


def _layouts(activation: Activation) -> None:
    for what, h in layouts(-4, 4):
        _layout(activation, what, h)


def _layout(activation: Activation, what: str, h: Array) -> None:
    plain = np.ascontiguousarray(h)
    for role, function in (
        ("function", activation.evaluate),
        (_role(activation), lambda a: _back(activation, a)),
    ):
        found = guarded(f"{activation}: {role} failed on {what}", function, h)
        expected = guarded(f"{activation}: {role} failed", function, plain)
        require_close(f"{activation}: {role} gives something else for {what}", found, expected, 1e-12)


def _determinism(activation: Activation) -> None:
    h = sample_points(-4, 4, 16, 5)
    if not same_bits(activation.evaluate(h), activation.evaluate(h)):
        raise ComponentCheckError(
            f"{activation}: the same h gives different outputs", "a function has no memory and no chance"
        )
    if not same_bits(_back(activation, h), _back(activation, h)):
        raise ComponentCheckError(f"{activation}: the same h gives different values of {_role(activation)}")


def _independence(activation: Activation) -> None:
    h = sample_points(-4, 4, 9, 5)
    whole = activation.evaluate(h)
    what = f"{activation}: the output of a row depends on other rows"
    require_close(what, activation.evaluate(h[4:5]), whole[4:5], 1e-9)
    if not activation.rowwise:
        what = f"{activation}: the output of a unit depends on other units (row-wise ones need backward=)"
        require_close(what, activation.evaluate(h[:, 2:3]), whole[:, 2:3], 1e-9)


def _nan(activation: Activation) -> None:
    for dtype in DTYPES:
        h: Array = sample_points(-4, 4, 4, 3).astype(dtype)
        clean = guarded(f"{activation}", activation.evaluate, h)
        h[1, 2] = np.nan
        found = guarded(f"{activation} failed on a NaN", activation.evaluate, h)
        if not np.isnan(found[1, 2]):
            raise ComponentCheckError(
                f"{activation}: f(nan) is {found[1, 2]:.6g}, so a run that went wrong would look well",
                "np.where(h > 0, ...) is false for NaN; np.maximum and arithmetic keep it",
            )
        touched = [1] if activation.rowwise else []
        others = np.delete(found, touched, axis=0), np.delete(clean, touched, axis=0)
        if not activation.rowwise:
            others[0][1, 2] = others[1][1, 2] = 0
        require_close(f"{activation}: a NaN elsewhere changes the output", *others, 1e-12)


def _tails(activation: Activation) -> None:
    for dtype in DTYPES:
        for far in FAR:
            h: Array = np.array([[-far, 0.5], [0.5, far]], dtype)
            for role, values in (
                ("f(h)", guarded(f"{activation} failed at h = {far:g}", activation.evaluate, h)),
                (_role(activation), guarded(f"{activation} failed at h = {far:g}", _back, activation, h)),
            ):
                if np.isnan(values).any():
                    row, unit = (int(i) for i in np.argwhere(np.isnan(values))[0])
                    raise ComponentCheckError(
                        f"{activation}: {role} is nan at h = {h[row, unit]:g} ({np.dtype(dtype)})",
                        "an exp that overflows, and then inf / inf or inf - inf?",
                    )
    guarded(f"{activation} failed at infinity", activation.evaluate, np.array([[-np.inf, np.inf]]))


def _precision(activation: Activation) -> None:
    single = sample_points(-4, 4, 16, 3).astype(np.float32)
    double = single.astype(np.float64)
    for role, function in (
        ("function", activation.evaluate),
        (_role(activation), lambda a: _back(activation, a)),
    ):
        what = f"{activation}: {role} in float32 and in float64"
        require_close(what, function(single).astype(np.float64), function(double), 1e-4)


HINT = "if it is not f' on purpose, say so: surrogate=True"


def _derivative(activation: Activation) -> None:
    check_derivative(activation, sample_points(-4, 4, 32, 3), HINT)
    check_derivative(activation, sample_points(-50, 50, 32, 3), HINT)


def _kinks(activation: Activation) -> None:
    at = np.array(sorted({*CORNERS, *activation.kinks}))
    around = np.array([-1e-2, -1e-3, -1e-4, 0, 1e-4, 1e-3, 1e-2])
    check_derivative(activation, np.add.outer(at, around), HINT)


def _levels(activation: Activation) -> None:
    """Compare the levels of this machine with the lowest one."""
    for dtype, tolerance in zip(DTYPES, (1e-12, 1e-5), strict=True):
        h: Array = sample_points(-50, 50, 64, 3).astype(dtype)
        levels_agree(f"{activation}: f", partial(activation.evaluate, h), tolerance)
        levels_agree(f"{activation}: {_role(activation)}", partial(_back, activation, h), tolerance)
