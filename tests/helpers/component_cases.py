"""Functions and components for the tests of components."""

import numpy as np

from cygd.components import Activation
from cygd.components.registry import KINDS

BUILT_INS = [component for kind in KINDS for component in kind.built_ins]


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
