"""Drawings of networks: a column of units for each layer, and their weights as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cygd.display.charts import svg
from cygd.display.html import escape
from cygd.errors import format_count

MAX_UNITS = 8  # of a layer that are drawn; of a larger one the first and the last
COLUMN, ROW, RADIUS = 120, 26, 8
TOP, BOTTOM = 16, 50
POSITIVE, NEGATIVE = "#2f7ed8", "#e07b00"


@dataclass(frozen=True)
class LayerFacts:
    """What a drawing shows of a layer."""

    units: int
    activation: str
    n_parameters: int
    weights: Any = None  # array (n_inputs, units); None: lines of one width


def draw_layers(n_inputs: int, layers: Sequence[LayerFacts], names: Sequence[str] = ()) -> str:
    """Return the drawing of a network; `names` are those of its inputs.

    The width of a line is |w| in proportion to the largest of the layer, its color the sign of w.

    >>> draw_layers(2, [LayerFacts(3, "tanh", 9), LayerFacts(1, "sigmoid", 4)]).count("<circle")
    6
    """
    counts = [n_inputs, *(layer.units for layer in layers)]
    shown = [_shown_units(count) for count in counts]
    height = TOP + max(len(units) for units in shown) * ROW + BOTTOM
    left = max(44, 24 + 6.2 * min(max(map(len, names), default=0), 18))
    width = left + COLUMN * len(layers) + 70
    places = [
        {unit: (left + COLUMN * k, _row(i, len(units), height)) for i, unit in enumerate(units)}
        for k, units in enumerate(shown)
    ]
    parts = []
    for k, layer in enumerate(layers):
        parts += _lines(places[k], places[k + 1], layer.weights)
    for k, units in enumerate(places):
        color = "currentColor"
        for unit, (x, y) in units.items():
            if unit is None:
                parts.append(f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle">&#8942;</text>')
                continue
            parts.append(
                f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS}" fill="{color}" fill-opacity=".18" '
                f'stroke="{color}"/>'
            )
            if k == 0 and unit < len(names):
                label = escape(names[unit], 18)
                parts.append(f'<text x="{x - RADIUS - 5:g}" y="{y + 4:g}" text-anchor="end">{label}</text>')
        x = left + COLUMN * k
        words = [format_count(n_inputs, "input")]
        if k:
            layer = layers[k - 1]
            words = [f"{layer.units} {layer.activation}", format_count(layer.n_parameters, "parameter")]
        for i, word in enumerate(words):
            place = f'x="{x:g}" y="{height - BOTTOM + 22 + 14 * i:g}" text-anchor="middle"'
            parts.append(f"<text {place}>{escape(word, 22)}</text>")
    title = "network of " + ", ".join(f"{layer.units} {layer.activation}" for layer in layers)
    return svg(width, height, title, parts)


def _shown_units(count: int) -> list[int | None]:
    """Return the units of a layer that are drawn; None stands for those between."""
    if count <= MAX_UNITS:
        return [*range(count)]
    half = (MAX_UNITS - 1) // 2
    return [*range(half + 1), None, *range(count - half, count)]


def _row(i: int, count: int, height: float) -> float:
    return TOP + (height - TOP - BOTTOM) / 2 + (i - (count - 1) / 2) * ROW


def _lines(
    sources: dict[int | None, tuple[float, float]],
    targets: dict[int | None, tuple[float, float]],
    weights: Any,
) -> list[str]:
    """Return the lines between two layers."""
    pairs = [(i, j) for i in sources if i is not None for j in targets if j is not None]
    values = {pair: 0.0 if weights is None else float(weights[pair]) for pair in pairs}
    largest = max((abs(value) for value in values.values() if math.isfinite(value)), default=0.0)
    parts = []
    for (i, j), value in values.items():
        share = abs(value) / largest if largest and math.isfinite(value) else 0.0
        stroke = "currentColor" if weights is None else POSITIVE if value >= 0 else NEGATIVE
        thickness, opacity = (0.8, 0.3) if weights is None else (0.4 + 2.2 * share, 0.25 + 0.65 * share)
        (x1, y1), (x2, y2) = sources[i], targets[j]
        parts.append(
            f'<line x1="{x1 + RADIUS:g}" y1="{y1:g}" x2="{x2 - RADIUS:g}" y2="{y2:g}" stroke="{stroke}" '
            f'stroke-width="{thickness:.2f}" stroke-opacity="{opacity:.2f}"/>'
        )
    return parts
