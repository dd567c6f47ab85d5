"""`cygd sweep`: many experiments from one file."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import split_overrides
from cygd.cli.output import DONE, FAILED, UsageError, echo, redirect_stdout

if TYPE_CHECKING:
    from cygd.sweep import Sweep
    from cygd.sweep.store import Record

__all__ = ["USAGE", "declare", "run"]

USAGE = (
    "FILE [KEY=V1,V2 ...] [--workers N] [--threads N] [--out DIR] [--shard K/N] [--resume [DIR]] [--quiet] "
    "[--dry-run]"
)
MOST_LISTED = 10


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what the command understands."""
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="FILE, KEY=V1,V2",
        help="an experiment in YAML, and values that override its own; several values of a key are all run",
    )
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="how many processes (default: one for each thread there is)",
    )
    parser.add_argument(
        "--threads", type=_count, metavar="N", help="how many threads each run has (default 1)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="the folder of the sweep (default: a fresh one under runs/)"
    )
    parser.add_argument(
        "--shard", type=_shard, metavar="K/N", help="make the K-th of N parts; all of them share --out DIR"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="DIR",
        help="make the runs that are missing: of DIR, of --out DIR, or of the newest sweep of FILE",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing but errors, warnings and failed runs"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the configurations as CSV and stop")


def run(options: argparse.Namespace) -> int:
    """Run every configuration that an experiment and its `sweep` stand for."""
    files, overrides = split_overrides(options.arguments)
    directory = options.resume
    if directory and Path(directory).is_file():  # cygd sweep --resume FILE
        files, directory = [directory, *files], ""
    if len(files) > 1:
        raise UsageError(f"one file at a time; {files[1]!r} is no KEY=V1,V2 either")
    if not files and not directory and not (directory == "" and options.out):
        raise UsageError("which experiment? a YAML file is missing", f"{options.prog} FILE [KEY=V1,V2 ...]")
    if options.dry_run:
        return _show(files, overrides, options)
    with redirect_stdout():
        found = (
            _go_on(files, overrides, directory, options)
            if directory is not None
            else _begin(files[0], overrides, options)
        )
    print(found.directory)
    return _tell(found, quiet=options.quiet)


def _begin(file: str, overrides: Sequence[str], options: argparse.Namespace) -> Sweep:
    from cygd.sweep import sweep

    return sweep(
        *(file, overrides, options.plugin),
        out=options.out,
        workers=options.workers,
        threads=options.threads,
        shard=options.shard,
        quiet=options.quiet,
    )


def _go_on(
    files: Sequence[str], overrides: Sequence[str], directory: str, options: argparse.Namespace
) -> Sweep:
    from cygd.sweep import resume
    from cygd.sweep.runner import find_latest_sweep

    if directory and options.out and Path(directory).absolute() != Path(options.out).absolute():
        raise UsageError(
            f"--resume {directory} and --out {options.out} are two folders", "leave out one of them"
        )
    if overrides and not files:
        raise UsageError(
            "what a sweep varies cannot be changed when it goes on", "start another one with FILE"
        )
    file = files[0] if files else None
    place = directory or options.out
    if not place:
        assert file is not None
        place = find_latest_sweep(file, overrides, options.plugin)
    return resume(
        *(place, file, overrides, options.plugin),
        workers=options.workers,
        threads=options.threads,
        shard=options.shard,
        quiet=options.quiet,
    )


def _show(files: Sequence[str], overrides: Sequence[str], options: argparse.Namespace) -> int:
    """Print the configurations, one a line."""
    import csv

    from cygd.sweep.plan import make_plan
    from cygd.sweep.summary import format_cell

    if not files:
        raise UsageError("which experiment? a YAML file is missing", f"{options.prog} FILE --dry-run")
    with redirect_stdout():
        plan = make_plan(files[0], overrides, options.plugin)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["configuration", *plan.keys])
    for number, task in enumerate(plan.tasks()[:: plan.section.repeat]):
        table.writerow([number, *(format_cell(task.values.get(key, "")) for key in plan.keys)])
    return DONE


def _tell(found: Sweep, *, quiet: bool) -> int:
    """Say what was best and what failed; return the exit code."""
    done, failed = len(found.records), found.failed
    if not quiet:
        of = "" if done == found.total else f" of {found.total}"
        echo(f"{done}{of} runs, {len(failed)} failed, in {found.directory}")
        if found.best is not None:
            value = found.best.metrics[found.objective]
            echo(f"best {found.objective} {value:.6g}: {_name(found.best)}")
    for record in failed[:MOST_LISTED]:
        first = record.error.splitlines()[0] if record.error else ""
        echo(f"error: {_name(record)}: {record.status}{first and ': '}{first}")
    if len(failed) > MOST_LISTED:
        echo(
            f"error: and {len(failed) - MOST_LISTED} more; {found.directory / 'summary.csv'} has all of them"
        )
    return FAILED if failed else DONE


def _name(record: Record) -> str:
    """Return a run as people tell it from the others."""
    from cygd.sweep.summary import format_cell

    values = ", ".join(f"{key}={format_cell(value)}" for key, value in record.values.items())
    return f"run {record.run:04d}" + (f" ({values})" if values else "")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, found {text!r}")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, such as 2/4, found {text!r}")
    return int(match[1]), int(match[2])
