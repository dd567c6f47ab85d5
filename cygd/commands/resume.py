"""`cygd run --resume DIR`: a run that was stopped goes on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from cygd.commands.arguments import split
from cygd.commands.talk import UsageError

if TYPE_CHECKING:
    from cygd.results import Result

__all__ = ["USAGE", "declare", "prepare"]

USAGE = "--resume DIR [KEY=VALUE ...] [--threads N] [--quiet]"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the option of `cygd run`."""
    words = "go on with the run in this folder; train.epochs may be raised"
    parser.add_argument("--resume", metavar="DIR", help=words)


def prepare(options: argparse.Namespace) -> Callable[[], Result]:
    """Return what goes on with a run.

    Raises
    ------
    UsageError
        Something was given that has no meaning for a run that has begun.
    """
    files, overrides = split(options.arguments)
    given = {"--out": options.out is not None, "--dry-run": options.dry_run}
    senseless = [*files[:1], *(name for name, there in given.items() if there)]
    if senseless:
        message = f"--resume goes on with the run in a folder, {senseless[0]!r} has no meaning there"
        raise UsageError(message, f"cygd run {USAGE}")
    from cygd import runner

    return lambda: runner.resume(
        options.resume, overrides, options.plugin, threads=options.threads, quiet=options.quiet
    )
