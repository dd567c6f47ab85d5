"""`cygd sweep`: many runs of one experiment."""

from __future__ import annotations

import argparse
import csv
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import missing_experiment, positive_int, reject_several, split_overrides
from cygd.cli.output import (
    DONE,
    FAILED,
    UsageError,
    data_output,
    echo,
    format_number,
    print_paths,
    redirect_stdout,
)
from cygd.errors import format_count

if TYPE_CHECKING:
    from cygd.sweep import Sweep
    from cygd.sweep.store import Record

USAGE = (
    "FILE [KEY=V1,V2 ...] [--workers N] [--threads N] [--out DIR] [--shard K/N] [--resume [DIR]] [--quiet] "
    "[--dry-run]"
)
MAX_ERRORS = 10


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="FILE, KEY=V1,V2",
        help="an experiment in YAML, and overrides; a key with several values is varied over them",
    )
    parser.add_argument(
        "--workers", type=positive_int, metavar="N", help="number of processes (default: one per thread)"
    )
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="number of threads of each run (default 1)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="the folder of the sweep (default: a new one under runs/)"
    )
    parser.add_argument(
        "--shard", type=_shard, metavar="K/N", help="run the K-th of N parts; all parts share --out DIR"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="DIR",
        help="run what is missing in DIR, in --out DIR, or in the newest sweep of FILE",
    )
    parser.add_argument("--quiet", action="store_true", help="print only errors, warnings and failed runs")
    parser.add_argument("--dry-run", action="store_true", help="print the configurations as CSV and stop")


def run(options: argparse.Namespace) -> int:
    """Run every configuration that an experiment, its `sweep` section and the overrides describe."""
    directory, arguments = options.resume, options.arguments
    if directory and (Path(directory).is_file() or split_overrides([directory])[1]):
        # argparse takes the FILE or KEY=VALUE after a bare --resume as its DIR
        directory, arguments = "", [directory, *arguments]
    files, overrides = split_overrides(arguments)
    reject_several("experiment file", files)
    resuming = directory is not None
    if not files and (options.dry_run or not (directory or (resuming and options.out))):
        raise missing_experiment(f"{options.prog} FILE [KEY=V1,V2 ...]", overrides)
    if options.dry_run:
        return _print_configurations(files[0], overrides, options.plugin)
    from cygd.sweep import resume, sweep

    settings = {name: getattr(options, name) for name in ("workers", "threads", "shard", "quiet")}
    with redirect_stdout():
        if resuming:
            file = files[0] if files else None
            folder = _folder_to_resume(directory, file, overrides, options)
            if file is None and not options.quiet:
                _announce_plugins(folder)
            result = resume(folder, file, overrides, options.plugin, **settings)
        else:
            result = sweep(files[0], overrides, options.plugin, out=options.out, **settings)
    print_paths(result.directory)
    return _report(result, quiet=options.quiet)


def _announce_plugins(folder: str) -> None:
    """Print each plugin that resuming a sweep from its folder alone will execute."""
    from cygd.plugins.discovery import forbids_plugins
    from cygd.sweep.runner import recorded_plugins
    from cygd.sweep.store import Store

    if not forbids_plugins(os.environ):
        for name in recorded_plugins(Store(Path(folder).expanduser().absolute())):
            echo(f"executing {name}, a plugin of the sweep; --no-plugins forbids it")


def _folder_to_resume(
    directory: str, file: str | None, overrides: list[str], options: argparse.Namespace
) -> str:
    """Return the folder of --resume or of --out, or that of the newest sweep of a file."""
    from cygd.sweep.runner import find_newest_sweep

    if directory and options.out and Path(directory).absolute() != Path(options.out).absolute():
        raise UsageError(
            f"--resume {directory} and --out {options.out} are different folders", "leave out one of them"
        )
    if overrides and file is None:
        raise UsageError(
            "--resume DIR cannot be combined with overrides",
            "start a new sweep: cygd sweep FILE [KEY=V1,V2 ...]",
        )
    if not directory and not options.out:
        assert file is not None
        return str(find_newest_sweep(file, overrides, options.plugin))
    return directory or str(options.out)


def _print_configurations(file: str, overrides: list[str], plugins: list[str]) -> int:
    from cygd.sweep.plan import make_plan
    from cygd.sweep.summary import format_cell

    with redirect_stdout():
        plan = make_plan(file, overrides, plugins)
    with data_output() as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["configuration", *plan.keys])
        for number, task in enumerate(plan.tasks()[:: plan.section.repeat]):
            table.writerow([number, *(format_cell(task.values.get(key, "")) for key in plan.keys)])
    return DONE


def _report(sweep: Sweep, *, quiet: bool) -> int:
    """Print the best run and the failed ones, and return the exit code."""
    done, failed = len(sweep.records), sweep.failed
    if not quiet:
        runs = format_count(done, "run") if done == sweep.total else f"{done} of {sweep.total} runs"
        echo(f"{runs}, {len(failed)} failed, in {sweep.directory}")
        if sweep.best is not None:
            value = format_number(sweep.best.metrics[sweep.objective], 6)
            echo(f"best {sweep.objective} {value}: {_describe(sweep.best)}")
    for record in failed[:MAX_ERRORS]:
        first_line = record.error.split("\n", 1)[0]
        echo(f"error: {_describe(record)}: {record.status}" + (f": {first_line}" if first_line else ""))
    if len(failed) > MAX_ERRORS:
        summary = sweep.directory / "summary.csv"
        echo(f"error: {len(failed) - MAX_ERRORS} more runs failed", f"{summary} lists all of them")
    return FAILED if failed else DONE


def _describe(record: Record) -> str:
    """Return the number of a run with the values that its configuration sets."""
    from cygd.sweep.summary import format_cell

    values = ", ".join(f"{key}={format_cell(value)}" for key, value in record.values.items())
    return f"run {record.run:04d}" + (f" ({values})" if values else "")


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, such as 2/4, got {text!r}")
    return int(match[1]), int(match[2])
