"""Training cases: the network, the data and the initial weights that all libraries share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MANY", "Case"]

MANY = 64  # networks that are trained at once in `benchmarks.many_networks`

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """Mini-batch training of a network in float32, without shuffling.

    Attributes
    ----------
    widths : tuple of int
        Number of inputs and of units in each layer.
    activation : {"tanh", "relu"}
        Activation of the hidden layers.
    softmax : bool
        Softmax output with cross_entropy; otherwise identity output with mse.
    optimizer : {"sgd", "adam"}
    batch, steps : int
        Rows of a batch, and batches of an epoch.
    full : bool
        An epoch is a single step over all `batch` rows, and a timing consists of `steps` epochs.
    learning_rate : float
    checked : int
        Number of epochs after which all libraries must have the same loss.
    """

    widths: tuple[int, ...]
    activation: str
    softmax: bool
    optimizer: str
    batch: int
    steps: int
    full: bool = False
    learning_rate: float = 1e-3
    checked: int = 2

    @property
    def label(self) -> str:
        """The layer sizes, such as 2-16-1."""
        return "-".join(map(str, self.widths))

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.batch * (1 if self.full else self.steps)

    @property
    def operations(self) -> int:
        """Additions and multiplications in the matrix products of a step, forward and backward."""
        products = [n_in * n_out for n_in, n_out in zip(self.widths, self.widths[1:], strict=False)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def data(self) -> tuple[Array, Array]:
        """Return x of shape (rows, inputs) and y of shape (rows, outputs), one-hot for softmax."""
        rng = np.random.default_rng(1)
        x = rng.normal(size=(self.rows, self.widths[0])).astype(np.float32)
        if self.softmax:
            classes = (x[:, 0] > 0) + rng.integers(0, self.widths[-1] - 1, size=self.rows)
            return x, np.eye(self.widths[-1], dtype=np.float32)[classes]
        y = np.tanh(x[:, :1] + 0.1 * rng.normal(size=(self.rows, self.widths[-1])))
        return x, y.astype(np.float32)

    def parameters(self, network: int = 0) -> list[tuple[Array, Array]]:
        """Return the weights (inputs, units) and biases (units,) of each layer, for one of many networks."""
        rng = np.random.default_rng(2 + network)
        parameters = []
        for n_in, n_out in zip(self.widths, self.widths[1:], strict=False):
            w = rng.normal(size=(n_in, n_out)) * np.sqrt((2 if self.activation == "relu" else 1) / n_in)
            parameters.append((w.astype(np.float32), np.full(n_out, 0.01, np.float32)))
        return parameters
