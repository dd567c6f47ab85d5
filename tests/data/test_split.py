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


CLASSES = np.repeat([0, 1, 2, 3], [180, 12, 2, 1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fractions", [(0.2, 0.2), (0.3, 0.3), (0.0, 0.4), (0.45, 0.45), (0.05, 0.01)])
def test_the_last_row_of_a_class_is_a_training_row(seed, fractions):
    validation, test = fractions
    rows = split_rows(len(CLASSES), validation=validation, test=test, seed=seed, classes=CLASSES)
    assert set(CLASSES[rows.train]) == {0, 1, 2, 3}
    sizes = [0 if part is None else len(part) for part in (rows.validation, rows.test)]
    assert sizes == [int(fraction * len(CLASSES) + 0.5) for fraction in fractions]
    together = [part for part in parts(rows) if part is not None]
    assert np.sort(np.concatenate(together)).tolist() == list(range(len(CLASSES)))


def test_every_fold_trains_on_the_only_row_of_a_class():
    validation = []
    for fold in range(1, 6):
        rows = split_rows(len(CLASSES), test=0.1, folds=5, fold=fold, classes=CLASSES)
        assert set(CLASSES[rows.train]) == {0, 1, 2, 3}
        validation += rows.validation.tolist()
    assert sorted([*validation, *rows.test.tolist(), len(CLASSES) - 1]) == list(range(len(CLASSES)))
    with pytest.raises(DataError, match="fold 2 of 2 is empty: its rows are the only ones of their classes"):
        split_rows(3, folds=2, fold=2, classes=np.array([0, 1, 2]))


def rare(counts, **split):
    labels = [label for label, count in counts.items() for _ in range(count)]
    text = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    return {"text": f"a,y\n{text}", "units": len(counts), "split": split}


def test_classes_too_small_for_the_split_are_a_warning(table, caplog):
    table(**rare({"a": 20, "b": 20, "c": 2, "d": 1}, validation=0.2, test=0.2, stratify=True))
    (record,) = caplog.records
    expected = "t.csv: classes with too few rows for every part of the split: 'c' (2 rows), 'd' (1 row)"
    assert record.getMessage().endswith(expected)
    caplog.clear()
    table(**rare({"a": 20, "b": 20, "c": 3}, validation=0.2, test=0.2, stratify=True))
    table(**rare({"a": 20, "b": 2}, validation=0.5, stratify=True) | {"units": 1})
    assert not caplog.records
    for fold in range(1, 6):
        table(**rare({"a": 20, "b": 3, "c": 20}, folds=5, fold=fold, stratify=True))
    assert "every part of the split: 'b' (3 rows)" in caplog.text


def test_classes_that_need_every_row_are_an_error(table):
    message = r"t\.csv: the split leaves no training row of the classes '.' \(1 row\)"
    with pytest.raises(DataError, match=message):
        table(**rare(dict.fromkeys("abcdefghij", 1), validation=0.4, test=0.5, stratify=True))


def test_class_without_a_training_row_hints_at_stratify(table):
    data = rare({"a": 30, "b": 1}, test=0.5)
    unlucky = []
    for seed in range(8):
        try:
            table(**data | {"units": 1, "split": {"test": 0.5, "seed": seed}})
        except DataError as error:
            unlucky.append(error)
    assert unlucky
    for error in unlucky:
        assert "at least two classes" in error.message or "unknown label" in error.message
        assert "stratify: true" in error.hint
