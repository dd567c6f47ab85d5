"""Initializers: the weights (n_inputs, n_outputs) of a layer before the first update.

glorot, he and lecun are scaled as in Keras: the variance is 2 / (n_inputs + n_outputs), 2 / n_inputs and 1 /
n_inputs, so that signals keep their size from layer to layer. Their normal variants are not truncated; Keras
truncates the normal distribution at two standard deviations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cygd.components.base import Component, Function, declared_by
from cygd.components.evaluation import check_result
from cygd.core import deterministic
from cygd.errors import PluginError

if TYPE_CHECKING:
    from cygd.core.random import Stream

Weights = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Initializer(Component):
    """A function that draws the weights of a layer before the first update.

    Parameters
    ----------
    name : str
        The name in an experiment.
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

    def draw(self, rng: Any, n_inputs: int, n_outputs: int) -> Weights:
        """Return finite weights (n_inputs, n_outputs)."""
        weights = self.function(rng, n_inputs, n_outputs, **self.parameters)
        w = check_result(weights, np.empty((n_inputs, n_outputs)), f"{self}: function")
        if not np.isfinite(w).all():
            raise PluginError(f"{self}: function: expected finite weights")
        return w


def zeros(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return zeros; all units of the layer then train identically."""
    return np.zeros((n_inputs, n_outputs))


def constant(rng: Stream, n_inputs: int, n_outputs: int, *, value: float = 0.0) -> Weights:
    """Return one value everywhere."""
    return np.full((n_inputs, n_outputs), value)


def uniform(rng: Stream, n_inputs: int, n_outputs: int, *, low: float = -0.05, high: float = 0.05) -> Weights:
    """Return values from [low, high)."""
    if low > high:
        raise ValueError(f"uniform: expected low <= high, got low={low} and high={high}")
    return _uniform(rng, n_inputs, n_outputs, low, high)


def normal(
    rng: Stream, n_inputs: int, n_outputs: int, *, mean: float = 0.0, deviation: float = 0.05
) -> Weights:
    """Return normal random numbers; `deviation` is the standard deviation."""
    return np.asarray(rng.normal(mean, deviation, (n_inputs, n_outputs)))


def glorot_uniform(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return values within sqrt(6 / (n_inputs + n_outputs)) (Glorot & Bengio 2010)."""
    limit = sqrt(6 / (n_inputs + n_outputs))
    return _uniform(rng, n_inputs, n_outputs, -limit, limit)


def glorot_normal(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return normal random numbers of variance 2 / (n_inputs + n_outputs)."""
    return normal(rng, n_inputs, n_outputs, deviation=sqrt(2 / (n_inputs + n_outputs)))


def he_uniform(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return values within sqrt(6 / n_inputs) (He et al. 2015)."""
    limit = sqrt(6 / n_inputs)
    return _uniform(rng, n_inputs, n_outputs, -limit, limit)


def he_normal(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return normal random numbers of variance 2 / n_inputs."""
    return normal(rng, n_inputs, n_outputs, deviation=sqrt(2 / n_inputs))


def lecun_uniform(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return values within sqrt(3 / n_inputs) (LeCun et al. 1998)."""
    limit = sqrt(3 / n_inputs)
    return _uniform(rng, n_inputs, n_outputs, -limit, limit)


def lecun_normal(rng: Stream, n_inputs: int, n_outputs: int) -> Weights:
    """Return normal random numbers of variance 1 / n_inputs."""
    return normal(rng, n_inputs, n_outputs, deviation=sqrt(1 / n_inputs))


def orthogonal(rng: Stream, n_inputs: int, n_outputs: int, *, gain: float = 1.0) -> Weights:
    """Return gain times orthonormal columns, or orthonormal rows if there are fewer (Saxe et al. 2014).

    Gram-Schmidt on normal random numbers makes every orthonormal basis equally likely.
    """
    return np.asarray(gain * deterministic.orthonormal(rng.standard_normal((n_inputs, n_outputs))))


def _uniform(rng: Stream, n_inputs: int, n_outputs: int, low: float, high: float) -> Weights:
    return np.asarray(rng.uniform(low, high, (n_inputs, n_outputs)))


INITIALIZERS: tuple[Initializer, ...] = (
    Initializer("zeros", zeros, summary="0"),
    Initializer("constant", constant, summary="value"),
    Initializer("uniform", uniform, summary="uniform in [low, high)"),
    Initializer("normal", normal, summary="normal", bounds={"deviation": "[0, inf)"}),
    Initializer("glorot_uniform", glorot_uniform, summary="within sqrt(6 / (n_inputs + n_outputs))"),
    Initializer("glorot_normal", glorot_normal, summary="normal, variance 2 / (n_inputs + n_outputs)"),
    Initializer("he_uniform", he_uniform, summary="within sqrt(6 / n_inputs)"),
    Initializer("he_normal", he_normal, summary="normal, variance 2 / n_inputs"),
    Initializer("lecun_uniform", lecun_uniform, summary="within sqrt(3 / n_inputs)"),
    Initializer("lecun_normal", lecun_normal, summary="normal, variance 1 / n_inputs"),
    Initializer("orthogonal", orthogonal, summary="gain times orthonormal columns or rows"),
)
