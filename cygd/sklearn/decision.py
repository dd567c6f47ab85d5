"""The values by which a classifier decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cygd import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cygd.network import Network

    Array = NDArray[Any]

MONOTONIC = ("sigmoid", "softmax")  # they map a net input of 0 to 1/2, or equal ones to equal shares


def decision_values(network: Network, x: Array, threshold: float) -> tuple[Array, float]:
    """Return the net inputs of a sigmoid or softmax output layer, else the outputs, and their threshold.

    The net inputs still differ where the outputs are rounded to 0 or 1.
    """
    if network.layers[-1].activation.kernel not in MONOTONIC:
        return network.predict(x), threshold
    y_hat = x
    layers = list(zip(network.activations, network.weights, network.biases, strict=True))
    for activation, w, b in layers[:-1]:
        y_hat = activation.evaluate(core.net_input(y_hat, w, b))
    _, w, b = layers[-1]
    return core.net_input(y_hat, w, b), 0.0
