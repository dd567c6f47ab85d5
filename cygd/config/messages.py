"""Format values and alternatives for error messages, in the notation of the user's file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cygd.config.yaml.scalars import format_float

MAX_LENGTH = 60


def format_value(value: Any) -> str:
    """Return a value as messages show it: text in quotes, numbers and constants as in YAML.

    Examples
    --------
    >>> [format_value(value) for value in ("relu", 3, True, None, float("nan"), [1], {})]
    ["'relu'", '3', 'true', 'null', '.nan', 'a list', 'an empty mapping']
    """
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple | np.ndarray):
        return "a list" if len(value) else "an empty list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return format_float(value)
    text = repr(value)
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 20]}... ({len(text)} characters)"


def format_alternatives(names: Iterable[Any]) -> str:
    """Join alternatives: `a, b or c`."""
    *first, last = [str(name) for name in names]
    return f"{', '.join(first)} or {last}" if first else last
