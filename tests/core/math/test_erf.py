"""erf and erfc of the compiled core, against mpmath: the whole range, on every CPU level."""

import numpy as np
import pytest

from cygd.core import dispatch
from tests.helpers.ulp import any_bits, both_types, check, computed, every_level

# beyond the first erfc(x) is subnormal, beyond the second it is 0
UNDERFLOW = {np.float32: (9.19, 10.06), np.float64: (26.54, 27.23)}

every_function = pytest.mark.parametrize("name", ["erf", "erfc"])


@both_types
@every_function
def test_the_ordinary_range(name, dtype):
    check(name, np.random.default_rng(2).uniform(-7, 7, 1500).astype(dtype))


@both_types
@every_function
def test_around_one_where_the_two_forms_meet(name, dtype):
    draw = np.random.default_rng(3)
    x = np.concatenate(
        [draw.uniform(0.3, 1.7, 1500), 0.5 + 1e-3 * draw.normal(size=150), 1 + 1e-3 * draw.normal(size=150)]
    )
    check(name, (x * draw.choice([-1, 1], x.size)).astype(dtype))


@both_types
@every_function
def test_small_numbers(name, dtype):
    draw = np.random.default_rng(4)
    check(name, (10 ** draw.uniform(-15, 0, 800) * draw.choice([-1, 1], 800)).astype(dtype))


@both_types
def test_the_tail_of_erfc(dtype):
    subnormal, _ = UNDERFLOW[dtype]
    check("erfc", np.random.default_rng(5).uniform(1, subnormal, 1500).astype(dtype))


def test_the_worst_float32_arguments_of_erfc():
    # from a search over all float32 in [2^-13, 10.2], on base, v3 and v4
    check(
        "erfc", np.array([7.963015079498291, 7.515202045440674, 7.786442279815674, 7.960289478302002], "f4")
    )


@both_types
def test_erfc_runs_out_through_the_subnormals(dtype):
    subnormal, zero = UNDERFLOW[dtype]
    x = np.linspace(subnormal, zero + 0.1, 800).astype(dtype)
    check("erfc", x)
    tiniest = np.finfo(dtype).smallest_subnormal
    for level in dispatch.levels():
        y = computed("erfc", x, level)
        assert ((y > 0) & (y < np.finfo(dtype).smallest_normal)).sum() > 500
        assert y.min() == 0
        assert y[y > 0].min() == tiniest


@both_types
@every_level
def test_special_values(dtype, level):
    info = np.finfo(dtype)
    ends = np.array([np.inf, -np.inf, info.max, -info.max, np.nan], dtype)
    np.testing.assert_array_equal(computed("erf", ends, level), np.array([1, -1, 1, -1, np.nan], dtype))
    np.testing.assert_array_equal(computed("erfc", ends, level), np.array([0, 2, 0, 2, np.nan], dtype))
    zeros = np.array([0.0, -0.0], dtype)
    assert computed("erf", zeros, level).tobytes() == zeros.tobytes()  # the sign of -0.0, too
    assert (computed("erfc", zeros, level) == 1).all()
    tiny = np.array([info.smallest_subnormal, info.smallest_normal / 3, info.smallest_normal], dtype)
    check("erf", np.concatenate([tiny, -tiny]))
    check("erfc", np.concatenate([tiny, -tiny]))


@both_types
def test_symmetry_and_range(dtype):
    x = any_bits(dtype, 20000, seed=7)
    for level in dispatch.levels():
        y = computed("erf", x, level)
        np.testing.assert_array_equal(computed("erf", -x, level), -y)
        assert (abs(y) <= 1).all()
        y = computed("erfc", x, level)
        assert ((y >= 0) & (y <= 2)).all()
