"""Matrix products, sums and the small passes: every tile, tail and stride, and nothing beside it."""

import math

import numpy as np
import pytest

from cygd import Network
from cygd.core import _f32, _f64, dispatch, net_input, sse, weight_step
from tests.helpers.strides import every_arrangement

MODULES = {"float64": _f64, "float32": _f32}
EPS = {"float64": 2.0**-53, "float32": 2.0**-24}
RNG = np.random.default_rng(0)
LINE = 64
NEAR = pytest.mark.parametrize("dtype", ["float64", "float32"])
SIZES = (1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33)


def draw(shape, dtype):
    return RNG.normal(size=shape).astype(dtype)


def padded(b, filling=np.nan):
    """Return b with its rows filled up to whole lines, by what must not matter."""
    width = LINE // b.dtype.itemsize
    out = np.full((b.shape[0], -(-b.shape[1] // width) * width), filling, b.dtype)
    out[:, : b.shape[1]] = b
    return out


def assert_product(found, a, b, begin=0.0):
    """Compare with the exact product, within the rounding of a chain of k multiply-adds."""
    exact = begin + a.astype(np.longdouble) @ b.astype(np.longdouble)
    size = np.abs(begin) + np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble)
    assert (np.abs(found - exact) <= (a.shape[1] + 1) * EPS[str(found.dtype)] * size).all()


@NEAR
@pytest.mark.parametrize("m", SIZES)
def test_products_of_every_size(m, dtype, level):
    for n in SIZES:
        for k in (1, 2, 7, 40):
            a, b = draw((m, k), dtype), draw((k, n), dtype)
            c = np.full((m + 1, n), np.nan, dtype)
            MODULES[dtype].matmul(a, padded(b), c[:m])
            assert_product(c[:m], a, b)
            assert np.isnan(c[m]).all()


@NEAR
@pytest.mark.parametrize("n", SIZES)
def test_products_are_added_to_what_is_there(n, dtype, level):
    a, b, c = draw((9, 11), dtype), draw((11, n), dtype), draw((9, n), dtype)
    before = c.copy()
    MODULES[dtype].matmul(a, padded(b), c, True)
    assert_product(c, a, b, before)


@NEAR
@every_arrangement
def test_the_left_matrix_may_have_any_strides(arrange, dtype, level):
    a, b = draw((13, 17), dtype), draw((17, 19), dtype)
    expected, found = np.empty((2, 13, 19), dtype)
    MODULES[dtype].matmul(a, padded(b), expected)
    MODULES[dtype].matmul(arrange(a), padded(b), found)
    np.testing.assert_array_equal(found, expected)


@NEAR
def test_a_product_over_nothing_is_zero(dtype, level):
    c = np.full((3, 5), np.nan, dtype)
    MODULES[dtype].matmul(np.empty((3, 0), dtype), np.empty((0, 16), dtype), c)
    assert not c.any()
    for shape in ((0, 5), (3, 0)):
        a, b = draw((shape[0], 4), dtype), draw((4, shape[1]), dtype)
        MODULES[dtype].matmul(a, padded(b), np.empty(shape, dtype))


@NEAR
def test_an_element_depends_on_neither_the_tile_nor_its_neighbours(dtype, level):
    a, b = draw((23, 50), dtype), draw((50, 37), dtype)
    whole = np.empty((23, 37), dtype)
    MODULES[dtype].matmul(a, padded(b), whole)
    for i, j in ((0, 0), (7, 15), (8, 16), (22, 36), (19, 31)):
        alone = np.empty((1, 1), dtype)
        MODULES[dtype].matmul(a[i : i + 1], padded(b[:, j : j + 1]), alone)
        assert alone[0, 0] == whole[i, j]


@NEAR
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_row(special, dtype, level):
    a, b = draw((9, 5), dtype), np.abs(draw((5, 9), dtype))
    expected, found = np.empty((2, 9, 9), dtype)
    MODULES[dtype].matmul(a, padded(b), expected)
    a[4, 2] = special
    MODULES[dtype].matmul(a, padded(b), found)
    others = np.arange(9) != 4
    np.testing.assert_array_equal(found[others], expected[others])
    np.testing.assert_array_equal(found[4], np.full(9, special, dtype))


@pytest.mark.skipif(not {"v3", "v4"} <= set(dispatch.levels()), reason="this CPU has not both v3 and v4")
@NEAR
def test_v3_and_v4_give_the_same_bits(dtype):
    x, w, y = draw((70, 45), dtype), draw((45, 39), dtype), draw((70, 39), dtype)

    def results(name):
        dispatch.select(name)
        narrow, wide = Network(45, [5], dtype=dtype, seed=1), Network(45, [39], dtype=dtype, seed=1)
        return (
            net_input(x, w),
            weight_step(x, y, 0.1),
            sse(y, 2 * y),
            narrow.gradient(x, y[:, :5])[1],
            wide.gradient(x, y)[1],
        )

    before = dispatch.level()
    try:
        for v3, v4 in zip(results("v3"), results("v4"), strict=True):
            np.testing.assert_array_equal(v3, v4)
    finally:
        dispatch.select(before)


@NEAR
@pytest.mark.parametrize("units", SIZES)
@pytest.mark.parametrize("rows", [1, 7, 8, 16, 17, 100])
def test_the_weight_gradient_is_exact_over_whole_numbers(rows, units, dtype, level):
    # narrow layers add along the rows, wide ones along the units: both are exact here
    x = RNG.integers(-8, 9, size=(rows, 3)).astype(float)
    y = RNG.integers(-8, 9, size=(rows, units)).astype(float)
    net = Network(3, [{"units": units, "initializer": "zeros"}], loss="sse", dtype=dtype)
    objective, gradient = net.gradient(x, y)
    assert objective == (y**2).sum() / 2
    np.testing.assert_array_equal(gradient, np.concatenate([(-x.T @ y).ravel(), -y.sum(axis=0)]))


BOUNDARIES = (1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100)


@NEAR
@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 255, 256, 257, 300])
def test_two_layers_are_exact_over_whole_numbers(rows, dtype, level):
    """Every width of a panel and of a chunk, next to every width of a tile: products and sums."""
    for n_in, hidden, n_out in zip(
        BOUNDARIES, BOUNDARIES[::-1], BOUNDARIES[5:] + BOUNDARIES[:5], strict=True
    ):
        x = RNG.integers(-2, 3, size=(rows, n_in)).astype(float)
        y = RNG.integers(-2, 3, size=(rows, n_out)).astype(float)
        net = Network(n_in, [(hidden, "identity"), n_out], loss="sse", dtype=dtype)
        net.parameters[:] = RNG.integers(-1, 2, size=net.parameters.size) * (
            RNG.random(net.parameters.size) < 0.2
        )
        (w, v), (b, c) = [[array.astype(float) for array in arrays] for arrays in (net.weights, net.biases)]
        h = x @ w + b
        error = h @ v + c - y
        below = error @ v.T
        parts = [x.T @ below, below.sum(axis=0), h.T @ error, error.sum(axis=0)]
        objective, gradient = net.gradient(x, y)
        assert objective == (error**2).sum() / 2
        np.testing.assert_array_equal(gradient, np.concatenate([part.ravel() for part in parts]))


