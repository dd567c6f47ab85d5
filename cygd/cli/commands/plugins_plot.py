"""What `cygd plugins NAME --plot` draws: a function and its derivative, or a factor over the epochs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.cli.output import UsageError, redirect_stdout
from cygd.components import Activation, Component, Loss, Schedule
from cygd.errors import CygdError, PluginError, describe_exception, hint_of
from cygd.tracking.terminal_plot import Style, draw, limits, samples

__all__ = ["Panel", "drawable", "panels", "show"]

Array = NDArray[Any]
WIDEST = 100
EPOCHS = 100

# where targets may lie -> the target of the plot, and the outputs it goes over
TARGETS = {"any": (0.0, -2.0, 2.0), "unit": (1.0, 0.02, 1.0), "nonnegative": (1.0, 0.02, 4.0)}
TARGETS["signs"] = (1.0, -2.0, 3.0)


class Panel(NamedTuple):
    """One curve with its title."""

    title: str
    x: list[float]
    y: list[float]


def drawable(component: Component) -> bool:
    """Return whether there is a plot of a component."""
    return isinstance(component, Activation | Loss | Schedule)


def panels(component: Component, columns: int, span: tuple[float, float] | None = None) -> Iterator[Panel]:
    """Yield the curves of a component.

    Parameters
    ----------
    component : Component
    columns : int
        How wide the plot will be.
    span : tuple of two floats, optional
        The net inputs, outputs or epochs to go over.

    Raises
    ------
    UsageError
        For a range that is none.
    """
    if span is not None:
        _check(*span)
    if isinstance(component, Activation):
        yield from _activation(component, columns, span or (-4.0, 4.0))
    elif isinstance(component, Loss):
        yield from _loss(component, columns, span)
    elif isinstance(component, Schedule):
        yield _schedule(component, columns, span or (0.0, float(EPOCHS)))


def _check(low: float, high: float) -> None:
    """Refuse a range that is none, or too far out or too narrow for numbers at the axis."""
    if not low < high:
        raise UsageError(f"--range: {low:g} is not below {high:g}", "--range LOW HIGH, such as -6 6")
    size = max(abs(low), abs(high))
    if not size <= 1e300 or high - low < max(1e-300, 1e-5 * size):
        raise UsageError(f"--range: {low} to {high} cannot be drawn", "--range LOW HIGH, such as -6 6")


def show(title: str, component: Component, style: Style, span: tuple[float, float] | None = None) -> None:
    """Print the plot of a component, as large as the terminal allows."""
    terminal = shutil.get_terminal_size()
    width = max(20, min(terminal.columns - 1, WIDEST))
    try:
        with redirect_stdout():  # a plugin may print
            curves = list(panels(component, width, span))
    except CygdError:
        raise
    except Exception as error:
        raise PluginError(f"{component} failed: {describe_exception(error)}", hint=hint_of(error)) from error
    # two plots with titles and axes, and a prompt below them
    height = max(5, min((terminal.lines - 3) // len(curves) - 4, 12))
    print(fill(title, width, subsequent_indent="  "))
    for number, panel in enumerate(curves):
        if number:
            print()
        print(fill(panel.title + _cut(panel.y), width, subsequent_indent="  "))
        print("\n".join(draw(panel.x, panel.y, width=width, height=height, style=style)))


def _cut(y: list[float]) -> str:
    """Say what is not shown of a curve."""
    known = [value for value in y if np.isfinite(value)]
    low, high = limits(y)
    beyond = [f"{end:.3g}" for end in (min(known, default=low), max(known, default=high))
              if end < low or end > high]  # fmt: skip
    nothing = "" if known else " (no value is finite)"
    return f" (cut off: it goes to {' and '.join(beyond)})" if beyond else nothing


def _activation(activation: Activation, columns: int, span: tuple[float, float]) -> Iterator[Panel]:
    h = np.array(samples(*span, columns))
    if activation.rowwise:
        rows = np.zeros((len(h), 3))
        rows[:, 0] = h
        y_hat = activation.evaluate(rows)
        first = np.zeros_like(rows)
        first[:, 0] = 1
        slope = activation.backpropagate(rows, y_hat, first)
        yield Panel("the first output of f(h, 0, 0)", h.tolist(), y_hat[:, 0].tolist())
        yield Panel("its derivative by h", h.tolist(), slope[:, 0].tolist())
        return
    with np.errstate(all="ignore"):
        y_hat = activation.evaluate(h)
        slope = activation.evaluate_derivative(h, y_hat)
    yield Panel("f(h)", h.tolist(), y_hat.tolist())
    words = "f'(h), a surrogate" if activation.surrogate else "f'(h)"
    yield Panel(f"{words}, measured" if activation.numerical else words, h.tolist(), slope.tolist())


def _loss(loss: Loss, columns: int, span: tuple[float, float] | None) -> Iterator[Panel]:
    target, *usual = TARGETS[loss.targets]
    y_hat = np.array(samples(*(span or (usual[0], usual[1])), columns))
    y = np.full_like(y_hat, target)
    with np.errstate(all="ignore"):
        elements, slope = loss.elements(y, y_hat), loss.evaluate_derivative(y, y_hat)
    yield Panel(f"loss over y_hat, for y = {target:g}", y_hat.tolist(), elements.tolist())
    yield Panel(f"its derivative by y_hat, for y = {target:g}", y_hat.tolist(), slope.tolist())


def _schedule(schedule: Schedule, columns: int, span: tuple[float, float]) -> Panel:
    first, last = max(0, int(span[0])), int(span[1])
    if not first < last <= 1_000_000:
        raise UsageError(f"--range: there are no epochs {span[0]:g} to {span[1]:g}", "--range 0 200")
    running = schedule.start()
    factors = [running.factor(epoch, last, 1.0) for epoch in range(last)]
    x = samples(first, last, columns)
    title = f"factor on the learning rate over {last} epochs"
    if running.watches:
        title += ", if the loss never falls"
    return Panel(title, x, [factors[min(int(at), last - 1)] for at in x])
