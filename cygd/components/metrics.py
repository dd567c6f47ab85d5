"""Metrics: numbers reported beside the loss, computed from arrays (n_samples, n_outputs).

The definitions and the edge cases are scikit-learn's: r2 of constant targets is 1 for perfect predictions
and else 0. A metric without any value (no rows, r2 of one row, roc_auc of one class) is NaN. Those of classes
are in `classification`; `cygd.core.metrics` computes the built-in ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isnan, nan
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cygd.components.base import Component, Function, declared_by
from cygd.components.classification import Targets, as_indicator
from cygd.components.evaluation import Array, as_float_array, read_only
from cygd.core.metrics import Scorer
from cygd.errors import DataError, PluginError


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
    kernel : str, optional
        For built-ins: the name in `cygd.core.metrics`.
    classification : bool
        For built-ins: the function takes (y, y_hat, targets), with the kind of the targets.
    needs : str
        For built-ins: what the targets must have, so that the metric has a value.

    Examples
    --------
    >>> worst = Metric("worst", lambda y, y_hat: abs(y - y_hat).max(), greater_is_better=False)
    >>> worst.measure([[1.0], [2.0]], [[1.0], [4.0]])
    2.0
    """

    kind: ClassVar[str] = "metric"

    function: Function
    greater_is_better: bool = True
    kernel: str | None = field(default=None, kw_only=True)
    classification: bool = field(default=False, kw_only=True)
    needs: str = field(default="rows", kw_only=True)
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        arguments = ("y", "y_hat", *(["targets"] if self.classification else []))
        self._declare(declared_by(self, "function", self.function, arguments))

    def measure(self, y: ArrayLike, y_hat: ArrayLike, targets: Targets | None = None) -> float:
        """Return the metric, or NaN if any prediction is NaN.

        A metric of classes compares what `targets` says, by default what y alone looks like.
        """
        y, y_hat = columns(y), columns(y_hat)
        if self.classification and y.shape[1] < y_hat.shape[1]:
            y = as_indicator(y, y_hat.shape[1])
        if self.tier == "built-in" and y.shape != y_hat.shape:
            raise ValueError(f"{self}: expected y_hat of the shape {y.shape} of y, got {y_hat.shape}")
        arguments: list[Any] = [read_only(y), read_only(y_hat)]
        if self.classification:
            targets = targets or Targets.of(y)
            self.check_targets(y, targets)
            arguments.append(targets)
        if np.isnan(y_hat).any():
            return nan
        # a diverging network may predict huge values, which make the metric infinite
        with np.errstate(over="ignore", invalid="ignore"):
            result = self.function(*arguments, **self.parameters)
        try:
            return float(result)
        except (TypeError, ValueError):
            raise PluginError(f"{self}: function: expected a number, got {type(result).__name__}") from None

    def check_targets(self, y: Array, targets: Targets | None) -> None:
        """Raise a DataError if the metric compares classes, and targets are none or of another kind."""
        if not self.classification or targets is None:
            return
        targets.check(str(self), y)
        if targets.kind == "numbers" and self.kernel == "roc_auc":
            raise DataError(
                f"{self} needs an output for each class, got class numbers in one column",
                hint="give one column of 0 and 1 for each class",
            )

    def is_defined(self, y: Array, targets: Targets | None) -> bool:
        """Return whether a built-in has a value for these targets, as perfect predictions show."""
        return self.tier != "built-in" or not isnan(self.measure(y, y, targets))


def build_scorer(kernels: Sequence[str], y: Array, targets: Targets | None) -> Scorer:
    """Return the compiled built-in metrics of some targets, whose kind `targets` says."""
    if targets is None:
        return Scorer(kernels, y)
    return Scorer(kernels, y, targets.kind, targets.threshold)


def _measure_numbers(name: str, y: Array, y_hat: Array) -> float:
    return build_scorer([name], y, None)(y_hat)[0]


def _measure_classes(name: str, y: Array, y_hat: Array, targets: Targets) -> float:
    return build_scorer([name], y, targets)(y_hat)[0]


def _of_numbers(name: str, summary: str, **attributes: Any) -> Metric:
    return Metric(name, partial(_measure_numbers, name), kernel=name, summary=summary, **attributes)


def _of_classes(name: str, summary: str, needs: str = "rows") -> Metric:
    function = partial(_measure_classes, name)
    return Metric(name, function, kernel=name, summary=summary, needs=needs, classification=True)


METRICS: tuple[Metric, ...] = (
    _of_classes("accuracy", "share of rows whose class is predicted"),
    _of_numbers("rmse", "root of the mean squared error", greater_is_better=False),
    _of_numbers("mae", "mean absolute error", greater_is_better=False),
    _of_numbers("r2", "share of the variance that is explained", needs="two rows"),
    _of_classes("precision", "share of the rows predicted positive that are"),
    _of_classes("recall", "share of the positive rows that are predicted"),
    _of_classes("f1", "harmonic mean of precision and recall"),
    _of_classes(
        "roc_auc", "how often a positive row gets a larger output than a negative", "rows of two classes"
    ),
)
