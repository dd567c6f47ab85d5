"""A resolved experiment -> YAML text that reads back to the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from cygd.config.yaml.scalars import read_scalar, write_float

__all__ = ["dump"]

MOST_KNOWN, LONGEST_KNOWN = 200, 5000
_KNOWN: dict[str, str] = {}  # JSON of a key with its value -> its lines


def dump(content: Mapping[str, Any]) -> str:
    """Write plain values as YAML.

    Keys keep their order; what holds no other list or mapping stands on one line. Text is quoted
    where a reader of YAML 1.1 or 1.2 would take it for something else.

    Parameters
    ----------
    content : Mapping
        Mappings with text as keys, lists, tuples, arrays, text, numbers, true, false and None.

    Examples
    --------
    >>> print(dump({"train": {"epochs": 5, "batch_size": "full"}, "name": "1e-3"}), end="")
    train: {epochs: 5, batch_size: full}
    name: '1e-3'
    """
    if not any(isinstance(value, Mapping | list | tuple | np.ndarray) for value in content.values()):
        return _dump(dict(content))  # it stands on one line
    return "".join(_entry(key, value) for key, value in content.items())


def _entry(key: str, value: Any) -> str:
    """Return the lines of one key at the top; those that the runs of a sweep share are laid out once."""
    try:
        known = json.dumps([key, value])
    except (TypeError, ValueError):  # an array, which need not be small
        return _dump({key: value}, block=True)
    if known not in _KNOWN:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        text = _dump({key: value}, block=True)
        if len(known) > LONGEST_KNOWN:
            return text
        _KNOWN[known] = text
    return _KNOWN[known]


def _dump(content: dict[str, Any], *, block: bool = False) -> str:
    dumper = _BlockDumper if block else _Dumper
    text: str = yaml.dump(
        content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Writes every value out: no aliases, and no text that could be read as a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _BlockDumper(_Dumper):
    """Writes the mapping at the top as lines, whatever it holds."""

    def serialize(self, node: yaml.Node) -> None:
        node.flow_style = False  # type: ignore[attr-defined]
        super().serialize(node)


def _float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", write_float(value))


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # what YAML 1.1 reads as no text, the dumper quotes by itself
    style = None if isinstance(read_scalar(value[:400]), str) else "'"
    if not value.isprintable():
        style = '"'  # in the other styles a line break of Unicode would be read as a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)


def _array(dumper: _Dumper, value: np.ndarray[Any, Any]) -> yaml.Node:
    return dumper.represent_data(value.tolist())


def _items(dumper: _Dumper, value: Any) -> yaml.Node:
    return dumper.represent_list(list(value))


_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(np.ndarray, _array)
_Dumper.add_representer(tuple, _items)
