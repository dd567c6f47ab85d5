"""Metrics: numbers reported beside the loss, computed from arrays (n_samples, n_outputs).

The definitions and the edge cases are scikit-learn's: an undefined ratio is 0, r2 of constant targets is 1
for perfect predictions and else 0. A metric without any value (no rows, r2 of one row, roc_auc of one class)
is NaN. One output column is binary: positive above 1/2, or above 0 if the targets are -1 and 1. Several
columns are classes; the largest output wins, the first of equal ones.

A metric may decide when training stops, so its bits must not depend on the machine: counts are integers, and
`cygd.core.deterministic` averages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygd.components.base import Component, Function, declared_by
from cygd.components.evaluation import Array, as_float_array, read_only
from cygd.core import deterministic
from cygd.errors import PluginError


def columns(a: ArrayLike) -> Array:
    """Return an array (n_samples, n_outputs); an array of one dimension becomes one column."""
    array = as_float_array(a)
    return array.reshape(-1, 1) if array.ndim == 1 else array


@dataclass(frozen=True, eq=False, repr=False)
class Metric(Component):
    """A number reported beside the loss.

    Parameters
    ----------
    name : str
        The name in an experiment.
    function : callable
        function(y, y_hat, **options) -> float, over arrays (n_samples, n_outputs); its keyword parameters
        with their defaults are the options.
    greater_is_better : bool
        Whether early stopping maximizes it.

    Examples
    --------
    >>> worst = Metric("worst", lambda y, y_hat: abs(y - y_hat).max(), greater_is_better=False)
    >>> worst.measure([[1.0], [2.0]], [[1.0], [4.0]])
    2.0
    """

    kind: ClassVar[str] = "metric"

    function: Function
    greater_is_better: bool = True
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._declare(declared_by(self, "function", self.function, ("y", "y_hat")))

    def measure(self, y: ArrayLike, y_hat: ArrayLike) -> float:
        """Return the metric, or NaN if any prediction is NaN."""
        y, y_hat = columns(y), columns(y_hat)
        if np.isnan(y_hat).any():
            return float("nan")
        # a diverging network may predict huge values, which make the metric infinite
        with np.errstate(over="ignore", invalid="ignore"):
            result = self.function(read_only(y), read_only(y_hat), **self.parameters)
        try:
            return float(result)
        except (TypeError, ValueError):
            raise PluginError(f"{self}: function: expected a number, got {type(result).__name__}") from None


# -- regression -----------------------------------------------------------------------------------


def rmse(y: Array, y_hat: Array) -> float:
    """Return the root mean squared error of each column, averaged over the columns."""
    return _mean(sqrt(square) for square in _column_means(_errors(y, y_hat) ** 2))


def mae(y: Array, y_hat: Array) -> float:
    """Return the mean absolute error."""
    return _mean(_column_means(np.abs(_errors(y, y_hat))))


def r2(y: Array, y_hat: Array) -> float:
    """Return the coefficient of determination, averaged over the columns."""
    if len(y) < 2:
        return nan
    _, std, low, high = deterministic.column_statistics(y)
    # rounding could give constant targets a tiny standard deviation
    variance = np.where(low == high, 0.0, std**2)
    residual = _column_means(_errors(y, y_hat) ** 2)
    return _mean(_explained(e, v) for e, v in zip(residual, variance.tolist(), strict=True))


def _explained(residual: float, variance: float) -> float:
    if variance:
        return 1 - residual / variance
    return 0.0 if residual else 1.0


def _errors(y: Array, y_hat: Array) -> NDArray[np.float64]:
    return np.subtract(y, y_hat, dtype=np.float64)


# -- classification -------------------------------------------------------------------------------


def accuracy(y: Array, y_hat: Array) -> float:
    """Return the fraction of rows whose class is predicted."""
    truth, predicted = _classes(y, y_hat)
    return int((truth == predicted).sum()) / len(y) if len(y) else nan


def precision(y: Array, y_hat: Array) -> float:
    """Return true positives over predicted positives; the unweighted mean over several classes."""
    return _mean(_ratio(hits, predicted) for hits, predicted, _ in _counts(y, y_hat))


def recall(y: Array, y_hat: Array) -> float:
    """Return true positives over actual positives; the unweighted mean over several classes."""
    return _mean(_ratio(hits, actual) for hits, _, actual in _counts(y, y_hat))


def f1(y: Array, y_hat: Array) -> float:
    """Return the harmonic mean of precision and recall; the unweighted mean over several classes."""
    return _mean(_ratio(2 * hits, predicted + actual) for hits, predicted, actual in _counts(y, y_hat))


def roc_auc(y: Array, y_hat: Array) -> float:
    """Return how often a positive row outscores a negative one (ROC AUC); ties count half.

    Several classes are averaged one against the rest, without classes that all rows or no row belong to.
    """
    if y.shape[1] == 1:
        return _auc(_positive(y, y)[:, 0], y_hat[:, 0])
    truth = np.argmax(y, axis=1)
    areas = (_auc(truth == k, y_hat[:, k]) for k in range(y.shape[1]))
    return _mean(area for area in areas if not isnan(area))


def _auc(positive: NDArray[np.bool_], score: Array) -> float:
    """Return the area from ranks: the rank sum of the positives less its minimum (Mann & Whitney)."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return nan
    _, index, count = np.unique(score, return_inverse=True, return_counts=True)
    # twice the mean rank (from 1) of equal scores is an integer: first rank + last rank
    last = np.cumsum(count)
    twice_rank = (2 * last - count + 1)[index]
    twice_sum = int(twice_rank[positive].sum())
    return (twice_sum - n_positive * (n_positive + 1)) / (2 * n_positive * n_negative)


