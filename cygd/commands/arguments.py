"""The arguments of a command that stand by themselves: names, and values for keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygd.commands.talk import UsageError
from cygd.errors import ConfigError

__all__ = ["experiments_of", "mapping", "split"]

OVERRIDE = re.compile(r"[A-Za-z_][\w.\-]*=")


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell files and overrides apart; a file whose name looks like an override is still a file."""
    overrides = [text for text in arguments if OVERRIDE.match(text) and not _is_file(text)]
    return [text for text in arguments if text not in overrides], overrides


def experiments_of(name: str) -> list[str]:
    """Return the experiments that a file, or a folder of them, stands for; in a folder all .yaml and .yml.

    Raises
    ------
    UsageError
        For a folder without any.
    """
    folder = Path(name)
    if not folder.is_dir():
        return [name]
    found = sorted(str(path) for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    if not found:
        raise UsageError(f"there is no .yaml file in the folder {name}")
    return found


def _is_file(text: str) -> bool:
    """Tell whether a file is called so; a thousand values make no name at all."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def mapping(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the mapping that KEY=VALUE arguments describe, the values read as YAML.

    Raises
    ------
    ConfigError
        For what cannot be read.

    Examples
    --------
    >>> mapping(["slope=0.3", "trainable=[beta]", "formula.w=w - g"])
    {'slope': 0.3, 'trainable': ['beta'], 'formula': {'w': 'w - g'}}
    """
    from cygd.config.nodes import COMMAND_LINE, Node
    from cygd.config.overrides import apply_overrides

    root, problems = Node({}, COMMAND_LINE), []  # type: ignore[var-annotated]
    apply_overrides(root, overrides, problems)
    if problems:
        raise ConfigError(problems)
    found: dict[str, Any] = root.plain()
    return found
