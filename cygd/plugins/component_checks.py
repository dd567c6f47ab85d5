"""A first trial of components written in Python: short, at ordinary values, before anybody relies on them.

A wrong derivative does not raise, it only learns badly, so each one is compared with differences of
its function. The comparison has to accept every right derivative, kinks and all, and still see a
wrong sign or factor:

- at the smallest step a value between the slopes on the left and on the right is right, so that any
  subgradient is, and the two enclose f' tightly where f is smooth;
- at the larger steps, where rounding within f does less harm, the central difference is decisive;
- one agreement is enough, and a point of discord is forgiven if both of its neighbours agree: then
  the point sits on a kink or a jump.

`cygd.testing` asks much more; this here runs whenever a plugin is loaded, in a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation, Component, Loss, Optimizer, Schedule, check_result, read_only
from cygd.errors import PluginError, describe_exception, hint_of, source_file

__all__ = [
    "ComponentCheckError",
    "call",
    "check_component",
    "check_derivative",
    "check_loss_derivative",
    "compare",
    "sample_points",
    "targets_for",
]

Array = NDArray[Any]
# (x, step) -> the slopes on the left and on the right of x, and what rounding may add to them
Slopes = Callable[[Array, float], tuple[Array, Array, Array]]

STEPS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
TOLERANCE = 1e-4
ROUNDING = 4 * np.finfo(np.float64).eps
GOLDEN = (5**0.5 - 1) / 2


class ComponentCheckError(AssertionError):
    """A component that does not do what its kind promises: what, where and by how much."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


def sample_points(low: float, high: float, rows: int, columns: int) -> Array:
    """Return points of an interval that are evenly spread and none of them a round number.

    Examples
    --------
    >>> sample_points(0, 1, 1, 3).round(2)
    array([[0.62, 0.24, 0.85]])
    """
    turns = np.arange(1, rows * columns + 1) * GOLDEN % 1
    return (low + (high - low) * turns).reshape(rows, columns)


def targets_for(loss: Loss, rows: int, columns: int) -> Array:
    """Return targets from the domain of a loss, with its ends among them."""
    if loss.targets == "unit":
        return np.clip(sample_points(-0.2, 1.2, rows, columns), 0, 1)
    if loss.targets == "nonnegative":
        return np.clip(sample_points(-0.5, 4, rows, columns), 0, None)
    y = sample_points(-2, 2, rows, columns)
    return np.sign(y) if loss.targets == "signs" else y


def check_component(component: Component) -> None:
    """Try a component that is not built in; a kernel of the core needs no trial.

    Raises
    ------
    ComponentCheckError
        If it raises, or returns what it should not.
    """
    if getattr(component, "kernel", None):
        return
    try:
        if isinstance(component, Activation):
            _try_activation(component)
        elif isinstance(component, Loss):
            _try_loss(component)
        elif isinstance(component, Optimizer):
            _try_optimizer(component)
        elif isinstance(component, Schedule):
            _try_schedule(component)
    except PluginError as error:
        raise ComponentCheckError(error.message, error.hint) from error


def call(component: Activation | Loss, role: str, *arrays: Array) -> Array:
    """Call a function of a component with arrays that it may not change.

    Parameters
    ----------
    component : Activation or Loss
        The component.
    role : str
        Which of its functions.
    *arrays : ndarray
        The arguments; the result must be like the last one.

    Raises
    ------
    ComponentCheckError
        If the function raises or changes an argument.
    PluginError
        If it returns no array of numbers of their shape.
    """
    what = f"{component}: {role}"
    copies = [array.copy() for array in arrays]
    changes = ComponentCheckError(
        f"{what} changes its input", "work on a copy, or write a = a + 1 in place of a += 1"
    )
    function = getattr(component, role)
    run = _in_core(component, role) if function is None else partial(function, **component.parameters)
    try:
        with np.errstate(all="ignore"):
            result = run(*copies)
            if function is not None:
                # what writes the values that are there already is found out when it may not write at all
                run(*(read_only(array) for array in arrays))
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise changes from error
        shape = f"an array of shape {arrays[-1].shape} of {arrays[-1].dtype}"
        raise ComponentCheckError(
            f"{what} failed on {shape}: {describe_exception(error, source_file(function))}", hint_of(error)
        ) from error
    for copy, array in zip(copies, arrays, strict=True):
        if not np.array_equal(copy, array, equal_nan=True):
            raise changes
    return check_result(result, arrays[-1], what)


def _in_core(component: Activation | Loss, role: str) -> Callable[..., Array]:
    """Return what evaluates a function that is no Python function: a formula or a pointer."""
    if role == "derivative":
        return component.evaluate_derivative
    return component.evaluate if isinstance(component, Activation) else component.elements


