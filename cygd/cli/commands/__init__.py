"""The commands: a module each, with USAGE, declare(parser) and run(options).

A module is imported when its command is called, and it imports what it needs when it runs, so that
`cygd --version` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["ALIASES", "COMMANDS", "load_command"]

# command -> module of cygd.cli.commands, in the order of `cygd --help`
COMMANDS = {
    "run": "run",
    "check": "check",
    "sweep": "sweep",
    "trace": "trace",
    "bowl": "loss_surface",
    "data": "data",
    "predict": "predict",
    "export": "export",
    "list": "list_runs",
    "compare": "compare",
    "report": "report",
    "plugins": "plugins",
    "new": "new",
    "schema": "schema",
    "completion": "completion",
    "tutorial": "tutorial",
    "info": "info",
}
ALIASES = {"surface": "bowl"}


def load_command(name: str) -> Any:
    """Return the module of a command."""
    return import_module(f"{__name__}.{COMMANDS[name]}")
