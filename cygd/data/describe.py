"""What an experiment sees of its data: columns, types, ranges, gaps, classes, and the rows of each part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cygd.components import Components
from cygd.core.deterministic import column_statistics
from cygd.data.columns import Selection, select
from cygd.data.dataset import Dataset, Label, Rows
from cygd.data.prepare import PARTS, Preparation, Samples
from cygd.data.table import Column, Table, listed
from cygd.errors import CygdError

if TYPE_CHECKING:
    from cygd.config import Experiment

__all__ = ["ColumnSummary", "Description", "describe"]


@dataclass(frozen=True)
class ColumnSummary:
    """One column.

    Attributes
    ----------
    name : str
        As the source calls it.
    role : str
        input, target, weight, time, or "" for one that is not used.
    kind : str
        number, category, or mixed, which is a number column with texts in it.
    missing : int
        How many rows have no value.
    values : str
        The range of numbers, or the labels with their counts.
    """

    name: str
    role: str
    kind: str
    missing: int
    values: str


@dataclass
class Description:
    """What there is to see, as far as it goes.

    Attributes
    ----------
    where : str
        The files.
    rows : int
        All rows of the training data's source.
    columns : list of ColumnSummary
        Its columns.
    gaps : int
        Rows with a missing value in a column that is used.
    dropped : int
        How many of them are left out.
    parts : dict
        How many rows train, validate and test.
    classes : dict
        For each class of the target the rows of each part that are of it.
    error : CygdError, optional
        What stood in the way of more.
    """

    where: str
    rows: int
    columns: list[ColumnSummary] = field(default_factory=list)
    gaps: int = 0
    dropped: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    classes: dict[Label, dict[str, int]] = field(default_factory=dict)
    error: CygdError | None = None


def describe(experiment: Experiment, components: Components | None = None) -> Description:
    """Look at the data of an experiment without preparing them for training.

    Raises
    ------
    CygdError
        Where the data cannot even be read; whatever is wrong later is the description's `error`.
    """
    preparation = Preparation(experiment, components)
    samples = whole(preparation, preparation.load(None))
    description = Description(samples.table.where, len(samples.table))
    selection = None
    try:
        selection = select(experiment.data, samples.table, samples.inputs, preparation.problem)
    except CygdError as error:
        description.error = error
    description.columns = [
        summary(name, column, selection, samples.table) for name, column in samples.table.columns.items()
    ]
    if selection is not None:
        try:
            look_at_rows(preparation, samples, selection, description)
        except CygdError as error:
            description.error = error
    return description


def whole(preparation: Preparation, samples: Samples) -> Samples:
    """Return samples with their inputs in the table, too."""
    if samples.block is None:
        return samples
    inputs = Table.of_dataset(Dataset(samples.block, np.zeros(len(samples.table)), samples.inputs, ["-"]))
    columns = {name: inputs.columns[name] for name in samples.inputs} | dict(samples.table.columns)
    table = Table(
        columns,
        samples.table.where,
        numbered=True,
        targets=samples.table.targets,
        categorical=samples.table.categorical,
        weights=samples.table.weights,
    )
    return Samples(table, None, samples.inputs)


def look_at_rows(
    preparation: Preparation, samples: Samples, selection: Selection, description: Description
) -> None:
    """Count the rows of each part, and of each class in it."""
    preparation.selection = selection
    gaps = np.any([samples.table.column(name).missing for name in selection.used], axis=0)
    description.gaps = int(gaps.sum())
    samples = preparation.complete(samples)
    description.dropped = description.rows - len(samples.table)
    rows = preparation.split(samples)
    found: dict[str, tuple[Table, Rows | None]] = {
        "training": (samples.table, None if rows is None else rows.train)
    }
    for part in PARTS:
        if getattr(preparation.section, part):
            own = preparation.complete(preparation.load(part))
            found[part] = (own.table, None)
        elif rows is not None and getattr(rows, part) is not None:
            found[part] = (samples.table, getattr(rows, part))
    for name, (table, chosen) in found.items():
        description.parts[name] = len(table) if chosen is None else len(chosen)
        if selection.target_class is not None:
            for label, count in counted(table.column(selection.target_class), chosen):
                description.classes.setdefault(label, {})[name] = count


def summary(name: str, column: Column, selection: Selection | None, table: Table) -> ColumnSummary:
    """Return what is to be said of a column."""
    categorical = column.categorical or name in (selection.categorical if selection else table.categorical)
    missing = int(column.missing.sum())
    if categorical:
        counts = dict(counted(column))
        labels = sorted(counts, key=lambda label: -counts[label])
        noun = "label" if len(labels) == 1 else "labels"
        values = f"{len(labels)} {noun}: " + listed(f"{label} ({counts[label]})" for label in labels)
        return ColumnSummary(name, role(name, selection), "category", missing, values)
    values = ranged(column)
    row = column.first_text
    if row is not None:
        values = f"{values}; texts such as {column.text(row)!r}"
    return ColumnSummary(name, role(name, selection), "number" if row is None else "mixed", missing, values)


def role(name: str, selection: Selection | None) -> str:
    """Return what a column is for."""
    if selection is None:
        return ""
    roles = {
        "input": selection.inputs,
        "target": selection.targets,
        "weight": (selection.sample_weight,),
        "time": (selection.time,),
    }
    return ", ".join(word for word, names in roles.items() if name in names)


def ranged(column: Column) -> str:
    """Return the range of the numbers of a column."""
    present = np.flatnonzero(np.isfinite(column.numbers))
    if not len(present):
        return "none"
    infinite = int(np.isinf(column.numbers).sum())
    mean, deviation, low, high = (v[0] for v in column_statistics(column.numbers[:, None], present))
    if low == high:
        return f"always {low:g}"
    more = f", {infinite} infinite" if infinite else ""
    return f"{low:g} to {high:g}, mean {mean:.4g}, deviation {deviation:.4g}{more}"


def counted(column: Column, rows: Rows | None = None) -> Iterator[tuple[Label, int]]:
    """Yield each label of a column with its count in some rows."""
    codes, labels = column.labels()
    chosen = codes if rows is None else codes[rows]
    counts = np.bincount(chosen[chosen >= 0], minlength=len(labels))
    yield from ((label, int(count)) for label, count in zip(labels, counts, strict=True) if count)