def compare(slopes: Slopes, x: Array, claimed: Callable[[Array], Array]) -> tuple[Array, Array, Array]:
    """Compare a derivative with differences of its function.

    Parameters
    ----------
    slopes : callable
        slopes(x, step) -> the slopes of the function on the left and on the right of x, and what rounding
        may add to them.
    x : ndarray
        The points.
    claimed : callable
        claimed(x) -> what is said to be the derivative.

    Returns
    -------
    wrong : ndarray of bool
        Where the two disagree.
    given, measured : ndarray
        The claimed derivative, and the central difference.
    """
    given = claimed(x)
    wrong = ~_agrees(slopes, x, given)
    if wrong.any():
        aside = np.full_like(x, 3.1e-3)
        neighbours = [x - aside, x + aside]
        wrong &= ~np.logical_and(*(_agrees(slopes, near, claimed(near)) for near in neighbours))
    left, right, _ = slopes(x, 1e-5)
    return wrong, given, (left + right) / 2


def check_derivative(activation: Activation, h: Array, hint: str | None = None) -> None:
    """Compare the derivative of an activation, row-wise or not, with differences at the points h.

    Points at which f is not finite are left out.

    Raises
    ------
    ComponentCheckError
        If they disagree, with h, the derivative and what was measured.
    """
    if activation.rowwise:
        slopes, claimed, role = _rowwise_slopes(activation, h), _delta(activation, h), "backward"
    else:
        slopes, claimed, role = (
            _elementwise_slopes(activation.evaluate),
            activation.evaluate_derivative,
            "derivative",
        )
    with np.errstate(all="ignore"):
        finite = np.isfinite(activation.evaluate(h))
        wrong, given, measured = compare(slopes, h, claimed)
    wrong &= finite if not activation.rowwise else finite.all(axis=1, keepdims=True)
    if not wrong.any():
        return
    i, j = (int(index) for index in np.argwhere(wrong)[0])
    if activation.rowwise:
        row = ", ".join(f"{value:.6g}" for value in h[i])
        what = f"unit {j} of h = [{row}] gets delta {given[i, j]:.6g}"
    else:
        what = f"f'({h[i, j]:.6g}) is given as {given[i, j]:.6g}"
    function = "function"
    if activation.tier == "pointer":
        role, function = "derivative_pointer", "pointer"
    raise ComponentCheckError(
        f"{activation}: {role} is not the derivative of {function}: {what}, "
        f"measured {measured[i, j]:.6g}" + _factor(given, measured, finite),
        hint,
    )


# -- one kind after the other ---------------------------------------------------------------------


def _try_activation(activation: Activation) -> None:
    h = sample_points(-4, 4, 8, 3)
    y_hat = call(activation, "function", h)
    _require_finite(activation, "f({:.6g}) is {}", y_hat, h)
    if activation.rowwise:
        if not np.allclose(call(activation, "function", h[2:4]), y_hat[2:4], rtol=1e-6):
            raise ComponentCheckError(f"{activation}: the output of a row depends on other rows")
        call(activation, "backward", h, y_hat, np.cos(h))
    elif not activation.numerical:
        # the engine hands over blocks of one dimension, cut anywhere
        if not np.allclose(call(activation, "function", h.ravel()[:5]), y_hat.ravel()[:5], rtol=1e-6):
            raise ComponentCheckError(
                f"{activation}: the output of a unit depends on the values of others",
                "such an activation is row-wise: give backward=f(h, y_hat, g) in place of derivative=",
            )
        takes_y_hat = activation.derivative_takes_y_hat or activation.function is None
        arguments = (h, y_hat) if takes_y_hat else (h,)
        slope = call(activation, "derivative", *arguments)
        _require_finite(activation, "f'({:.6g}) is {}", slope, h)
    if not activation.surrogate and not activation.numerical:
        check_derivative(activation, h, "if it is not f' on purpose, say so: surrogate=True")


def _try_loss(loss: Loss) -> None:
    y = targets_for(loss, 16, 3)
    # probabilities too: a loss may be defined for them alone
    y_hat = np.concatenate([sample_points(-4, 4, 8, 3), sample_points(0.02, 0.98, 8, 3)])
    elements = call(loss, "function", y, y_hat)
    finite = np.isfinite(elements)
    if finite.sum() < finite.size / 3:
        _require_finite(loss, "E at y_hat = {:.6g} is {}", elements, y_hat)
    slope = call(loss, "derivative", y, y_hat)
    _require_finite(loss, "the derivative at y_hat = {:.6g} is {}", slope[finite], y_hat[finite])
    if not loss.numerical:
        check_loss_derivative(loss, y, y_hat)


def check_loss_derivative(loss: Loss, y: Array, y_hat: Array) -> None:
    """Compare the derivative of a loss with differences at the points (y, y_hat) where it is finite.

    Raises
    ------
    ComponentCheckError
        If they disagree, with y, y_hat, the derivative and what was measured.
    """
    with np.errstate(all="ignore"):
        finite = np.isfinite(loss.elements(y, y_hat))
        slopes = _elementwise_slopes(lambda at: loss.elements(y, at))
        wrong, given, measured = compare(slopes, y_hat, lambda at: loss.evaluate_derivative(y, at))
    wrong &= finite
    if wrong.any():
        i, j = (int(index) for index in np.argwhere(wrong)[0])
        raise ComponentCheckError(
            f"{loss}: derivative is not dE/dy_hat: at y = {y[i, j]:.6g}, y_hat = {y_hat[i, j]:.6g} it is "
            f"given as {given[i, j]:.6g}, measured {measured[i, j]:.6g}" + _factor(given, measured, finite),
            "it is taken with respect to y_hat, for each element, before the reduction",
        )


