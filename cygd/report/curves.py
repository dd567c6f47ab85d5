"""Charts of metrics over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cygd.display.charts import thin
from cygd.display.html import Table
from cygd.report.page import Figure
from cygd.report.run_record import Measured, RunRecord, metric_columns, metric_names
from cygd.report.svg import COLORS, INK, TRAINING, VALIDATION, count_ticks

MAX_POINTS = 1200  # of a line
MAX_ROWS = 24  # of the table of a chart
LOG_RATIO = 20  # of the largest to the smallest value, beyond which the scale is logarithmic
LARGEST = 1e100  # beyond which matplotlib overflows
MAX_RUNS = len(COLORS)
BOUNDED = ("accuracy", "f1", "precision", "recall", "r2", "roc_auc")  # metrics that a logarithm would distort


def history_figures(record: RunRecord) -> list[Figure]:
    """Return a chart for each metric, of training and validation rows in one, and of the learning rate."""
    figures = []
    for name in metric_names([record]):
        lines = [
            (label, record.history[f"{prefix}{name}"], color)
            for label, prefix, color in (
                ("training", "", TRAINING),
                ("validation", "validation_", VALIDATION),
            )
            if f"{prefix}{name}" in record.history
        ]
        figures.append(_figure(name, lines, record.best_epoch))
    is_measured = any(len(record.history[name].epochs) > 1 for name in metric_columns(record))
    if not is_measured and "running_loss" in record.history:  # evaluate_every: 0
        lines = [("during the epochs", record.history["running_loss"], TRAINING)]
        figures = [_figure("running loss", lines, record.best_epoch)]
    rate = record.history.get("learning_rate")
    if rate is not None and len({*rate.values.tolist()}) > 1:
        figures.append(_figure("learning rate", [("learning rate", rate, COLORS[3])], None))
    return figures


def overlay_figures(records: Sequence[RunRecord], names: Sequence[str]) -> list[Figure]:
    """Return a chart for each metric with a line for each run.

    The lines are those of validation rows; if a run has none, there is a chart of the training rows besides.
    """
    figures = []
    for metric in metric_names(records):
        charts = [f"validation_{metric}"]
        if any(charts[0] not in r.history for r in records if metric in r.history):
            charts.insert(0, metric)
        for chart in charts:
            lines = [
                (name, record.history[chart], COLORS[index % MAX_RUNS])
                for index, (name, record) in enumerate(zip(records_names(names), records, strict=True))
                if chart in record.history
            ]
            if lines:
                figures.append(_figure(chart, lines[:MAX_RUNS], None, named=True))
    return figures


def records_names(names: Sequence[str]) -> list[str]:
    """Return names that fit into a legend."""
    return [name if len(name) <= 28 else f"{name[:12]}...{name[-13:]}" for name in names]


Line = tuple[str, Measured, str]  # label, values and color


def _figure(name: str, lines: Sequence[Line], kept: int | None, *, named: bool = False) -> Figure:
    """Return the chart of a metric; with `named`, the legend names a single line too."""
    log = name.removeprefix("validation_") not in BOUNDED and _is_log(lines)

    def draw(axes: Any) -> None:
        for label, column, color in lines:
            values = np.where(np.abs(column.values) < LARGEST, column.values, np.nan)
            points = thin(list(zip(column.epochs.tolist(), values.tolist(), strict=True)), MAX_POINTS)
            x, y = zip(*points, strict=True) if points else ((), ())
            marker = "o" if len(points) <= 12 else ""
            axes.plot(x, y, color=color, label=label, marker=marker, markersize=3)
        if kept is not None and len(lines[0][1].epochs) > 1:
            axes.axvline(kept, color=INK, alpha=0.6, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlabel("epoch")
        count_ticks(axes.xaxis)
        axes.set_ylabel(name)
        if log:
            axes.set_yscale("log")
        axes.grid(axis="y", alpha=0.15, color=INK)
        if named or len(lines) > 1:
            axes.legend()

    scale = ", on a logarithmic scale" if log else ""
    mark = f" The dashed line marks epoch {kept}, whose weights were kept." if kept is not None else ""
    caption = f"{mark}{_undrawn(lines)}".strip()
    return Figure(name, f"{_describe(name, lines)}{scale}.{mark}", draw, _table(name, lines), caption=caption)


def _undrawn(lines: Sequence[Line]) -> str:
    """Return how many values have no place in the chart."""
    values = np.concatenate([column.values for _, column, _ in lines])
    count = int((~(np.abs(values) < LARGEST)).sum())
    if not count:
        return ""
    return f" {count} of {len(values)} values are not drawn: they are not finite, or beyond {LARGEST:g}."


def _is_log(lines: Sequence[Line]) -> bool:
    values = np.concatenate([column.values for _, column, _ in lines])
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > LOG_RATIO * values.min())


def _describe(name: str, lines: Sequence[Line]) -> str:
    """Return what a chart shows: where each line begins and ends."""
    parts = [
        f"{label} from {column.values[0]:.4g} at epoch {column.epochs[0]} to {column.values[-1]:.4g} "
        f"at epoch {column.epochs[-1]}"
        for label, column, _ in lines
        if len(column.values)
    ]
    return f"{name} over the epochs: {'; '.join(parts)}"


def _table(name: str, lines: Sequence[Line]) -> Table:
    epochs = np.unique(np.concatenate([column.epochs for _, column, _ in lines]))
    shown = epochs[np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), MAX_ROWS)).round().astype(int))]
    columns = [
        dict(zip(column.epochs.tolist(), column.values.tolist(), strict=True)) for _, column, _ in lines
    ]
    rows = [[int(epoch), *(column.get(int(epoch), "") for column in columns)] for epoch in shown]
    head = ["epoch", *(label if len(lines) > 1 else name for label, _, _ in lines)]
    caption = f"{name}, {len(shown)} of {len(epochs)} epochs" if len(shown) < len(epochs) else name
    return Table(head, rows, caption)
