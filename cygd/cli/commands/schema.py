"""`cygd schema`: the JSON Schema of an experiment, for editors."""

from __future__ import annotations

import argparse
from typing import Any

from cygd.cli.arguments import split_overrides
from cygd.cli.output import DONE, UsageError, print_json, redirect_stdout

USAGE = "[FILE ...]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE", help="experiments whose plugins are loaded")


def run(options: argparse.Namespace) -> int:
    """Print the JSON Schema of an experiment, with the options of all components, also of plugins."""
    from cygd import config
    from cygd.components.json_schema import options_schema
    from cygd.config.json_schema import experiment_schema
    from cygd.plugins.discovery import Request, option_requests
    from cygd.plugins.manager import Plugins

    files, overrides = split_overrides(options.arguments, ())
    if overrides:
        raise UsageError(f"expected experiment files, got {overrides[0]!r}", f"cygd schema {USAGE}")
    requests = [Request(*fields) for file in files for fields in config.read(file).plugin_requests]
    # a plugin that one experiment blocks may be needed by another
    wanted = [request for request in requests if not request.blocks]
    with redirect_stdout():
        registry = Plugins.load([*wanted, *option_requests(options.plugin)])
    schemas: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in registry.entries:
        of_kind = schemas.setdefault(entry.component.kind, {})
        of_kind.setdefault(entry.component.name, options_schema(entry.component))
    print_json(experiment_schema(schemas), indent=1)
    return DONE
