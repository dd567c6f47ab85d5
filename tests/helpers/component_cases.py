"""Functions that the tests of components share."""

import numpy as np

from cygd.components import Activation, Component
from cygd.components.activations import ACTIVATIONS
from cygd.components.initializers import INITIALIZERS
from cygd.components.losses import LOSSES
from cygd.components.metrics import METRICS
from cygd.components.optimizers import OPTIMIZERS
from cygd.components.schedules import SCHEDULES

BUILT_INS: tuple[Component, ...] = (
    *ACTIVATIONS,
    *LOSSES,
    *OPTIMIZERS,
    *SCHEDULES,
    *INITIALIZERS,
    *METRICS,
)


def square(h):
    return h * h


def double(h):
    return 2 * h


def swish(h, beta):
    return h / (1 + np.exp(-beta * h))


def swish_prime(h, y_hat, beta):
    return beta * y_hat + (1 - beta * y_hat) / (1 + np.exp(-beta * h))


def softmax(h):
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(h, y_hat, g):
    return y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))


def descend(w, g, state, learning_rate, step):
    w -= learning_rate * g


SWISH = Activation("swish", swish, swish_prime, {"beta": 1.0})
