"""Figures and tables of numeric predictions, of each target: predicted against true, and residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.display.html import Table
from cygd.report.evaluation import Evaluation
from cygd.report.page import Figure, Part
from cygd.report.svg import INK, TRAINING, dots, shorten

Array = NDArray[Any]
MAX_POINTS = 1500
MAX_TARGETS = 4  # with figures of their own
LARGEST = 1e100  # beyond which matplotlib overflows


def regression_parts(evaluation: Evaluation) -> list[Part]:
    """Return the parts of the section on numeric targets."""
    targets = [shorten(name) for name in evaluation.data.targets]
    y, y_hat = evaluation.y.astype(float), evaluation.y_hat.astype(float)
    parts: list[Part] = []
    for k, name in list(enumerate(targets))[:MAX_TARGETS]:
        usable = (np.abs(y[:, k]) < LARGEST) & (np.abs(y_hat[:, k]) < LARGEST)
        if not usable.any():
            parts.append(f"{name}: no output is a finite number.")
            continue
        true, predicted = y[usable, k], y_hat[usable, k]
        label = f"{name}: " if len(targets) > 1 else ""
        parts += [_scatter(label, true, predicted), _residuals(label, true, predicted)]
        if not usable.all():
            parts.append(f"{name}: {int((~usable).sum())} outputs are not finite and not drawn.")
    if len(targets) > MAX_TARGETS:
        parts.append(f"The first {MAX_TARGETS} of {len(targets)} targets are drawn; the table has all.")
    parts.append(_error_table(targets, y, y_hat))
    return parts


def _error_table(targets: list[str], y: Array, y_hat: Array) -> Table:
    rows = []
    for k, name in enumerate(targets):
        error = y[:, k] - y_hat[:, k]
        deviation = float(((y[:, k] - y[:, k].mean()) ** 2).sum())
        r2 = _format_r2(1 - float((error**2).sum()) / deviation) if deviation > 0 else "-"
        values = [np.sqrt((error**2).mean()), np.abs(error).mean(), np.median(error), np.abs(error).max()]
        rows.append([name, *(f"{value:.5g}" for value in values), r2])
    return Table(
        ["target", "rmse", "mae", "median error", "largest error", "r2"], rows, "errors, true - predicted"
    )


def _format_r2(value: float) -> str:
    """Return r2 to four decimals, which a network that diverged has hundreds of digits before."""
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.4g}"


def _shown(count: int) -> Array:
    """Return the rows to draw, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int))


def _note(count: int) -> str:
    return f" {MAX_POINTS} of {count} rows are drawn." if count > MAX_POINTS else ""


def _scatter(label: str, true: Array, predicted: Array) -> Figure:
    shown = _shown(len(true))

    def draw(axes: Any) -> None:
        ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
        axes.plot(ends, ends, color=INK, alpha=0.4, linewidth=0.8)
        axes.scatter(true[shown], predicted[shown], color=TRAINING, **dots(len(shown)))
        axes.set_xlabel("true")
        axes.set_ylabel("predicted")

    spread = (
        float(np.corrcoef(true, predicted)[0, 1]) if true.std() > 0 and predicted.std() > 0 else float("nan")
    )
    alt = f"{label}predicted against true values of {len(true)} rows, correlation {spread:.4f}."
    rows = [[float(true[i]), float(predicted[i])] for i in shown[:: max(1, len(shown) // 20)]]
    return Figure(
        f"{label}predicted against true",
        alt,
        draw,
        Table(["true", "predicted"], rows),
        caption=f"On the line they agree.{_note(len(true))}",
    )


def _residuals(label: str, true: Array, predicted: Array) -> Figure:
    residual, shown = true - predicted, _shown(len(true))

    def draw(axes: Any) -> None:
        axes.axhline(0, color=INK, alpha=0.4, linewidth=0.8)
        axes.scatter(predicted[shown], residual[shown], color=TRAINING, **dots(len(shown)))
        axes.set_xlabel("predicted")
        axes.set_ylabel("true - predicted")

    low, middle, high = np.quantile(residual, [0.05, 0.5, 0.95])
    alt = (
        f"{label}residuals over predictions: median {middle:.4g}, 90 % of them from {low:.4g} to {high:.4g}."
    )
    levels = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]
    rows = [[f"{level:.0%}", float(np.quantile(residual, level))] for level in levels]
    return Figure(f"{label}residuals", alt, draw, Table(["quantile", "true - predicted"], rows), caption=alt)
