"""Checks of components written in Python when a plugin is loaded: short, at ordinary values.

A wrong derivative does not raise, it only trains badly, so each derivative is compared with differences of
its function. The comparison must accept every correct derivative, kinks included, and detect a wrong sign or
factor:

- at the smallest step a value between the left and the right difference is correct: this accepts any
  subgradient at a kink, and where f is smooth the two enclose f' tightly;
- at the larger steps, where rounding within f matters less, the central difference decides;
- one agreeing step is enough, and a disagreeing point is accepted if both of its neighbors agree, because it
  is then on a kink or a jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation, Component, Loss, Optimizer, Schedule, check_result, read_only
from cygd.errors import PluginError, describe_exception, hint_of, source_file

Array = NDArray[Any]
# (x, step) -> the differences to the left and to the right of x, and a bound on their rounding error
Differences = Callable[[Array, float], tuple[Array, Array, Array]]

STEPS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
TOLERANCE = 1e-4
ROUNDING = 4 * np.finfo(np.float64).eps
GOLDEN = (5**0.5 - 1) / 2


class ComponentCheckError(AssertionError):
    """A component that violates the contract of its kind: what, where and by how much."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


@contextmanager
def failing_as(what: str, function: object = None) -> Iterator[None]:
    """Convert exceptions of a component's function to a ComponentCheckError; suppress NumPy's warnings."""
    try:
        with np.errstate(all="ignore"):
            yield
    except ComponentCheckError:
        raise
    except (Exception, SystemExit) as error:
        message = describe_exception(error, source_file(function))
        raise ComponentCheckError(f"{what}: {message}", hint_of(error)) from error


def sample_points(low: float, high: float, rows: int, columns: int) -> Array:
    """Return evenly spread points of an interval, none of them a round number."""
    fractions = np.arange(1, rows * columns + 1) * GOLDEN % 1
    return (low + (high - low) * fractions).reshape(rows, columns)


def targets_for(loss: Loss, rows: int, columns: int) -> Array:
    """Return targets in the domain of a loss, including its bounds."""
    if loss.targets == "unit":
        return np.clip(sample_points(-0.2, 1.2, rows, columns), 0, 1)
    if loss.targets == "nonnegative":
        return np.clip(sample_points(-0.5, 4, rows, columns), 0, None)
    y = sample_points(-2, 2, rows, columns)
    return np.sign(y) if loss.targets == "signs" else y


def check_component(component: Component) -> None:
    """Raise a ComponentCheckError if a function of a component raises, or returns an invalid value."""
    if getattr(component, "kernel", None) or component.kind not in _CHECKS:
        return
    try:
        _CHECKS[component.kind](component)
    except PluginError as error:
        raise ComponentCheckError(error.message, error.hint) from error


def call(component: Activation | Loss, role: str, *arrays: Array) -> Array:
    """Call a function of a component, and check that it does not change its arguments.

    The role is function, derivative or backward; the result must have the shape of the last argument.
    """
    what = f"{component}: {role}"
    copies = [array.copy() for array in arrays]
    changed = ComponentCheckError(
        f"{what} changes its input", "copy it, or write a = a + 1 instead of a += 1"
    )
    function = getattr(component, role)
    run = _compiled(component, role) if function is None else partial(function, **component.parameters)
    try:
        with np.errstate(all="ignore"):
            result = run(*copies)
            if function is not None:
                # a write of equal values shows only on read-only arrays
                run(*(read_only(array) for array in arrays))
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise changed from error
        shape = f"an array of shape {arrays[-1].shape} of {arrays[-1].dtype}"
        raise ComponentCheckError(
            f"{what} failed on {shape}: {describe_exception(error, source_file(function))}", hint_of(error)
        ) from error
    for copy, array in zip(copies, arrays, strict=True):
        if not np.array_equal(copy, array, equal_nan=True):
            raise changed
    return check_result(result, arrays[-1], what)


def _compiled(component: Activation | Loss, role: str) -> Callable[..., Array]:
    """Return the method that evaluates a formula or a pointer."""
    if role == "derivative":
        return component.evaluate_derivative
    return component.evaluate if isinstance(component, Activation) else component.elements


