"""Swish: h sigmoid(beta h), where `beta` sets the steepness of the sigmoid.

    model: {activation: {name: swish, beta: 1.5}, layers: [16, 1]}

It is SiLU for beta = 1 and h / 2 for beta = 0, and approaches relu for large beta. Ramachandran, Zoph and Le,
"Searching for Activation Functions", 2017.
"""

import numpy as np

from cygd import Activation, hookimpl


def sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2  # exp could overflow


def swish(h, beta):
    return h * sigmoid(beta * h)


def swish_prime(h, y_hat, beta):
    # y_hat = h s, and s' = beta s (1 - s)
    s = sigmoid(beta * h)
    return s + beta * y_hat * (1 - s)


SWISH = Activation(
    "swish",
    function=swish,
    derivative=swish_prime,
    parameters={"beta": 1.0},
    summary="h sigmoid(beta h)",
)


@hookimpl
def cygd_activations():
    return SWISH
