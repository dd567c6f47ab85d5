"""The suite for losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cygd.components import Loss
from cygd.components.evaluation import read_only
from cygd.plugins.component_checks import (
    ComponentCheckError,
    call,
    check_component,
    check_loss_derivative,
    sample_points,
    targets_for,
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

ROLES = ("function", "derivative")


def check_loss(loss: Loss) -> None:
    """Check everything that training requires of a loss.

    Function and derivative keep shape and dtype for float32 and float64, for one row, no row, strided and
    read-only arrays; they do not change their input, give the same bits twice, and depend on no other
    element; NaN stays NaN; the derivative is dE/dy_hat. In a network the gradient equals differences of the
    loss, for both reductions.

    Parameters
    ----------
    loss : Loss
        The loss, with the values of its parameters to check. Code that the core runs is checked at every CPU
        level of this machine, and the levels must agree.

    Raises
    ------
    AssertionError
        A check fails; the message says what is wrong, where and by how much.

    Examples
    --------
    >>> check_loss(Loss("fourth", lambda y, y_hat: (y_hat - y) ** 4, lambda y, y_hat: (y_hat - y) ** 3))
    Traceback (most recent call last):
        ...
    cygd.plugins.component_checks.ComponentCheckError: loss 'fourth': derivative is not dE/dy_hat: at y = ...
    """
    for _, check in checks(loss):
        check()


def checks(loss: Loss) -> Iterator[Check]:
    """Yield the title and the function of each check of `check_loss`."""
    if not isinstance(loss, Loss):
        raise ComponentCheckError(f"expected a Loss, got {loss!r}")
    compiled = loss.function is None

    def check(function: Callable[[Loss], None]) -> Callable[[], None]:
        return lambda: on_every_level(function, loss, compiled)

    yield "basic checks", lambda: check_component(loss)
    yield "shapes and types", check(_shapes)
    yield "same bits twice", check(_determinism)
    yield "layouts in memory", check(_layouts)
    yield "each element by itself", check(_independence)
    yield "NaN stays NaN", check(_nan)
    if not loss.numerical:
        yield "derivative", check(_derivative)
    if compiled:
        yield "CPU levels agree", lambda: _levels(loss)
    for reduction in ("sum", "mean"):
        configured = loss.configured({"reduction": reduction})
        yield f"in a network, {reduction}", partial(on_every_level, _in_network, configured, compiled)


def _derivative(loss: Loss) -> None:
    check_loss_derivative(loss, targets_for(loss, 32, 3), sample_points(-4, 4, 32, 3))
    check_loss_derivative(loss, targets_for(loss, 32, 3), sample_points(0.02, 0.98, 32, 3))


def _levels(loss: Loss) -> None:
    """Compare the levels of this machine with the lowest one."""
    for dtype, tolerance in zip(DTYPES, (1e-12, 1e-5), strict=True):
        y: Array = targets_for(loss, 64, 3).astype(dtype)
        y_hat: Array = sample_points(0.02, 0.98, 64, 3).astype(dtype)
        for role in ROLES:
            levels_agree(f"{loss}: {role}", partial(_apply, loss, role, y, y_hat), tolerance)


def _apply(loss: Loss, role: str, y: Array, y_hat: Array) -> Array:
    return loss.elements(y, y_hat) if role == "function" else loss.evaluate_derivative(y, y_hat)


def _apply_unchanged(loss: Loss, role: str, y: Array, y_hat: Array) -> Array:
    """Return the result of a function of a loss, and check that its input does not change."""
    if loss.function is not None:
        return call(loss, role, y, y_hat)
    copies = y.copy(), y_hat.copy()
    result = _apply(loss, role, y, y_hat)
    if not same_bits(y, copies[0]) or not same_bits(y_hat, copies[1]):
        raise ComponentCheckError(f"{loss}: {role} changes its input")
    return result


def _shapes(loss: Loss) -> None:
    for dtype in DTYPES:
        _shapes_of(loss, dtype)


def _shapes_of(loss: Loss, dtype: type) -> None:
    for shape in (*SHAPES, (5,), (0,)):
        size = int(np.prod(shape))
        y: Array = targets_for(loss, 1, size).reshape(shape).astype(dtype)
        y_hat: Array = sample_points(0.02, 0.98, 1, size).reshape(shape).astype(dtype)
        for role in ROLES:
            result = guarded(
                f"{loss}: {role} failed on shape {shape}", _apply_unchanged, loss, role, y, y_hat
            )
            if result.shape != shape or result.dtype != dtype:
                raise ComponentCheckError(
                    f"{loss}: {role}: expected shape {shape} of {np.dtype(dtype)}, "
                    f"got {result.shape} of {result.dtype}"
                )
    y = read_only(targets_for(loss, 4, 3).astype(dtype))
    y_hat = read_only(sample_points(0.02, 0.98, 4, 3).astype(dtype))
    function, derivative, parameters = loss.function, loss.derivative, loss.parameters
    if function is None or derivative is None:
        return
    require_dtype(loss, "function", lambda: function(y, y_hat, **parameters), dtype)
    if not loss.numerical:
        require_dtype(loss, "derivative", lambda: derivative(y, y_hat, **parameters), dtype)


def _layouts(loss: Loss) -> None:
    for layout, y_hat in layouts(0.02, 0.98):
        y, contiguous = targets_for(loss, *y_hat.shape), np.ascontiguousarray(y_hat)
        for role in ROLES:
            result = guarded(f"{loss}: {role} failed on {layout}", _apply, loss, role, y, y_hat)
            expected = guarded(f"{loss}: {role} failed", _apply, loss, role, y, contiguous)
            require_close(f"{loss}: {role} has another result for {layout}", result, expected, 1e-12)


def _determinism(loss: Loss) -> None:
    y, y_hat = targets_for(loss, 16, 5), sample_points(0.02, 0.98, 16, 5)
    for role in ROLES:
        if not same_bits(_apply(loss, role, y, y_hat), _apply(loss, role, y, y_hat)):
            raise ComponentCheckError(f"{loss}: {role} gives different results for the same y and y_hat")


def _independence(loss: Loss) -> None:
    y, y_hat = targets_for(loss, 9, 5), sample_points(0.02, 0.98, 9, 5)
    for role in ROLES:
        what = f"{loss}: {role} of an element depends on other elements"
        part = _apply(loss, role, y[4:5, 2:3], y_hat[4:5, 2:3])
        require_close(what, part, _apply(loss, role, y, y_hat)[4:5, 2:3], 1e-9)


def _nan(loss: Loss) -> None:
    for dtype in DTYPES:
        y: Array = targets_for(loss, 4, 3).astype(dtype)
        y_hat: Array = sample_points(0.02, 0.98, 4, 3).astype(dtype)
        y[1, 2] = max(y[1, 2], 0.5)  # a loss may ignore y_hat where y is 0
        y_hat[1, 2] = np.nan
        elements = guarded(f"{loss} failed on NaN", loss.elements, y, y_hat)
        if not np.isnan(elements[1, 2]):
            raise ComponentCheckError(
                f"{loss}: the loss of y_hat = nan: expected nan, got {elements[1, 2]:.6g}, which would hide "
                "a diverged run"
            )


def _in_network(loss: Loss) -> None:
    """Compare the gradient of a small network with numerical differences."""
    from cygd.network import Network

    # an output activation in the domain of the loss: probabilities, rates, or any number
    output = {"unit": "sigmoid", "nonnegative": "softplus"}.get(loss.targets, "identity")
    y = targets_for(loss, 12, 3)
    if loss.reduction == "mean_rows" or loss.name == "cross_entropy":
        output, y = "softmax", np.eye(3)[np.arange(12) % 3]
    network = Network(n_inputs=4, layers=[(5, "tanh"), (3, output)], loss=loss, dtype="float64", seed=1)
    x = sample_points(-1, 1, 12, 4)
    gradient = np.asarray(network.gradient(x, y)[1])
    numerical = np.asarray(network.numerical_gradient(x, y))
    what = f"{loss} (reduction {loss.reduction}): gradient of a network differs from the numerical gradient"
    require_close(what, gradient, numerical, 1e-5)
