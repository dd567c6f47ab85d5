"""Values with their places in a file.

A parsed experiment is a tree of `Node`. Each node carries the `Mark` of its value and, inside a mapping, of
its key. An alias becomes a copy, so that an override changes one place only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from cygd.errors import ConfigError, Problem

KeyPath: TypeAlias = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place: a file with line and column from 1, or a source without lines (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def error(self, message: str, hint: str | None = None, path: KeyPath = ()) -> ConfigError:
        """Return a ConfigError at this place."""
        return ConfigError([Problem(str(self), show_key(path), message, hint)])


COMMAND_LINE = Mark("command line")


@dataclass
class Node:
    """One value: a mapping of nodes, a list of nodes, or a scalar, with its place."""

    value: Any
    mark: Mark
    key_mark: Mark | None = None

    def plain(self) -> Any:
        """Return the value without marks: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def copy(self) -> Node:
        """Return a deep copy; arrays are shared."""
        value = self.value
        if isinstance(value, dict):
            value = {key: child.copy() for key, child in value.items()}
        elif isinstance(value, list):
            value = [child.copy() for child in value]
        return Node(value, self.mark, self.key_mark)

    def child(self, step: str | int) -> Node | None:
        """Return the node one step below, or None."""
        if isinstance(self.value, dict):
            found = self.value.get(str(step))
            return found if isinstance(found, Node) else None
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]  # type: ignore[no-any-return]
        return None

    def nearest(self, path: KeyPath) -> tuple[Node, int]:
        """Return the deepest node on a path, and its number of steps."""
        node: Node = self
        for taken, step in enumerate(path):
            below = node.child(step)
            if below is None:
                return node, taken
            node = below
        return node, len(path)


def show_key(path: KeyPath) -> str:
    """Return a key path as messages show it.

    Examples
    --------
    >>> show_key(("model", "layers", 0, "units"))
    'model.layers[0].units'
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def parse_key(text: str) -> KeyPath:
    """Parse a key path; an index is written `layers[0]` or `layers.0`.

    Examples
    --------
    >>> parse_key("model.layers[0].units") == parse_key("model.layers.0.units")
    True
    """
    parts = re.sub(r"\[(-?\d+)\]", r".\1", text).split(".")
    return tuple(int(part) if re.fullmatch(r"-?\d{1,9}", part) else part for part in parts)
