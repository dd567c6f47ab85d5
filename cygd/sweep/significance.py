"""Whether the best configuration of a sweep is better than the others, or was lucky.

The best configuration is compared with each other one by a two-sided t test. Repetitions that share a seed
share initial weights and shuffles, so the test is paired: Student's t of the differences at each seed. It
assumes that the differences are roughly normal, not that both configurations vary equally. Without shared
seeds it is Welch's test, whose degrees of freedom are rounded down, which is the careful side.

Many comparisons find a difference by chance, so the p-values are adjusted by Holm's step-down method, which
holds whatever the comparisons have in common. One optimism remains: the best configuration was chosen by the
same numbers.

References
----------
S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979), 65-70.
B. L. Welch, The generalization of `Student's' problem, Biometrika 34 (1947), 28-35.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cygd.tracking.statistics import mean, standard_deviation, student_t, student_t_probability

PAIRED, WELCH = "paired t test", "Welch's t test"
MIN_PAIRS = 2
ROUNDING = 1e-9  # of degrees of freedom that are a whole number


@dataclass(frozen=True)
class Comparison:
    """The comparison of two configurations.

    Attributes
    ----------
    test : str
        `paired t test` or `Welch's t test`; empty if there are too few values to test.
    n : int
        The number of pairs, or of the values of the smaller group.
    difference : float
        The mean of the other configuration minus that of the best, over the values that are tested.
    low, high : float
        The 95 % confidence interval of the difference, not adjusted; NaN where there is no test.
    p : float
        The p-value; NaN where there is no test.
    adjusted_p : float
        The p-value adjusted for all comparisons by Holm's method.
    """

    test: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float = math.nan


def compare(best: Mapping[int, float], other: Mapping[int, float]) -> Comparison:
    """Compare the objectives of two configurations, which are given by seed.

    Examples
    --------
    >>> c = compare({1: 1.0, 2: 2.0, 3: 3.0}, {1: 2.0, 2: 4.0, 3: 6.0})
    >>> c.test, c.n, c.difference, round(c.p, 4)
    ('paired t test', 3, 2.0, 0.0742)
    """
    shared = sorted(best.keys() & other.keys())
    if len(shared) >= MIN_PAIRS:
        differences = [other[seed] - best[seed] for seed in shared]
        std = standard_deviation(differences)
        error = std / math.sqrt(len(shared))
        return _test(PAIRED, len(shared), mean(differences), error, len(shared) - 1)
    a, b = list(best.values()), list(other.values())
    n = min(len(a), len(b))
    if n < MIN_PAIRS:
        difference = mean(b) - mean(a) if a and b else math.nan
        return Comparison("", n, difference, math.nan, math.nan, math.nan)
    errors = [standard_deviation(values) / math.sqrt(len(values)) for values in (a, b)]
    error = math.hypot(*errors)
    degrees = 1
    if 0 < error < math.inf:
        shares = [
            (each / error) ** 4 / (len(values) - 1) for each, values in zip(errors, (a, b), strict=True)
        ]
        degrees = max(1, int(1 / sum(shares) + ROUNDING))
    return _test(WELCH, n, mean(b) - mean(a), error, degrees)


def _test(test: str, n: int, difference: float, error: float, degrees: int) -> Comparison:
    """Return the test of a difference with a standard error; none if the error is zero, or overflows."""
    if not (math.isfinite(difference) and math.isfinite(error)):
        return Comparison("", n, difference, math.nan, math.nan, math.nan)
    if error == 0:  # equal at every seed, or a constant difference, which no t test judges
        p = 1.0 if difference == 0 else math.nan
        return Comparison(test if difference == 0 else "", n, difference, difference, difference, p)
    p = max(0.0, 1 - student_t_probability(abs(difference) / error, degrees))
    half_width = student_t(degrees) * error
    return Comparison(test, n, difference, difference - half_width, difference + half_width, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method; NaN, which is no test, stays NaN.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, math.nan])
    [0.03, 0.06, 0.06, nan]
    """
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__)
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
