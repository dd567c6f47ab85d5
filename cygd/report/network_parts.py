"""Figures and tables of a trained network: drawing, weights, outputs of the units, activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.components import Activation
from cygd.display.html import Table
from cygd.errors import CygdError, format_count
from cygd.network import Network
from cygd.network.notebook import layer_table, plot_network
from cygd.report.page import Details, Figure, Markup, Part
from cygd.report.svg import INK, TRAINING, VALIDATION, count_ticks

Array = NDArray[Any]
MAX_ROWS = 2000  # of the data, to compute the outputs of the units
MAX_DRAWN = 6  # layers with histograms
MAX_NAMED = 40  # units of a list
BINS = 40
SMALL_SLOPE = 0.01  # of the largest f'(h): a unit below it in SATURATED_ROWS hardly learns
SATURATED_ROWS = 0.95
LARGEST = 1e100  # beyond which matplotlib overflows


@dataclass(frozen=True, eq=False)
class LayerOutputs:
    """What the units of a layer compute for some rows: h and f(h), of shape (n_rows, n_units)."""

    h: Array
    y: Array


def layer_outputs(network: Network, x: Array) -> list[LayerOutputs]:
    """Return net inputs and outputs of every layer, without dropout.

    Examples
    --------
    >>> layer_outputs(Network(1, [(1, "relu")]), np.zeros((3, 1)))[0].y.tolist()
    [[0.0], [0.0], [0.0]]
    """
    outputs, below = list[LayerOutputs](), np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        for w, b, activation in zip(network.weights, network.biases, network.activations, strict=True):
            h = below @ w.astype(np.float64) + (0.0 if b is None else b.astype(np.float64))
            below = np.asarray(activation.evaluate(h))
            outputs.append(LayerOutputs(h, below))
    return outputs


def idle_units(activation: Activation, outputs: LayerOutputs) -> tuple[list[int], list[int]]:
    """Return the units that are dead, and those that are saturated.

    A dead unit has the same output for all rows, with a derivative of 0. A saturated one has a derivative
    below a hundredth of the largest in 95 % of the rows, so that it hardly learns from them.
    """
    if activation.rowwise or len(outputs.h) < 2:
        return [], []
    with np.errstate(all="ignore"):
        slopes = np.abs(activation.evaluate_derivative(outputs.h, outputs.y))
        largest = np.abs(activation.evaluate_derivative(np.linspace(-4, 4, 161))).max()
    dead = (slopes == 0).all(axis=0) & (np.ptp(outputs.y, axis=0) == 0)
    flat = (slopes < SMALL_SLOPE * largest).mean(axis=0) >= SATURATED_ROWS
    return np.flatnonzero(dead).tolist(), np.flatnonzero(flat & ~dead).tolist()


def network_parts(network: Network, x: Array, features: Sequence[str]) -> list[Part]:
    """Return the parts of the section on the network."""
    names = features if len(features) == network.n_inputs else ()
    parts: list[Part] = [Markup(drawing) for drawing in plot_network(network, names).drawings]
    parts.append(layer_table(network))
    rows = x[np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).round().astype(int))]
    outputs = _try_outputs(network, rows)
    if outputs:
        parts += _idle_lines(network, outputs)
    figures: list[Part] = []
    for k in range(min(len(network.layers), MAX_DRAWN)):
        figures.append(_weight_figure(network, k))
        if outputs and len(rows) > 1:
            figures.append(_output_figure(network, k, outputs[k], len(rows)))
    return [*parts, Details("weights and outputs of each layer", figures)]


def _try_outputs(network: Network, rows: Array) -> list[LayerOutputs]:
    """Return the outputs of the layers, or none if a Python activation fails on them."""
    try:
        return layer_outputs(network, rows)
    except CygdError:
        return []


def _idle_lines(network: Network, outputs: Sequence[LayerOutputs]) -> list[Part]:
    """Return a sentence about the dead and the saturated units of each layer."""
    lines: list[Part] = []
    for k, (activation, output) in enumerate(zip(network.activations, outputs, strict=True)):
        for kind, units in zip(("dead", "saturated"), idle_units(activation, output), strict=True):
            if units:
                of = f"{len(units)} of {format_count(network.layers[k].units, 'unit')}"
                lines.append(f"Layer {k} ({activation.name}): {of} {kind}: {_listed(units)}.")
    if lines:
        lines.append(
            "A dead unit has the same output for all rows and a derivative of 0; the derivative of a "
            "saturated one is below a hundredth of the largest in 95 % of the rows. Both hardly learn."
        )
    else:
        lines.append("No unit is dead or saturated.")
    return lines


def _listed(units: Sequence[int]) -> str:
    more = f" and {len(units) - MAX_NAMED} more" if len(units) > MAX_NAMED else ""
    return ", ".join(map(str, units[:MAX_NAMED])) + more


def _weight_figure(network: Network, k: int) -> Figure:
    w, b = network.weights[k].ravel(), network.biases[k]
    kinds = [("weights", w, TRAINING)] + ([] if b is None else [("biases", b.ravel(), VALIDATION)])
    return _histogram(f"weights of layer {k}", kinds, "value")


def _output_figure(network: Network, k: int, output: LayerOutputs, rows: int) -> Figure:
    name = network.activations[k].name
    kinds = [(f"f(h), {name}", output.y.ravel(), TRAINING)]
    return _histogram(f"outputs of layer {k}", kinds, f"output, of {rows} rows")


def _histogram(title: str, kinds: Sequence[tuple[str, Array, str]], x_label: str) -> Figure:
    finite = [
        (name, values[np.abs(values.astype(float)) < LARGEST].astype(float), color)
        for name, values, color in kinds
    ]
    joint = np.concatenate([values for _, values, _ in finite])
    edges = np.histogram_bin_edges(joint, BINS) if joint.size else np.array([0.0, 1.0])

    def draw(axes: Any) -> None:
        for name, values, color in finite:
            counts, _ = np.histogram(values, edges)
            axes.stairs(counts, edges, color=color, fill=True, alpha=0.55, label=name)
        axes.set_xlabel(x_label)
        axes.set_ylabel("count")
        count_ticks(axes.yaxis)
        if len(finite) > 1:
            axes.legend()

    rows = [[name, *_quantiles(values)] for name, values, _ in finite if values.size]
    facts = "; ".join(
        f"{name} from {row[1]} to {row[5]}, median {row[3]}" for name, *row in [[r[0], *r] for r in rows]
    )
    head = ["", "count", "smallest", "5 %", "median", "95 %", "largest"]
    return Figure(title, f"Histogram of the {title}: {facts}.", draw, Table(head, rows))


def _quantiles(values: Array) -> list[object]:
    quantiles = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    return [len(values), *(f"{value:.4g}" for value in quantiles)]


def activation_figures(network: Network) -> list[Figure]:
    """Return f and f' of each distinct activation, over the range in which most curves bend."""
    figures, seen = list[Figure](), set[str]()
    for activation in network.activations:
        key = f"{activation.name} {activation.parameters}"
        if key not in seen:
            seen.add(key)
            figures.append(_activation_figure(activation))
    return figures


