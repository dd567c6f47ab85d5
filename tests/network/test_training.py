"""Training: every update compared with the reference."""

import subprocess
import sys

import numpy as np
import pytest

from cygd import Activation, Network, Optimizer
from cygd.components.optimizers import OPTIMIZERS
from tests.helpers.reference import Reference
from tests.helpers.training_cases import PLAIN, WEIGHT, WITH_EVERYTHING, X, Y, network, optimizer


def by_norm(g):
    return g * min(1, 0.05 / (np.linalg.norm(g) + 1e-6))


def by_value(g):
    return np.clip(g, -0.01, 0.01)


def unclipped(g):
    return g


# the updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 50])
@pytest.mark.parametrize("layers", [PLAIN, WITH_EVERYTHING], ids=["plain", "with_everything"])
@pytest.mark.parametrize(
    ("loss", "weight", "clip", "clipped"),
    [
        ("mse", None, None, unclipped),
        ("mse", WEIGHT, {"norm": 0.05}, by_norm),
        ("sse", WEIGHT, {"value": 0.01}, by_value),
        ("huber", WEIGHT, None, unclipped),
    ],
)
def test_an_epoch_equals_the_reference(layers, batch_size, loss, weight, clip, clipped, dtype):
    net = network(layers, loss, dtype)
    reference = Reference(net)
    epochs = 3

    def descend(w, g):
        w -= 0.02 * g

    running = reference.train(
        X, Y, descend, epochs=epochs, batch_size=batch_size, sample_weight=weight, clip=clipped
    )
    history = net.fit(
        X, Y, "sgd", 0.02, epochs=epochs, batch_size=batch_size, sample_weight=weight, clip=clip
    )
    tolerance = {"float64": 1e-11, "float32": 2e-4}[dtype]
    np.testing.assert_allclose(net.parameters, reference.parameters, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(history["running_loss"], running, rtol=tolerance)
    assert net.epochs == epochs
    assert net.updates == epochs * -(-len(X) // batch_size)


def test_rows_are_in_order_without_shuffle():
    net, reference = network(), Reference(network())
    reference.train(X, Y, lambda w, g: np.subtract(w, 0.1 * g, out=w), epochs=1, batch_size=20, shuffle=False)
    net.fit(X, Y, epochs=1, batch_size=20, shuffle=False)
    np.testing.assert_allclose(net.parameters, reference.parameters, rtol=1e-12, atol=1e-13)


def test_a_batch_size_above_the_rows_is_the_full_batch():
    def fitted(size):
        net = network(WITH_EVERYTHING)
        net.fit(X, Y, epochs=3, batch_size=size)
        return net.parameters

    np.testing.assert_array_equal(fitted("full"), fitted(50))
    np.testing.assert_array_equal(fitted("full"), fitted(51))
    np.testing.assert_array_equal(fitted("full"), fitted(10**9))


SHORT_BATCH = """
import sys, numpy as np, cygd
rows, batch, units = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 1))
def net():
    return cygd.Network(3, [(units, "tanh"), (1, "identity")], loss="mse", seed=1)
slow, fast = net(), net()
for first in range(0, rows, batch):
    slow.parameters[...] -= 0.1 * slow.gradient(x[first:first + batch], y[first:first + batch])[1]
fast.fit(x, y, epochs=1, batch_size=batch, shuffle=False)
np.testing.assert_allclose(fast.parameters, slow.parameters, rtol=1e-11, atol=1e-12)
"""


@pytest.mark.parametrize(
    ("rows", "batch", "units"),
    [(500, 300, 5), (512, 257, 5), (900, 520, 40), (300, 200, 200), (113, 112, 1), (5, 4, 3)],
)
def test_a_last_batch_with_larger_chunks(rows, batch, units):
    # in a process of its own: where a chunk outgrows its memory, the process is lost
    arguments = [sys.executable, "-P", "-c", SHORT_BATCH, *map(str, (rows, batch, units))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_weight_two_is_the_row_twice_in_an_update():
    counts = np.arange(50) % 4
    weighted, repeated = network(loss="mae"), network(loss="mae")
    weighted.fit(X, Y, epochs=5, batch_size="full", sample_weight=counts)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), epochs=5, batch_size="full")
    np.testing.assert_allclose(weighted.parameters, repeated.parameters, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("loss", ["mse", "sse", "cross_entropy"])
def test_rows_of_weight_zero_are_ignored(loss):
    y = np.random.default_rng(1).dirichlet([1, 1], 50)
    weight = (np.arange(50) < 30).astype(float)
    layers = [(4, "tanh"), (2, "softmax")]
    some, few = network(layers, loss), network(layers, loss)
    some.fit(X, y, epochs=4, batch_size="full", sample_weight=weight)
    few.fit(X[:30], y[:30], epochs=4, batch_size="full")
    np.testing.assert_allclose(some.parameters, few.parameters, rtol=1e-11, atol=1e-13)


def test_a_batch_of_weight_zero_changes_nothing():
    net = network()
    before = net.parameters.copy()
    history = net.fit(X, Y, epochs=2, batch_size=10, sample_weight=np.zeros(50))
    np.testing.assert_array_equal(net.parameters, before)
    assert history["running_loss"] == [0, 0]


# dropout ------------------------------------------------------------------------------------------


def recorder(seen):
    """Return an identity that keeps what it was given."""

    def function(h):
        seen.append(np.array(h))
        return h

    return Activation("recorder", function, np.ones_like)


def test_dropout_is_inverted_and_off_outside_the_updates():
    seen = []
    layers = [
        {"units": 1, "activation": "identity", "weights": [[1.0]], "bias": False, "dropout": 0.2},
        {"units": 1, "activation": recorder(seen), "weights": [[1.0]], "bias": False},
    ]
    net = Network(1, layers)
    x = np.full((8000, 1), 3.0)
    net.fit(x, x, learning_rate=0.0, epochs=1, batch_size=80, evaluate_every=1)
    evaluations = [h for h in seen if len(h) > 80]
    updates = np.concatenate([h for h in seen if len(h) == 80])
    assert all((h == 3).all() for h in evaluations)
    assert set(np.unique(updates)) == {0.0, 3 * (1 / 0.8)}
    # five standard deviations of a fair draw
    assert abs(np.mean(updates > 0) - 0.8) < 5 * np.sqrt(0.2 * 0.8 / len(updates))
    assert (net.predict(x) == 3).all()


def test_masks_differ_from_update_to_update_and_from_layer_to_layer():
    reference = Reference(network([{"units": 8, "dropout": 0.5}, {"units": 8, "dropout": 0.5}, 2]))
    first, second = reference.masks(0, 10), reference.masks(1, 10)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0][:4], reference.masks(0, 4)[0])


