import numpy as np
import pytest

from cygd.data import split_rows
from cygd.errors import DataError


def parts(rows):
    return rows.train, rows.validation, rows.test


@pytest.mark.parametrize("classes", [None, np.arange(442) % 3])
def test_every_row_is_in_one_part(classes):
    rows = split_rows(442, validation=0.2, test=0.1, classes=classes)
    assert [len(part) for part in parts(rows)] == [310, 88, 44]
    assert np.sort(np.concatenate(parts(rows))).tolist() == list(range(442))
    assert all((np.diff(part) > 0).all() and part.dtype == np.uint32 for part in parts(rows))


def test_split_depends_on_the_seed():
    first, again, other = (split_rows(100, test=0.3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_the_test_rows_do_not_depend_on_the_validation_fraction():
    assert np.array_equal(split_rows(100, test=0.3).test, split_rows(100, validation=0.5, test=0.3).test)


def test_parts_not_requested_are_none():
    rows = split_rows(10, validation=0.2)
    assert rows.test is None
    assert len(rows.train) == 8


@pytest.mark.parametrize(
    ("n", "fraction", "expected"), [(10, 0.25, 3), (10, 0.24, 2), (442, 0.2, 88), (3, 0.5, 2)]
)
def test_fractions_are_rounded_to_the_nearest_row(n, fraction, expected):
    assert len(split_rows(n, test=fraction).test) == expected


def test_a_stratified_split_keeps_the_shares():
    classes = np.repeat([0, 1, 2], [152, 68, 124])
    rows = split_rows(344, validation=0.2, test=0.2, classes=classes)
    assert len(rows.test) == 69
    for part in parts(rows):
        shares = np.bincount(classes[part]) / len(part)
        assert np.allclose(shares, np.array([152, 68, 124]) / 344, atol=0.01)


def test_a_stratified_split_of_tiny_classes_keeps_the_sizes():
    rows = split_rows(10, validation=0.4, test=0.5, classes=np.arange(10))
    assert [len(part) for part in parts(rows)] == [1, 4, 5]


@pytest.mark.parametrize(
    ("n", "fractions", "message"),
    [
        (
            20,
            {"validation": 0.01},
            "the validation part is empty: 0.01 of 20 rows is less than half a row",
        ),
        (4, {"test": 0.1}, "the test part is empty: 0.1 of 4 rows is less than half a row"),
        (
            4,
            {"validation": 0.5, "test": 0.5},
            r"no training rows are left of 4 rows: validation 0.5 \(2 rows\) and test 0.5 \(2 rows\)",
        ),
        (1, {"test": 0.5}, "no training rows are left of 1 row"),
        (10, {"test": 1.0}, "split.test: expected a fraction of at least 0 and below 1, got 1"),
        (
            10,
            {"validation": -0.1},
            "split.validation: expected a fraction of at least 0 and below 1, got -0.1",
        ),
        (
            10,
            {"validation": float("nan")},
            "split.validation: expected a fraction of at least 0 and below 1, got nan",
        ),
    ],
)
def test_invalid_fractions_are_an_error(n, fractions, message):
    with pytest.raises(DataError, match=message):
        split_rows(n, **fractions)
