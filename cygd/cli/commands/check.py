"""`cygd check`: validate experiments without training."""

from __future__ import annotations

import argparse

from cygd.cli.arguments import EXPERIMENT_HELP, experiment_files, missing_experiment, split_overrides
from cygd.cli.error_report import report_error
from cygd.cli.output import DONE, echo, flush_stdout, print_text, redirect_stdout
from cygd.errors import escape_controls

USAGE = "FILE ... [KEY=VALUE ...]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE, KEY=VALUE", help=EXPERIMENT_HELP)


def run(options: argparse.Namespace) -> int:
    """Validate experiments without training."""
    named, overrides = split_overrides(options.arguments)
    if not named:
        raise missing_experiment(f"cygd check {USAGE}", overrides)
    from cygd.runner.assembly import assemble

    files = [file for name in named for file in experiment_files(name)]
    codes = []
    for file in files:
        try:
            with redirect_stdout():
                assemble(file, overrides, options.plugin)
        except Exception as error:
            codes.append(report_error(error, show_traceback=options.traceback))
        else:
            print_text(f"{escape_controls(file, one_line=True)}: ok")
            flush_stdout()
    if len(files) > 1 and codes:
        echo(f"{len(codes)} of {len(files)} experiments are invalid")
    return max(codes, default=DONE)
