"""Shell completion by argcomplete, from the parsers of the commands.

The completions of an argument follow from its metavar: FILE and DATA are files, RUN and DIR are folders,
KEY=VALUE is a key of an experiment, and words separated by `|` are choices. A new command needs no code here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter

from cygd.cli.commands import COMMANDS
from cygd.cli.parser import build_parser, build_top_parser


def autocomplete() -> None:
    """Print the completions that the shell asks for, and exit."""
    argcomplete.autocomplete(_full_parser())


def _full_parser() -> argparse.ArgumentParser:
    """Return one parser with every command as a subparser."""
    top = build_top_parser()
    commands = top.add_subparsers(dest="command")
    for name in COMMANDS:
        parser = build_parser(name)
        summary = (parser.description or "").partition("\n")[0]
        command = commands.add_parser(name, help=summary, parents=[parser], add_help=False)
        for action in command._actions:
            if action.choices is None and action.nargs != 0:
                action.completer = _complete  # type: ignore[attr-defined]
    return top


def _complete(prefix: str, action: argparse.Action, **_: Any) -> Iterator[str]:
    """Yield the completions of an argument; argcomplete keeps those that begin with the prefix."""
    metavar = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
    words = set(re.findall(r"[A-Za-z_]+", metavar))
    yield from (word for word in re.findall(r"[a-z_]+", metavar) if "|" in metavar)
    if words & {"FILE", "DATA"}:
        yield from FilesCompleter()(prefix)
    if words & {"RUN", "DIR"}:
        yield from DirectoriesCompleter()(prefix)
    if "KEY" in words:
        from cygd.config.section import walk
        from cygd.config.sections import ExperimentSection

        yield from (f"{'.'.join(path)}=" for path, _ in walk(ExperimentSection) if "*" not in path)
    if metavar.startswith("COMPONENT"):
        from cygd.plugins.manager import Plugins

        registry = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
        yield from dict.fromkeys(entry.component.name for entry in registry.entries)
