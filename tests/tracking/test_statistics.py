"""Statistics of repeated runs, against closed forms and SciPy."""

import math

import pytest

from cygd.tracking.statistics import mean, standard_deviation, student_t, summarize


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, math.tan(0.95 * math.pi / 2)), (2, 0.95 * math.sqrt(2 / (1 - 0.95**2))), (9, 2.2621571627982053)],
)
def test_student_t_matches_closed_forms_and_a_table(degrees, expected):
    assert student_t(degrees) == pytest.approx(expected, rel=1e-13)


def test_student_t_matches_scipy():
    stats = pytest.importorskip("scipy.stats")
    for degrees in (*range(1, 40), 99, 100, 999, 1000):
        assert student_t(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-12)
        assert student_t(degrees, 0.5) == pytest.approx(stats.t.ppf(0.75, degrees), rel=1e-12)


def test_mean_and_standard_deviation():
    assert mean([1.0, 2.0, 6.0]) == 3.0
    assert standard_deviation([1.0, 2.0, 6.0]) == math.sqrt(7)


def test_one_value_has_no_standard_deviation_and_no_value_no_mean():
    one, none = summarize([3.0]), summarize([])
    assert (one.n, one.mean) == (1, 3.0)
    assert all(map(math.isnan, (one.standard_deviation, one.low, one.high, none.mean)))
    assert none.n == 0


def test_equal_values_have_an_interval_of_zero_width():
    same = summarize([0.1] * 10)
    assert (same.mean, same.standard_deviation, same.low, same.high) == (0.1, 0.0, 0.1, 0.1)


def test_infinite_values_give_no_standard_deviation():
    summary = summarize([1.0, math.inf])
    assert summary.mean == math.inf
    assert math.isnan(summary.standard_deviation)


def test_huge_values_do_not_overflow():
    assert mean([1.5e308, 1.7e308]) == pytest.approx(1.6e308)
    assert standard_deviation([1e200, 3e200]) == pytest.approx(math.sqrt(2) * 1e200)
    assert standard_deviation([1e300, 2e300, 3e300]) == pytest.approx(1e300)
    assert standard_deviation([-1e308, 1e308]) == pytest.approx(math.sqrt(2) * 1e308)
    assert standard_deviation([-1.7e308, 1.7e308]) == math.inf
    summary = summarize([1e300, 2e300, 3e300])
    assert (summary.mean, summary.standard_deviation) == pytest.approx((2e300, 1e300))
    assert (summary.low, summary.high) == pytest.approx((-0.4841377e300, 4.4841377e300))


def test_infinities_of_both_signs_have_no_mean():
    summary = summarize([math.inf, -math.inf])
    assert math.isnan(summary.mean)
    assert math.isnan(summary.standard_deviation)
