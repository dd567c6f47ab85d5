"""`cygd data`: what an experiment sees of its data."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cygd.cli.arguments import split_overrides
from cygd.cli.output import DONE, UsageError, echo, print_table, redirect_stdout

if TYPE_CHECKING:
    from cygd.data.describe import Description

__all__ = ["USAGE", "declare", "run"]

USAGE = "FILE [KEY=VALUE ...] [--all]"
MOST = 40  # columns; pictures have hundreds
TABLES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".npz", ".npy", ".svm", ".svmlight", ".libsvm")


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="FILE, KEY=VALUE",
        help="an experiment, and overrides",
    )
    parser.add_argument("--all", action="store_true", help=f"all columns, however many (default {MOST})")


def run(options: argparse.Namespace) -> int:
    """Show what an experiment sees of its data: columns, ranges, gaps, classes, parts."""
    files, overrides = split_overrides(options.arguments)
    if len(files) != 1:
        wrong = f"one file at a time; {files[1]!r} is no KEY=VALUE either" if files else ""
        raise UsageError(wrong or "which experiment? a YAML file is missing", f"cygd data {USAGE}")
    if files[0].lower().endswith(TABLES):
        hint = "write an experiment that reads it: data: {source: ..., path: ..., targets: [...]}"
        raise UsageError(f"{files[0]} holds data, and an experiment says what they mean", hint)
    from cygd.data.describe import describe
    from cygd.runner.assembly import read

    with redirect_stdout():
        reading = read(files[0], overrides, options.plugin)
        found = describe(reading.experiment, reading.plugins)
    show(found, len(found.columns) if options.all else MOST)
    if found.error is not None:
        raise found.error
    if found.gaps and reading.experiment.data.missing == "error":
        rows = "row has" if found.gaps == 1 else "rows have"
        hint = "data.missing: drop leaves such rows out, data.missing: mean fills the gaps of inputs"
        echo(
            f"warning: {found.gaps} {rows} a missing value in a column that is used, which is an error", hint
        )
    return DONE


def show(found: Description, most: int) -> None:
    """Print the columns, the parts and the classes."""
    columns = "column" if len(found.columns) == 1 else "columns"
    print(f"{found.where}: {found.rows} rows, {len(found.columns)} {columns}\n")
    rows = [
        {"column": c.name, "role": c.role, "type": c.kind, "missing": str(c.missing), "values": c.values}
        for c in found.columns
    ]
    print_table(rows[:most])
    if len(rows) > most:
        print(f"... and {len(rows) - most} more, which --all shows")
    if not found.parts:
        return
    print()
    if found.dropped:
        print(f"{found.dropped} {'row' if found.dropped == 1 else 'rows'} with a missing value left out\n")
    parts = list(found.parts)
    counts = {"part": "rows", **{part: str(found.parts[part]) for part in parts}}
    classes = [
        {"part": str(label), **{part: str(counts.get(part, 0)) for part in parts}}
        for label, counts in found.classes.items()
    ]
    print_table([counts, *classes])
