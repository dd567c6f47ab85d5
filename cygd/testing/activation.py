"""The suite for activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cygd.components import Activation
from cygd.components.evaluation import read_only
from cygd.plugins.component_checks import (
    SURROGATE_HINT,
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

FAR = (20.0, 100.0, 1e3, 1e4)
CORNERS = (-3.0, -1.0, 0.0, 1.0, 3.0)  # where kinks usually are


def check_activation(activation: Activation) -> None:
    """Check everything that training requires of an activation.

    The result has the shape and dtype of h for float32 and float64, for one row, no row, strided and
    read-only arrays; the input does not change; two calls give the same bits; an element depends on no other
    (row-wise: a row on no other row); NaN stays NaN; a large h gives no NaN; the derivative is correct at
    ordinary points, in the tails and around kinks (unless it is a surrogate). Code that the core runs is
    checked at every CPU level of this machine, and the levels must agree.

    Parameters
    ----------
    activation : Activation
        The activation, with the values of its parameters to check.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong, where and by how much.

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
    """Yield the title and the function of each check of `check_activation`."""
    if not isinstance(activation, Activation):
        raise ComponentCheckError(f"expected an Activation, got {activation!r}")
    compiled = activation.function is None

    def check(function: Callable[[Activation], None]) -> Callable[[], None]:
        return lambda: on_every_level(function, activation, compiled)

    yield "basic checks", lambda: check_component(activation)
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
    """Return f(h), and check that h does not change."""
    if activation.function is not None:
        return call(activation, "function", h)
    before = h.copy()
    y_hat = activation.evaluate(h)
    if not same_bits(h, before):
        raise ComponentCheckError(f"{activation}: f changes its input")
    return y_hat


def _derivative_of(activation: Activation, h: Array) -> Array:
    """Return f'(h), or delta for an arbitrary g if the activation is row-wise."""
    y_hat = activation.evaluate(h)
    if activation.rowwise:
        return activation.backpropagate(h, y_hat, np.cos(h))
    return activation.evaluate_derivative(h, y_hat)


def _role(activation: Activation) -> str:
    return "backward" if activation.rowwise else "derivative"


def _functions(activation: Activation) -> tuple[tuple[str, Callable[[Array], Array]], ...]:
    """Return the role of f and of its derivative, each with a function of h."""
    return ("function", activation.evaluate), (_role(activation), partial(_derivative_of, activation))


def _shapes(activation: Activation) -> None:
    for dtype in DTYPES:
        _shapes_of(activation, dtype)


def _shapes_of(activation: Activation, dtype: type) -> None:
    flat = () if activation.rowwise else ((5,), (1,), (0,))
    for shape in (*SHAPES, *flat):
        h: Array = sample_points(-4, 4, 1, int(np.prod(shape))).reshape(shape).astype(dtype)
        what = f"{activation} with h of shape {shape} of {h.dtype}"
        for function in (_f, _derivative_of):
            result = guarded(what, function, activation, h)
            if result.shape != shape or result.dtype != dtype:
                raise ComponentCheckError(
                    f"{what}: expected the same shape and dtype, got shape {result.shape} of {result.dtype}"
                )
    f, derivative, parameters = activation.function, activation.derivative, activation.parameters
    if f is None:
        return
    h = read_only(sample_points(-4, 4, 4, 3).astype(dtype))
    require_dtype(activation, "function", lambda: f(h, **parameters), dtype)
    if derivative is not None and not activation.numerical:
        arguments = (h, activation.evaluate(h)) if activation.derivative_takes_y_hat else (h,)
        require_dtype(activation, "derivative", lambda: derivative(*arguments, **parameters), dtype)


def _layouts(activation: Activation) -> None:
    for layout, h in layouts(-4, 4):
        contiguous = np.ascontiguousarray(h)
        for role, function in _functions(activation):
            result = guarded(f"{activation}: {role} failed on {layout}", function, h)
            expected = guarded(f"{activation}: {role} failed", function, contiguous)
            require_close(f"{activation}: {role} has another result for {layout}", result, expected, 1e-12)


