"""Networks and targets for the tests of networks."""

from itertools import count

import numpy as np

from cygd import Network
from cygd.components.activations import ACTIVATIONS
from cygd.components.losses import LOSSES
from tests.helpers.reference import Reference

NAMES = [activation.name for activation in ACTIVATIONS]
TARGETS = {loss.name: loss.targets for loss in LOSSES}
DOMAINS = {"poisson": "positive", "cross_entropy": "positive", "binary_cross_entropy": "unit"}
POSITIVE = {"sigmoid", "softplus", "gaussian", "softmax", "hard_sigmoid"}
UNIT = POSITIVE - {"softplus"}
DEPTHS = (1, 2, 3, 4)
ROWS, INPUTS, UNITS, OUTPUTS = 5, 3, 4, 3
X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])
LAYERS_WITH_EVERYTHING = [
    {"units": 6, "activation": "tanh", "l1": 0.01, "l2": 0.1, "dropout": 0.5},
    {"units": 5, "activation": "silu", "bias": False, "l2": 0.2},
    {"units": 2, "activation": "identity", "l1": 0.3},
]


def fitting_output(activation, loss):
    """Return the activation if its outputs are in the domain of the loss, else sigmoid."""
    fits = {"positive": POSITIVE, "unit": UNIT}.get(DOMAINS.get(loss), {activation})
    return activation if activation in fits else "sigmoid"


def draw_targets(loss, rng, rows, outputs):
    if loss == "cross_entropy":
        return rng.dirichlet(np.ones(outputs), rows)
    draw = {
        "any": rng.normal,
        "unit": rng.uniform,
        "nonnegative": rng.exponential,
        "signs": lambda size: rng.choice([-1.0, 1.0], size),
    }
    return draw[TARGETS[loss]](size=(rows, outputs))


def random_case(activation, loss, depth, dtype, seed):
    rng = np.random.default_rng(seed)
    layers = [(UNITS, activation)] * (depth - 1) + [(OUTPUTS, fitting_output(activation, loss))]
    net = Network(INPUTS, layers, loss=loss, dtype=dtype, seed=seed)
    net.parameters[...] = rng.uniform(-0.8, 0.8, net.parameters.shape)
    return net, rng.normal(size=(ROWS, INPUTS)), draw_targets(loss, rng, ROWS, OUTPUTS)


def smooth_case(activation, loss, depth, dtype="float64"):
    """Return a random network, x and y away from all kinks."""
    cases = (random_case(activation, loss, depth, dtype, seed) for seed in count())
    return next(case for case in cases if Reference(case[0]).distance_to_kinks(*case[1:]) > 1e-3)


def assert_close(actual, expected, tolerance):
    """Compare gradients with a tolerance relative to the largest component."""
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def small():
    return Network(2, [(3, "tanh"), (2, "identity")], seed=1)


def swish(h):
    return h / (1 + np.exp(-h))


def swish_derivative(h, y_hat):
    s = 1 / (1 + np.exp(-h))
    return y_hat + s * (1 - y_hat)