def compare(
    differences: Differences, x: Array, derivative: Callable[[Array], Array]
) -> tuple[Array, Array, Array]:
    """Return where a derivative and the differences of its function disagree at x, and both of them."""
    given = derivative(x)
    wrong = ~_agrees(differences, x, given)
    if wrong.any():
        distance = np.full_like(x, 3.1e-3)
        neighbors = [x - distance, x + distance]
        wrong &= ~np.logical_and(*(_agrees(differences, near, derivative(near)) for near in neighbors))
    left, right, _ = differences(x, 1e-5)
    return wrong, given, (left + right) / 2


def check_derivative(activation: Activation, h: Array) -> None:
    """Compare the derivative of an activation with differences at the points h where f is finite."""
    if activation.rowwise:
        differences, derivative = _rowwise_differences(activation, h)
    else:
        differences, derivative = _differences(activation.evaluate), activation.evaluate_derivative
    with np.errstate(all="ignore"):
        finite = np.isfinite(activation.evaluate(h))
        wrong, given, expected = compare(differences, h, derivative)
    wrong &= finite if not activation.rowwise else finite.all(axis=1, keepdims=True)
    if not wrong.any():
        return
    i, j = (int(index) for index in np.argwhere(wrong)[0])
    if activation.rowwise:
        row = ", ".join(f"{value:.6g}" for value in h[i])
        what = f"backward is not the derivative of function: delta of unit {j} at h = [{row}]"
    else:
        is_pointer = activation.tier == "pointer"
        role, function = ("derivative_pointer", "pointer") if is_pointer else ("derivative", "function")
        what = f"{role} is not the derivative of {function}: f'({h[i, j]:.6g})"
    raise ComponentCheckError(
        f"{activation}: {what}: expected {expected[i, j]:.6g}, got {given[i, j]:.6g}"
        + _factor(given, expected, finite),
        "if it deliberately differs from f', state it: surrogate=True",
    )


# -- one check for each kind -----------------------------------------------------------------------


def _check_activation(activation: Activation) -> None:
    h = sample_points(-4, 4, 8, 3)
    y_hat = call(activation, "function", h)
    _require_finite(activation, "f({:.6g}) is {}", y_hat, h)
    if activation.rowwise:
        if not np.allclose(call(activation, "function", h[2:4]), y_hat[2:4], rtol=1e-6):
            raise ComponentCheckError(f"{activation}: the output of a row depends on other rows")
        call(activation, "backward", h, y_hat, np.cos(h))
    elif not activation.numerical:
        # the engine passes one-dimensional blocks, cut anywhere
        if not np.allclose(call(activation, "function", h.ravel()[:5]), y_hat.ravel()[:5], rtol=1e-6):
            raise ComponentCheckError(
                f"{activation}: the output of a unit depends on other units",
                "such an activation is row-wise: give backward=f(h, y_hat, g) instead of derivative=",
            )
        takes_y_hat = activation.derivative_takes_y_hat or activation.function is None
        arguments = (h, y_hat) if takes_y_hat else (h,)
        derivative = call(activation, "derivative", *arguments)
        _require_finite(activation, "f'({:.6g}) is {}", derivative, h)
    if not activation.surrogate and not activation.numerical:
        check_derivative(activation, h)


def _check_loss(loss: Loss) -> None:
    y = targets_for(loss, 16, 3)
    # half of the points are probabilities: a loss may be defined only for them
    y_hat = np.concatenate([sample_points(-4, 4, 8, 3), sample_points(0.02, 0.98, 8, 3)])
    elements = call(loss, "function", y, y_hat)
    finite = np.isfinite(elements)
    if finite.sum() < finite.size / 3:
        _require_finite(loss, "E at y_hat = {:.6g} is {}", elements, y_hat)
    derivative = call(loss, "derivative", y, y_hat)
    _require_finite(loss, "the derivative at y_hat = {:.6g} is {}", derivative[finite], y_hat[finite])
    if not loss.numerical:
        check_loss_derivative(loss, y, y_hat)


