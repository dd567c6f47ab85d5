"""Write a resolved experiment as YAML text that reads back to the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import yaml

from cygd.config.yaml.scalars import format_float, read_scalar
from cygd.errors import escape_controls

MAX_CACHED_LENGTH = 5000


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
    """Return the lines of one top-level key; the runs of a sweep share them through a cache."""
    if key == "seed" and type(value) is int:  # they do not share it
        return f"{key}: {value}\n"
    with suppress(TypeError, ValueError):  # an array, which may be large
        text = json.dumps({key: value})
        if len(text) <= MAX_CACHED_LENGTH:
            return _dump_json(text)
    return _dump({key: value}, block=True)


@lru_cache(maxsize=200)
def _dump_json(text: str) -> str:
    return _dump(json.loads(text), block=True)


def _dump(content: dict[str, Any], *, block: bool = False) -> str:
    dumper = _BlockDumper if block else _Dumper
    text: str = yaml.dump(
        content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
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
