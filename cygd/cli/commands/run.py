"""`cygd run`: train an experiment, or resume a run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cygd.cli.arguments import EXPERIMENT_HELP, one_experiment, positive_int, split_overrides
from cygd.cli.output import (
    DONE,
    FAILED,
    UsageError,
    data_output,
    echo,
    is_interactive,
    print_paths,
    redirect_stdout,
)
from cygd.cli.run_lookup import announce_plugins, read_result
from cygd.errors import RunError, RunInterrupted
from cygd.tracking.signals import sigterm_as_interrupt

if TYPE_CHECKING:
    from cygd.tracking.results import Result

RESUME_USAGE = "--resume DIR [KEY=VALUE ...] [--threads N] [--quiet]"
USAGE = f"FILE [KEY=VALUE ...] [--out DIR] [--threads N] [--quiet] [--dry-run]\n  cygd run {RESUME_USAGE}"
DEFAULT_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # of a run folder without --out


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE, KEY=VALUE", help=EXPERIMENT_HELP)
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: a new one under runs/)")
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="number of threads; changes no result"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    parser.add_argument("--dry-run", action="store_true", help="print the resolved YAML and stop")
    parser.add_argument(
        "--resume", metavar="DIR", help="resume the run in this folder; train.epochs may be raised"
    )


def run(options: argparse.Namespace) -> int:
    """Train an experiment, or resume a run that was stopped."""
    if options.resume is not None:
        return _train(_resume(options), options.quiet)
    file, overrides = one_experiment(options)
    if options.dry_run:
        from cygd import config
        from cygd.runner.assembly import read

        with redirect_stdout():
            reading = read(file, overrides, options.plugin)
        with data_output() as out:
            out.write(config.dump(reading.resolved()))
        return DONE
    from cygd.runner import runner

    return _train(
        lambda: runner.run(
            file, overrides, options.plugin, out=options.out, threads=options.threads, quiet=options.quiet
        ),
        options.quiet,
    )


def _resume(options: argparse.Namespace) -> Callable[[], Result]:
    files, overrides = split_overrides(options.arguments)
    given = {"--out": options.out is not None, "--dry-run": options.dry_run}
    rejected = [*files[:1], *(name for name, present in given.items() if present)]
    if rejected:
        raise UsageError(f"--resume cannot be combined with {rejected[0]!r}", f"cygd run {RESUME_USAGE}")
    from cygd.runner import runner

    folder = Path(options.resume).expanduser()
    if not options.quiet and (folder / "config.yaml").is_file():
        announce_plugins(folder)
    return lambda: runner.resume(
        options.resume, overrides, options.plugin, threads=options.threads, quiet=options.quiet
    )


def _train(train: Callable[[], Result], quiet: bool) -> int:
    """Train, print the run folder however training ends, and return the exit code."""
    try:
        with redirect_stdout(), sigterm_as_interrupt():
            result = train()
    except RunError as error:
        if error.result is not None:
            print_paths(error.result.directory)
        raise
    except RunInterrupted as interrupt:
        print_paths(interrupt.directory)
        raise
    print_paths(result.directory)
    if result.status == "diverged":
        echo(
            f"error: the run diverged in epoch {result.epochs + 1}: loss or weights are no longer finite; "
            "the last finite weights are kept",
            "try a smaller optimizer.learning_rate, clip={norm: 1.0} or data.scale=standard",
        )
        return FAILED
    if not quiet and is_interactive():
        _print_next_steps(result.directory)
    return DONE


def _print_next_steps(directory: Path) -> None:
    """Print command lines that use a run: predict, and compare with the previous run."""
    from shlex import quote

    from cygd.runner.provenance import relative_path

    run = quote(relative_path(str(directory)))
    echo(f"next: cygd predict {run} DATA")
    previous = _previous_run(directory)
    if previous is not None:
        echo(f"next: cygd compare {quote(relative_path(str(previous)))} {run}")


def _previous_run(directory: Path) -> Path | None:
    """Return the newest other run of the experiment that ended well; None for an --out folder."""
    if not DEFAULT_NAME.fullmatch(directory.name):
        return None
    paths = [path for path in directory.parent.iterdir() if DEFAULT_NAME.fullmatch(path.name)]
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        if path != directory and read_result(path).get("status") in ("completed", "stopped"):
            return path
    return None