# one fit after another ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [row.name for row in OPTIMIZERS])
def test_two_fits_with_the_same_optimizer_object_equal_one(name):
    whole, parts = network(WITH_EVERYTHING), network(WITH_EVERYTHING)
    whole.fit(X, Y, optimizer(name), epochs=5, batch_size=8)
    same = optimizer(name)
    for epochs in (2, 0, 3):
        parts.fit(X, Y, same, epochs=epochs, batch_size=8)
    assert (parts.epochs, parts.updates) == (whole.epochs, whole.updates) == (5, 35)
    np.testing.assert_array_equal(parts.parameters, whole.parameters)


@pytest.mark.parametrize("again", ["adam", {"name": "adam"}, optimizer("adam")])
def test_another_optimizer_object_has_a_fresh_state(again):
    kept, fresh, expected = network(), network(), network()
    first = optimizer("adam")
    for net in (kept, fresh, expected):
        net.fit(X, Y, first, epochs=2)
    kept.fit(X, Y, first, epochs=1)
    fresh.fit(X, Y, again, epochs=1)
    expected.fit(X, Y, optimizer("adam"), epochs=1)
    np.testing.assert_array_equal(fresh.parameters, expected.parameters)
    assert not np.array_equal(fresh.parameters, kept.parameters)


def test_each_network_has_its_own_optimizer_state():
    same = optimizer("adam")
    one, other, alone = network(), network(seed=2), network(seed=2)
    one.fit(X, Y, same, epochs=2)
    other.fit(X, Y, same, epochs=2)
    alone.fit(X, Y, optimizer("adam"), epochs=2)
    np.testing.assert_array_equal(other.parameters, alone.parameters)


def test_a_python_optimizer_is_called_as_documented():
    steps = []

    def update(w, g, state, learning_rate, step, drag):
        steps.append(step)
        state["v"][...] = drag * state["v"] + g
        w -= learning_rate * state["v"]

    mine = Optimizer("mine", update, ["v"], {"drag": 0.9}, learning_rate=0.05)
    ours, built_in = network(WITH_EVERYTHING), network(WITH_EVERYTHING)
    for epochs in (2, 1):
        ours.fit(X, Y, mine, epochs=epochs, batch_size=25)
    built_in.fit(X, Y, optimizer("sgd", momentum=0.9, learning_rate=0.05), epochs=3, batch_size=25)
    assert steps == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(ours.parameters, built_in.parameters, rtol=1e-12, atol=1e-14)
