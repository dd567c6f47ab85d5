"""What holds for every elementary function of the core: any bits, any length, any level."""

import numpy as np
import pytest

from tests.helpers.ulp import any_bits, both_types, check, computed, every_level, needs_both_fused_levels

# name -> the |x| of ordinary arguments, and the largest of which mpmath is asked
SPANS = {
    "sin": (10, np.inf),
    "cos": (10, np.inf),
    "tan": (10, np.inf),
    "arctan": (3, np.inf),
    "sinh": (9, 2**12),
    "cosh": (9, 2**12),
    "erf": (28, 2**20),
    "erfc": (28, 2**20),
}

every_function = pytest.mark.parametrize("name", SPANS)


@both_types
@every_function
def test_all_exponents(name, dtype):
    x = any_bits(dtype, 2000, seed=1)
    check(name, x[abs(x) < SPANS[name][1]])


@both_types
@every_function
@every_level
def test_any_length_gives_the_same_numbers(name, dtype, level):
    x = np.random.default_rng(5).uniform(-30, 30, 67).astype(dtype)  # no whole number of vectors
    x[::7] = np.nan
    alone = np.concatenate([computed(name, x[k : k + 1], level) for k in range(x.size)])
    assert computed(name, x, level).tobytes() == alone.tobytes()


@needs_both_fused_levels
@both_types
@every_function
def test_fused_levels_agree_to_the_bit(name, dtype):
    span = SPANS[name][0]
    ordinary = np.random.default_rng(8).uniform(-span, span, 50000).astype(dtype)
    x = np.concatenate([any_bits(dtype, 50000, seed=7), ordinary])
    assert computed(name, x, "v3").tobytes() == computed(name, x, "v4").tobytes()
