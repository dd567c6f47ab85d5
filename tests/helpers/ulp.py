"""Errors of the elementary functions of the core in units in the last place."""

import numpy as np
import pytest
from mpmath import mp, mpf

from cygd.core import _f32, _f64, dispatch

CORE = {np.float32: _f32, np.float64: _f64}
BOUND = {np.float32: 2, np.float64: 4}  # ulp
EXACT = {
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arctan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "erf": mp.erf,
    "erfc": mp.erfc,
}

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
every_level = pytest.mark.parametrize("level", dispatch.levels())
needs_both_fused_levels = pytest.mark.skipif(
    not {"v3", "v4"} <= set(dispatch.levels()), reason="needs both fused levels"
)


def same_at_both_levels(call):
    """Check that a function returns the same arrays at the levels v3 and v4."""
    before, found = dispatch.level(), []
    try:
        for name in ("v3", "v4"):
            dispatch.select(name)
            found.append(call())
    finally:
        dispatch.select(before)
    for narrow, wide in zip(*found, strict=True):
        np.testing.assert_array_equal(wide, narrow)


def ulps(got, exact):
    """Return |got - exact| in ulp of exact, an mpf."""
    info = np.finfo(got.dtype)
    got = float(got)
    if exact == 0:
        return 0.0 if got == 0 else float("inf")
    unit = mp.ldexp(1, max(mp.frexp(abs(exact))[1] - 1, int(info.minexp)) - info.nmant)
    if not np.isfinite(got):
        overflows = abs(exact) >= mpf(float(info.max)) + unit / 2
        return 0.0 if overflows and (got > 0) == (exact > 0) else float("inf")
    return float(abs(mpf(got) - exact) / unit)


def computed(name, x, level):
    """Return the function of x at a CPU level and leave this level selected; conftest.py restores it."""
    dispatch.select(level)
    out = np.empty_like(x)
    CORE[x.dtype.type].block("function", name, x, out)
    return out


def check(name, x):
    """Compare a function with mpmath at every CPU level."""
    with mp.workprec(160):
        exact = [EXACT[name](mpf(float(value))) for value in x]
        for level in dispatch.levels():
            found = zip(computed(name, x, level), exact, x, strict=True)
            worst, at = max((ulps(got, value), float(a)) for got, value, a in found)
            assert worst <= BOUND[x.dtype.type], f"{name} at {level}: {worst:.2f} ulp at {at!r}"


def any_bits(dtype, count, seed):
    """Return finite numbers of random bits, with all exponents and both signs."""
    unsigned = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    bits = np.random.default_rng(seed).integers(0, np.iinfo(unsigned).max, count, unsigned, endpoint=True)
    x = bits.view(dtype)
    return x[np.isfinite(x)]


def tiny_numbers(dtype):
    """Return zeros, subnormal numbers and the smallest normal number, with both signs."""
    info = np.finfo(dtype)
    x = np.array([0.0, info.smallest_subnormal, info.smallest_normal / 3, info.smallest_normal], dtype)
    return np.concatenate([x, -x])


def neighbors(x):
    """Return the numbers and the floating-point numbers next to them."""
    up, down = x.dtype.type(np.inf), x.dtype.type(-np.inf)
    return np.concatenate([x, np.nextafter(x, up), np.nextafter(x, down)])
