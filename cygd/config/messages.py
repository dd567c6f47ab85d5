"""How messages speak of values: what was found, in the user's own notation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cygd.config.yaml.scalars import write_float

__all__ = ["found", "listed"]

_LONGEST = 60


def found(value: Any) -> str:
    """Describe a value: text in quotes, numbers and constants as YAML writes them.

    Examples
    --------
    >>> [found(value) for value in ("relu", 3, True, None, float("nan"), [1], {})]
    ["'relu'", '3', 'true', 'null', '.nan', 'a list', 'an empty mapping']
    """
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple | np.ndarray):
        return "a list" if len(value) else "an empty list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return write_float(value)
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]}... ({len(text)} characters)"


def listed(names: Iterable[Any]) -> str:
    """Join alternatives: `a, b or c`.

    Examples
    --------
    >>> listed(["error", "drop", "mean"])
    'error, drop or mean'
    """
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} or {last}" if first else last
