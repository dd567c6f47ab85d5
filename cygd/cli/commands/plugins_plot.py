"""Plots of `cygd plugins NAME --plot`: a function and its derivative, or a factor over the epochs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.cli.output import UsageError, print_text, redirect_stdout, separated
from cygd.components import Activation, Component, Loss, Schedule
from cygd.errors import CygdError, PluginError, describe_exception, hint_of
from cygd.tracking.terminal_plot import Style, draw, sample_points, y_limits

PLOTTED = (Activation, Loss, Schedule)
MAX_WIDTH = 100
RANGE_HINT = "--range LOW HIGH, such as --range -6 6"

# kind of targets -> the target of the plot, and the range of the outputs
TARGETS = {
    "any": (0.0, (-2.0, 2.0)),
    "unit": (1.0, (0.02, 1.0)),
    "nonnegative": (1.0, (0.02, 4.0)),
    "signs": (1.0, (-2.0, 3.0)),
}


class Curve(NamedTuple):
    """A curve and its title."""

    title: str
    x: list[float]
    y: NDArray[Any]


def print_plot(title: str, component: Component, style: Style, x_range: tuple[float, float] | None) -> None:
    """Print the curves of a component over a range of net inputs, outputs or epochs."""
    if x_range is not None:
        _check_range(*x_range)
    terminal = shutil.get_terminal_size()
    width = max(20, min(terminal.columns - 1, MAX_WIDTH))
    try:
        with redirect_stdout(), np.errstate(all="ignore"):
            curves = list(_curves(component, width, x_range))
    except CygdError:
        raise
    except Exception as error:
        raise PluginError(f"{component} failed: {describe_exception(error)}", hint=hint_of(error)) from error
    # leave room for the titles, the axes and the prompt
    height = max(5, min((terminal.lines - 3) // len(curves) - 4, 12))
    print_text(fill(title, width, subsequent_indent="  "))
    for curve in separated(curves):
        print_text(fill(curve.title + _cut_off(curve.y), width, subsequent_indent="  "))
        print_text("\n".join(draw(curve.x, curve.y.tolist(), width=width, height=height, style=style)))


def _check_range(low: float, high: float) -> None:
    """Reject a range that is empty, or too far out or too narrow for the labels of an axis."""
    if not low < high:
        raise UsageError(f"--range: expected LOW below HIGH, got {low:g} and {high:g}", RANGE_HINT)
    size = max(abs(low), abs(high))
    if not size <= 1e300 or high - low < max(1e-300, 1e-5 * size):
        raise UsageError(f"--range: cannot draw from {low} to {high}", RANGE_HINT)


def _curves(component: Component, width: int, x_range: tuple[float, float] | None) -> Iterator[Curve]:
    if isinstance(component, Activation):
        low, high = x_range or (-4.0, 4.0)
        return _activation_curves(component, sample_points(low, high, width))
    if isinstance(component, Loss):
        target, default_range = TARGETS[component.targets]
        low, high = x_range or default_range
        return _loss_curves(component, target, sample_points(low, high, width))
    assert isinstance(component, Schedule)
    low, high = x_range or (0.0, 100.0)
    return _schedule_curves(component, low, high, width)


def _activation_curves(activation: Activation, x: list[float]) -> Iterator[Curve]:
    h = np.array(x)
    if activation.rowwise:
        rows, gradient = np.zeros((len(h), 3)), np.zeros((len(h), 3))
        rows[:, 0], gradient[:, 0] = h, 1
        y_hat = activation.evaluate(rows)
        yield Curve("first output of f(h, 0, 0)", x, y_hat[:, 0])
        yield Curve("its derivative by h", x, activation.backpropagate(rows, y_hat, gradient)[:, 0])
        return
    y_hat = activation.evaluate(h)
    yield Curve("f(h)", x, y_hat)
    title = "f'(h), surrogate" if activation.surrogate else "f'(h)"
    title += ", measured" if activation.numerical else ""
    yield Curve(title, x, activation.evaluate_derivative(h, y_hat))


def _loss_curves(loss: Loss, target: float, x: list[float]) -> Iterator[Curve]:
    y_hat = np.array(x)
    y = np.full_like(y_hat, target)
    yield Curve(f"loss over y_hat, for y = {target:g}", x, loss.elements(y, y_hat))
    yield Curve(f"its derivative by y_hat, for y = {target:g}", x, loss.evaluate_derivative(y, y_hat))


def _schedule_curves(schedule: Schedule, low: float, high: float, width: int) -> Iterator[Curve]:
    first, last = max(0, int(low)), int(high)
    if not first < last <= 1_000_000:
        raise UsageError(f"--range: expected epochs, got {low:g} and {high:g}", "such as --range 0 200")
    running = schedule.start()
    factors = np.array([running.factor(epoch, last, 1.0) for epoch in range(last)])
    title = f"factor on the learning rate over {last} epochs"
    title += ", if the loss never falls" if running.watches else ""
    x = sample_points(first, last, width)
    yield Curve(title, x, factors[np.minimum(np.array(x, int), last - 1)])


def _cut_off(y: NDArray[Any]) -> str:
    """Return a remark on values outside the plot."""
    finite = y[np.isfinite(y)]
    if not len(finite):
        return " (no value is finite)"
    low, high = y_limits(y.tolist())
    ends = [f"{end:.3g}" for end in (finite.min(), finite.max()) if end < low or end > high]
    return f" (cut off, reaches {' and '.join(ends)})" if ends else ""
