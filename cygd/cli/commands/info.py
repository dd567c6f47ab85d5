"""`cygd info`: version, CPU level, threads and optional libraries."""

from __future__ import annotations

import argparse
from typing import Any

from cygd.cli.arguments import load_plugins
from cygd.cli.output import DONE, print_json, print_text

USAGE = "[--json]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print version, CPU level, threads and optional libraries."""
    from cygd import core
    from cygd.network.threads import choose_threads
    from cygd.tracking import environment
    from cygd.tracking.distributions import version

    if options.plugin:
        load_plugins(options.plugin)  # every command validates the plugins that it is given
    built: dict[str, Any] = core.info()
    versions, threads = environment.versions(), choose_threads(None, "auto")
    optional = {
        "OpenMP": built["openmp"],
        **{name: version(name) for name in environment.OPTIONAL},
    }
    if options.json:
        cpu = {"level": built["level"], "levels": built["levels"]}
        report = {"versions": versions, "cpu": cpu, "threads": threads, "optional": optional}
        print_json(report)
        return DONE
    own = versions.pop("cygd")
    print_text(f"cygd       {own} ({', '.join(f'{name} {number}' for name, number in versions.items())})")
    print_text(f"CPU level  {built['level']} (of {', '.join(built['levels'])}; CYGD_CPU forces one)")
    print_text(f"threads    {threads}")
    present = {name: "yes" if value is True else value or "no" for name, value in optional.items()}
    print_text(f"optional   {', '.join(f'{name}: {value}' for name, value in present.items())}")
    return DONE
