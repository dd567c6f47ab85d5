"""What a network with one or two numeric inputs computes between the data: a curve, regions or contours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.display.html import Table
from cygd.report.evaluation import Evaluation
from cygd.report.page import Figure, Part
from cygd.report.svg import COLORS, INK, TEST, TRAINING, VALIDATION, dots, shorten

Array = NDArray[Any]
GRID = 161  # points along each input
MAX_POINTS = 1200  # rows to draw
MAX_CLASSES = len(COLORS)
FEW = 30  # rows that are drawn large
MARGIN = 0.08  # on each side of the data
MARKERS = "os^Dvp*h"
SIZE = (4.6, 4.0)


class Points(NamedTuple):
    """Rows of one part of the data, in their own units."""

    part: str
    x: Array  # (n_rows, n_inputs)
    y: Array  # (n_rows, n_outputs)


def region_figures(evaluation: Evaluation) -> list[Part]:
    """Return the figure of a network whose inputs are one or two columns of numbers.

    For one or two columns that include categories, there is a text that says why it is missing.
    """
    columns = evaluation.data.preprocessing.columns
    if len(columns) > 2:
        return []
    categorical = [shorten(column.column) for column in columns if column.categories is not None]
    if categorical:
        verb = "holds" if len(categorical) == 1 else "hold"
        return [
            f"What the network computes between the rows is not drawn, because {' and '.join(categorical)} "
            f"{verb} categories: there is nothing between two of them."
        ]
    if evaluation.network.n_inputs != len(columns):
        return []
    points = list(_points(evaluation))
    if len(columns) == 1:
        return [_curve(evaluation, points)]
    if evaluation.kind in ("binary", "classes") and len(evaluation.labels) <= MAX_CLASSES:
        return [_regions(evaluation, points)]
    return [_contours(evaluation, points)]


def _points(evaluation: Evaluation) -> Iterator[Points]:
    """Yield the rows of each part in the units of the data, evenly thinned."""
    data = evaluation.data
    parts = [("training", data.train), ("validation", data.validation), ("test", data.test)]
    total = sum(len(part) for _, part in parts if part is not None)
    for name, part in parts:
        if part is None:
            continue
        x, y, _ = part.take()
        most = max(1, MAX_POINTS * len(x) // max(total, MAX_POINTS))
        rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).round().astype(int))
        yield Points(name, _raw(evaluation, x[rows]), np.asarray(data.preprocessing.inverse_targets(y[rows])))


def _raw(evaluation: Evaluation, x: Array) -> Array:
    """Return scaled inputs in the units of the data."""
    columns = evaluation.data.preprocessing.columns
    scale, shift = ([getattr(column, name) for column in columns] for name in ("scale", "shift"))
    return np.asarray(np.asarray(x, float) * scale + shift)


def _outputs(evaluation: Evaluation, raw: Array) -> Array:
    """Return the outputs for inputs in the units of the data."""
    columns = evaluation.data.preprocessing.columns
    scale, shift = ([getattr(column, name) for column in columns] for name in ("scale", "shift"))
    x = ((raw - shift) / scale).astype(evaluation.network.dtype)
    return np.asarray(evaluation.data.preprocessing.inverse_targets(evaluation.network.predict(x)))


def _axis(points: list[Points], column: int) -> Array:
    values = np.concatenate([part.x[:, column] for part in points])
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low) or max(abs(low), 1.0)
    return np.linspace(low - margin, high + margin, GRID)


def _names(evaluation: Evaluation) -> list[str]:
    return [shorten(column.column) for column in evaluation.data.preprocessing.columns]


def _curve(evaluation: Evaluation, points: list[Points]) -> Figure:
    axis = _axis(points, 0)
    outputs = _outputs(evaluation, axis[:, None])
    [x_name] = _names(evaluation)
    targets = [shorten(name) for name in evaluation.data.targets]
    y_name = targets[0] if len(targets) == 1 else "outputs"
    colors = {"training": TRAINING, "validation": VALIDATION, "test": TEST}
    style = dots(sum(len(part.x) for part in points))

    def draw(axes: Any) -> None:
        for part in points:
            for k in range(part.y.shape[1]):
                axes.scatter(
                    part.x[:, 0],
                    part.y[:, k],
                    color=colors[part.part],
                    **style,
                    label=f"{part.part} rows" if k == 0 else None,
                )
        for k in range(outputs.shape[1]):
            axes.plot(axis, outputs[:, k], color=INK, label="network" if k == 0 else None)
        axes.set_xlabel(x_name)
        axes.set_ylabel(y_name)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=4)

    rows = [[float(axis[i]), *map(float, outputs[i])] for i in range(0, GRID, 10)]
    low, high = float(outputs.min()), float(outputs.max())
    alt = (
        f"The output of the network over {x_name} from {axis[0]:.4g} to {axis[-1]:.4g}, "
        f"between {low:.4g} and {high:.4g}, with the data."
    )
    names = targets if outputs.shape[1] == len(targets) else [f"output {k}" for k in range(outputs.shape[1])]
    return Figure("learned function", alt, draw, Table([x_name, *names], rows), SIZE)


def _grid(evaluation: Evaluation, points: list[Points]) -> tuple[Array, Array, Array]:
    """Return both axes and the outputs (GRID, GRID, n_outputs), [i, j] at axes[0][j] and axes[1][i]."""
    first, second = _axis(points, 0), _axis(points, 1)
    raw = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    return first, second, _outputs(evaluation, raw).reshape(GRID, GRID, -1)


def _classes(evaluation: Evaluation, y: Array) -> Array:
    if evaluation.kind == "binary":
        return np.asarray(y[..., 0] > evaluation.threshold).astype(int)
    return np.asarray(y.argmax(axis=-1))


def _regions(evaluation: Evaluation, points: list[Points]) -> Figure:
    first, second, outputs = _grid(evaluation, points)
    classes, labels = _classes(evaluation, outputs), [shorten(label) for label in evaluation.labels]
    names = _names(evaluation)
    few = sum(len(part.x) for part in points) <= FEW

    def draw(axes: Any) -> None:
        levels = np.arange(len(labels) + 1) - 0.5
        axes.contourf(first, second, classes, levels=levels, colors=COLORS[: len(labels)], alpha=0.22)
        for part in points:
            own = _classes(evaluation, part.y)
            for k, label in enumerate(labels):
                x = part.x[own == k]
                is_test = part.part == "test"
                axes.scatter(
                    x[:, 0],
                    x[:, 1],
                    s=40 if few else 20 if is_test else 13,
                    marker=MARKERS[k],
                    facecolor="none" if is_test else COLORS[k],
                    edgecolor=COLORS[k],
                    alpha=0.95 if is_test else 0.7,
                    linewidth=1.0 if is_test else 0,
                    label=label if part.part == "training" else None,
                )
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=4)

    shares = [float((classes == k).mean()) for k in range(len(labels))]
    rows = [[label, f"{share:.1%}"] for label, share in zip(labels, shares, strict=True)]
    told = ", ".join(f"{label} {share}" for label, share in rows)
    has_test = any(part.part == "test" for part in points)
    note = " Test rows are hollow." if has_test else ""
    alt = f"Decision regions over {names[0]} and {names[1]}, as shares of the area: {told}."
    table = Table(["class", "share of the area"], rows)
    caption = f"The background has the color of the predicted class, each row that of its own.{note}"
    return Figure("decision regions", alt, draw, table, SIZE, caption)


def _contours(evaluation: Evaluation, points: list[Points]) -> Figure:
    first, second, outputs = _grid(evaluation, points)
    shown, names = outputs[..., 0], _names(evaluation)
    style = dots(sum(len(part.x) for part in points))
    target = shorten(evaluation.data.targets[0]) if evaluation.data.targets else "output"

    def draw(axes: Any) -> None:
        finite = np.ma.masked_invalid(shown)
        if finite.count() and np.ptp(finite.compressed()) > 0:
            filled = axes.contourf(first, second, finite, levels=14, cmap="viridis", alpha=0.8)
            axes.figure.colorbar(filled, label=f"predicted {target}", format="%.3g")
        for part in points:
            marker = "^" if part.part == "test" else "o"
            axes.scatter(
                part.x[:, 0],
                part.x[:, 1],
                marker=marker,
                color=INK,
                **style,
                label=f"{part.part} rows",
            )
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=4)

    low, high = (float(f(shown)) for f in (np.nanmin, np.nanmax))
    alt = (
        f"Contours of the predicted {target} over {names[0]} and {names[1]}, "
        f"between {low:.4g} and {high:.4g}, with the places of the data."
    )
    steps = range(0, GRID, 40)
    rows = [[f"{second[i]:.4g}", *(float(shown[i, j]) for j in steps)] for i in steps]
    head = [f"{names[1]} \\ {names[0]}", *(f"{first[j]:.4g}" for j in steps)]
    return Figure("output over the inputs", alt, draw, Table(head, rows), SIZE)
