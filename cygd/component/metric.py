"""Metrics: numbers that are measured beside the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cygd.component.arrays import Array, floats, read_only
from cygd.component.base import Component, Function, declared_by
from cygd.errors import PluginError

__all__ = ["Metric"]


def columns(a: ArrayLike) -> Array:
    """Return an array (n_samples, n_outputs); one dimension is one column."""
    array = floats(a)
    return array.reshape(-1, 1) if array.ndim == 1 else array


@dataclass(frozen=True, eq=False, repr=False)
class Metric(Component):
    """A number that is measured beside the loss.

    Parameters
    ----------
    name : str
        What an experiment calls it.
    function : callable
        function(y, y_hat, **options) -> float, over arrays (n_samples, n_outputs); its keyword
        parameters with their defaults are the options.
    greater_is_better : bool
        Which way early stopping goes.

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
        """Return the metric; NaN if any prediction is NaN, whatever the function would say to it."""
        y, y_hat = columns(y), columns(y_hat)
        if np.isnan(y_hat).any():
            return float("nan")
        # the predictions of a network that diverges may be huge, and the metric is infinite then
        with np.errstate(over="ignore", invalid="ignore"):
            result = self.function(read_only(y), read_only(y_hat), **self.parameters)
        try:
            return float(result)
        except (TypeError, ValueError):
            kind = type(result).__name__
            raise PluginError(f"{self}: function must return a number, returned {kind}") from None
