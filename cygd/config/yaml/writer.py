"""Write a resolved experiment as YAML text that reads back to the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import yaml

from cygd.config.yaml.scalars import format_float, read_scalar
from cygd.errors import escape_controls

MAX_CACHED_LENGTH = 5000
WIDTH = 110  # characters of a line, after which PyYAML breaks it
WORD = re.compile(r"[A-Za-z_/][\w/.-]*", re.ASCII)  # a text that needs no quotes, unless a reader knows it
KNOWN_WORDS = ("yes", "no", "on", "off", "true", "false", "null")


def dump(content: Mapping[str, Any]) -> str:
    """Return plain values as YAML text.

    Keys are text and keep their order; a list or mapping of scalars is written on one line. Text is quoted if
    a reader of YAML 1.1 or 1.2 would take it for something else.

    Examples
    --------
    >>> print(dump({"train": {"epochs": 5, "batch_size": "full"}, "name": "1e-3"}), end="")
    train: {epochs: 5, batch_size: full}
    name: '1e-3'
    """
    if not any(isinstance(value, Mapping | list | tuple | np.ndarray) for value in content.values()):
        return _dump(dict(content))  # on one line
    return "".join(_entry(key, value) for key, value in content.items())


def _entry(key: str, value: Any) -> str:
    """Return the lines of one top-level key; the runs of a sweep share those of PyYAML through a cache."""
    with suppress(_NotSimpleError):
        return f"{_simple_block({key: value})}\n"
    with suppress(TypeError, ValueError):  # an array, which may be large
        text = json.dumps({key: value})
        if len(text) <= MAX_CACHED_LENGTH:
            return _dump_json(text)
    return _dump({key: value}, block=True)


class _NotSimpleError(Exception):
    """A value that needs quotes or a conversion, which are left to PyYAML."""


def _simple_block(value: dict[str, Any] | list[Any] | tuple[Any, ...], indent: str = "") -> str:
    """Return a collection of numbers and words with one line for each item, as PyYAML writes it.

    The first line is not indented.
    """
    lines = []
    in_list = not isinstance(value, dict)
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        start = "- " if in_list else f"{_simple_key(key)}: "
        if not _is_block(item):
            lines.append(_simple_line(start, item, indent))
        elif in_list:
            lines.append(start + _simple_block(item, f"{indent}  "))
        else:
            inner = f"{indent}  " if isinstance(item, dict) else indent  # dashes stand below the key
            lines.append(f"{start.rstrip()}\n{inner}{_simple_block(item, inner)}")
    return f"\n{indent}".join(lines)


def _is_block(value: Any) -> bool:
    """Return True for a collection that holds another one; PyYAML writes all others in brackets."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(isinstance(item, dict | list | tuple) for item in items)


def _simple_line(start: str, value: Any, indent: str) -> str:
    """Return the start of a line and a scalar, or a collection of scalars in brackets.

    PyYAML breaks the line before an item if the text so far is longer than `WIDTH`.
    """
    if isinstance(value, dict):
        items = [f"{_simple_key(key)}: {_simple_scalar(item)}" for key, item in value.items()]
        left, right = "{}"
    elif isinstance(value, list | tuple):
        items = list(map(_simple_scalar, value))
        left, right = "[]"
    else:
        return start + _simple_scalar(value)
    one_line = f"{start}{left}{', '.join(items)}{right}"
    if len(indent) + len(one_line) <= WIDTH:
        return one_line
    lines, line = [], f"{start}{left}"
    for index, item in enumerate(items):
        line += "," if index else ""
        if len(indent) + len(line) > WIDTH:
            lines.append(line)
            line = f"  {item}"
        else:
            line += f" {item}" if index else item
    return f"\n{indent}".join([*lines, line + right])


def _simple_key(key: Any) -> str:
    """Return a key, which must be a word; PyYAML writes a long one in another way."""
    if type(key) is not str or len(key) > WIDTH:
        raise _NotSimpleError
    return _simple_scalar(key)


def _simple_scalar(value: Any) -> str:
    """Return a number, a constant or a word."""
    kind = type(value)
    if kind is str and WORD.fullmatch(value) and value.lower() not in KNOWN_WORDS:
        return str(value)
    if kind is float:
        return format_float(value)
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    raise _NotSimpleError


@lru_cache(maxsize=200)
def _dump_json(text: str) -> str:
    return _dump(json.loads(text), block=True)


def _dump(content: dict[str, Any], *, block: bool = False) -> str:
    dumper = _BlockDumper if block else _Dumper
    text: str = yaml.dump(
        content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=None
    )
    # PyYAML leaves some hidden characters; all stand in double quotes, where YAML has the same escapes
    return escape_controls(text)


class _Dumper(yaml.SafeDumper):
    """Writes every value in full: no aliases, and no text that could be read as a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _BlockDumper(_Dumper):
    """Writes the top-level mapping in block style, even if it holds scalars only."""

    def serialize(self, node: yaml.Node) -> None:
        node.flow_style = False  # type: ignore[attr-defined]
        super().serialize(node)


def _float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", format_float(value))


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # the dumper itself quotes what YAML 1.1 does not read as text
    style = None if isinstance(read_scalar(value[:400]), str) else "'"
    if not value.isprintable() or escape_controls(value) != value:
        style = '"'  # in other styles a Unicode line break would be read as a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)


def _array(dumper: _Dumper, value: np.ndarray[Any, Any]) -> yaml.Node:
    return dumper.represent_data(value.tolist())


def _items(dumper: _Dumper, value: Any) -> yaml.Node:
    return dumper.represent_list(list(value))


_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(np.ndarray, _array)
_Dumper.add_representer(tuple, _items)
