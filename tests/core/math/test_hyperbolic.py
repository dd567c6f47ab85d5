"""sinh and cosh of the compiled core, against mpmath: the whole range, on every CPU level."""

import numpy as np
import pytest

from cygd.core import dispatch
from tests.helpers.ulp import any_bits, both_types, check, computed, every_level, neighbors, tiny_numbers

# the largest x of which sinh and cosh are finite: log(2 max) rounded down
LAST = {np.float32: 89.41598510742188, np.float64: 710.4758600739439}

every_function = pytest.mark.parametrize("name", ["sinh", "cosh"])


@both_types
@every_function
def test_the_ordinary_range(name, dtype):
    draw = np.random.default_rng(2)
    check(name, draw.uniform(-4, 4, 2500).astype(dtype))
    check(name, draw.uniform(-LAST[dtype], LAST[dtype], 2500).astype(dtype))


@both_types
@every_function
def test_where_one_power_of_two_gives_way_to_the_next(name, dtype):
    # |r| = log(2) / 2, where sinh r is largest: at log(2) / 2 itself a sum of large terms of opposite sign
    x = ((np.arange(80) + 0.5) * np.log(2)).astype(dtype)
    near = np.random.default_rng(3).uniform(0.34, 0.5, 1500).astype(dtype)
    check(name, np.concatenate([neighbors(x), near, -near]))


@both_types
@every_function
def test_small_numbers(name, dtype):
    draw = np.random.default_rng(4)
    check(name, (10 ** draw.uniform(-15, 0, 800) * draw.choice([-1, 1], 800)).astype(dtype))


@both_types
@every_function
def test_overflow_is_where_it_belongs(name, dtype):
    last = dtype(LAST[dtype])
    after = np.nextafter(last, dtype(np.inf))
    check(name, np.linspace(last - dtype(1), last, 300, dtype=dtype))
    x = np.array([last, -last, after, -after, last + dtype(1), np.finfo(dtype).max], dtype)
    sign = np.sign(x) if name == "sinh" else np.ones_like(x)
    for level in dispatch.levels():
        y = computed(name, x, level)
        assert np.isfinite(y[:2]).all()
        assert (abs(y[:2]) > 0.99 * np.finfo(dtype).max).all()
        np.testing.assert_array_equal(y[2:], sign[2:] * dtype(np.inf))
        np.testing.assert_array_equal(np.sign(y), sign)


@both_types
@every_level
def test_special_values(dtype, level):
    ends = np.array([np.inf, -np.inf, np.nan], dtype)
    np.testing.assert_array_equal(computed("sinh", ends, level), ends)
    np.testing.assert_array_equal(computed("cosh", ends, level), abs(ends))
    tiny = tiny_numbers(dtype)
    assert computed("sinh", tiny, level).tobytes() == tiny.tobytes()  # the sign of -0.0, too
    assert (computed("cosh", tiny, level) == 1).all()


@both_types
@every_function
def test_symmetry(name, dtype):
    x = any_bits(dtype, 20000, seed=6)
    for level in dispatch.levels():
        y = computed(name, x, level)
        np.testing.assert_array_equal(computed(name, -x, level), -y if name == "sinh" else y)
        assert (abs(y) >= (abs(x) if name == "sinh" else 1)).all()
