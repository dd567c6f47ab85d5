"""Results and models in a notebook: metrics, curves, preprocessing and the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cygd.data import Preprocessing
from cygd.display.charts import Series, line_chart
from cygd.display.html import Table, block
from cygd.display.plot import Plot
from cygd.errors import format_count
from cygd.network import Network
from cygd.network.notebook import layer_table, plot_network

PARTS = {"": "training", "validation_": "validation", "test_": "test"}
HIDDEN = ("epoch", "seconds", "running_loss", "learning_rate", "penalty")
MAX_CHARTS, MAX_ROWS, MAX_LABELS = 4, 40, 8


def describe_result(
    title: str, metrics: Mapping[str, float], history: Mapping[str, Sequence[float]], directory: Path
) -> str:
    """Return the HTML of a result."""
    return block(title, metrics_table(metrics), str(directory), markup=plot_history(title, history).drawings)


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """Return a row for each metric, and a column for each part of the data."""
    by_part: dict[str, dict[str, float]] = {part: {} for part in PARTS.values()}
    for name, value in metrics.items():
        prefix = next((prefix for prefix in ("validation_", "test_") if name.startswith(prefix)), "")
        by_part[PARTS[prefix]][name.removeprefix(prefix)] = value
    parts = [part for part, values in by_part.items() if values]
    names = dict.fromkeys(name for part in parts for name in by_part[part])
    rows = [[name, *(by_part[part].get(name, "") for part in parts)] for name in names]
    return Table(["metric", *parts], rows)


def plot_history(title: str, history: Mapping[str, Sequence[float]]) -> Plot:
    """Return a chart for each metric over the epochs, of training and validation rows in one."""
    charts, epochs = [], history.get("epoch", ())
    names = [name for name in history if name not in HIDDEN and not name.startswith("validation_")]
    for name in sorted(names, key=lambda name: name != "loss")[:MAX_CHARTS]:
        series = [
            Series(PARTS[prefix], epochs, history[f"{prefix}{name}"])
            for prefix in ("", "validation_")
            if len(history.get(f"{prefix}{name}", ())) == len(epochs) > 1
        ]
        if series:
            charts.append(line_chart(name, series))
    running = history.get("running_loss", ())
    if not charts and len(running) > 1:  # evaluate_every: 0
        charts.append(line_chart("running loss", [Series("", range(1, len(running) + 1), running)]))
    return Plot(title, tuple(charts))


def describe_model(network: Network, preprocessing: Preprocessing) -> str:
    """Return the HTML of a model."""
    n_inputs = format_count(len(preprocessing.inputs), "input")
    predicted = ", ".join(preprocessing.targets[:MAX_LABELS])
    names = preprocessing.features if network.n_inputs == len(preprocessing.features) else ()
    return block(
        f"Model: {predicted} from {n_inputs}",
        _input_table(preprocessing),
        *_target_lines(preprocessing),
        layer_table(network),
        markup=plot_network(network, names).drawings,
    )


def _input_table(preprocessing: Preprocessing) -> Table:
    """Return how each raw column enters the network."""
    columns, rows = preprocessing.columns, list[list[object]]()
    is_filled = any(column.fill is not None for column in columns)
    for column in columns[:MAX_ROWS]:
        is_scaled = (column.shift, column.scale) != (0, 1)
        change = f"(v - {column.shift:.6g}) / {column.scale:.6g}" if is_scaled else "v"
        kind = "number"
        if column.categories is not None:
            kind, change = "category", f"one column for each of {_listed(column.categories)}"
        fill = "" if column.fill is None else column.fill
        rows.append([column.column, kind, change, *([fill] if is_filled else [])])
    head = ["input", "type", "enters the network as", *(["missing values are"] if is_filled else [])]
    return Table(head, rows, n_rows=len(columns))


def _target_lines(preprocessing: Preprocessing) -> list[str]:
    if preprocessing.classes:
        return [f"classes of {preprocessing.targets[0]}: {_listed(preprocessing.classes)}"]
    if not preprocessing.target_scale:
        return []
    terms = zip(preprocessing.targets, preprocessing.target_scale, preprocessing.target_shift, strict=True)
    return [f"{name} = {scale:.6g} output + {shift:.6g}" for name, scale, shift in list(terms)[:MAX_LABELS]]


def _listed(labels: Sequence[object]) -> str:
    return ", ".join(map(str, labels[:MAX_LABELS])) + (", ..." if len(labels) > MAX_LABELS else "")
