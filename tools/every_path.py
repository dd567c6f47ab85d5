"""Call every kernel and every way through the engine, on arrays that end where their memory ends.

    python tools/every_path.py                              every dtype and CPU level
    python tools/every_path.py --dtype float32 --level v3   one of them

For tools that check memory and slow a program down 50 times, such as valgrind (tools/sanitize): the tests
would take hours. It checks only that results are finite; the tests check that they are right.
"""

import argparse
from itertools import product

import numpy as np

from cygd import Activation, Loss, Network, Optimizer, core, fit_many
from cygd.components.activations import ACTIVATIONS
from cygd.components.formula import FUNCTIONS
from cygd.components.losses import LOSSES
from cygd.components.optimizers import OPTIMIZERS
from cygd.core import deterministic, dispatch
from cygd.core.random import Stream

RNG = np.random.default_rng(0)
SIZES = (1, 7, 16, 65)
LAYERS = {
    "single unit": (9, [1]),
    "single layer": (7, [3]),
    "narrow": (5, [9, 3]),
    "wide": (70, [70, 66, 2]),
}
BATCHES = (1, 4, 37, "full")
ENDS = {"poisson": "softplus", "cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
OPTIONS = [{"name": row.name} for row in OPTIMIZERS] + [
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"name": "rmsprop", "momentum": 0.9, "centered": True},
    {"name": "adam", "amsgrad": True},
    {"name": "adamw", "amsgrad": True, "weight_decay": 0.01},
]


def draw_targets(loss, rows, outputs):
    """Return targets in the domain of a loss."""
    kinds = {row.name: row.targets for row in LOSSES}
    values = RNG.uniform(0.1, 0.9, (rows, outputs))
    if loss == "cross_entropy":
        return values / values.sum(axis=1, keepdims=True)
    return np.where(values > 0.5, 1.0, -1.0) if kinds.get(str(loss)) == "signs" else values


def exercise(layers, loss="mse", rows=75, dtype="float64", options=(("sgd", {}),), batches=BATCHES, **layer):
    """Train a network in batches of several sizes, then predict and compute its gradient."""
    n_inputs, units = LAYERS[layers] if isinstance(layers, str) else layers
    specs = [{"units": n, "activation": "tanh", **layer} for n in units]
    specs[-1] |= {"activation": ENDS.get(str(loss), specs[-1]["activation"]), "dropout": 0}
    x, y = RNG.normal(size=(rows, n_inputs)), draw_targets(loss, rows, units[-1])
    weight = RNG.exponential(size=rows)
    weight[::5] = 0
    for (optimizer, more), batch_size in product(options, batches):
        net = Network(n_inputs, specs, loss=loss, dtype=dtype)
        net._engine.force_parallel = True
        net.fit(x, y, optimizer, 1e-3, epochs=2, batch_size=batch_size, **more)
        gradients = [net.gradient(x, y)[1], net.gradient(x, y, weight, threads=3)[1]]
        results = [net.parameters, net.predict(x), net.predict(x[:1]), *gradients]
        if not all(np.isfinite(values).all() for values in results):
            raise SystemExit(f"not finite: {specs}, {loss}, {optimizer}, {batch_size}")


def primitives(dtype):
    for row, n in product(ACTIVATIONS, SIZES):
        h = RNG.normal(size=(3, n)).astype(dtype)
        for function in (core.activate, core.derivative):
            if row.name != "softmax" or function is core.activate:
                function(h, row.name)
                function(h[:, ::-1], row.name, out=np.empty_like(h))
    for n_inputs, n_outputs in product(SIZES, SIZES):
        shapes = (5, n_inputs), (n_inputs, n_outputs), n_outputs
        x, w, b = (RNG.normal(size=shape).astype(dtype) for shape in shapes)
        h = core.net_input(x, w, b)
        y_hat = core.output(x, w, b)
        delta = core.error_term(np.zeros_like(h), y_hat, h)
        core.hidden_error_term(w, delta, RNG.normal(size=(5, n_inputs)).astype(dtype))
        core.weight_step(x, delta, 0.1)
        core.sse(h, y_hat)


def kernels(dtype):
    """Every activation, loss and optimizer, by name."""
    for row in ACTIVATIONS:
        exercise("narrow", dtype=dtype, activation=row.name)
        exercise("single layer", dtype=dtype, activation=row.name)
        if row.name != "softmax":
            exercise("single unit", dtype=dtype, activation=row.name)
    for row, layers in product(LOSSES, ("single unit", "single layer", "narrow")):
        if (row.name, layers) != ("cross_entropy", "single unit"):
            exercise(layers, row.name, dtype=dtype)
    every = [(option, {}) for option in OPTIONS]
    for layers in LAYERS:
        exercise(layers, dtype=dtype, options=every, batches=(1, 4) if layers == "wide" else (1, 37))


def engine(dtype):
    """Every way of a batch: chunks, small batches, weights, clipping, penalties, dropout, threads."""
    weight = RNG.exponential(size=600)
    ways = [{"clip": {"norm": 1e-3}}, {"clip": {"value": 1e-3}}, {"sample_weight": weight}, {"threads": 4}]
    large = {"rows": 600, "dtype": dtype, "batches": (300,)}
    exercise("wide", options=[("adam", way) for way in ways], dropout=0.3, **large)
    exercise("wide", options=[("sgd", way) for way in ways], l1=0.1, l2=0.1, **large)
    exercise("single layer", options=[("sgd", way) for way in ways], **large)
    exercise((300, [400, 2]), rows=20, dtype=dtype, batches=(1, 8, 20))  # updated as the gradient goes
    for n in SIZES:
        exercise((n, [n, n]), rows=n, dtype=dtype, batches=(1, "full"))


