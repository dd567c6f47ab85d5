"""sin and cos of the compiled core, against mpmath: the whole range, on every CPU level."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.core import _f32, _f64, dispatch

CORE = {np.float32: _f32, np.float64: _f64}
BOUND = {np.float32: 2, np.float64: 4}  # ulp
FUNCTIONS = {"sin": mpmath.sin, "cos": mpmath.cos}

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
both_functions = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture(autouse=True)
def level_restored():
    before = dispatch.level()
    yield
    dispatch.select(before)


def computed(name, x, level):
    dispatch.select(level)
    out = np.empty_like(x)
    CORE[x.dtype.type].block("function", name, x, out)
    return out


def ulps(got, exact, dtype):
    """|got - exact| in units of the last place of exact."""
    info = np.finfo(dtype)
    if exact == 0:
        return 0.0 if got == 0 else float("inf")
    exponent = max(mp.frexp(abs(exact))[1] - 1, int(info.minexp))
    return float(abs(mpf(float(got)) - exact) / mp.ldexp(1, exponent - info.nmant))


def check(name, x):
    """Compare with mpmath at every level; the exact values are computed once."""
    dtype = x.dtype.type
    with mp.workprec(160):
        exact = [FUNCTIONS[name](mpf(float(value))) for value in x]
        for level in dispatch.levels():
            found = zip(computed(name, x, level), exact, x, strict=True)
            worst, at = max((ulps(got, value, dtype), float(a)) for got, value, a in found)
            assert worst <= BOUND[dtype], f"{name} at {level}: {worst:.2f} ulp at {at!r}"


def any_bits(dtype, count, seed):
    """Finite numbers of random bits: every exponent, both signs."""
    unsigned = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    bits = np.random.default_rng(seed).integers(0, np.iinfo(unsigned).max, count, unsigned, endpoint=True)
    x = bits.view(dtype)
    return x[np.isfinite(x)]


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
@both_functions
def test_all_exponents(name, dtype):
    check(name, any_bits(dtype, 1500, seed=1))


@both_types
@both_functions
def test_the_ordinary_range(name, dtype):
    check(name, np.random.default_rng(2).uniform(-10, 10, 2500).astype(dtype))


@both_types
@both_functions
def test_both_sides_of_the_limit_of_the_short_reduction(name, dtype):
    limit = 400 if dtype is np.float32 else 1600000
    draw = np.random.default_rng(3).uniform
    x = np.concatenate([draw(-limit, limit, 1000), draw(0.99 * limit, 1.01 * limit, 500)])
    check(name, x.astype(dtype))


@both_types
@both_functions
def test_neighbours_of_small_multiples_of_a_quarter_turn(name, dtype):
    near = (np.arange(-300, 301) * (np.pi / 2)).astype(dtype)
    check(name, np.concatenate([near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, -dtype(np.inf))]))


@both_types
@both_functions
def test_the_nearest_numbers_to_a_quarter_turn(name, dtype):
    check(name, nearest_to_quarter_turns(dtype))


def test_the_search_finds_the_known_worst_case():
    # J.-M. Muller, Elementary Functions: of all doubles the nearest to a multiple of pi/2
    worst = float(mp.ldexp(6381956970095103, 797))
    assert worst in nearest_to_quarter_turns(np.float64)
    check("cos", np.array([worst, -worst]))


@both_types
@pytest.mark.parametrize("level", dispatch.levels())
def test_special_values(dtype, level):
    info = np.finfo(dtype)
    none = np.array([np.inf, -np.inf, np.nan], dtype)
    assert np.isnan(computed("sin", none, level)).all()
    assert np.isnan(computed("cos", none, level)).all()
    tiny = np.array([0.0, info.smallest_subnormal, info.smallest_normal / 3, info.smallest_normal], dtype)
    tiny = np.concatenate([tiny, -tiny])
    assert computed("sin", tiny, level).tobytes() == tiny.tobytes()  # the sign of -0.0, too
    assert (computed("cos", tiny, level) == 1).all()


@both_types
@both_functions
@pytest.mark.parametrize("level", dispatch.levels())
def test_a_large_number_leaves_its_neighbours_alone(name, dtype, level):
    x = np.random.default_rng(4).uniform(-9, 9, 67).astype(dtype)  # no whole number of vectors
    x[::5] = [dtype(v) for v in (1e9, -3e30, np.inf, 7e20, np.nan, 1e7, -1e15) * 2]
    alone = np.concatenate([computed(name, x[k : k + 1], level) for k in range(x.size)])
    np.testing.assert_array_equal(computed(name, x, level), alone)


@both_types
@both_functions
def test_symmetry(name, dtype):
    x = any_bits(dtype, 20000, seed=5)
    sign = -1 if name == "sin" else 1
    for level in dispatch.levels():
        np.testing.assert_array_equal(computed(name, -x, level), sign * computed(name, x, level))


@pytest.mark.skipif(not {"v3", "v4"} <= set(dispatch.levels()), reason="needs both fused levels")
@both_types
@both_functions
def test_fused_levels_agree_to_the_bit(name, dtype):
    x = np.concatenate([any_bits(dtype, 50000, seed=6), nearest_to_quarter_turns(dtype)])
    assert computed(name, x, "v3").tobytes() == computed(name, x, "v4").tobytes()
