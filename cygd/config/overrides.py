"""Overrides from the command line: `train.epochs=5`, `model.layers.0.units=32`, `optimizer=adam`.

A path may lead into a missing value or a short form: a missing mapping is created (validation reports a
misspelled one, with a hint), and a path into `16` or `adam` makes it `{units: 16}` or `{name: adam}`. A new
name for a component keeps the options of the old one. Which of them the new component has is known only after
plugins are loaded, so their paths are returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from cygd.config.component_spec import ComponentValidator
from cygd.config.messages import format_value
from cygd.config.section import walk
from cygd.config.sections import ExperimentSection
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Node, parse_key, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem

__all__ = ["apply_changes", "apply_overrides", "is_component", "read_override"]

_TOP: KeyPath = ()


def is_component(path: KeyPath) -> bool:
    """Return True if a path names a component."""
    return isinstance(_validator_at(path), ComponentValidator)


def _validator_at(path: KeyPath) -> Any:
    """Return the component validator or the section at a path, None for anything else."""
    return _nested_validators().get(tuple("*" if isinstance(step, int) else str(step) for step in path))


@cache
def _nested_validators() -> dict[tuple[str, ...], Any]:
    return {
        (*path, "*") if field.is_list else path: field.inner
        for path, field in walk(ExperimentSection)
        if isinstance(field.inner, type | ComponentValidator)
    }


def apply_overrides(root: Node, overrides: Sequence[str], problems: list[Problem]) -> frozenset[KeyPath]:
    """Apply overrides to a tree in place, one after the other.

    Returns
    -------
    frozenset of KeyPath
        The options kept from components whose names were overridden.
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
    """Set values at paths in place, one after the other; return the same as `apply_overrides`."""
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
        If it is not KEY=VALUE with a YAML value.
    """
    key, equals, text = override.partition("=")
    path = parse_key(key.strip())
    if not equals or "" in path:
        raise _error((), f"invalid override {override!r}", "write KEY=VALUE, for example train.epochs=5")
    problems: list[Problem] = []
    try:
        value = read_yaml(text, COMMAND_LINE, problems)
    except ConfigError as error:
        problems = error.problems
    if problems:
        raise ConfigError([Problem(p.where, show_key(path), p.message, p.hint) for p in problems])
    return path, value or Node(None, COMMAND_LINE)


def _set(root: Node, path: KeyPath, new: Node, kept: set[KeyPath]) -> None:
    """Set the value at a path."""
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
    """Return the mapping of a component with a new name and the old options."""
    options = {key: child for key, child in old.value.items() if key not in ("name", "formula")}
    return Node({"name": name, **options}, COMMAND_LINE, COMMAND_LINE)


def _enter(node: Node, at: KeyPath, step: str | int) -> tuple[Node, KeyPath]:
    """Return the node one step down and its path; create it if it is missing."""
    slot = _slot(node, at, step)
    below = node.child(slot)
    if below is None:
        below = node.value[slot] = Node({}, COMMAND_LINE, COMMAND_LINE)
    return below, (*at, slot)


def _slot(node: Node, at: KeyPath, step: str | int) -> str | int:
    """Return the key or the index of a step in a node, which is expanded if it is a short form."""
    _expand_shorthand(node, at)
    if isinstance(node.value, dict):
        return str(step)
    if not isinstance(node.value, list):
        raise _error(
            (*at, step), f"expected a mapping or a list at {show_key(at)!r}, got {format_value(node.plain())}"
        )
    count = len(node.value)
    index = step + count if isinstance(step, int) and step < 0 else step
    if not isinstance(index, int) or not 0 <= index < count:
        if not count:
            raise _error((*at, step), f"expected entries in {show_key(at)!r}, got an empty list")
        raise _error((*at, step), f"expected an index from 0 to {count - 1} in {show_key(at)!r}, got {step}")
    return index


def _expand_shorthand(node: Node, at: KeyPath) -> None:
    """Replace a short form in place by the mapping that it stands for."""
    validator: Any = _validator_at(at)
    value: Any = node.value
    if value is None:
        node.value = {}
    elif isinstance(validator, ComponentValidator) and isinstance(value, str):
        node.value = {"name": Node(value, node.mark, node.key_mark)}
    elif validator is not None and not is_component(at) and validator.from_shorthand(value) is not value:
        node.value = {validator.shorthand_key: Node(value, node.mark, node.key_mark)}


def _error(path: KeyPath, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(COMMAND_LINE), show_key(path), message, hint)])
