"""The figures of groups.csv, against SciPy where there is no closed form."""

import math

import pytest

from cygd.sweep.statistics import student_t, summarize


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, math.tan(0.95 * math.pi / 2)), (2, 0.95 * math.sqrt(2 / (1 - 0.95**2))), (9, 2.2621571627982053)],
)
def test_student_t_in_closed_form_and_from_a_table(degrees, expected):
    assert student_t(degrees) == pytest.approx(expected, rel=1e-13)


def test_student_t_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    for degrees in (*range(1, 40), 99, 100, 999, 1000):
        assert student_t(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-12)
        assert student_t(degrees, 0.5) == pytest.approx(stats.t.ppf(0.75, degrees), rel=1e-12)


def test_one_number_has_no_spread_and_none_no_mean():
    one, none = summarize([3.0]), summarize([])
    assert (one.n, one.mean) == (1, 3.0)
    assert all(map(math.isnan, (one.standard_deviation, one.low, one.high, none.mean)))
    assert none.n == 0


def test_equal_numbers_have_an_interval_of_no_width():
    same = summarize([0.1] * 10)
    assert (same.mean, same.standard_deviation, same.low, same.high) == (0.1, 0.0, 0.1, 0.1)


def test_infinite_numbers_do_no_harm():
    assert math.isnan(summarize([1.0, math.inf]).standard_deviation)
