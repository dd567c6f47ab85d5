"""The functions that benchmarks time with: they compute what they say, and refuse what does not fit."""

import numpy as np
import pytest


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_multiply_adds_have_a_rate(threads, kernels, level):
    assert 0 < kernels.module.peak_fma_rate(100, threads) < 1e15


@pytest.mark.parametrize(("rounds", "threads"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_needs_rounds_and_threads(rounds, threads, kernels):
    with pytest.raises(ValueError, match="at least one round and one thread"):
        kernels.module.peak_fma_rate(rounds, threads)


def test_the_product_that_is_timed_is_the_product(kernels, level):
    rng = np.random.default_rng(0)
    a = rng.integers(-8, 9, size=(5, 7)).astype(kernels.dtype)
    b = rng.integers(-8, 9, size=(7, 3 * kernels.width)).astype(kernels.dtype)
    c = np.full((5, 3 * kernels.width), np.nan, kernels.dtype)
    assert kernels.module.matmul_seconds(a, b, c, 2) > 0
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize(
    ("a", "b", "c", "calls"),
    [
        ((5, 7), (7, 17), (5, 17), 1),
        ((5, 7), (6, 16), (5, 16), 1),
        ((4, 7), (7, 16), (5, 16), 1),
        ((5, 7), (7, 32), (5, 16), 1),
        ((5, 0), (0, 16), (5, 16), 1),
        ((0, 7), (7, 16), (0, 16), 1),
        ((5, 7), (7, 16), (5, 16), 0),
    ],
)
def test_a_product_that_does_not_fit_is_not_timed(a, b, c, calls, kernels):
    a, b, c = (np.zeros(shape, kernels.dtype) for shape in (a, b, c))
    with pytest.raises(ValueError, match="expected shapes"):
        kernels.module.matmul_seconds(a, b, c, calls)
