"""`cygd data`: the columns, ranges, missing values and splits of an experiment's data."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import EXPERIMENT_HELP, one_experiment
from cygd.cli.output import DONE, UsageError, echo, print_text, redirect_stdout
from cygd.cli.run_lookup import is_run
from cygd.cli.tables import print_table
from cygd.errors import escape_controls, format_count

if TYPE_CHECKING:
    from cygd.data.describe import Description

USAGE = "FILE [KEY=VALUE ...] [--all]"
MAX_COLUMNS = 40
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".gz")


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE, KEY=VALUE", help=EXPERIMENT_HELP)
    parser.add_argument("--all", action="store_true", help=f"show all columns (default: {MAX_COLUMNS})")


def run(options: argparse.Namespace) -> int:
    """Show the data of an experiment: columns, ranges, missing values, classes and splits."""
    from cygd.data.source import SUFFIXES

    file, overrides = one_experiment(options)
    if file.lower().endswith((*TEXT_SUFFIXES, *SUFFIXES)):
        hint = f"`cygd new experiment NAME --data {file}` writes an experiment for it"
        raise UsageError(f"expected an experiment, got the data file {file!r}", hint)
    from cygd.data.describe import describe
    from cygd.plugins.discovery import FORBID
    from cygd.runner.assembly import read

    with redirect_stdout():
        # a run folder is only read: its plugins are not executed
        environment = {**os.environ, FORBID: "1"} if is_run(Path(file).parent) else None
        reading = read(file, overrides, options.plugin, environment)
        description = describe(reading.experiment, reading.plugins)
    _print_columns(description, len(description.columns) if options.all else MAX_COLUMNS)
    _print_splits(description)
    if description.error is not None:
        raise description.error
    if description.gaps and reading.experiment.data.missing == "error":
        verb = "has" if description.gaps == 1 else "have"
        echo(
            f"warning: {format_count(description.gaps, 'row')} {verb} missing values in used columns, "
            "which is an error in training",
            "data.missing=drop leaves these rows out, data.missing=mean fills inputs",
        )
    return DONE


def _print_columns(description: Description, most: int) -> None:
    size = f"{format_count(description.rows, 'row')}, {format_count(len(description.columns), 'column')}"
    print_text(f"{escape_controls(description.where, one_line=True)}: {size}\n")
    rows = [
        {"column": c.name, "role": c.role, "type": c.kind, "missing": str(c.missing), "values": c.values}
        for c in description.columns
    ]
    print_table(rows[:most])
    if len(rows) > most:
        print_text(f"... and {len(rows) - most} more (--all shows all)")


def _print_splits(description: Description) -> None:
    """Print the number of rows of each part, and of each class in it."""
    if not description.parts:
        return
    print_text()
    if description.dropped:
        print_text(f"dropped {format_count(description.dropped, 'row')} with missing values\n")
    for column, count, value in description.filled:
        print_text(f"filled {format_count(count, 'missing value')} of {column} with {value}")
    if description.filled:
        print_text()
    parts = description.parts
    totals = {"part": "rows", **{part: str(rows) for part, rows in parts.items()}}
    classes = [
        {"part": str(label), **{part: str(rows.get(part, 0)) for part in parts}}
        for label, rows in description.classes.items()
    ]
    print_table([totals, *classes])