def components(dtype):
    """Formulas with every function, and Python functions."""
    for name, n in FUNCTIONS.items():
        inner = "0.5 + 0.25 * tanh(h)"  # in the domain of every function
        arguments = f"h > 0, h, {inner}" if name == "where" else f"h, {inner}, 1" if n > 1 else inner
        arguments = f"h, {inner}" if n == 2 else arguments
        activation = {"formula": f"a * {name}({arguments})", "a": 0.5, "trainable": ["a"]}
        exercise("narrow", dtype=dtype, activation=activation, batches=(1, 37))
    optimizer = Optimizer(
        "m", state=["m"], formula={"m": "0.9 * m + g", "w": "w - learning_rate * m / (1 - 0.9**step)"}
    )
    exercise("narrow", {"formula": "log(cosh(y_hat - y))"}, dtype=dtype, options=[(optimizer, {})])
    python = Activation("wave", np.sin, np.cos)
    loss = Loss("quartic", lambda y, y_hat: (y - y_hat) ** 4, lambda y, y_hat: 4 * (y_hat - y) ** 3)
    exercise("narrow", loss, dtype=dtype, activation=python)


def recording(dtype):
    """Every metric of every kind of targets, early stopping, and rows that are taken epoch by epoch."""
    rows = 33
    numbers, classes = RNG.normal(size=(rows, 3)), np.eye(3)[RNG.integers(0, 3, rows)]
    counts = ["accuracy", "precision", "recall", "f1"]
    cases = [
        (numbers, "identity", "mse", ["rmse", "mae", "r2"]),
        (classes, "softmax", "cross_entropy", [*counts, "roc_auc"]),
        (RNG.integers(0, 2, (rows, 3)), "sigmoid", "binary_cross_entropy", [*counts, "roc_auc"]),
        (RNG.integers(0, 2, (rows, 1)), "sigmoid", "binary_cross_entropy", [*counts, "roc_auc"]),
        (RNG.integers(0, 3, (rows, 1)), "identity", "mse", counts),
    ]
    weight = RNG.exponential(size=rows)
    weight[::4] = 0
    stop = {"patience": 2, "monitor": "validation_loss"}
    for y, activation, loss, metrics in cases:
        x = RNG.normal(size=(rows, 5))
        for callback in (None, lambda epoch, values: False):
            net = Network(5, [4, {"units": y.shape[1], "activation": activation, "l2": 0.1}], loss, dtype)
            options = {"metrics": metrics, "validation": (x[:9], y[:9]), "stop": stop, "callback": callback}
            net.fit(x, y, "adam", epochs=9, evaluate_every=2, sample_weight=weight, **options)


def side_by_side(dtype):
    """Networks trained together: every optimizer, weights, penalties, dropout, early ends, threads."""
    x, numbers, weight = RNG.normal(size=(37, 5)), RNG.normal(size=(37, 2)), RNG.exponential(size=37)
    weight[::5] = 0
    narrow = [{"units": 4, "activation": "tanh", "dropout": 0.2, "l2": 0.1}, 2]
    wide = [{"units": 40, "activation": "gelu"}, {"units": 9, "bias": False, "l1": 0.1}, 2]
    cases = [(option, narrow, 1) for option in OPTIONS] + [("sgd", wide, 1), ("adam", wide, 3)]
    for (optimizer, layers, threads), batch_size in product(cases, (3, 16, "full")):
        networks = [Network(5, layers, loss="mse", dtype=dtype, seed=seed) for seed in range(37)]
        rates = [1e30 if seed == 7 else 1e-3 for seed in range(37)]
        options = {"sample_weight": weight, "stop": {"patience": 2}, "metrics": ["rmse"], "threads": threads}
        fit_many(networks, x, numbers, optimizer, rates, epochs=5, batch_size=batch_size, **options)
        if not all(np.isfinite(network.parameters).all() for network in networks):
            raise SystemExit(f"not finite: {layers}, {optimizer}, {batch_size}")


def numbers():
    """Random numbers and statistics, which have no dtype or level."""
    stream = Stream(1)
    for n in SIZES:
        stream.random(n), stream.uniform(0, 1, n), stream.standard_normal(n), stream.integers(0, 9, n)
        stream.permutation(n), stream.order(n)
        deterministic.column_statistics(RNG.normal(size=(n, 3)), np.arange(n))
        deterministic.orthonormal(RNG.normal(size=(n, n)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dtype", choices=["float32", "float64"])
    parser.add_argument("--level", choices=dispatch.levels())
    arguments = parser.parse_args()
    numbers()
    for level in [arguments.level] if arguments.level else dispatch.levels():
        dispatch.select(level)
        for dtype in [arguments.dtype] if arguments.dtype else ["float32", "float64"]:
            for part in (primitives, kernels, engine, components, recording, side_by_side):
                part(dtype)
                print(level, dtype, part.__name__, flush=True)


if __name__ == "__main__":
    main()
