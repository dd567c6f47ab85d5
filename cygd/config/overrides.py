"""Overrides from the command line: `train.epochs=5`, `model.layers.0.units=32`, `optimizer=adam`.

A path may lead into a missing value or a short form: a missing mapping is created (validation reports a
misspelled one, with a hint), and a path into `16` or `adam` makes it `{units: 16}` or `{name: adam}`. A new
name for a component keeps the options of the old one. Which of them the new component has is known only after
plugins are loaded, so their paths are returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cygd.config.component_spec import ComponentValidator
from cygd.config.messages import format_value
from cygd.config.section import walk
from cygd.config.sections import ExperimentSection
from cygd.config.yaml.nodes import COMMAND_LINE, KeyPath, Node, parse_key, show_key
from cygd.config.yaml.reader import read_yaml
from cygd.errors import ConfigError, Problem

_VALIDATORS = {
    (*path, "*") if field.is_list else path: field.inner for path, field in walk(ExperimentSection)
}


def is_component(path: KeyPath) -> bool:
    """Return True if a path names a component."""
    return isinstance(_validator_at(path), ComponentValidator)


def _validator_at(path: KeyPath) -> Any:
    """Return the validator of the value at a path; None if it has none."""
    return _VALIDATORS.get(tuple("*" if isinstance(step, int) else step for step in path))


def apply_overrides(root: Node, overrides: Sequence[str], problems: list[Problem]) -> frozenset[KeyPath]:
    """Apply overrides in place; return the options kept from components whose names were overridden."""
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
    """Set values at paths in place, one after the other; return the kept options."""
    kept: set[KeyPath] = set()
    for path, value in changes:
        try:
            _set(root, path, value, kept)
        except ConfigError as error:
            problems.extend(error.problems)
    return frozenset(kept)


def read_override(override: str) -> tuple[KeyPath, Node]:
    """Split an override into its path and its value."""
    key, equals, text = override.partition("=")
    path = parse_key(key.strip())
    if not equals or "" in path:
        hint = "write KEY=VALUE, for example train.epochs=5"
        raise COMMAND_LINE.error(f"invalid override {override!r}", hint)
    if text == "-":  # standard input; in YAML a list
        return path, Node(text, COMMAND_LINE)
    problems: list[Problem] = []
    try:
        value = read_yaml(text, COMMAND_LINE, problems)
    except ConfigError as error:
        problems = error.problems
    if problems:
        raise ConfigError(
            [Problem(p.where, show_key(path), p.message, _shell_hint(key, p.hint)) for p in problems]
        )
    return path, value or Node(None, COMMAND_LINE)


def _shell_hint(key: str, hint: str | None) -> str | None:
    """Return a hint to quote a value with the quotes that the shell needs around it."""
    quoted = re.fullmatch("(put the text in quotes): ('.*')", hint or "")
    return f'{quoted[1]}, and once more for the shell: "{key}={quoted[2]}"' if quoted else hint


def _set(root: Node, path: KeyPath, new: Node, kept: set[KeyPath]) -> None:
    """Set the value at a path."""
    new.key_mark = new.key_mark or COMMAND_LINE
    parent, at = root, path[:0]
    for step in path[:-1]:
        slot = _slot(parent, at, step)
        if parent.child(slot) is None:
            parent.value[slot] = Node({}, COMMAND_LINE, COMMAND_LINE)
        parent, at = parent.value[slot], (*at, slot)
    slot = _slot(parent, at, path[-1])
    old, at_value = parent.child(slot), (*at, slot)
    kept -= {option for option in kept if option[: len(at_value)] == at_value}
    if is_component(at_value) and isinstance(new.value, str) and old and isinstance(old.value, dict):
        options = {key: child for key, child in old.value.items() if key not in ("name", "formula")}
        kept |= {(*at_value, option) for option in options}
        new = Node({"name": new, **options}, COMMAND_LINE, COMMAND_LINE)
    elif is_component(at) and slot == "name":
        parent.value.pop("formula", None)
        kept |= {(*at, option) for option in parent.value if option != "name"}
    parent.value[slot] = new


def _slot(node: Node, at: KeyPath, step: str | int) -> str | int:
    """Return the key or the index of a step in a node, which is expanded if it is a short form."""
    _expand_shorthand(node, at)
    if isinstance(node.value, dict):
        return str(step)
    count = len(node.value) if isinstance(node.value, list) else 0
    index = step + count if isinstance(step, int) and step < 0 else step
    if isinstance(index, int) and 0 <= index < count:
        return index
    message = f"expected an index from 0 to {count - 1} in {show_key(at)!r}, got {step}"
    if not isinstance(node.value, list):
        message = f"expected a mapping or a list at {show_key(at)!r}, got {format_value(node.plain())}"
    elif not count:
        message = f"expected entries in {show_key(at)!r}, got an empty list"
    raise COMMAND_LINE.error(message, path=(*at, step))


def _expand_shorthand(node: Node, at: KeyPath) -> None:
    """Replace a short form in place by the mapping that it abbreviates."""
    validator, value = _validator_at(at), node.value
    if value is None:
        node.value = {}
    elif isinstance(validator, ComponentValidator) and isinstance(value, str):
        node.value = {"name": Node(value, node.mark, node.key_mark)}
    elif hasattr(validator, "from_shorthand") and validator.from_shorthand(value) is not value:
        node.value = {validator.shorthand_key: Node(value, node.mark, node.key_mark)}
