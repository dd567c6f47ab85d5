"""`cygd schema`: what an experiment may hold, for editors."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from cygd.commands.arguments import split
from cygd.commands.talk import DONE, UsageError, talking

__all__ = ["USAGE", "run"]

USAGE = "[FILE ...]"


def run(options: argparse.Namespace) -> int:
    """Print the JSON Schema of an experiment, with the options of all components and plugins."""
    from cygd import config
    from cygd.assembly import requests
    from cygd.component.schema import options_schema
    from cygd.config.schema import experiment_schema
    from cygd.plugins import Plugins, Request

    files, overrides = split(options.arguments)
    if overrides:
        raise UsageError(
            f"{overrides[0]!r} is no file; a schema depends on no values", f"cygd schema {USAGE}"
        )
    named = [Request(*found) for file in files for found in config.read(file).plugin_requests]
    asked = [request for request in named if not request.blocks]  # out of one file is not out of all
    with talking():
        registry = Plugins.load([*asked, *requests(options.plugin)])
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in registry.entries:
        rows = known.setdefault(entry.component.kind, {})
        rows.setdefault(entry.component.name, options_schema(entry.component))
    json.dump(experiment_schema(known), sys.stdout, indent=1)
    print()
    return DONE
