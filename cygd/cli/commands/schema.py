"""`cygd schema`: the JSON Schema of an experiment, for editors."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from cygd.cli.arguments import split_overrides
from cygd.cli.new_files import write_output
from cygd.cli.output import DONE, UsageError, print_json, redirect_stdout

USAGE = "[FILE ...] [-o FILE]"


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="FILE", help="experiments whose plugins are loaded")
    parser.add_argument("-o", "--out", metavar="FILE", help="write to this file instead of stdout")


def run(options: argparse.Namespace) -> int:
    """Print the JSON Schema of an experiment, with the options of all components, also of plugins."""
    from cygd import config
    from cygd.components.json_schema import options_schema
    from cygd.config.json_schema import experiment_schema
    from cygd.plugins.discovery import Request, forbids_plugins, option_requests
    from cygd.plugins.manager import Plugins

    files, overrides = split_overrides(options.arguments, ())
    if overrides:
        raise UsageError(f"expected experiment files, got {overrides[0]!r}", "cygd schema [FILE ...]")
    requests = [Request(*fields) for file in files for fields in config.read(file).plugin_requests]
    # a plugin that one experiment blocks may be needed by another
    wanted = [request for request in requests if not request.blocks and not forbids_plugins(os.environ)]
    with redirect_stdout():
        registry = Plugins.load([*wanted, *option_requests(options.plugin)])
    schemas: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in registry.entries:
        of_kind = schemas.setdefault(entry.component.kind, {})
        of_kind.setdefault(entry.component.name, options_schema(entry.component))
    schema = experiment_schema(schemas)
    if options.out is None:
        print_json(schema, indent=1)
    else:
        write_output(Path(options.out), (json.dumps(schema, indent=1) + "\n").encode())
    return DONE
