"""Comparisons of configurations, against values by hand and SciPy."""

import math
import random

import pytest

from cygd.sweep.significance import PAIRED, WELCH, compare, holm


def by_seed(values, first=0):
    return dict(enumerate(values, start=first))


def test_paired_test_by_hand():
    # differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t = 2 sqrt(3) with 2 degrees of freedom, where
    # P(|T| > t) = 1 - t/sqrt(t^2 + 2) = 1 - sqrt(12/14)
    result = compare(by_seed([1.0, 2.0, 3.0]), by_seed([2.0, 4.0, 6.0]))
    assert (result.test, result.n, result.difference) == (PAIRED, 3, 2.0)
    assert result.p == pytest.approx(1 - math.sqrt(12 / 14))
    half_width = 4.302652729911275 / math.sqrt(3)  # the table's t at 0.975 and 2 degrees of freedom
    assert (result.low, result.high) == pytest.approx((2 - half_width, 2 + half_width))
    assert math.isnan(result.adjusted_p)


def test_only_seeds_of_both_configurations_are_paired():
    result = compare({1: 1.0, 2: 2.0, 3: 3.0, 9: 100.0}, {3: 6.0, 2: 4.0, 1: 2.0, 8: -100.0})
    assert result == compare(by_seed([1.0, 2.0, 3.0]), by_seed([2.0, 4.0, 6.0]))


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_paired_test_matches_scipy(n):
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(n)
    a, b = ([draw.gauss(mean, 1) for _ in range(n)] for mean in (0, 0.5))
    result, expected = compare(by_seed(a), by_seed(b)), stats.ttest_rel(b, a)
    assert result.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (result.low, result.high) == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 7), (20, 5), (30, 30)])
def test_welch_test_has_the_degrees_of_freedom_of_scipy_rounded_down(sizes):
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(sum(sizes))
    a, b = ([draw.gauss(0, spread) for _ in range(size)] for size, spread in zip(sizes, (1, 3), strict=True))
    result, expected = compare(by_seed(a), by_seed(b, 100)), stats.ttest_ind(b, a, equal_var=False)
    assert (result.test, result.n) == (WELCH, min(sizes))
    assert result.p == pytest.approx(2 * stats.t.sf(abs(expected.statistic), int(expected.df)), rel=1e-9)
    assert result.p >= expected.pvalue * (1 - 1e-9)


def test_whole_degrees_of_freedom_are_not_rounded_down():
    # equal sizes and spreads: 2 n - 2 = 4 degrees of freedom
    stats = pytest.importorskip("scipy.stats")
    a, b = [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]
    assert compare(by_seed(a), by_seed(b, 10)).p == pytest.approx(stats.ttest_ind(a, b).pvalue)


def test_equal_results_are_no_difference():
    result = compare(by_seed([1.0, 2.0]), by_seed([1.0, 2.0]))
    assert (result.test, result.p, result.difference, result.low, result.high) == (PAIRED, 1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("best", "other", "difference"),
    [
        ({1: 1.0}, {1: 3.0}, 2.0),  # one value
        ({1: 1.0, 2: 2.0}, {3: 3.0}, 1.5),
        ({1: 1.0, 2: 2.0}, {}, math.nan),
        ({}, {}, math.nan),
        ({1: 1.0, 2: 2.0}, {1: 2.0, 2: 3.0}, 1.0),  # the seed changes nothing
        ({1: 1.0, 2: math.inf}, {1: 2.0, 2: 3.0}, math.nan),
        ({1: -1.7e308, 2: 1.7e308}, {3: 1.7e308, 4: -1.7e308}, 0.0),
    ],
)
def test_what_cannot_be_tested_has_no_p_value(best, other, difference):
    result = compare(best, other)
    assert result.test == ""
    assert math.isnan(result.p)
    assert result.difference == difference or math.isnan(result.difference) == math.isnan(difference)


def test_huge_values_are_tested():
    small = compare(by_seed([1.0, 2.0, 3.0]), by_seed([2.0, 4.0, 6.0]))
    huge = compare(by_seed([1e300, 2e300, 3e300]), by_seed([2e300, 4e300, 6e300]))
    assert huge.p == pytest.approx(small.p)
    apart = compare(by_seed([1e300, 2e300, 3e300]), by_seed([2e300, 4e300, 6e300], 10))
    assert 0 < apart.p < 1


def test_holm_by_hand():
    # sorted 0.01, 0.03, 0.04 times 3, 2, 1; the last one may not fall below the second
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    adjusted = holm([math.nan, 0.02, math.nan])
    assert adjusted[1] == 0.02  # one comparison needs no correction
    assert math.isnan(adjusted[0])
    assert math.isnan(adjusted[2])


def test_holm_matches_a_second_definition():
    draw = random.Random(1)
    for count in range(1, 12):
        p = [draw.random() ** 3 for _ in range(count)]
        smaller = [[other for other in p if other <= each] for each in p]
        expected = [
            max(min(1.0, sum(other >= step for other in p) * step) for step in below) for below in smaller
        ]
        assert holm(p) == pytest.approx(expected)


def test_false_alarms_are_as_rare_as_promised():
    draw = random.Random(7)
    alarms = 0
    for _ in range(400):
        groups = [[draw.gauss(0, 1) for _ in range(6)] for _ in range(5)]
        p = holm([compare(by_seed(groups[0]), by_seed(group)).p for group in groups[1:]])
        alarms += min(p) < 0.05
    assert alarms / 400 < 0.08
