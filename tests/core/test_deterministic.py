"""Sums and orthonormal bases in an order of our own: right, and the same bits everywhere."""

import math

import numpy as np
import pytest

from cygd.core.deterministic import column_statistics, orthonormal

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, ">f8", bool])
def test_statistics_of_columns(dtype):
    x = (10 * RNG.normal(size=(101, 4))).astype(dtype)
    exact = x.astype(np.float64)
    mean, std, low, high = column_statistics(x)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(std, exact.std(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(low, exact.min(axis=0))
    np.testing.assert_array_equal(high, exact.max(axis=0))
    assert {found.dtype for found in (mean, std, low, high)} == {np.dtype(np.float64)}


def test_the_mean_is_a_sum_in_the_order_of_the_rows():
    x = RNG.normal(size=(1000, 1)) * 10.0 ** RNG.integers(-8, 8, size=(1000, 1))
    total = squares = 0.0
    for value in x[:, 0]:
        total += value
    mean = total / 1000
    for value in x[:, 0]:
        squares += (value - mean) * (value - mean)
    found = column_statistics(x)
    assert found[0][0] == mean
    assert found[1][0] == math.sqrt(squares / 1000)


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 3, axis=1)[:, ::3],
        lambda x: x[::-1][::-1],
        np.ndarray.tolist,
    ],
)
def test_statistics_do_not_depend_on_how_the_array_lies(arrange):
    x = RNG.normal(size=(37, 3))
    for found, expected in zip(column_statistics(arrange(x)), column_statistics(x), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_statistics_of_some_rows():
    x = RNG.normal(size=(20, 2))
    rows = np.array([3, 3, 7, 19, 0])
    for found, expected in zip(column_statistics(x, rows), column_statistics(x[rows]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_constant_column_has_the_deviation_zero():
    assert column_statistics(np.full((9, 1), 3.0))[1].tolist() == [0]


def test_a_nan_is_not_hidden():
    mean, std, _, _ = column_statistics(np.array([[1.0, 1.0], [np.nan, 2.0]]))
    assert np.isnan([mean[0], std[0]]).all()
    assert [mean[1], std[1]] == [1.5, 0.5]


@pytest.mark.parametrize(
    ("x", "rows", "error", "message"),
    [
        (np.empty((0, 2)), None, ValueError, "column_statistics: expected at least one row, got none"),
        (np.ones((2, 2)), [], ValueError, "column_statistics: expected at least one row, got none"),
        (np.ones((2, 2)), [2], IndexError, "column_statistics: row out of range"),
        (np.ones((2, 2)), [-1], IndexError, "column_statistics: row out of range"),
    ],
)
def test_statistics_of_nothing_are_refused(x, rows, error, message):
    with pytest.raises(error, match=message):
        column_statistics(x, rows)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 3), (3, 7), (40, 40), (200, 31)])
def test_columns_or_rows_are_orthonormal(shape):
    a = RNG.normal(size=shape)
    q = orthonormal(a)
    assert q.shape == shape
    gram = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-14)


def test_the_basis_spans_what_was_given():
    a = RNG.normal(size=(9, 4))
    q = orthonormal(a)
    np.testing.assert_allclose(q @ (q.T @ a), a, atol=1e-13)
    # Gram and Schmidt's basis is triangular in the given one, with a positive diagonal
    r = q.T @ a
    np.testing.assert_allclose(np.tril(r, -1), 0, atol=1e-13)
    assert (np.diag(r) > 0).all()


def test_columns_that_are_almost_parallel_come_out_orthogonal():
    a = np.ones((6, 3)) + 1e-9 * RNG.normal(size=(6, 3))
    q = orthonormal(a)
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-14)


def test_the_matrix_given_stays_as_it_is():
    a = RNG.normal(size=(4, 3))
    before = a.copy()
    orthonormal(a)
    np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("a", [np.zeros((3, 2)), [[1.0, 0.0], [0.0, 0.0]]])
def test_a_matrix_without_full_rank_is_refused(a):
    with pytest.raises(ValueError, match="orthonormal: expected a matrix of full rank"):
        orthonormal(a)
