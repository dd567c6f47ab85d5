"""Products whose operands are packed: the bits of smaller products, for every edge, stride and dtype."""

import numpy as np
import pytest

from cygd.core import _f32, _f64
from tests.helpers.strides import every_arrangement

MODULES = {"float64": _f64, "float32": _f32}
RNG = np.random.default_rng(0)
LINE = 64
both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def draw(shape, dtype):
    return RNG.normal(size=shape).astype(dtype)


def padded(b):
    """Return b with its rows filled up to whole lines by NaN, which must not reach the product."""
    width = LINE // b.dtype.itemsize
    out = np.full((b.shape[0], -(-b.shape[1] // width) * width), np.nan, b.dtype)
    out[:, : b.shape[1]] = b
    return out


def product_by_columns(a, b, c):
    """Compute c = c + a b in products of 100 columns, which are too small for packing."""
    for j in range(0, b.shape[1], 100):
        part = np.ascontiguousarray(c[:, j : j + 100])
        MODULES[str(a.dtype)].matmul(a, padded(b[:, j : j + 100]), part, True)
        c[:, j : j + 100] = part


@both_dtypes
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(192, 192, 192), (193, 225, 257), (199, 255, 383), (387, 193, 192), (192, 321, 385), (500, 200, 300)],
)
def test_bits_of_smaller_products(m, n, k, dtype, level):
    a, b = draw((m, k), dtype), draw((k, n), dtype)
    expected = np.zeros((m, n), dtype)
    product_by_columns(a, b, expected)
    found = np.full((m + 1, n), np.nan, dtype)
    MODULES[dtype].matmul(a, padded(b), found[:m])
    np.testing.assert_array_equal(found[:m], expected)
    assert np.isnan(found[m]).all()


@both_dtypes
def test_product_is_added_to_the_result(dtype, level):
    a, b, c = draw((195, 210), dtype), draw((210, 197), dtype), draw((195, 197), dtype)
    expected = c.copy()
    product_by_columns(a, b, expected)
    MODULES[dtype].matmul(a, padded(b), c, True)
    np.testing.assert_array_equal(c, expected)


@both_dtypes
def test_whole_numbers_are_exact(dtype, level):
    a = RNG.integers(-4, 5, size=(230, 300)).astype(dtype)
    b = RNG.integers(-4, 5, size=(300, 250)).astype(dtype)
    c = np.empty((230, 250), dtype)
    MODULES[dtype].matmul(a, padded(b), c)
    np.testing.assert_array_equal(c, a.astype(float) @ b.astype(float))


@both_dtypes
@every_arrangement
def test_left_matrix_may_have_any_strides(arrange, dtype, level):
    a, b = arrange(draw((200, 217), dtype)), draw((217, 219), dtype)
    expected, found = np.empty((2, 200, 219), dtype)
    MODULES[dtype].matmul(np.ascontiguousarray(a), padded(b), expected)
    MODULES[dtype].matmul(a, padded(b), found)
    np.testing.assert_array_equal(found, expected)


@both_dtypes
def test_one_row_may_be_repeated(dtype, level):
    a, b = np.broadcast_to(draw((1, 217), dtype), (200, 217)), draw((217, 219), dtype)
    expected, found = np.empty((2, 200, 219), dtype)
    MODULES[dtype].matmul(np.ascontiguousarray(a), padded(b), expected)
    MODULES[dtype].matmul(a, padded(b), found)
    np.testing.assert_array_equal(found, expected)


@both_dtypes
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_stays_in_its_row(special, dtype, level):
    a, b = draw((200, 200), dtype), np.abs(draw((200, 200), dtype))
    expected, found = np.empty((2, 200, 200), dtype)
    MODULES[dtype].matmul(a, padded(b), expected)
    a[197, 130] = special
    MODULES[dtype].matmul(a, padded(b), found)
    others = np.arange(200) != 197
    np.testing.assert_array_equal(found[others], expected[others])
    np.testing.assert_array_equal(found[197], np.full(200, special, dtype))


@both_dtypes
def test_result_may_begin_anywhere_in_a_cache_line(dtype, level):
    a, b = draw((200, 200), dtype), draw((200, 224), dtype)
    expected = np.empty((200, 224), dtype)
    MODULES[dtype].matmul(a, b, expected)
    memory = np.empty(200 * 224 + 16, dtype)
    for offset in (1, 3, 4, 7):
        found = memory[offset : offset + expected.size].reshape(expected.shape)
        MODULES[dtype].matmul(a, b, found)
        np.testing.assert_array_equal(found, expected)
