"""Figures and tables of a classifier of several labels for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.display.html import Table
from cygd.report.classification import roc_curve
from cygd.report.evaluation import Evaluation
from cygd.report.page import Figure, Part
from cygd.report.svg import TRAINING, VALIDATION, count_ticks, shorten

Array = NDArray[Any]
MAX_BARS = 40  # labels in the chart
ROW_HEIGHT = 0.2  # inches of a label in the chart


def multilabel_parts(evaluation: Evaluation) -> list[Part]:
    """Return the parts of the section on a classifier whose rows have any number of labels."""
    true, predicted = evaluation.y > evaluation.threshold, evaluation.y_hat > evaluation.threshold
    rows, labels = len(true), true.shape[1]
    exact = int((true == predicted).all(axis=1).sum())
    share = float((true == predicted).mean())
    text = (
        f"{exact} of {rows} {evaluation.part} rows have all of their {labels} labels right: "
        f"{exact / rows:.1%}. Of the single labels, {share:.1%} are right."
    )
    counts = label_counts(true, predicted)
    names = [shorten(name) for name in evaluation.data.targets]
    return [text, _figure(counts, names), _table(counts, names, true, evaluation.y_hat)]


def label_counts(true: Array, predicted: Array) -> Array:
    """Return hits, misses and false alarms of each label, (n_labels, 3).

    Examples
    --------
    >>> label_counts(np.array([[True, False], [True, False]]), np.array([[True, True], [False, False]]))
    array([[1, 1, 0],
           [0, 0, 1]])
    """
    counts = [(true & predicted), (true & ~predicted), (~true & predicted)]
    return np.stack([each.sum(axis=0) for each in counts], axis=1)


def _figure(counts: Array, names: list[str]) -> Figure:
    shown = np.argsort(-(counts[:, 1] + counts[:, 2]), kind="stable")[:MAX_BARS]
    hits, misses, alarms = counts[shown].T

    def draw(axes: Any) -> None:
        place = np.arange(len(shown))
        axes.barh(place, hits, color=TRAINING, alpha=0.75, label="right")
        axes.barh(place, misses, left=hits, color=VALIDATION, alpha=0.75, label="missed")
        axes.barh(place, -alarms, color=VALIDATION, alpha=0.4, label="false")
        axes.set_yticks(place, [names[i] for i in shown])
        axes.invert_yaxis()
        axes.set_xlabel("rows; false ones to the left")
        count_ticks(axes.xaxis)
        if misses.any() or alarms.any():
            axes.legend()

    total = counts.sum(axis=0)
    alt = (
        f"Of {total[0] + total[1]} labels of the rows, {total[0]} are predicted and {total[1]} are missed; "
        f"{total[2]} are predicted wrongly. The labels with the most errors come first."
    )
    more = f" {MAX_BARS} of {len(names)} labels are drawn." if len(names) > MAX_BARS else ""
    size = (4.6, max(3.0, 1.0 + ROW_HEIGHT * len(shown)))
    return Figure("labels", alt, draw, None, size, f"{alt}{more}")


def _table(counts: Array, names: list[str], true: Array, output: Array) -> Table:
    """Return precision, recall, f1 and the area below the ROC curve of each label."""
    rows = []
    for k, name in enumerate(names):
        hits, misses, alarms = map(int, counts[k])
        curve = roc_curve(true[:, k], output[:, k])
        ratios = [(hits, hits + alarms), (hits, hits + misses), (2 * hits, 2 * hits + misses + alarms)]
        values = [f"{a / b:.4f}" if b else "-" for a, b in ratios]
        area = "-" if curve is None else f"{curve.area:.4f}"
        rows.append([name, hits + misses, hits + alarms, *values, area])
    head = ["label", "rows", "predicted", "precision", "recall", "f1", "ROC area"]
    return Table(head, rows, "labels")