def _activation_figure(activation: Activation) -> Figure:
    h = np.linspace(-4, 4, 161)
    with np.errstate(all="ignore"):
        if activation.rowwise:
            rows, gradient = np.zeros((len(h), 3)), np.zeros((len(h), 3))
            rows[:, 0], gradient[:, 0] = h, 1
            f = activation.evaluate(rows)
            df = activation.backpropagate(rows, f, gradient)[:, 0]
            f, x_label = f[:, 0], "h, beside two units with h = 0"
        else:
            f, x_label = np.asarray(activation.evaluate(h)), "h"
            df = np.asarray(activation.evaluate_derivative(h, f))

    def draw(axes: Any) -> None:
        axes.axhline(0, color=INK, alpha=0.3, linewidth=0.6)
        axes.axvline(0, color=INK, alpha=0.3, linewidth=0.6)
        axes.plot(h, f, color=TRAINING, label="f(h)")
        axes.plot(h, df, color=VALIDATION, label="f'(h)", linestyle="--")
        axes.set_xlabel(x_label)
        axes.legend()

    values = ", ".join(f"{name} = {value:g}" for name, value in activation.parameters.items())
    title = f"{activation.name} ({values})" if values else activation.name
    numbers = [[float(h[i]), float(f[i]), float(df[i])] for i in range(0, 161, 20)]
    ends = f"f runs from {f[0]:.4g} to {f[-1]:.4g}, f(0) = {f[80]:.4g}, f'(0) = {df[80]:.4g}"
    alt = f"{title} and its derivative from h = -4 to 4: {ends}."
    return Figure(title, alt, draw, Table(["h", "f(h)", "f'(h)"], numbers))
