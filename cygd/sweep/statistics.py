"""Mean, standard deviation and the interval around a mean: what repeated runs say of a configuration."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Summary", "student_t", "summarize"]


@dataclass(frozen=True)
class Summary:
    """What n numbers have in common.

    Attributes
    ----------
    n : int
        How many there are.
    mean : float
    standard_deviation : float
        Of the sample, with n - 1; nan of a single number.
    low, high : float
        The 95 % interval of the mean by Student's t; nan of a single number.
    """

    n: int
    mean: float
    standard_deviation: float
    low: float
    high: float


def summarize(values: Sequence[float]) -> Summary:
    """Return what numbers have in common; nan throughout where there is none.

    Examples
    --------
    >>> s = summarize([1.0, 2.0, 3.0])
    >>> s.mean, s.standard_deviation, round(s.low, 4), round(s.high, 4)
    (2.0, 1.0, -0.4841, 4.4841)
    """
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return Summary(n, mean, math.nan, math.nan, math.nan)
    deviation = statistics.stdev(values, mean) if math.isfinite(mean) else math.nan
    half = student_t(n - 1) * deviation / math.sqrt(n)
    return Summary(n, mean, deviation, mean - half, mean + half)


def student_t(degrees: int, level: float = 0.95) -> float:
    """Return the t beyond which, on both sides together, lie 1 - level of Student's distribution.

    Examples
    --------
    >>> round(student_t(9), 6), round(student_t(1), 4)
    (2.262157, 12.7062)
    """
    low, high = 0.0, 1.0
    while _within(high, degrees) < level:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _within(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _within(t: float, degrees: int) -> float:
    """Return how much of Student's distribution lies between -t and t: the sum that whole degrees allow.

    Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    theta = math.atan2(t, math.sqrt(degrees))
    cosine = math.cos(theta)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 if odd else 0, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total