# sums and passes ----------------------------------------------------------------------------------


@NEAR
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 65, 1023, 1024, 1025, 2049, 100_003])
def test_the_sum_of_squared_errors_of_every_length(n, dtype, level):
    y, y_hat = draw(n, dtype), draw(n, dtype)
    difference = (y - y_hat).astype(np.float64)
    exact = math.fsum(difference**2) / 2
    # blocks of 1024 over 64 bytes of lanes: chains of at most 128 and a tree
    assert MODULES[dtype].sse(y, y_hat) == pytest.approx(exact, rel=140 * EPS[dtype])


@NEAR
@pytest.mark.parametrize("n", [0, 1, 3, 7, 8, 9, 16, 17, 33, 100])
def test_passes_touch_their_elements_and_no_others(n, dtype, level):
    a, b = draw(n, dtype), draw(n, dtype)
    out = np.full(n + 1, 7, dtype)
    MODULES[dtype].multiply(a, b, out[:n])
    assert out.tolist() == [*(a * b).tolist(), 7]
    MODULES[dtype].scale(-3, a, out[:n])
    assert out.tolist() == [*(-3 * a).tolist(), 7]


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_a_sum_over_what_is_not_finite_says_so(special, level):
    y = np.zeros(2000)
    y[1500] = special
    assert not np.isfinite(sse(y, np.zeros(2000)))
