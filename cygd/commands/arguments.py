"""The arguments of a command that stand by themselves: names, and values for keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygd.errors import ConfigError

__all__ = ["mapping", "split"]

OVERRIDE = re.compile(r"[A-Za-z_][\w.\-]*=")


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell files and overrides apart; a file whose name looks like an override is still a file."""
    overrides = [text for text in arguments if OVERRIDE.match(text) and not Path(text).is_file()]
    return [text for text in arguments if text not in overrides], overrides


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
