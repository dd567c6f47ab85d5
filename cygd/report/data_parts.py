"""Tables of the data of a run: its parts, its columns, and the rows with the largest errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygd.data import PreparedData
from cygd.display.html import Table
from cygd.errors import CygdError
from cygd.report.evaluation import Evaluation
from cygd.report.page import Details, Part

Array = NDArray[Any]
MAX_COLUMNS = 60  # of the data in a table
MAX_INPUTS = 8  # columns beside an error
WORST = 10  # rows
MAX_OUTPUTS = 4
MAX_DIGITS = 12  # of a number


def data_parts(data: PreparedData) -> list[Part]:
    """Return the parts of the section on the data."""
    sizes = [("training", data.train), ("validation", data.validation), ("test", data.test)]
    counts = Table(["part", "rows"], [[name, len(part)] for name, part in sizes if part is not None])
    preprocessing = data.preprocessing
    rows = []
    for column in preprocessing.columns[:MAX_COLUMNS]:
        if column.categories is not None:
            change = f"one column for each of {len(column.categories)} labels"
        elif (column.shift, column.scale) != (0, 1):
            change = f"(v - {column.shift:.6g}) / {column.scale:.6g}"
        else:
            change = "as it is"
        rows.append([column.column, change, "" if column.fill is None else str(column.fill)])
    columns = Table(
        ["input", "enters the network", "missing values become"], rows, "inputs", len(preprocessing.columns)
    )
    targets = ", ".join(preprocessing.targets[:20])
    text = f"targets: {targets}" if len(preprocessing.targets) <= 20 else f"targets: {targets}, ..."
    if preprocessing.classes:
        text += f"; classes: {', '.join(map(str, preprocessing.classes[:40]))}"
    parts: list[Part] = [counts, text]
    balance = _class_counts(data)
    if balance is not None:
        parts.append(balance)
    return [*parts, Details(f"inputs ({len(preprocessing.columns)})", [columns])]


def _class_counts(data: PreparedData) -> Table | None:
    """Return how many rows of each part belong to each class, if the targets are labels."""
    labels = data.preprocessing.classes
    if not labels:
        return None
    parts = [("training", data.train), ("validation", data.validation), ("test", data.test)]
    shown = [(name, part.take()[1]) for name, part in parts if part is not None]
    counts = []
    for _, y in shown:
        classes = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(int)
        counts.append(np.bincount(classes, minlength=len(labels)))
    rows = [[str(label), *(int(count[k]) for count in counts)] for k, label in enumerate(labels)]
    return Table(["class", *(name for name, _ in shown)], rows, "rows of each class")


def worst_rows(evaluation: Evaluation) -> list[Part]:
    """Return the rows that the network predicts worst, with their columns as the data have them."""
    y, y_hat = evaluation.y.astype(float), evaluation.y_hat.astype(float)
    with np.errstate(all="ignore"):
        scale = np.maximum(y.std(axis=0), 1e-12) if evaluation.kind in ("continuous", "numbers") else 1.0
        error = np.sqrt((((y - y_hat) / scale) ** 2).mean(axis=1))
    error = np.where(np.isnan(error), np.inf, error)
    order = [int(row) for row in np.argsort(-error, kind="stable")[:WORST] if error[row] > 0]
    if not order:
        return ["All rows are predicted exactly."]
    head = ["row", *_target_head(evaluation), *_input_names(evaluation)]
    rows = [
        [_location(evaluation, i), *_target_cells(evaluation, i), *_input_cells(evaluation, i)] for i in order
    ]
    part = evaluation.part
    note = f"The {len(order)} {part} rows with the largest errors"
    if len(order) == 1:
        note = f"The {part} row with the largest error"
    more = len(_all_inputs(evaluation)) - MAX_INPUTS
    text = f"{note}; {more} more columns are not shown." if more > 0 else f"{note}."
    return [text, Table(head, rows)]


def _target_head(evaluation: Evaluation) -> list[str]:
    if evaluation.kind in ("binary", "classes"):
        return ["class", "predicted", "output"]
    names = evaluation.data.targets[:MAX_OUTPUTS]
    return [text for name in names for text in (name, f"predicted {name}")]


def _target_cells(evaluation: Evaluation, i: int) -> list[str]:
    y, y_hat = evaluation.y[i], evaluation.y_hat[i]
    if evaluation.kind in ("binary", "classes"):
        true, predicted = int(evaluation.true_classes[i]), int(evaluation.predicted_classes[i])
        outputs = f"{y_hat[0 if len(y_hat) == 1 else predicted]:.4g}"
        if len(y_hat) > 1 and predicted != true:
            outputs += f", {y_hat[true]:.4g} for the class"
        return [evaluation.labels[true], evaluation.labels[predicted], outputs]
    return [text for k in range(min(len(y), MAX_OUTPUTS)) for text in (f"{y[k]:.6g}", f"{y_hat[k]:.6g}")]


def _all_inputs(evaluation: Evaluation) -> list[str]:
    if evaluation.table is None:
        return list(evaluation.data.inputs)
    known = evaluation.table.columns
    return [name for name in evaluation.data.preprocessing.inputs if name in known]


def _input_names(evaluation: Evaluation) -> list[str]:
    return _all_inputs(evaluation)[:MAX_INPUTS]


def _input_cells(evaluation: Evaluation, i: int) -> list[str]:
    if evaluation.table is None:
        return [f"{value:.5g}" for value in evaluation.x[i][:MAX_INPUTS]]
    return [_value(evaluation, i, name) for name in _input_names(evaluation)]


def _value(evaluation: Evaluation, i: int, name: str) -> str:
    """Return a value as its file writes it; a long decimal number is rounded."""
    assert evaluation.table is not None
    try:
        text = evaluation.table.value_text(i, name)
    except CygdError:
        return "-"
    if len(text) <= MAX_DIGITS or "." not in text:
        return text
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _location(evaluation: Evaluation, i: int) -> str:
    """Return the number of a row in its source, from 0."""
    table = evaluation.table
    if table is None or table.index is None:
        return str(i)
    return str(int(table.index[i]))
