"""Read an experiment given as a Python mapping into the tree that a YAML file gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from cygd.config.yaml.nodes import KeyPath, Mark, Node
from cygd.config.yaml.reader import check_depth

_ARRAY_KEYS = ("x", "y")  # numeric arrays under these keys are not converted to lists: they may be large


def read_mapping(source: Mapping[str, Any], mark: Mark) -> Node:
    """Return the tree of a mapping; every value gets the same mark."""
    return _node(source, (), mark)


def _node(value: Any, path: KeyPath, mark: Mark) -> Node:
    check_depth(path, mark)
    if path[-1:] == ("columns",) and not _is_plain(value):  # of the source `frame`
        return Node(raw_columns(value), mark, mark)
    if hasattr(value, "__array__") and not isinstance(value, np.generic):  # arrays, data frames, tensors
        if np.ma.is_masked(value):  # NumPy would take the values below the mask
            raise mark.error("expected values, got a masked array", "fill its gaps: .filled(VALUE)", path)
        value = np.asarray(value)
        if path[-1:] and path[-1] in _ARRAY_KEYS and value.dtype.kind in "biuf":
            return Node(value, mark, mark)
        value = value.tolist()
    if isinstance(value, Mapping):
        return Node(
            {_key(key, path, mark): _node(child, (*path, key), mark) for key, child in value.items()},
            mark,
            mark,
        )
    if isinstance(value, list | tuple | range):
        return Node([_node(child, (*path, index), mark) for index, child in enumerate(value)], mark, mark)
    return Node(_scalar(value, path, mark), mark, mark)


def raw_columns(value: Any) -> Any:
    """Return columns as the tree holds them: a mapping as one value, not as a node with children."""
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def _is_plain(value: Any) -> bool:
    """Return True for a mapping of lists, and for what is neither columns nor a data frame."""
    if isinstance(value, Mapping):
        return all(isinstance(item, list | tuple | str | int | float | None) for item in value.values())
    attributes = ("__array__", "__arrow_c_stream__", "columns", "column_names")
    return not any(hasattr(value, name) for name in attributes)


def _key(key: Any, path: KeyPath, mark: Mark) -> str:
    if not isinstance(key, str):
        raise mark.error(f"expected text as a key, got {key!r}", path=path)
    return str(key)


def _scalar(value: Any, path: KeyPath, mark: Mark) -> Any:
    """Return a scalar as a plain Python value."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):  # an enum or another subclass becomes plain
        if isinstance(value, kind):
            return kind(value)
    kind_name = type(value).__name__
    if hasattr(value, "toarray"):
        message = f"sparse matrices are not supported, got {kind_name}"
        raise mark.error(message, "make it dense: .toarray().tolist()", path)
    hint = "write its name, and load it as a plugin" if hasattr(value, "kind") else None
    raise mark.error(f"expected a value that YAML can hold, got {kind_name}", hint, path)
