"""Description of an experiment's data: columns, types, ranges, missing values, classes and part sizes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cygd.components import Components
from cygd.core.deterministic import column_statistics
from cygd.data.column import Column
from cygd.data.columns import ColumnRoles, is_index
from cygd.data.dataset import Label, Rows
from cygd.data.formatting import format_list
from cygd.data.preparation import HELD_OUT, Preparation, Samples, filled_values
from cygd.data.table import Table
from cygd.errors import CygdError, format_count

if TYPE_CHECKING:
    from cygd.config import Experiment


@dataclass(frozen=True)
class ColumnSummary:
    """The summary of one column."""

    name: str
    role: str  # input, target, weight, time, index, or "" if it is not used
    kind: str  # number, boolean, category, or mixed for a numeric column with strings in it
    missing: int  # rows without a value
    values: str  # the range of numbers, or the labels with their counts


@dataclass
class Description:
    """The description of an experiment's data, up to the first error."""

    where: str  # the files
    rows: int  # of the training data's source
    columns: list[ColumnSummary] = field(default_factory=list)
    gaps: int = 0  # rows with a missing value in a column that is used
    dropped: int = 0  # how many of them are dropped
    filled: list[tuple[str, int, str]] = field(default_factory=list)  # column, values, what replaces them
    parts: dict[str, int] = field(default_factory=dict)  # rows by part
    classes: dict[Label, dict[str, int]] = field(default_factory=dict)  # rows by class of the target, by part
    error: CygdError | None = None  # what ended the description early


def describe(experiment: Experiment, components: Components | None = None) -> Description:
    """Describe the data of an experiment without preparing them for training.

    Data that cannot be read raise an error; later errors are stored in the description.
    """
    preparation = Preparation(experiment, components)
    samples = preparation.load(None, keep_array=False)
    table = samples.table
    description = Description(table.where, len(table))
    roles = None
    try:
        roles = preparation.select(samples)
        count_rows(preparation, samples, roles, description)
    except CygdError as error:
        description.error = error
    categorical, names = (roles or table).categorical, column_roles(roles)
    names |= {name: "index" for name in table.columns if name not in names and is_index(name, table)}
    description.columns = [
        summarize_column(name, column, names.get(name, ""), name in categorical)
        for name, column in table.columns.items()
    ]
    return description


def count_rows(
    preparation: Preparation, samples: Samples, roles: ColumnRoles, description: Description
) -> None:
    """Count the rows of each part, and the rows of each class in it."""
    incomplete = np.any([samples.table.column(name).missing for name in roles.used], axis=0)
    description.gaps = int(incomplete.sum())
    table = preparation.drop_missing(samples).table
    description.dropped = description.rows - len(table)
    rows = preparation.split(replace(samples, table=table))
    if preparation.section.missing == "mean":
        columns = preparation.fit_inputs(table, None if rows is None else rows.train)
        description.filled = filled_values(table, columns)
    parts: dict[str, tuple[Table, Rows | None]] = {"training": (table, None if rows is None else rows.train)}
    for part in HELD_OUT:
        if getattr(preparation.section, part):
            parts[part] = (preparation.drop_missing(preparation.load(part)).table, None)
        elif rows is not None and getattr(rows, part) is not None:
            parts[part] = (table, getattr(rows, part))
    for name, (table, selected) in parts.items():
        description.parts[name] = len(table) if selected is None else len(selected)
        if roles.target_class is not None:
            for label, count in table.column(roles.target_class).count_labels(selected).items():
                description.classes.setdefault(label, {})[name] = count


def summarize_column(name: str, column: Column, role: str, categorical: bool) -> ColumnSummary:
    """Return the summary of a column."""
    missing = int(column.missing.sum())
    if column.is_categorical or categorical:
        by_count = sorted(column.count_labels().items(), key=lambda item: -item[1])
        listed = format_list(f"{label} ({count})" for label, count in by_count)
        values = f"{format_count(len(by_count), 'label')}: {listed}"
        return ColumnSummary(name, role, "category", missing, values)
    if column.is_boolean:
        listed = format_list(f"{label} ({count})" for label, count in column.count_labels().items())
        return ColumnSummary(name, role, "boolean", missing, listed)
    values, row = format_range(column), column.first_string_row
    if row is None:
        return ColumnSummary(name, role, "number", missing, values)
    return ColumnSummary(name, role, "mixed", missing, f"{values}; strings such as {column.string_at(row)!r}")


def column_roles(roles: ColumnRoles | None) -> dict[str, str]:
    """Return the roles of each used column, separated by commas."""
    if roles is None:
        return {}
    names_by_role = {
        "input": roles.inputs,
        "target": roles.targets,
        "weight": (roles.sample_weight,),
        "time": (roles.time,),
    }
    found: dict[str, list[str]] = {}
    for role, names in names_by_role.items():
        for name in filter(None, names):
            found.setdefault(name, []).append(role)
    return {name: ", ".join(names) for name, names in found.items()}


def format_range(column: Column) -> str:
    """Return range, mean and standard deviation of the numbers of a column."""
    finite = np.flatnonzero(np.isfinite(column.numbers))
    if not len(finite):
        return "none"
    mean, std, low, high = (v[0] for v in column_statistics(column.numbers[:, None], finite))
    if low == high:
        return f"always {low:g}"
    n_infinite = int(np.isinf(column.numbers).sum())
    infinite = f", {n_infinite} infinite" if n_infinite else ""
    return f"{low:g} to {high:g}, mean {mean:.4g}, std {std:.4g}{infinite}"