def _counts(y: Array, y_hat: Array) -> list[tuple[int, int, int]]:
    """Return (hits, predicted, actual) of the positive class, or of each class that occurs."""
    truth, predicted = _classes(y, y_hat)
    classes = [1] if y.shape[1] == 1 else range(y.shape[1])
    counts = [
        (int((p & t).sum()), int(p.sum()), int(t.sum()))
        for p, t in ((predicted == k, truth == k) for k in classes)
    ]
    return counts if y.shape[1] == 1 and len(y) else [c for c in counts if c[1] or c[2]]


def _classes(y: Array, y_hat: Array) -> tuple[Array, Array]:
    """Return the actual and the predicted class of each row as integers."""
    if y.shape[1] == 1:
        return _positive(y, y)[:, 0].astype(int), _positive(y, y_hat)[:, 0].astype(int)
    return np.argmax(y, axis=1), np.argmax(y_hat, axis=1)


def _positive(y: Array, a: Array) -> NDArray[np.bool_]:
    """Return where a exceeds the threshold: 0 if y has negative targets, else 1/2."""
    return np.asarray(a > (0 if (y < 0).any() else 0.5))


# -- both -----------------------------------------------------------------------------------------


def _column_means(a: Array) -> list[float]:
    """Return the mean of each column, summed in the order of the rows."""
    return deterministic.column_statistics(a)[0].tolist() if len(a) else [nan] * a.shape[1]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    total = 0.0  # sum() rounds differently from Python 3.12 on
    for value in listed:
        total += value
    return total / len(listed) if listed else nan


def _ratio(part: int, total: int) -> float:
    return part / total if total else 0.0


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", accuracy, summary="share of rows whose class is predicted"),
    Metric("rmse", rmse, greater_is_better=False, summary="root of the mean squared error"),
    Metric("mae", mae, greater_is_better=False, summary="mean absolute error"),
    Metric("r2", r2, summary="share of the variance that is explained"),
    Metric("precision", precision, summary="share of the rows predicted positive that are"),
    Metric("recall", recall, summary="share of the positive rows that are predicted"),
    Metric("f1", f1, summary="harmonic mean of precision and recall"),
    Metric("roc_auc", roc_auc, summary="how often a positive row gets a larger output than a negative"),
)