def _determinism(activation: Activation) -> None:
    h = sample_points(-4, 4, 16, 5)
    for role, function in _functions(activation):
        if not same_bits(function(h), function(h)):
            raise ComponentCheckError(
                f"{activation}: {role} gives different results for the same h",
                "a function must not use memory or randomness",
            )


def _independence(activation: Activation) -> None:
    h = sample_points(-4, 4, 9, 5)
    y_hat = activation.evaluate(h)
    what = f"{activation}: the output of a row depends on other rows"
    require_close(what, activation.evaluate(h[4:5]), y_hat[4:5], 1e-9)
    if not activation.rowwise:
        what = f"{activation}: the output of a unit depends on other units (row-wise ones need backward=)"
        require_close(what, activation.evaluate(h[:, 2:3]), y_hat[:, 2:3], 1e-9)


def _nan(activation: Activation) -> None:
    for dtype in DTYPES:
        h: Array = sample_points(-4, 4, 4, 3).astype(dtype)
        clean = guarded(f"{activation}", activation.evaluate, h)
        h[1, 2] = np.nan
        y_hat = guarded(f"{activation} failed on NaN", activation.evaluate, h)
        if not np.isnan(y_hat[1, 2]):
            raise ComponentCheckError(
                f"{activation}: f(nan): expected nan, got {y_hat[1, 2]:.6g}, which would hide a diverged run",
                "np.where(h > 0, ...) is false for NaN; np.maximum and arithmetic keep it",
            )
        affected = np.zeros(h.shape, bool)
        affected[1, slice(None) if activation.rowwise else 2] = True
        require_close(
            f"{activation}: a NaN elsewhere changes the output", y_hat[~affected], clean[~affected], 1e-12
        )


def _tails(activation: Activation) -> None:
    for dtype in DTYPES:
        for far in FAR:
            h: Array = np.array([[-far, 0.5], [0.5, far]], dtype)
            for role, function in _functions(activation):
                values = guarded(f"{activation} failed at h = {far:g}", function, h)
                if np.isnan(values).any():
                    row, unit = (int(i) for i in np.argwhere(np.isnan(values))[0])
                    raise ComponentCheckError(
                        f"{activation}: {role} is nan at h = {h[row, unit]:g} ({np.dtype(dtype)})",
                        "does an exp overflow, followed by inf / inf or inf - inf?",
                    )
    guarded(f"{activation} failed at infinity", activation.evaluate, np.array([[-np.inf, np.inf]]))


def _precision(activation: Activation) -> None:
    single = sample_points(-4, 4, 16, 3).astype(np.float32)
    double = single.astype(np.float64)
    for role, function in _functions(activation):
        what = f"{activation}: {role} differs between float32 and float64"
        require_close(what, function(single).astype(np.float64), function(double), 1e-4)


def _derivative(activation: Activation) -> None:
    check_derivative(activation, sample_points(-4, 4, 32, 3), SURROGATE_HINT)
    check_derivative(activation, sample_points(-50, 50, 32, 3), SURROGATE_HINT)


def _kinks(activation: Activation) -> None:
    at = np.array(sorted({*CORNERS, *activation.kinks}))
    around = np.array([-1e-2, -1e-3, -1e-4, 0, 1e-4, 1e-3, 1e-2])
    check_derivative(activation, np.add.outer(at, around), SURROGATE_HINT)


def _levels(activation: Activation) -> None:
    """Compare the levels of this machine with the lowest one."""
    for dtype, tolerance in zip(DTYPES, (1e-12, 1e-5), strict=True):
        h: Array = sample_points(-50, 50, 64, 3).astype(dtype)
        for role, function in _functions(activation):
            levels_agree(f"{activation}: {role}", partial(function, h), tolerance)
