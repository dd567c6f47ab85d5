"""Rows that exceed the cache are prefetched, others are not: neither changes a bit."""

import numpy as np
import pytest

from cygd import Network

CACHED_BYTES = 1024 * 1024  # as in cygd/core/engine/engine.pxi


def rows(n_inputs, dtype):
    """Return rows of twice the size that is taken to stay in the cache; a half of them does."""
    half = CACHED_BYTES // (n_inputs * np.dtype(dtype).itemsize) // 8 * 8
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * half, n_inputs)).astype(dtype)
    assert x[:half].nbytes <= CACHED_BYTES < x.nbytes
    return x, (x[:, :1] > 0).astype(dtype), half


def unit(n_inputs, dtype, activation="sigmoid"):
    return Network(n_inputs, [(1, activation)], loss="binary_cross_entropy", dtype=dtype, seed=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_inputs", [100, 1001])
def test_batches_of_one_row(n_inputs, dtype, level):
    x, y, half = rows(n_inputs, dtype)
    options = {"optimizer": "sgd", "learning_rate": 0.01, "epochs": 1, "batch_size": 1, "shuffle": False}
    whole, parts = unit(n_inputs, dtype), unit(n_inputs, dtype)
    before = whole.parameters.copy()
    whole.fit(x, y, **options)
    for part in (slice(0, half), slice(half, None)):
        parts.fit(x[part], y[part], **options)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)
    assert (whole.parameters != before).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 3, 7])
def test_one_layer_at_the_full_batch(units, dtype, level):
    x, y, half = rows(100, dtype)
    y = np.repeat(y, units, axis=1)
    network = Network(100, [(units, "sigmoid")], loss="mse", dtype=dtype, seed=1)
    halves = np.concatenate([network.predict(x[:half]), network.predict(x[half:])])
    np.testing.assert_array_equal(network.predict(x), halves)
    gradient = network.gradient(x, y)[1]
    means = [network.gradient(x[part], y[part])[1] for part in (slice(0, half), slice(half, None))]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(gradient, np.mean(means, axis=0), rtol=tolerance, atol=tolerance)
