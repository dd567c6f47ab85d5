"""Initializers: the weights before the first update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cygd.component.arrays import checked
from cygd.component.base import Component, Function, declared_by
from cygd.errors import PluginError

__all__ = ["Initializer"]


@dataclass(frozen=True, eq=False, repr=False)
class Initializer(Component):
    """The weights of a layer before the first update.

    Parameters
    ----------
    name : str
        What an experiment calls it.
    function : callable
        function(rng, n_inputs, n_outputs, **options) -> array (n_inputs, n_outputs). Its keyword
        parameters with their defaults are the options; rng is a `cygd.core.random.Stream`.

    Examples
    --------
    >>> ones = Initializer("ones", lambda rng, n_inputs, n_outputs: np.ones((n_inputs, n_outputs)))
    >>> ones.draw(None, 1, 2)
    array([[1., 1.]])
    """

    kind: ClassVar[str] = "initializer"

    function: Function
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._declare(declared_by(self, "function", self.function, ("rng", "n_inputs", "n_outputs")))

    def draw(self, rng: Any, n_inputs: int, n_outputs: int) -> NDArray[np.float64]:
        """Return the weights (n_inputs, n_outputs), which must be finite."""
        weights = self.function(rng, n_inputs, n_outputs, **self.parameters)
        w = checked(weights, np.empty((n_inputs, n_outputs)), f"{self}: function")
        if not np.isfinite(w).all():
            raise PluginError(f"{self}: function returned weights that are not finite")
        return w
