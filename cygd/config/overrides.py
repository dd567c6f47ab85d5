"""Changes from the command line: `train.epochs=5`, `model.layers.0.units=32`, `optimizer=adam`.

A path may lead into what is missing or written short: missing mappings are made (a misspelt one is
found by validation, with a hint), `16` becomes `{units: 16}` and `adam` becomes `{name: adam}` as soon
as a path goes into them. A new name for a component keeps the options of the old one; which of them
the new one understands is known only when plugins are loaded, so their paths are handed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cygd.config.messages import found
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Node, parse_key, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem

__all__ = ["COMPONENT_PATHS", "apply_changes", "apply_overrides", "is_component", "read_override"]

# Where a component stands; "*" is any index. A test compares this with the sections.
COMPONENT_PATHS: tuple[tuple[str, ...], ...] = (
    ("loss",),
    ("optimizer",),
    ("schedule",),
    ("metrics", "*"),
    ("log", "*"),
    ("model", "activation"),
    ("model", "initializer"),
    ("model", "layers", "*", "activation"),
    ("model", "layers", "*", "initializer"),
)

_TOP: KeyPath = ()


def is_component(path: KeyPath) -> bool:
    """Tell whether a component is named at a path."""
    return tuple("*" if isinstance(step, int) else step for step in path) in COMPONENT_PATHS


def apply_overrides(root: Node, overrides: Sequence[str], problems: list[Problem]) -> frozenset[KeyPath]:
    """Change a tree in place, one override after the other.

    Returns
    -------
    frozenset of KeyPath
        The options kept from a component whose name was overridden.
    """
    changes = []
    for override in overrides:
        try:
            changes.append(read_override(override))
        except ConfigError as error:
            problems.extend(error.problems)
    return apply_changes(root, changes, problems)


def apply_changes(
    root: Node, changes: Iterable[tuple[KeyPath, Node]], problems: list[Problem]
) -> frozenset[KeyPath]:
    """Put values at paths, in place, one after the other; return what `apply_overrides` does."""
    kept: set[KeyPath] = set()
    for path, value in changes:
        try:
            _set(root, path, value, kept)
        except ConfigError as error:
            problems.extend(error.problems)
    return frozenset(kept)


def read_override(override: str) -> tuple[KeyPath, Node]:
    """Split an override into its path and its value.

    Raises
    ------
    ConfigError
        If it is none, or its value is no YAML.
    """
    key, equals, text = override.partition("=")
    path = parse_key(key.strip())
    if not equals or "" in path:
        raise _error((), f"{override!r} is no override", "write key=value, for example train.epochs=5")
    problems: list[Problem] = []
    try:
        value = read_yaml(text, COMMAND_LINE, problems)
    except ConfigError as error:
        problems = error.problems
    if problems:
        raise ConfigError([Problem(p.where, show_key(path), p.message, p.hint) for p in problems])
    return path, value or Node(None, COMMAND_LINE)


def _set(root: Node, path: KeyPath, new: Node, kept: set[KeyPath]) -> None:
    """Put a value at a path."""
    new.key_mark = new.key_mark or COMMAND_LINE
    node, at = root, _TOP
    for step in path[:-1]:
        node, at = _enter(node, at, step)
    parent, at = node, at
    slot = _slot(parent, at, path[-1])
    old, at_value = parent.child(slot), (*at, slot)
    for stale in [option for option in kept if option[: len(at_value)] == at_value]:
        kept.discard(stale)
    if is_component(at_value) and isinstance(new.value, str) and old and isinstance(old.value, dict):
        new = _renamed(old, new)
        kept |= {(*at_value, option) for option in new.value if option != "name"}
    elif is_component(at) and slot == "name":
        parent.value.pop("formula", None)
        kept |= {(*at, option) for option in parent.value if option != "name"}
    parent.value[slot] = new


def _renamed(old: Node, name: Node) -> Node:
    """Return the mapping of a component under a new name, with the options it had."""
    options = {key: child for key, child in old.value.items() if key not in ("name", "formula")}
    return Node({"name": name, **options}, COMMAND_LINE, COMMAND_LINE)


def _enter(node: Node, at: KeyPath, step: str | int) -> tuple[Node, KeyPath]:
    """Go one step down, making what is missing."""
    slot = _slot(node, at, step)
    below = node.child(slot)
    if below is None:
        below = node.value[slot] = Node({}, COMMAND_LINE, COMMAND_LINE)
    return below, (*at, slot)


def _slot(node: Node, at: KeyPath, step: str | int) -> str | int:
    """Return the key or the index by which a step leads into a node, unfolding what is written short."""
    _unfold(node, at)
    if isinstance(node.value, dict):
        return str(step)
    if not isinstance(node.value, list):
        raise _error((*at, step), f"{show_key(at)!r} is {found(node.plain())}, nothing can be set inside it")
    count = len(node.value)
    index = step + count if isinstance(step, int) and step < 0 else step
    if not isinstance(index, int) or not 0 <= index < count:
        there = f"0 to {count - 1}" if count > 1 else "0" if count else "none, it is empty"
        raise _error((*at, step), f"{show_key(at)!r} is a list and has no entry {step}; its entries: {there}")
    return index


def _unfold(node: Node, at: KeyPath) -> None:
    """Turn a short form into the mapping that it stands for."""
    value: Any = node.value
    key: str | None = None
    if value is None:
        node.value = {}
    elif is_component(at) and isinstance(value, str):
        key = "name"
    elif at[:2] == ("model", "layers") and len(at) == 3 and isinstance(value, int):
        key = "units"
    elif at == ("data", "scale") and isinstance(value, str):
        key = "inputs"
    if key:
        node.value = {key: Node(value, node.mark, node.key_mark)}


def _error(path: KeyPath, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(COMMAND_LINE), show_key(path), message, hint)])
