import math

import numpy as np
import pytest

from cygd.components import OptionError, resolve
from cygd.components.initializers import INITIALIZERS
from cygd.core import random

N_INPUTS, N_OUTPUTS = 300, 200


def draw(spec, n_inputs=N_INPUTS, n_outputs=N_OUTPUTS, seed=0):
    return resolve("initializer", spec).draw(random.Stream(seed), n_inputs, n_outputs)


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4), (4, 3)])
def test_shape_and_dtype(initializer, shape):
    w = draw(initializer, *shape)
    assert w.shape == shape
    assert w.dtype == np.float64


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=str)
def test_weights_depend_on_the_stream_only(initializer):
    np.testing.assert_array_equal(draw(initializer, seed=3), draw(initializer, seed=3))
    if initializer.name not in ("zeros", "constant"):
        assert not np.array_equal(draw(initializer, seed=3), draw(initializer, seed=4))


def test_constants():
    np.testing.assert_array_equal(draw("zeros", 2, 3), np.zeros((2, 3)))
    np.testing.assert_array_equal(draw("constant", 2, 3), np.zeros((2, 3)))
    np.testing.assert_array_equal(draw({"name": "constant", "value": -1.5}, 2, 3), np.full((2, 3), -1.5))


@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [
        ("uniform", -0.05, 0.05),
        ({"name": "uniform", "low": 1, "high": 3}, 1, 3),
        ("glorot_uniform", -math.sqrt(6 / 500), math.sqrt(6 / 500)),
        ("he_uniform", -math.sqrt(6 / 300), math.sqrt(6 / 300)),
        ("lecun_uniform", -math.sqrt(3 / 300), math.sqrt(3 / 300)),
    ],
)
def test_uniform_initializers_fill_their_interval(spec, low, high):
    w = draw(spec)
    width = high - low
    assert low <= w.min() < low + 0.01 * width
    assert high - 0.01 * width < w.max() <= high
    # five deviations of the mean and of the variance of 60 000 draws
    assert w.mean() == pytest.approx((low + high) / 2, abs=5 * width / math.sqrt(12 * w.size))
    assert w.var() == pytest.approx(width**2 / 12, rel=5 * math.sqrt(0.8 / w.size))


@pytest.mark.parametrize(
    ("spec", "mean", "variance"),
    [
        ("normal", 0, 0.05**2),
        ({"name": "normal", "mean": 2, "deviation": 3}, 2, 9),
        ("glorot_normal", 0, 2 / 500),
        ("he_normal", 0, 2 / 300),
        ("lecun_normal", 0, 1 / 300),
    ],
)
def test_normal_initializers_are_not_truncated(spec, mean, variance):
    w = (draw(spec) - mean) / math.sqrt(variance)
    assert w.mean() == pytest.approx(0, abs=5 / math.sqrt(w.size))
    assert w.var() == pytest.approx(1, rel=5 * math.sqrt(2 / w.size))
    # not cut at two deviations: 4.55 % lie beyond
    assert np.mean(np.abs(w) > 2) == pytest.approx(0.0455, abs=0.005)


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(7, 4), (4, 7), (5, 5), (1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(n_inputs, n_outputs, gain):
    w = draw({"name": "orthogonal", "gain": gain}, n_inputs, n_outputs)
    product = w.T @ w if n_inputs >= n_outputs else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(n_inputs, n_outputs)), atol=1e-13)


def test_orthogonal_has_no_preferred_sign():
    signs = {float(np.sign(draw("orthogonal", 1, 1, seed=seed)[0, 0])) for seed in range(40)}
    assert signs == {-1.0, 1.0}


def test_invalid_options():
    with pytest.raises(
        OptionError, match=r"'deviation' of initializer 'normal': expected a value in \[0, inf\)"
    ):
        resolve("initializer", {"name": "normal", "deviation": -1})
    with pytest.raises(ValueError, match=r"uniform: expected low <= high, got low=1\.0 and high=0\.05"):
        draw({"name": "uniform", "low": 1})
