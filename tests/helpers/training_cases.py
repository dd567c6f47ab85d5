"""Rows, layers, networks and optimizers for the tests of training."""

import numpy as np

from cygd import Network
from cygd.components.optimizers import OPTIMIZERS
from cygd.network import FitOptions
from cygd.network.evaluation import Rows
from cygd.network.training import CallbackListener, TrainingLoop

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
WEIGHT = rng.exponential(size=50)

PLAIN = [(6, "tanh"), (2, "identity")]
WITH_EVERYTHING = [
    {"units": 9, "activation": "tanh", "dropout": 0.3, "l1": 0.01, "l2": 0.1},
    {"units": 6, "activation": "silu", "dropout": 0.5, "bias": False},
    {"units": 2, "activation": "identity", "l1": 0.02},
]


def network(layers=PLAIN, loss="mse", dtype="float64", seed=1):
    return Network(3, layers, loss=loss, dtype=dtype, seed=seed)


def optimizer(name, **options):
    [found] = [row for row in OPTIMIZERS if row.name == name]
    return found.configured(options)


def train(net, x, y, *, rows=None, validation=None, on_epoch=None, start=None, on_start=None, **options):
    """Train a network with options of `FitOptions` and return its history."""
    return TrainingLoop(
        network=net,
        data=Rows(x, y, rows=rows),
        options=FitOptions(**{"evaluate_every": 1, **options}),
        validation=validation,
        listener=on_epoch and CallbackListener(on_epoch),
        start=start,
        on_start=on_start,
    ).run()
