"""Plots of components: f and f', a factor over epochs, a path of descent, a distribution of weights."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from cygd import Network
from cygd.components import Component

# two colors that are told apart in both themes, and by those who do not see red and green
FIRST, SECOND, GRAY = "#2b86cc", "#dc6a12", "#808080"


class Picture(NamedTuple):
    """An SVG image and what it shows, in words."""

    svg: bytes
    caption: str


def figure(height: float = 3.2) -> tuple[Figure, Any]:
    """Return a figure with a transparent background, so that it fits both themes."""
    drawing = Figure(figsize=(6.4, height), layout="constrained")
    drawing.patch.set_alpha(0)
    axes = drawing.add_subplot()
    style(axes)
    return drawing, axes


def style(axes: Any) -> None:
    """Draw the frame of a plot in gray, readable on white and on black."""
    axes.patch.set_alpha(0)
    axes.grid(color=GRAY, alpha=0.25)
    axes.tick_params(which="both", colors=GRAY, labelcolor=GRAY)
    for spine in axes.spines.values():
        spine.set_color(GRAY)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(GRAY)


def legend(axes: Any) -> None:
    """Add a legend in gray."""
    axes.legend(frameon=False, labelcolor=GRAY)


def svg(drawing: Figure) -> bytes:
    """Return a figure as SVG, the same bytes in every build."""
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cygd", "svg.fonttype": "none", "font.family": "sans-serif"}):
        drawing.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def activation(component: Any) -> Picture:
    """Plot f and f'; for softmax, the first of two units against its net input."""
    h = np.linspace(-5, 5, 801)
    if component.rowwise:
        rows = np.stack([h, np.zeros_like(h)], axis=1)
        f = np.asarray(component.evaluate(rows))[:, 0]
        df = np.gradient(f, h)
        caption = f"{component.name}: the first of two units, the other net input being 0, and its derivative"
    else:
        f, df = component.evaluate(h), component.evaluate_derivative(h)
        caption = f"{component.name}: f (line) and its derivative f' (dashed) for net inputs h from -5 to 5"
    drawing, axes = figure()
    axes.plot(h, f, color=FIRST, label="f(h)")
    axes.plot(h, df, color=SECOND, linestyle="--", label="f'(h)")
    axes.set_xlabel("h")
    legend(axes)
    return Picture(svg(drawing), caption)


def loss(component: Any) -> Picture:
    """Plot E and dE/dy_hat of one element."""
    y, low, high = {
        "unit": (1.0, 0.02, 0.98), "nonnegative": (1.0, 0.05, 4.0), "signs": (1.0, -2.0, 2.0)
    }.get(component.targets, (0.0, -3.0, 3.0))  # fmt: skip
    y_hat = np.linspace(low, high, 601)
    targets = np.full_like(y_hat, y)
    drawing, axes = figure()
    axes.plot(y_hat, component.elements(targets, y_hat), color=FIRST, label="E")
    axes.plot(y_hat, component.evaluate_derivative(targets, y_hat), color=SECOND, linestyle="--",
              label="dE/dy_hat")  # fmt: skip
    axes.set_xlabel(f"y_hat, for y = {y:g}")
    legend(axes)
    return Picture(
        svg(drawing), f"{component.name}: E of one element (line) and dE/dy_hat (dashed) for y = {y:g}"
    )


def schedule(component: Any) -> Picture:
    """Plot the factor over 100 epochs; a schedule that watches the loss sees one that stops falling."""
    running = component.start()
    factors = [
        running.factor(epoch, 100, max(1 - epoch / 20, 0.2) if epoch else None) for epoch in range(100)
    ]
    drawing, axes = figure()
    axes.step(range(100), factors, where="post", color=FIRST)
    axes.set_xlabel("epoch")
    axes.set_ylabel("factor on the learning rate")
    style(axes)
    watched = ", for a loss that falls until epoch 16" if running.watches else ""
    return Picture(svg(drawing), f"{component.name}: the factor in each of 100 epochs{watched}")


def initializer(component: Any) -> Picture:
    """Plot the distribution of the weights of a layer with 64 inputs and 32 units."""
    network = Network(64, [{"units": 32, "initializer": component}], seed=0)
    drawing, axes = figure()
    axes.hist(np.asarray(network.weights[0]).ravel(), bins=41, color=FIRST)
    axes.set_xlabel("weight")
    axes.set_ylabel("count")
    style(axes)
    return Picture(svg(drawing), f"{component.name}: 2048 weights of a layer with 64 inputs and 32 units")


def optimizer(component: Any) -> Picture:
    """Plot 150 updates in the narrow valley of experiments/momentum.yaml."""
    x, y = np.array([[1, 0.5], [2, 1.5], [-1, 0.5]]), np.array([[2.0], [4.5], [-0.5]])
    network = Network(2, [{"units": 1, "activation": "identity", "bias": False}], loss="sse")
    network.parameters = [-2.2, 4.0]
    rate = {"sgd": 0.02, "adadelta": 1.0}.get(component.name, 0.15)
    path = [np.asarray(network.weights[0]).ravel().copy()]
    for update in network.steps(x, y, optimizer=component, learning_rate=rate, epochs=150, batch_size="full"):
        del update
        path.append(np.asarray(network.weights[0]).ravel().copy())
    w = np.array(path)
    first, second = np.meshgrid(np.linspace(-4, 6, 121), np.linspace(-3, 6, 121))
    error = sum(0.5 * (t - a * first - b * second) ** 2 for (a, b), (t,) in zip(x, y, strict=True))
    drawing, axes = figure(4)
    axes.contour(first, second, np.log(error + 1e-3), levels=16, colors=GRAY, linewidths=0.6, alpha=0.6)
    axes.plot(w[:, 0], w[:, 1], color=FIRST, marker=".", markersize=3, linewidth=1)
    axes.plot(*w[0], "o", color=SECOND)
    axes.set_xlabel("w0[0,0]")
    axes.set_ylabel("w0[1,0]")
    style(axes)
    return Picture(
        svg(drawing),
        f"{component.name}: 150 updates with the learning rate {rate:g} in a narrow valley; "
        "contours of E, the dot is the start",
    )


PLOTS: dict[str, Callable[[Component], Picture]] = {
    "activation": activation,
    "loss": loss,
    "schedule": schedule,
    "initializer": initializer,
    "optimizer": optimizer,
}