def check_loss_derivative(loss: Loss, y: Array, y_hat: Array) -> None:
    """Compare the derivative of a loss with differences at the points (y, y_hat) where it is finite."""
    with np.errstate(all="ignore"):
        finite = np.isfinite(loss.elements(y, y_hat))
        differences = _differences(lambda at: loss.elements(y, at))
        wrong, given, expected = compare(differences, y_hat, lambda at: loss.evaluate_derivative(y, at))
    wrong &= finite
    if wrong.any():
        i, j = (int(index) for index in np.argwhere(wrong)[0])
        raise ComponentCheckError(
            f"{loss}: derivative is not dE/dy_hat: at y = {y[i, j]:.6g}, y_hat = {y_hat[i, j]:.6g}: "
            f"expected {expected[i, j]:.6g}, got {given[i, j]:.6g}" + _factor(given, expected, finite),
            "it is taken with respect to y_hat, for each element, before the reduction",
        )


def _check_optimizer(optimizer: Optimizer) -> None:
    update = optimizer.update
    if update is None:
        return  # formulas are checked when they are compiled
    w, g = sample_points(-1, 1, 1, 4)[0], sample_points(-2, 1, 1, 4)[0]
    before = w.copy()
    state = {name: np.zeros_like(w) for name in optimizer.state}
    with failing_as(f"{optimizer}: update failed", update):
        result = update(w, g, state, optimizer.learning_rate, 1, **optimizer.parameters)
    if result is not None and np.array_equal(w, before):
        raise ComponentCheckError(
            f"{optimizer}: update: expected a change of w in place, got a returned array", "write w -= ..."
        )
    _require_finite(optimizer, "after one update of {:.6g} w is {}", w, before)


def _check_schedule(schedule: Schedule) -> None:
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


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "activation": _check_activation,
    "loss": _check_loss,
    "optimizer": _check_optimizer,
    "schedule": _check_schedule,
}


# -- differences ----------------------------------------------------------------------------------


def _differences(function: Callable[[Array], Array]) -> Differences:
    def differences(x: Array, step: float) -> tuple[Array, Array, Array]:
        distance = step * np.maximum(1, np.abs(x))
        below, above = x - distance, x + distance
        middle = function(x)
        left, right = (middle - function(below)) / (x - below), (function(above) - middle) / (above - x)
        return left, right, ROUNDING * np.abs(middle) / distance

    return differences


def _rowwise_differences(activation: Activation, h: Array) -> tuple[Differences, Callable[[Array], Array]]:
    """Return the differences of sum_k g_k f_k(h) with respect to each h_j, and the derivative delta_j."""
    g = np.cos(np.arange(h.size)).reshape(h.shape)  # -dE/dy_hat, arbitrary

    def total(at: Array) -> Array:
        return np.asarray((g * activation.evaluate(at)).sum(axis=1))

    def differences(x: Array, step: float) -> tuple[Array, Array, Array]:
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

    return differences, lambda at: activation.backpropagate(at, activation.evaluate(at), g)


def _agrees(differences: Differences, x: Array, given: Array) -> Array:
    """Return where a derivative agrees with the differences at any of the steps."""
    agrees = np.zeros(x.shape, bool)
    for step in STEPS:
        left, right, rounding = differences(x, step)
        low, high = np.minimum(left, right), np.maximum(left, right)
        if step > STEPS[0]:
            low = high = (left + right) / 2
        size = np.maximum(np.abs(low), np.abs(high))
        # a small derivative is compared relative to its usual size (a quantile, because of jumps)
        known = size[np.isfinite(size)]
        slack = TOLERANCE * np.maximum(size, np.quantile(known, 0.75) if known.size else 0) + rounding
        agrees |= (given >= low - slack) & (given <= high + slack)
    return agrees


def _factor(given: Array, expected: Array, finite: Array) -> str:
    """Return a remark if a derivative is the same multiple of the expected one everywhere."""
    usable = np.broadcast_to(finite, given.shape) & (np.abs(expected) > 1e-3)
    ratio = given[usable] / expected[usable]
    if not ratio.size or np.ptp(ratio) > 1e-3 * np.abs(ratio).max():
        return ""
    return f" ({ratio.mean():.4g} times the expected value everywhere)"


def _require_finite(component: Component, template: str, values: Array, at: Array) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = tuple(bad[0])
        raise ComponentCheckError(f"{component}: {template.format(at[index], values[index])}")
