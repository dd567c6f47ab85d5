"""Mean, standard deviation and confidence interval of the results of several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Statistics of a sample.

    Attributes
    ----------
    n : int
        The number of values.
    mean : float
        NaN for an empty sample.
    standard_deviation : float
        With divisor n - 1; NaN for fewer than two values.
    low, high : float
        The 95 % confidence interval of the mean by Student's t; NaN for fewer than two values.
    """

    n: int
    mean: float
    standard_deviation: float
    low: float
    high: float


def mean(values: Sequence[float]) -> float:
    """Return the mean; math.fsum rounds once, so the order of the values does not matter."""
    return _mean(values) if all(map(math.isfinite, values)) else math.nan


def _mean(values: Sequence[float]) -> float:
    """Return the mean; infinite if a value is, NaN if two are infinities of both signs."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # of the sum
        return math.fsum(value / len(values) for value in values)
    except ValueError:  # inf - inf
        return math.nan


def standard_deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; NaN for fewer than two values."""
    if len(values) < 2 or math.isnan(center := mean(values)):
        return math.nan
    try:
        return math.sqrt(math.fsum((value - center) ** 2 for value in values) / (len(values) - 1))
    except OverflowError:  # of a square, or of their sum
        halves = [value / 2 - center / 2 for value in values]
        largest = max(map(abs, halves))
        return (
            2 * largest * math.sqrt(math.fsum((half / largest) ** 2 for half in halves) / (len(values) - 1))
        )


def summarize(values: Sequence[float]) -> Summary:
    """Return the statistics of a sample.

    Examples
    --------
    >>> s = summarize([1.0, 2.0, 3.0])
    >>> s.mean, s.standard_deviation, round(s.low, 4), round(s.high, 4)
    (2.0, 1.0, -0.4841, 4.4841)
    """
    n = len(values)
    center = _mean(values) if n else math.nan  # unlike `mean`, infinite if a value is
    std = standard_deviation(values)
    half_width = student_t(n - 1) * std / math.sqrt(n) if n > 1 else math.nan
    return Summary(n, center, std, center - half_width, center + half_width)


def student_t(degrees: int, level: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t distribution: P(-t < T < t) = level.

    Examples
    --------
    >>> round(student_t(9), 6), round(student_t(1), 4)
    (2.262157, 12.7062)
    """
    low, high = 0.0, 1.0
    while student_t_probability(high, degrees) < level:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if student_t_probability(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_t_probability(t: float, degrees: int) -> float:
    """Return P(-t < T < t) of Student's t distribution.

    It is a finite sum for integer degrees of freedom (Abramowitz and Stegun, 26.7.3, 26.7.4).
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
