"""Arguments that commands share: files, KEY=VALUE overrides and plugins."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.cli.output import UsageError, redirect_stdout
from cygd.errors import ConfigError, Problem

if TYPE_CHECKING:
    from cygd.plugins.manager import Plugins

EXPERIMENT_HELP = "an experiment in YAML, and overrides of its values such as train.epochs=5"
OVERRIDE = re.compile(r"[A-Za-z_][\w.\-]*=")


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate files from overrides; a name with `=` that exists as a file is a file."""
    overrides = [text for text in arguments if OVERRIDE.match(text) and not _is_file(text)]
    return [text for text in arguments if text not in overrides], overrides


def one_experiment(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the one experiment file of a command line, and its overrides."""
    files, overrides = split_overrides(options.arguments)
    if not files:
        raise UsageError("expected an experiment file", f"{options.prog} FILE [KEY=VALUE ...]")
    reject_several("experiment file", files)
    return files[0], overrides


def reject_several(noun: str, values: Sequence[str], hint: str | None = None) -> None:
    """Raise a UsageError for more than one value."""
    if len(values) > 1:
        raise UsageError(f"expected one {noun}, got {' and '.join(map(repr, values))}", hint)


def experiment_files(name: str) -> list[str]:
    """Return a file itself, or the .yaml and .yml files of a folder."""
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    files = sorted(str(path) for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    if not files:
        raise UsageError(f"expected .yaml files in the folder {name!r}, got none")
    return files


def positive_int(text: str) -> int:
    """Parse an integer of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def parse_mapping(overrides: Sequence[str]) -> dict[str, Any]:
    """Parse KEY=VALUE arguments into a mapping; the values are YAML.

    Examples
    --------
    >>> parse_mapping(["slope=0.3", "trainable=[beta]", "formula.w=w - g"])
    {'slope': 0.3, 'trainable': ['beta'], 'formula': {'w': 'w - g'}}
    """
    from cygd.config.overrides import apply_overrides
    from cygd.config.yaml.nodes import COMMAND_LINE, Node

    root = Node({}, COMMAND_LINE)
    problems: list[Problem] = []
    apply_overrides(root, overrides, problems)
    if problems:
        raise ConfigError(problems)
    mapping: dict[str, Any] = root.plain()
    return mapping


def load_plugins(requests: Sequence[str]) -> Plugins:
    """Load the plugins of -p; what they print goes to stderr."""
    from cygd.plugins.discovery import option_requests
    from cygd.plugins.manager import Plugins

    with redirect_stdout():
        return Plugins.load(option_requests(requests))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a file name
        return False
