"""Checks of numbers that a caller passes to a network or to `fit`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_COUNT = 2**63 - 1  # of the integers of the core
CHUNK = 65536  # numbers that are searched at a time


def check_count(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return an integer of at least `minimum` as an int, or raise a ValueError."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    count = int(value) if is_integer else minimum - 1  # type: ignore[call-overload]
    if count < minimum or (maximum is not None and count > maximum):
        limits = f"of at least {minimum}" if maximum is None else f"from {minimum} to {format_limit(maximum)}"
        raise ValueError(f"{name} must be a whole number {limits}, got {value!r}")
    if count > MAX_COUNT:
        got = str(count) if count < 2**128 else f"about 2**{count.bit_length() - 1}"
        raise ValueError(f"{name} must be less than 2**63, got {got}")
    return int(count)


def format_limit(maximum: int) -> str:
    """Return 2**n or 2**n - 1 for such a number, else the number."""
    n = maximum.bit_length()
    powers = {2**n - 1: f"2**{n} - 1", 2 ** (n - 1): f"2**{n - 1}"} if n > 32 else {}
    return powers.get(maximum, str(maximum))


def check_flag(name: str, value: object) -> bool:
    """Return a Python or NumPy bool as a bool, or raise a TypeError."""
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def is_finite(value: object) -> bool:
    """Return True for a finite number; a bool is not a number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def check_finite(name: str, array: NDArray[Any], weight: NDArray[Any] | None = None, hint: str = "") -> None:
    """Raise a ValueError for the first number that is NaN or infinite; rows of weight 0 do not count.

    The sum of an array is finite only if all of its numbers are, and needs no array for the answer. A sum
    that is not finite may have overflowed, so the numbers are searched then, some rows at a time.
    """
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):
            return
    rows = max(1, CHUNK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        unfit = ~np.isfinite(array[start : start + rows])
        if weight is not None:
            unfit[weight[start : start + rows] == 0] = False
        if unfit.any():
            row, *column = (int(index) for index in np.argwhere(unfit)[0])
            value = array[(start + row, *column)]
            place = f"{name}[{', '.join(map(str, [start + row, *column]))}]"
            where = f" (row {start + row}, column {column[0]})" if column else ""
            raise ValueError(f"{name}: expected finite numbers, got {place} = {value}{where}{hint}")
