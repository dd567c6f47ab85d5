"""Folds and splits by time."""

import re

import numpy as np
import pytest

from cygd.data import Table, split_rows
from cygd.data.column import Column
from cygd.data.split import sort_by_time
from cygd.errors import ConfigError, DataError


def folds(n, count, **keys):
    return [split_rows(n, folds=count, fold=fold, **keys) for fold in range(1, count + 1)]


@pytest.mark.parametrize("n", [5, 23, 100])
@pytest.mark.parametrize("test", [0, 0.2])
def test_every_row_is_in_one_validation_fold(n, test):
    parts = folds(n, 4, test=test, seed=3)
    tests = [[] if part.test is None else part.test.tolist() for part in parts]
    assert all(rows == tests[0] for rows in tests)
    assert len(tests[0]) == int(test * n + 0.5)
    assert sorted(np.concatenate([part.validation for part in parts]).tolist() + tests[0]) == list(range(n))
    sizes = [len(part.validation) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for part in parts:
        assert not set(part.train) & set(part.validation)
        assert len(part.train) + len(part.validation) + len(tests[0]) == n
        assert part.train.dtype == part.validation.dtype == np.uint32
        assert part.train.tolist() == sorted(part.train)


def test_folds_depend_on_the_seed():
    one, same, other = (folds(50, 5, seed=seed)[0].validation.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_stratified_folds_keep_the_shares():
    classes = np.array([0] * 60 + [1] * 30 + [2] * 10)
    for part in folds(100, 5, classes=classes, seed=1):
        assert np.bincount(classes[part.validation]).tolist() == [12, 6, 2]
    for part in folds(100, 4, test=0.1, classes=classes):
        assert np.bincount(classes[part.test]).tolist() == [6, 3, 1]
        assert np.abs(np.bincount(classes[part.validation]) - [13.5, 6.75, 2.25]).max() <= 1


def test_too_few_rows_for_the_folds():
    with pytest.raises(DataError, match="expected at least 5 rows for 5 folds, got 4"):
        split_rows(4, folds=5)
    with pytest.raises(DataError, match="expected at least 6 rows for 5 folds, got 5"):
        split_rows(5, folds=5, order=np.arange(5, dtype=np.uint32))


def test_split_by_time_trains_on_earlier_rows():
    order = np.array([3, 1, 0, 2, 4, 5, 9, 8, 7, 6], np.uint32)
    part = split_rows(10, validation=0.2, test=0.3, order=order)
    assert part.test.tolist() == [6, 7, 8]
    assert part.validation.tolist() == [5, 9]
    assert part.train.tolist() == [0, 1, 2, 3, 4]


def test_folds_by_time_train_on_earlier_rows():
    order = np.random.default_rng(0).permutation(23).astype(np.uint32)
    when = np.argsort(order)
    trained = 0
    for part in folds(23, 4, test=0.1, order=order):
        assert when[part.train].max() < when[part.validation].min()
        assert when[part.validation].max() < when[part.test].min()
        assert len(part.train) > trained
        trained = len(part.train)
    assert trained + len(part.validation) + len(part.test) == 23


def test_sort_by_time():
    def order(values):
        return sort_by_time(Table({"t": Column.from_values(values)}, "f"), "t").tolist()

    assert order([3, 1, 2.5, 1]) == [1, 3, 2, 0]
    assert order(["2026-01-02", "2025-12-31", "2026-01-01"]) == [1, 2, 0]
    assert order(["2026-01-02T10:00", "2026-01-02T09:59"]) == [1, 0]
    assert order(["2026-02", "2026-01"]) == [1, 0]
    for values, message in [
        ([1, None], "row 1 (from 0), column 't': the value is missing"),
        (["2026-01-01", "1.2.2026"], "row 1 (from 0), column 't': expected a date, got '1.2.2026'"),
        (["2026-01-01", "3"], "row 1 (from 0), column 't': expected a date, got '3'"),
        (
            ["03/01/2026", "3"],
            "row 0 (from 0), column 't': expected a date, got '03/01/2026'\nhint: a split by time",
        ),
    ]:
        with pytest.raises(DataError, match=re.escape(message)):
            order(values)


TEXT = "day,a,y\n2026-01-03,1,1\n2026-01-01,2,2\n2026-01-02,3,3\n2026-01-04,4,4\n"


def test_time_column_is_not_an_input(table):
    prepared = table(TEXT, split={"time": "day", "validation": 0.25, "test": 0.25})
    assert prepared.inputs == ("a",)
    assert prepared.test.take()[1].tolist() == [[4]]
    assert prepared.validation.take()[1].tolist() == [[1]]
    assert table(TEXT, split={"time": True, "test": 0.25}, inputs=("a",)).test.take()[1].tolist() == [[4]]
    assert "day=2026-01-02" in table(TEXT, split={"time": "day"}, inputs=("a", "day")).inputs
    with pytest.raises(ConfigError, match=r"data\.split\.time: unknown column 'dya'.*\n.*did you mean"):
        table(TEXT, split={"time": "dya", "test": 0.25})


def test_time_column_of_texts(table):
    data = "y,when,a\n0,2026-01-31 10:00,1\n1,2026-01-31 9:05,1\n2,2026-01-31 8:15,1\n3,2026-01-31 11:30,1\n"
    prepared = table(data, split={"time": "when", "validation": 0.25, "test": 0.25})
    assert prepared.train.take()[1].tolist() == [[1], [2]]
    assert prepared.validation.take()[1].tolist() == [[0]]
    data = data.replace("2026-01-31", "31/01/2026").replace("31/01/2026 8", "1/2/2026 8")
    with pytest.raises(
        DataError, match=r"t\.csv:2: row 1, column 'when': expected a date, got '31/01/2026 10:00'"
    ):
        table(data, split={"time": "when", "test": 0.25})
    prepared = table(data, split={"time": "when", "test": 0.25, "format": "%d/%m/%Y %H:%M"})
    assert prepared.test.take()[1].tolist() == [[2]]
    with pytest.raises(
        DataError, match=r"t\.csv:4: row 3, column 'when': expected a date in the format '%d/%m/"
    ):
        table(data.replace("1/2/2026 8:15", "1/2/2026"), split={"time": "when", "format": "%d/%m/%Y %H:%M"})


def test_times_of_a_parquet_file(tmp_path, prepare):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    hours = np.array(["2026-10-25T02", "2026-10-25T00", "2026-10-25T01", "2026-10-24T23"], "M8[us]")
    days = np.array(["2026-10-02", "1999-12-31", "2026-09-30", "0001-01-01"], "M8[D]")
    columns = {
        "utc": pyarrow.array(hours, pyarrow.timestamp("us", "UTC")),
        "zone": pyarrow.array(hours, pyarrow.timestamp("us", "Europe/Berlin")),  # back from 3:00 to 2:00
        "naive": hours,
        "day": days,
    }
    parquet.write_table(pyarrow.table({**columns, "a": [1] * 4, "y": [0, 1, 2, 3]}), tmp_path / "t.parquet")
    for name in columns:
        keys = {"source": "parquet", "path": "t.parquet", "inputs": ("a",), "targets": ("y",)}
        prepared = prepare(**keys, split={"time": name, "test": 0.25, "validation": 0.25})
        assert prepared.test.take()[1].tolist() == [[0]]
        assert prepared.validation.take()[1].tolist() == [[2]]


def test_rows_without_time_are_dropped_with_missing_drop(table):
    text = TEXT + ",5,5\n"
    with pytest.raises(DataError, match=r"t\.csv:6: row 5, column 'day': the value is missing"):
        table(text, split={"time": "day", "test": 0.25})
    assert len(table(text, split={"time": "day", "test": 0.25}, missing="drop").train) == 3


def test_split_arrays_by_time(tmp_path, prepare):
    np.savez(tmp_path / "t.npz", x=[[3, 0], [1, 0], [2, 0], [4, 1]], y=[0, 1, 2, 3])
    keys = {"source": "npz", "path": "t.npz", "split": {"time": "x0", "test": 0.25, "validation": 0.25}}
    prepared = prepare(**keys)
    assert prepared.inputs == ("x1",)
    assert prepared.validation.take()[1].tolist() == [[0]]
    assert prepare(**{**keys, "split": {"folds": 2}}).validation is not None