def _try_optimizer(optimizer: Optimizer) -> None:
    update = optimizer.update
    if update is None:
        return  # formulas, which are checked where they are compiled
    w, g = sample_points(-1, 1, 1, 4)[0], sample_points(-2, 1, 1, 4)[0]
    before = w.copy()
    state = {name: np.zeros_like(w) for name in optimizer.state}
    try:
        with np.errstate(all="ignore"):
            result = update(w, g, state, optimizer.learning_rate, 1, **optimizer.parameters)
    except (Exception, SystemExit) as error:
        raise ComponentCheckError(
            f"{optimizer}: update failed: {describe_exception(error, source_file(update))}", hint_of(error)
        ) from error
    if result is not None and np.array_equal(w, before):
        raise ComponentCheckError(
            f"{optimizer}: update returns an array, but it must change w in place", "write w -= ..."
        )
    _require_finite(optimizer, "after one update of {:.6g} w is {}", w, before)


def _try_schedule(schedule: Schedule) -> None:
    try:
        running = schedule.start()
        for epoch in (0, 5, 9):
            running.factor(epoch, 10, 1.0)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        file = source_file(schedule.function or schedule.watcher)
        raise ComponentCheckError(
            f"{schedule}: failed within 10 epochs: {describe_exception(error, file)}", hint_of(error)
        ) from error


# -- how slopes are measured ----------------------------------------------------------------------


def _elementwise_slopes(function: Callable[[Array], Array]) -> Slopes:
    def slopes(x: Array, step: float) -> tuple[Array, Array, Array]:
        distance = step * np.maximum(1, np.abs(x))
        below, above = x - distance, x + distance
        middle = function(x)
        left, right = (middle - function(below)) / (x - below), (function(above) - middle) / (above - x)
        return left, right, ROUNDING * np.abs(middle) / distance

    return slopes


def _weights(h: Array) -> Array:
    """Return some g = -dE/dy_hat for a row-wise activation."""
    return np.cos(np.arange(h.size)).reshape(h.shape)


def _delta(activation: Activation, h: Array) -> Callable[[Array], Array]:
    g = _weights(h)
    return lambda at: activation.backpropagate(at, activation.evaluate(at), g)


def _rowwise_slopes(activation: Activation, h: Array) -> Slopes:
    """Return the slopes of sum_k g_k f_k(h) by each h_j, which is what delta_j stands for."""
    g = _weights(h)

    def total(at: Array) -> Array:
        return np.asarray((g * activation.evaluate(at)).sum(axis=1))

    def slopes(x: Array, step: float) -> tuple[Array, Array, Array]:
        left, right = np.empty_like(x), np.empty_like(x)
        middle = total(x)
        size = np.abs(g * activation.evaluate(x)).sum(axis=1, keepdims=True)
        for j in range(x.shape[1]):
            below, above = x.copy(), x.copy()
            below[:, j] -= step
            above[:, j] += step
            left[:, j] = (middle - total(below)) / step
            right[:, j] = (total(above) - middle) / step
        return left, right, np.broadcast_to(ROUNDING * size / step, x.shape)

    return slopes


def _agrees(slopes: Slopes, x: Array, given: Array) -> Array:
    """Return where a derivative agrees with the differences at one step or another."""
    agrees = np.zeros(x.shape, bool)
    for step in STEPS:
        left, right, noise = slopes(x, step)
        low, high = np.minimum(left, right), np.maximum(left, right)
        if step > STEPS[0]:
            low = high = (left + right) / 2
        size = np.maximum(np.abs(low), np.abs(high))
        # where the slope is small, what counts is how large it usually is (a quantile: a jump is no slope)
        known = size[np.isfinite(size)]
        slack = TOLERANCE * np.maximum(size, np.quantile(known, 0.75) if known.size else 0) + noise
        agrees |= (given >= low - slack) & (given <= high + slack)
    return agrees


def _factor(given: Array, measured: Array, finite: Array) -> str:
    """Say if a derivative is everywhere the same multiple of what it should be."""
    usable = np.broadcast_to(finite, given.shape) & (np.abs(measured) > 1e-3)
    ratio = given[usable] / measured[usable]
    if not ratio.size or np.ptp(ratio) > 1e-3 * np.abs(ratio).max():
        return ""
    return f" (everywhere {ratio.mean():.4g} times what it should be)"


def _require_finite(component: Component, words: str, values: Array, at: Array) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = tuple(bad[0])
        raise ComponentCheckError(f"{component}: {words.format(at[place], values[place])}")
