"""The roles of a table's columns: inputs, targets, categorical columns, sample weight and time."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cygd.data.formatting import format_list, suggest_delimiter, suggest_name
from cygd.data.numbers import parse_number
from cygd.data.table import Table
from cygd.errors import CygdError

if TYPE_CHECKING:
    from cygd.config.sections import DataSection

log = logging.getLogger("cygd")

# of pandas, for the index that it stores in Parquet and for a column of CSV without a name
INDEX_NAME = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)*")

FIRST_ROWS = 5  # that may hold the names of the columns, below a title

MakeError = Callable[[str, str, str | None], CygdError]  # of key, message and hint


@dataclass(frozen=True)
class ColumnRoles:
    """The names of the columns by role; `target_class` is the categorical target."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    categorical: frozenset[str]
    target_class: str | None
    sample_weight: str | None
    time: str | None = None

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that the experiment needs."""
        others = (name for name in (self.sample_weight, self.time) if name is not None)
        return tuple(dict.fromkeys((*self.inputs, *self.targets, *others)))


def assign_roles(
    section: DataSection, table: Table, inputs: tuple[str, ...], make_error: MakeError
) -> ColumnRoles:
    """Resolve the columns that a data section names; `inputs` are those in one array beside the table."""
    resolve = partial(resolve_columns, table, make_error)
    targets = resolve("data.targets", section.targets or ()) or table.targets
    if not targets:
        hint = f"name the column to predict; the columns are {format_list(table.columns)}"
        raise make_error("data.targets", "the key 'targets' is missing", hint)
    weight = None
    if section.sample_weight is not None:
        (weight,) = resolve("data.sample_weight", (section.sample_weight,))
        if weight in targets:
            raise make_error("data.sample_weight", f"column {weight!r} is a target", None)
    time = None
    if section.split is not None and section.split.time not in (None, True):
        (time,) = resolve("data.split.time", (section.split.time,))
    if section.inputs is not None:
        inputs = resolve("data.inputs", section.inputs)
        for name in inputs:
            if name in targets or name == weight:
                role = "a target" if name in targets else "the sample weight"
                raise make_error("data.inputs", f"column {name!r} is also {role}", None)
    elif not inputs:
        others = (*targets, *table.targets, weight, time)
        inputs = tuple(name for name in table.columns if name not in others)
        index = tuple(name for name in inputs if is_index(name, table))
        inputs = tuple(name for name in inputs if name not in index)
        if index:
            log_left_out(table, index)
    if not inputs:
        raise make_error("data.inputs", "no columns are left for the inputs", None)
    listed = resolve("data.categorical", section.categorical)
    categorical = frozenset(
        name
        for name in (*inputs, *targets)
        if name in table.columns
        and (name in listed or name in table.categorical or table.columns[name].is_categorical)
    )
    if len(targets) == 1 and targets[0] in table.columns and table.columns[targets[0]].is_boolean:
        categorical |= {targets[0]}
    classes = [name for name in targets if name in categorical]
    if classes and len(targets) > 1:
        message = (
            f"expected one categorical target, got {len(targets)} targets with {classes[0]!r} categorical"
        )
        hint = "for several yes-or-no targets use columns of 0 and 1"
        raise make_error("data.targets", message, hint)
    return ColumnRoles(inputs, targets, categorical, classes[0] if classes else None, weight, time)


def is_index(name: str, table: Table) -> bool:
    """Return True for a column of row numbers or row names."""
    return name in table.index_columns or INDEX_NAME.fullmatch(name) is not None


def log_left_out(table: Table, index: tuple[str, ...]) -> None:
    """Log a warning for index columns that are not inputs because the experiment does not name them."""
    noun = "column" if len(index) == 1 else "columns"
    where = f"{table.where}: " if table.where else ""
    message = f"{where}left out the index {noun} {format_list(map(repr, index))}"
    log.warning("%s", message, extra={"hint": "name all inputs in data.inputs to change that"})


def resolve_columns(
    table: Table, make_error: MakeError, key: str, references: Iterable[str | int]
) -> tuple[str, ...]:
    """Return the columns given by name or, if the names are generated, by position; each at most once."""
    known = list(table.columns)
    names: dict[str, None] = {}  # a set in order
    for reference in references:
        if str(reference) in table.columns:
            name = str(reference)
        elif table.default_names and isinstance(reference, int) and 0 <= reference < len(known):
            name = known[reference]
        else:
            where = f" in {table.where}" if table.where else ""
            hint = hint_for_unknown(str(reference), known, table)
            raise make_error(key, f"unknown column {reference!r}{where}", hint)
        if name in names:
            raise make_error(key, f"column {name!r} is listed twice", None)
        names[name] = None
    return tuple(names)


def line_of_name(name: str, table: Table) -> int | None:
    """Return the line among the first rows of a text file that holds the name of a column, or None."""
    line_number = table.files[0].line_number
    for row in range(min(FIRST_ROWS, len(table))):
        for column in table.columns.values():
            is_string = column.string_codes is not None and column.string_codes[row] >= 0
            if is_string and column.string_at(row) == name and column.string_counts[name] == 1:
                return None if line_number is None else line_number(row)
    return None


def hint_for_unknown(name: str, known: list[str], table: Table) -> str:
    """Return a hint for an unknown column: a title above the names, a missing header, another delimiter."""
    if table.is_text and (line := line_of_name(name, table)):
        return f"set data.skip_rows: {line - 1} if the table begins on line {line}, which holds {name!r}"
    if 2 * sum(parse_number(column) is not None for column in known) > len(known):
        return "the first line holds numbers; use header: false if the file has no column names"
    return suggest_delimiter(known) or suggest_name(name, known, "columns")
