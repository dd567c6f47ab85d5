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

from cygd.cli.main import COMMANDS, build_parser, build_top_parser

__all__ = ["autocomplete", "candidates"]


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


def _complete(prefix: str, action: argparse.Action, **_: Any) -> list[str]:
    metavar = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
    return [text for text in candidates(metavar, prefix) if text.startswith(prefix)]


def candidates(metavar: str, prefix: str = "") -> Iterator[str]:
    """Yield the completions of an argument with a metavar."""
    words = set(re.findall(r"[A-Za-z_]+", metavar))
    yield from (word for word in re.findall(r"[a-z_]+", metavar) if "|" in metavar)
    if words & {"FILE", "DATA"}:
        yield from FilesCompleter()(prefix)
    if words & {"RUN", "DIR"}:
        yield from DirectoriesCompleter()(prefix)
    if "KEY" in words:
        yield from (f"{key}=" for key in _keys())
    if metavar.startswith("COMPONENT"):
        yield from _component_names()


def _component_names() -> list[str]:
    from cygd.plugins.manager import Plugins

    registry = Plugins.load(environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})
    return list(dict.fromkeys(entry.component.name for entry in registry.entries))


def _keys() -> Iterator[str]:
    """Yield the dotted path of every key of an experiment."""
    from cygd.config.section import walk
    from cygd.config.sections import ExperimentSection

    return (".".join(path) for path, _ in walk(ExperimentSection) if "*" not in path)
