"""`cygd schema`: what an experiment may hold, for editors."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from cygd.cli.arguments import split_overrides
from cygd.cli.output import DONE, UsageError, redirect_stdout

__all__ = ["USAGE", "declare", "run"]

USAGE = "[FILE ...]"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("arguments", nargs="*", metavar="FILE", help="experiments whose plugins are loaded")


def run(options: argparse.Namespace) -> int:
    """Print the JSON Schema of an experiment, with the options of all components and plugins."""
    from cygd import config
    from cygd.components.json_schema import options_schema
    from cygd.config.json_schema import experiment_schema
    from cygd.plugins.discovery import Request, option_requests
    from cygd.plugins.manager import Plugins

    files, overrides = split_overrides(options.arguments)
    if overrides:
        raise UsageError(
            f"{overrides[0]!r} is no file; a schema depends on no values", f"cygd schema {USAGE}"
        )
    named = [Request(*found) for file in files for found in config.read(file).plugin_requests]
    asked = [request for request in named if not request.blocks]  # out of one file is not out of all
    with redirect_stdout():
        registry = Plugins.load([*asked, *option_requests(options.plugin)])
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in registry.entries:
        rows = known.setdefault(entry.component.kind, {})
        rows.setdefault(entry.component.name, options_schema(entry.component))
    json.dump(experiment_schema(known), sys.stdout, indent=1)
    print()
    return DONE
