"""The number of threads changes no bit, only which thread computes which chunks."""

import numpy as np
import pytest

from cygd import Network

THREADS = [1, 2, 3, 4, 8]
RNG = np.random.default_rng(0)
ROWS = 3500
X, TARGETS = RNG.normal(size=(ROWS, 20)), RNG.normal(size=(ROWS, 3))
CLASSES = np.eye(3)[RNG.integers(0, 3, ROWS)]
SIGNS = np.sign(TARGETS)
WEIGHT = RNG.exponential(size=ROWS)

REGULARISED = [
    {"units": 50, "activation": "relu", "dropout": 0.25, "l1": 1e-4},
    {"units": 30, "activation": "gelu", "dropout": 0.5, "bias": False, "l2": 1e-3},
    {"units": 3, "activation": "softmax"},
]

# layers, loss, targets, options of fit; the last batch is short but where the batch is full
CASES = {
    "narrow": ([(7, "tanh"), 3], "sse", TARGETS, {"batch_size": 3000, "learning_rate": 1e-4}),
    "wide": ([(300, "tanh"), 3], "mse", TARGETS, {"batch_size": 512}),
    "deep": ([(40, "silu"), (40, "elu"), (40, "sin"), 3], "huber", TARGETS, {"batch_size": 640}),
    "full": ([(64, "mish"), 3], "log_cosh", TARGETS, {"batch_size": "full", "shuffle": False}),
    "trained": (
        [(64, {"formula": "tanh(h) + a", "a": 0.0, "trainable": ["a"]}), (64, "tanh"), 3],
        "mse",
        TARGETS,
        {"batch_size": 1000},
    ),
    "single": ([(3, "sigmoid")], "hinge", SIGNS, {"batch_size": "full", "optimizer": "lion"}),
    "everything": (
        REGULARISED,
        "cross_entropy",
        CLASSES,
        {"batch_size": 1000, "optimizer": "adam", "sample_weight": WEIGHT, "clip": {"norm": 0.5}},
    ),
    "rest": (
        REGULARISED,
        "cross_entropy",
        CLASSES,
        {"batch_size": 700, "optimizer": "nadam", "sample_weight": WEIGHT, "clip": {"value": 1e-3}},
    ),
}


def trained(case, dtype, threads):
    layers, loss, y, options = CASES[case]
    net = Network(20, layers, loss=loss, dtype=dtype, seed=5)
    history = net.fit(X, y, epochs=3, evaluate_every=1, threads=threads, **options)
    return net, history


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_training_gives_the_same_bits(case, dtype):
    alone, expected = trained(case, dtype, 1)
    assert np.isfinite(alone.parameters).all()
    for threads in THREADS[1:]:
        net, history = trained(case, dtype, threads)
        np.testing.assert_array_equal(net.parameters, alone.parameters)
        for name in ("running_loss", "loss", *(["penalty"] if "penalty" in expected else [])):
            assert history[name] == expected[name], (name, threads)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_loss_and_gradient_have_the_same_bits(case, dtype):
    layers, loss, y, _ = CASES[case]
    net = Network(20, layers, loss=loss, dtype=dtype, seed=5)
    outputs, value = net.predict(X), net.loss(X, y, WEIGHT)
    objective, gradient = net.gradient(X, y, WEIGHT)
    for threads in THREADS[1:]:
        np.testing.assert_array_equal(net.predict(X, threads=threads), outputs)
        assert net.loss(X, y, WEIGHT, threads=threads) == value
        again, same = net.gradient(X, y, WEIGHT, threads=threads)
        assert again == objective
        np.testing.assert_array_equal(same, gradient)


def chunks_of(call, threads):
    """Return how many chunks each thread computed in a call of a new network."""
    net = Network(20, [(64, "tanh"), 3], loss="mse")
    net._engine.force_parallel = True
    if call == "predict":
        net.predict(X, threads=threads)
    elif call == "fit":
        net.fit(X, TARGETS, epochs=1, batch_size="full", threads=threads)
    else:
        getattr(net, call)(X, TARGETS, threads=threads)
    return net._engine.chunks_per_thread


@pytest.mark.parametrize("call", ["predict", "loss", "gradient", "fit"])
@pytest.mark.parametrize("threads", THREADS)
def test_every_thread_executes_chunks(call, threads):
    assert len(chunks_of(call, threads)) == threads


def test_every_chunk_is_executed_once():
    net = Network(20, [(64, "tanh"), 3])
    totals = set()
    for threads in THREADS:
        net.loss(X, TARGETS, threads=threads)
        totals.add(sum(net._engine.chunks_per_thread))
    assert len(totals) == 1
    assert totals.pop() >= 8


def test_little_work_runs_on_the_calling_thread():
    net = Network(20, [(4, "tanh"), 3])
    net.loss(X[:10], TARGETS[:10], threads=8)
    assert len(net._engine.chunks_per_thread) == 1
