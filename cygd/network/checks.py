"""Checks of numbers that a caller passes to a network or to `fit`."""

from __future__ import annotations

import math

import numpy as np


def check_count(name: str, value: object, minimum: int) -> int:
    """Return an integer of at least `minimum` as an int, or raise a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def check_flag(name: str, value: object) -> bool:
    """Return a Python or NumPy bool as a bool, or raise a TypeError."""
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def is_finite(value: object) -> bool:
    """Return True for a finite number; a bool is not a number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
