"""Sample weights: an update keeps them at every batch size, and a row of weight 0 takes no part."""

import numpy as np
import pytest

from cygd import Network
from cygd.network.fit_options import FitOptions
from cygd.network.updates import build_trainer
from tests.helpers.training_cases import PLAIN, WITH_EVERYTHING, network

SIZES = [1, 8, 32, 256, "full"]
RATES = {"full": 1.0, 256: 0.5, 32: 0.05, 8: 0.02, 1: 0.002}


@pytest.fixture(scope="module")
def rare():
    """Rows of a rare class, balanced weights, and the fit of scikit-learn."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 4)), (rng.random(1000) < 0.03).astype(float)
    x[y == 1] += 0.8
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    expected = linear_model.LogisticRegression(C=1e6, class_weight="balanced").fit(x, y)
    return x, y, weight, expected


def recall(y, predicted):
    return float((predicted[y == 1]).mean())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("batch_size", SIZES)
def test_balanced_weights_give_the_fit_of_scikit_learn_at_every_batch_size(rare, batch_size, dtype):
    x, y, weight, expected = rare
    net = Network(4, [(1, "sigmoid")], loss="binary_cross_entropy", dtype=dtype)
    options = {"epochs": 1000} if batch_size == "full" else {"epochs": 60, "schedule": "cosine"}
    net.fit(x, y, learning_rate=RATES[batch_size], batch_size=batch_size, sample_weight=weight, **options)
    found = np.append(net.weights[0], net.biases[0])
    np.testing.assert_allclose(found, np.append(expected.coef_, expected.intercept_), rtol=0.1)
    difference = recall(y, net.predict(x)[:, 0] > 0.5) - recall(y, expected.predict(x) == 1)
    assert abs(difference) < 0.05


def gradient_of_update(net, x, y, weight, rows, batch_size, optimizer):
    """Return the gradient that an update on some rows of a training applies."""
    options = FitOptions.build(optimizer=optimizer, learning_rate=1.0)
    whole, batch = (net._dataset(x, y, weight, chosen) for chosen in (None, rows))
    updater = net._kernels.Optimizer(options.optimizer, net._engine)
    before = net.parameters.copy()
    trainer = build_trainer(net, batch, updater, options, batch_size, shuffle=False, whole=whole)
    rate = 2.0**-10
    trainer.run([rate])
    gradient = (before - net.parameters) / rate
    net.parameters[...] = before
    return gradient


@pytest.mark.parametrize(
    "optimizer", ["sgd", {"name": "sgd", "momentum": 0.5}]
)  # fused with the pass, or not
@pytest.mark.parametrize("batch_size", [1, 2, 7, 16, 30, 59, 60])
@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        ([(3, "sigmoid")], "mse"),
        ([(1, "sigmoid")], "binary_cross_entropy"),
        ([(5, "tanh"), (3, "softmax")], "cross_entropy"),
        ([(40, "tanh"), (3, "identity")], "sse"),
        (
            [{"units": 5, "activation": "silu", "l2": 0.1}, (3, "identity")],
            "mae",
        ),
    ],
)
def test_the_expected_gradient_of_a_batch_is_that_of_all_rows(layers, loss, batch_size, optimizer):
    rng = np.random.default_rng(1)
    net = Network(7, layers, loss=loss, seed=2)
    x, y = rng.normal(size=(60, 7)), rng.dirichlet([1, 1, 1], 60)[:, : net.n_outputs].copy()
    weight = rng.exponential(size=60) * (rng.random(60) < 0.7)
    batches = [np.arange(start, min(start + batch_size, 60)) for start in range(0, 60, batch_size)]
    found = sum(
        gradient_of_update(net, x, y, weight, rows, batch_size, optimizer)
        * (1 if loss == "sse" else len(rows) / 60)
        for rows in batches
    )
    expected = net.gradient(x, y, weight)[1]
    if loss == "sse":  # a sum over the batches; each adds the penalties, of which there are none here
        assert not net.penalty()
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("batch_size", [1, 7, 32, "full"])
@pytest.mark.parametrize("loss", ["mse", "sse", "mae"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_of_one_change_no_bit(dtype, loss, batch_size):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(45, 3)), rng.normal(size=(45, 2))
    for layers in (PLAIN, WITH_EVERYTHING, [(2, "identity")]):
        with_weights, without = (network(layers, loss, dtype) for _ in range(2))
        options = {"epochs": 3, "batch_size": batch_size, "learning_rate": 0.01}
        first = with_weights.fit(x, y, sample_weight=np.ones(45), **options)
        second = without.fit(x, y, **options)
        assert with_weights.parameters.tobytes() == without.parameters.tobytes()
        assert first["running_loss"] == second["running_loss"]


LAYERS = {
    "unit": [(1, "sigmoid")],
    "tanh unit": [(1, "tanh")],
    "one layer": [(3, "identity")],
    "dropout": [{"units": 6, "activation": "relu", "dropout": 0.3}, (1, "identity")],
    "wide": [(40, "tanh"), (3, "softmax")],
    "formula": [(5, {"formula": "h * sigmoid(h)"}), (1, "identity")],
    "trainable": [(5, {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]}), (2, "tanh")],
}


@pytest.mark.parametrize("batch_size", [1, 3, 32, "full"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_a_row_of_weight_zero_takes_no_part_whatever_it_holds(layers, dtype, optimizer, batch_size):
    rng = np.random.default_rng(4)
    weight = rng.exponential(size=60) * (rng.random(60) < 0.7)
    weight[[0, 31, 59]] = 0
    clean, dirty = (Network(9, layers, loss="mae", dtype=dtype, seed=1) for _ in range(2))
    x, y = rng.normal(size=(60, 9)), rng.random((60, clean.n_outputs))
    bad_x, bad_y = x.copy(), y.copy()
    bad_x[weight == 0], bad_y[weight == 0] = np.nan, np.inf
    options = {"epochs": 3, "batch_size": batch_size, "optimizer": optimizer, "learning_rate": 1e-3}
    expected = clean.fit(x, y, sample_weight=weight, **options)
    history = dirty.fit(bad_x, bad_y, sample_weight=weight, **options)
    assert history.status == "completed"
    assert clean.parameters.tobytes() == dirty.parameters.tobytes()
    assert history["running_loss"] == pytest.approx(expected["running_loss"], rel=1e-12)
    assert history["loss"] == expected["loss"]
    assert dirty.gradient(bad_x, bad_y, weight)[1].tobytes() == clean.gradient(x, y, weight)[1].tobytes()


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
def test_a_fit_goes_on_with_the_same_bits(batch_size):
    rng = np.random.default_rng(5)
    x, y, weight = rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), rng.exponential(size=50)
    options = {"batch_size": batch_size, "sample_weight": weight, "learning_rate": 0.01}
    once, twice = network(), network()
    once.fit(x, y, epochs=5, **options)
    twice.fit(x, y, epochs=2, **options)
    twice.fit(x, y, epochs=3, **options)
    assert once.parameters.tobytes() == twice.parameters.tobytes()


def test_the_running_loss_is_the_weighted_mean_over_the_epoch():
    rng = np.random.default_rng(6)
    x, y, weight = rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), rng.exponential(size=50)
    for batch_size in (1, 7, 32, "full"):
        net = network()
        history = net.fit(x, y, epochs=1, batch_size=batch_size, sample_weight=weight, learning_rate=0.0)
        assert history["running_loss"] == pytest.approx([net.loss(x, y, weight)], rel=1e-12)
