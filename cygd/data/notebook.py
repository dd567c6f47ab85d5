"""A dataset in a notebook: what `cygd data` prints of the data of an experiment."""

from __future__ import annotations

from cygd.data.dataset import Dataset
from cygd.data.describe import ColumnSummary, summarize_column
from cygd.data.table import Table as Columns
from cygd.display.html import Table, block
from cygd.errors import format_count

MAX_COLUMNS = 40


def describe_dataset(dataset: Dataset) -> str:
    """Return the HTML of a dataset."""
    columns = Columns.from_dataset(dataset)
    roles = {**dict.fromkeys(dataset.inputs, "input"), **dict.fromkeys(columns.targets, "target")}
    shown = list(roles)[:MAX_COLUMNS]
    shown += [name for name in columns.targets if name not in shown]
    summaries = [
        summarize_column(name, columns.columns[name], roles[name], name in columns.categorical)
        for name in shown
    ]
    title = (
        f"Dataset: {format_count(len(dataset.x), 'row')}, {format_count(len(dataset.inputs), 'input')}, "
        f"{format_count(len(columns.targets), 'target')}"
    )
    weights = dataset.sample_weight
    notes = [] if weights is None else [f"the sample weights sum to {weights.sum():g}"]
    return block(title, summary_table(summaries, len(roles)), *notes)


def summary_table(columns: list[ColumnSummary], n_columns: int) -> Table:
    """Return a table of columns."""
    rows = [[c.name, c.role, c.kind, c.missing, c.values] for c in columns]
    return Table(["column", "role", "type", "missing", "values"], rows, n_rows=n_columns)
