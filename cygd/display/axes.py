"""Axes of plots: round numbers within an interval, and the place of a number on a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most `most` round, evenly spaced numbers within an interval.

    >>> ticks(-4, 4), ticks(0.12, 0.98, 4), ticks(3, 3)
    ([-4.0, -2.0, 0.0, 2.0, 4.0], [0.2, 0.4, 0.6, 0.8], [3.0])
    """
    if not low < high:
        return [float(low)]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20, 50)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [float(low)]


@dataclass(frozen=True)
class Axis:
    """A range of numbers on a line of pixels; logarithmic if the numbers span several powers of ten."""

    low: float
    high: float
    start: float  # the pixel of `low`
    stop: float
    logarithmic: bool = False

    @classmethod
    def of(
        cls,
        values: Iterable[float],
        start: float,
        stop: float,
        *,
        margin: float = 0.0,
        log_ratio: float = 0.0,
    ) -> Axis:
        """Return the axis of some numbers; with `log_ratio`, logarithmic if their ratio exceeds it.

        Numbers that are not finite have no place; `margin` is a part of the range.
        """
        finite = [value for value in values if math.isfinite(value) and abs(value) < 1e300] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        logarithmic = bool(log_ratio) and low > 0 and high > log_ratio * low
        if logarithmic:
            low, high = math.log10(low), math.log10(high)
        size = (
            (high - low) * margin if high - low > 1e-12 * max(abs(low), abs(high)) else max(abs(low), 1) / 2
        )
        return cls(low - size, high + size, start, stop, logarithmic)

    def place(self, value: float) -> float | None:
        """Return the pixel of a number, or None if it has none."""
        if self.logarithmic:
            if not value > 0:
                return None
            value = math.log10(value)
        if not math.isfinite(value) or abs(value) >= 1e300:
            return None
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.stop - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return the pixels of round numbers and their labels."""
        marks = ticks(self.low, self.high, most)
        if self.logarithmic:
            whole = [mark for mark in marks if mark == int(mark)]
            marks = [10.0**mark for mark in (whole if len(whole) > 1 else marks)]
        return [(place, f"{mark:.4g}") for mark in marks if (place := self.place(mark)) is not None]
