"""sin, cos and tan of the compiled core, against mpmath: the whole range, on every CPU level."""

import numpy as np
import pytest
from mpmath import mp

from cygd.core import dispatch
from tests.helpers.ulp import (
    any_bits,
    both_types,
    check,
    computed,
    every_level,
    needs_both_fused_levels,
    neighbors,
    tiny_numbers,
)

every_function = pytest.mark.parametrize("name", ["sin", "cos", "tan"])


def nearest_to_quarter_turns(dtype):
    """The numbers m 2^e closest to a multiple of pi/2, two for every e.

    They are denominators m of the convergents of 2^e 2/pi, which lie closer to a whole number than any
    smaller m does (W. Kahan's search).
    """
    info = np.finfo(dtype)
    digits = info.nmant + 1
    found = []
    with mp.workprec(1600):
        one = 1 << 400
        for e in range(-digits, int(info.maxexp) - digits + 1):
            scaled = mp.ldexp(2 / mp.pi, e)
            a, b = one, int(mp.floor((scaled - mp.floor(scaled)) * one))
            before, m = 0, 1
            while b and (after := before + a // b * m) < 1 << digits:
                before, m = m, after
                a, b = b, a % b
            found += [float(mp.ldexp(before, e)), float(mp.ldexp(m, e))]
    return np.array(found, dtype)


@both_types
@every_function
def test_the_ordinary_range(name, dtype):
    check(name, np.random.default_rng(2).uniform(-10, 10, 2500).astype(dtype))


@both_types
@every_function
def test_both_sides_of_the_limit_of_the_short_reduction(name, dtype):
    limit = 400 if dtype is np.float32 else 1600000
    draw = np.random.default_rng(3).uniform
    x = np.concatenate([draw(-limit, limit, 1000), draw(0.99 * limit, 1.01 * limit, 500)])
    check(name, x.astype(dtype))


@both_types
@every_function
def test_neighbours_of_small_multiples_of_a_quarter_turn(name, dtype):
    near = (np.arange(-300, 301) * (np.pi / 2)).astype(dtype)
    check(name, neighbors(near))


@both_types
def test_tan_where_the_quarters_meet(dtype):
    # odd multiples of pi/4: sine and cosine are of a size, and the quotient turns over
    x = (np.arange(-301, 302, 2) * (np.pi / 4)).astype(dtype)
    check("tan", neighbors(x))


@both_types
@every_function
def test_the_nearest_numbers_to_a_quarter_turn(name, dtype):
    check(name, nearest_to_quarter_turns(dtype))


def test_the_search_finds_the_known_worst_case():
    # J.-M. Muller, Elementary Functions: of all doubles the nearest to a multiple of pi/2
    worst = float(mp.ldexp(6381956970095103, 797))
    assert worst in nearest_to_quarter_turns(np.float64)
    check("cos", np.array([worst, -worst]))
    check("tan", np.array([worst, -worst]))


@both_types
@every_level
def test_special_values(dtype, level):
    none = np.array([np.inf, -np.inf, np.nan], dtype)
    tiny = tiny_numbers(dtype)
    for name in ("sin", "cos", "tan"):
        assert np.isnan(computed(name, none, level)).all()
    for name in ("sin", "tan"):
        assert computed(name, tiny, level).tobytes() == tiny.tobytes()  # the sign of -0.0, too
    assert (computed("cos", tiny, level) == 1).all()


@both_types
@every_function
@every_level
def test_a_large_number_leaves_its_neighbours_alone(name, dtype, level):
    x = np.random.default_rng(4).uniform(-9, 9, 67).astype(dtype)  # no whole number of vectors
    x[::5] = [dtype(v) for v in (1e9, -3e30, np.inf, 7e20, np.nan, 1e7, -1e15) * 2]
    alone = np.concatenate([computed(name, x[k : k + 1], level) for k in range(x.size)])
    np.testing.assert_array_equal(computed(name, x, level), alone)


@both_types
@every_function
def test_symmetry(name, dtype):
    x = any_bits(dtype, 20000, seed=5)
    sign = 1 if name == "cos" else -1
    for level in dispatch.levels():
        np.testing.assert_array_equal(computed(name, -x, level), sign * computed(name, x, level))


@needs_both_fused_levels
@both_types
@every_function
def test_fused_levels_agree_on_the_nearest_numbers_to_a_quarter_turn(name, dtype):
    x = nearest_to_quarter_turns(dtype)
    assert computed(name, x, "v3").tobytes() == computed(name, x, "v4").tobytes()
