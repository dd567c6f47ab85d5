"""Positional arguments of the commands: files, and KEY=VALUE overrides."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygd.cli.output import UsageError
from cygd.errors import ConfigError, Problem

__all__ = [
    "EXPERIMENT_HELP",
    "experiment_files",
    "one_experiment",
    "parse_mapping",
    "positive_int",
    "split_overrides",
]

EXPERIMENT_HELP = "an experiment in YAML, and overrides of its values such as train.epochs=5"
OVERRIDE = re.compile(r"[A-Za-z_][\w.\-]*=")


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate files from overrides; a name with `=` that exists as a file is a file."""
    overrides = [text for text in arguments if OVERRIDE.match(text) and not _is_file(text)]
    return [text for text in arguments if text not in overrides], overrides


def one_experiment(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the one experiment file of a command line, and its overrides.

    Raises
    ------
    UsageError
        Unless there is exactly one file.
    """
    files, overrides = split_overrides(options.arguments)
    if not files:
        raise UsageError("expected an experiment file", f"{options.prog} FILE [KEY=VALUE ...]")
    if len(files) > 1:
        raise UsageError(f"expected one experiment file, got {' and '.join(map(repr, files))}")
    return files[0], overrides


def experiment_files(name: str) -> list[str]:
    """Return a file itself, or the .yaml and .yml files of a folder.

    Raises
    ------
    UsageError
        If the folder contains none.
    """
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

    Raises
    ------
    ConfigError
        If an argument cannot be parsed.

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


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a file name
        return False
