"""arctan of the compiled core, against mpmath: the whole range, on every CPU level."""

import numpy as np

from cygd.core import dispatch
from tests.helpers.ulp import any_bits, both_types, check, computed, every_level, neighbors, tiny_numbers


@both_types
def test_the_ordinary_range(dtype):
    check("arctan", np.random.default_rng(2).uniform(-4, 4, 4000).astype(dtype))


@both_types
def test_where_the_three_forms_meet(dtype):
    draw = np.random.default_rng(3)
    near = np.concatenate([at * (1 + 0.05 * draw.random(800)) for at in (0.48, 0.5, 1.95, 2)])
    check("arctan", neighbors(np.array([0.5, -0.5, 1, -1, 2, -2], dtype)))
    check("arctan", (near * draw.choice([-1, 1], near.size)).astype(dtype))


@both_types
@every_level
def test_special_values(dtype, level):
    largest = np.finfo(dtype).max
    x = np.array([np.inf, -np.inf, largest, -largest, 1, -1, np.nan], dtype)
    right = np.pi / 2
    expected = np.array([right, -right, right, -right, right / 2, -right / 2, np.nan], dtype)
    np.testing.assert_array_equal(computed("arctan", x, level), expected)
    tiny = tiny_numbers(dtype)
    assert computed("arctan", tiny, level).tobytes() == tiny.tobytes()  # the sign of -0.0, too


@both_types
def test_symmetry_and_range(dtype):
    x = any_bits(dtype, 20000, seed=5)
    for level in dispatch.levels():
        y = computed("arctan", x, level)
        np.testing.assert_array_equal(computed("arctan", -x, level), -y)
        assert (abs(y) <= dtype(np.pi / 2)).all()
        assert (abs(y) <= abs(x)).all()
