"""Figures and tables of a classifier: confusion, classes, ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cygd.display.html import Table
from cygd.report.evaluation import Evaluation
from cygd.report.page import Figure, Part
from cygd.report.svg import INK, TRAINING, shorten

Array = NDArray[Any]
MAX_NAMED = 16  # classes with names and counts in the chart
MAX_CONFUSED = 15  # pairs of classes in a list
BINS = 10
MAX_POINTS = 400


def confusion_matrix(true: Array, predicted: Array, n_classes: int) -> NDArray[np.int64]:
    """Return the number of rows of class i that were predicted as class j.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    flat = np.bincount(true * n_classes + predicted, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes)


class Curve(NamedTuple):
    """A curve over all thresholds, and the area below it."""

    x: Array
    y: Array
    area: float


def _counts_by_threshold(positive: Array, score: Array) -> tuple[Array, Array]:
    """Return true and false positives at each distinct score as the threshold, from the largest one down."""
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]  # of equal scores
    true = np.cumsum(positive)[last]
    return true, 1 + last - true


def roc_curve(positive: Array, score: Array) -> Curve | None:
    """Return the true positive rate over the false positive rate; None without rows of both classes.

    Fawcett (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27.

    Examples
    --------
    >>> roc_curve(np.array([False, True, True]), np.array([0.1, 0.4, 0.4])).area
    1.0
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative or not np.isfinite(score).all():
        return None
    true, false = _counts_by_threshold(positive, score)
    x, y = np.r_[0, false / n_negative], np.r_[0, true / n_positive]
    return Curve(x, y, float(np.trapezoid(y, x)))


def precision_recall_curve(positive: Array, score: Array) -> Curve | None:
    """Return precision over recall, and the average precision: the mean of precision over steps of recall.

    Examples
    --------
    >>> precision_recall_curve(np.array([True, False]), np.array([0.9, 0.1])).area
    1.0
    """
    n_positive = int(positive.sum())
    if not n_positive or not np.isfinite(score).all():
        return None
    true, false = _counts_by_threshold(positive, score)
    recall, precision = true / n_positive, true / (true + false)
    area = float(np.sum(np.diff(np.r_[0, recall]) * precision))
    return Curve(np.r_[0, recall], np.r_[precision[0], precision], area)


class Bin(NamedTuple):
    """Rows whose predicted probability lies in an interval."""

    rows: int
    predicted: float  # mean
    observed: float  # share of the rows that are positive


def calibration_bins(positive: Array, probability: Array, bins: int = BINS) -> list[Bin]:
    """Return the mean prediction and the observed share in intervals of equal width from 0 to 1.

    Examples
    --------
    >>> calibration_bins(np.array([True, False]), np.array([0.5, 0.5]))
    [Bin(rows=2, predicted=0.5, observed=0.5)]
    """
    place = np.clip((probability * bins).astype(int), 0, bins - 1)
    found = []
    for k in range(bins):
        inside = place == k
        if inside.any():
            found.append(
                Bin(int(inside.sum()), float(probability[inside].mean()), float(positive[inside].mean()))
            )
    return found


def classification_parts(evaluation: Evaluation) -> list[Part]:
    """Return the parts of the section on a classifier of one class for each row."""
    labels = [shorten(label) for label in evaluation.labels]
    true, predicted = evaluation.true_classes, evaluation.predicted_classes
    counts = confusion_matrix(true, predicted, len(labels))
    correct = int(np.trace(counts))
    parts: list[Part] = [
        f"{correct} of {len(true)} {evaluation.part} rows are classified right: {correct / len(true):.1%}."
    ]
    parts.append(_confusion_figure(counts, labels))
    if len(labels) == 2:
        score = evaluation.y_hat[:, 0] if evaluation.y_hat.shape[1] == 1 else evaluation.y_hat[:, 1]
        parts += _two_class_figures(true == 1, score, labels[1])
    parts.append(_class_table(counts, labels))
    if len(labels) > MAX_NAMED:
        parts.append(_confused_table(counts, labels))
    return parts


def _confusion_figure(counts: Array, labels: Sequence[str]) -> Figure:
    n = len(labels)
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))

    def draw(axes: Any) -> None:
        from matplotlib.colors import to_rgb

        cells = np.empty((n, n, 4))
        cells[..., :3] = to_rgb(TRAINING)
        cells[..., 3] = 0.04 + 0.7 * share
        axes.pcolormesh(np.arange(n + 1) - 0.5, np.arange(n + 1) - 0.5, cells, linewidth=0, antialiased=False)
        axes.set_ylim(n - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("class")
        if n > MAX_NAMED:
            return
        axes.set_xticks(range(n), labels)
        axes.set_yticks(range(n), labels)
        if sum(map(len, labels)) > 30:
            axes.tick_params(axis="x", labelrotation=60)
        for i in range(n):
            for j in range(n):
                if counts[i, j]:
                    axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=9 if n <= 8 else 7)

    off = counts.sum() - np.trace(counts)
    alt = f"Confusion matrix of {n} classes: {np.trace(counts)} rows on the diagonal, {off} beside it."
    table = Table(
        ["class", *labels], [[label, *map(int, row)] for label, row in zip(labels, counts, strict=True)]
    )
    caption = (
        "A row for each class, a column for each prediction; a stronger color is a larger share of the row."
    )
    size = (4.6, 4.0) if n > 4 else (4.6, 3.0)
    return Figure("confusion matrix", alt, draw, table if n <= 60 else None, size, caption)


def _class_table(counts: Array, labels: Sequence[str]) -> Table:
    """Return precision, recall and f1 of each class; a ratio without a denominator is empty."""
    rows = []
    for k, label in enumerate(labels):
        hits, actual, claimed = int(counts[k, k]), int(counts[k].sum()), int(counts[:, k].sum())
        precision, recall = _ratio(hits, claimed), _ratio(hits, actual)
        rows.append([label, actual, claimed, precision, recall, _ratio(2 * hits, actual + claimed)])
    return Table(["class", "rows", "predicted", "precision", "recall", "f1"], rows, "classes")


def _ratio(numerator: int, denominator: int) -> str:
    return f"{numerator / denominator:.4f}" if denominator else "-"


def _confused_table(counts: Array, labels: Sequence[str]) -> Table:
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:MAX_CONFUSED]
    pairs = [divmod(int(index), len(labels)) for index in order if off.flat[index]]
    rows = [[labels[i], labels[j], int(off[i, j])] for i, j in pairs]
    return Table(["class", "predicted as", "rows"], rows, "confused most")


def _two_class_figures(positive: Array, score: Array, label: str) -> list[Figure]:
    figures = []
    roc, precision = roc_curve(positive, score), precision_recall_curve(positive, score)
    if roc is not None:
        figures.append(
            _curve_figure(
                "ROC curve",
                roc,
                ("false positive rate", "true positive rate"),
                f"ROC curve of {label}: the area below it is {roc.area:.4f}.",
                diagonal=True,
            )
        )
    if precision is not None and roc is not None:
        figures.append(
            _curve_figure(
                "precision and recall",
                precision,
                ("recall", "precision"),
                f"Precision over recall of {label}: the average precision is {precision.area:.4f}.",
            )
        )
    if positive.any() and (score >= 0).all() and (score <= 1).all():
        figures.append(_calibration_figure(calibration_bins(positive, score), label))
    return figures


def _curve_figure(
    title: str, curve: Curve, names: tuple[str, str], alt: str, *, diagonal: bool = False
) -> Figure:
    step = max(1, len(curve.x) // MAX_POINTS)
    shown = np.unique(np.r_[np.arange(0, len(curve.x), step), len(curve.x) - 1])

    def draw(axes: Any) -> None:
        if diagonal:
            axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.8)
        axes.plot(curve.x[shown], curve.y[shown], color=TRAINING)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])

    few = np.unique(np.linspace(0, len(curve.x) - 1, 12).round().astype(int))
    table = Table(list(names), [[float(curve.x[i]), float(curve.y[i])] for i in few])
    return Figure(title, alt, draw, table, caption=alt)


def _calibration_figure(bins: Sequence[Bin], label: str) -> Figure:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.8)
        x, y = [b.predicted for b in bins], [b.observed for b in bins]
        largest = max(b.rows for b in bins)
        axes.plot(x, y, color=TRAINING, linewidth=0.9)
        axes.scatter(x, y, s=[12 + 60 * b.rows / largest for b in bins], color=TRAINING, linewidth=0)
        axes.set_xlim(-0.04, 1.04)
        axes.set_ylim(-0.04, 1.06)
        axes.set_xlabel("mean output")
        axes.set_ylabel(f"share of {label}")

    error = sum(b.rows * abs(b.predicted - b.observed) for b in bins) / sum(b.rows for b in bins)
    alt = f"Calibration: outputs and observed shares of {label} differ by {error:.3f} on average."
    table = Table(["rows", "mean output", "observed share"], [list(b) for b in bins])
    return Figure("calibration", alt, draw, table, caption=f"{alt} On the diagonal they agree.")
