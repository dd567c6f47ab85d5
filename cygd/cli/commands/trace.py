"""`cygd trace`: the first updates of an experiment, symbol by symbol."""

from __future__ import annotations

import argparse

from cygd.cli.arguments import EXPERIMENT_HELP, one_experiment, positive_int
from cygd.cli.output import DONE, data_output, redirect_stdout

USAGE = "FILE [KEY=VALUE ...] [--steps N] [--csv | --json | --latex]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE, KEY=VALUE", help=EXPERIMENT_HELP)
    parser.add_argument(
        "--steps", type=positive_int, default=3, metavar="N", help="number of updates (default 3)"
    )
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--csv", action="store_true", help="one row for each weight, as CSV")
    formats.add_argument("--json", action="store_true", help="an array of steps with every digit, as JSON")
    formats.add_argument("--latex", action="store_true", help="the equations with their numbers, for amsmath")


def run(options: argparse.Namespace) -> int:
    """Print every symbol of the first updates."""
    file, overrides = one_experiment(options)
    from cygd.inspection import trace_formats, trace_report
    from cygd.inspection.tracing import trace_steps
    from cygd.runner.assembly import assemble

    with redirect_stdout():
        experiment = assemble(file, overrides, options.plugin)
    writers = {
        "csv": trace_report.write_csv,
        "json": trace_formats.write_json,
        "latex": trace_formats.write_latex,
    }
    chosen = next((name for name in writers if getattr(options, name)), None)
    write = trace_report.write_text if chosen is None else writers[chosen]
    with data_output() as out:
        write(trace_steps(experiment, options.steps), out)
    return DONE
