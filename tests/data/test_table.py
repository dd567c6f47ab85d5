import numpy as np
import pytest

from cygd.data import Column, Dataset, Table
from cygd.data.table import TableFile
from cygd.errors import DataError


@pytest.mark.parametrize(
    ("values", "labels", "codes"),
    [
        ([10, 9, 10], (9, 10), [1, 0, 1]),
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (["10", "9", "01", "1.0", "x"], (1, 9, 10, "x"), [2, 1, 0, 0, 3]),
        ([0.5, None, 2], (0.5, 2), [0, -1, 1]),
        (np.array([True, False]), ("False", "True"), [1, 0]),
        (["b", None, "?"], ("b",), [0, -1, -1]),
    ],
)
def test_labels_are_sorted_numbers_before_strings(values, labels, codes):
    found, names = Column.from_values(values).factorize()
    assert names == labels
    assert [type(name) for name in names] == [type(label) for label in labels]
    assert found.tolist() == codes


@pytest.mark.parametrize(
    ("values", "categorical", "first"),
    [
        (["a", "b"], True, 0),
        (["1", "b", "c"], True, 1),
        (["1", "b"], False, 1),
        (["1", "2", "b"], False, 2),
        (["NA", "b"], True, 1),
        (["1", "2"], False, None),
        (["NA", "?"], False, None),
    ],
)
def test_column_of_mostly_strings_is_categorical(values, categorical, first):
    column = Column.from_values(values)
    assert column.is_categorical is categorical
    assert column.first_string_row == first


def test_factorize_drops_unused_strings():
    codes, labels = Column.from_values(["a", "b", "c"]).take(np.array([2, 0])).factorize()
    assert labels == ("a", "c")
    assert codes.tolist() == [1, 0]


def test_location_after_dropped_rows():
    table = Table(
        {"a": Column.from_values([1, 2, 3, 4])}, files=(TableFile(0, "f.csv", lambda row: row + 2),)
    )
    table = table.take(np.array([1, 2, 3])).take(np.array([2]))
    assert table.location(0, "a") == "f.csv:5: row 4, column 'a'"


def test_table_from_mapping():
    table = Table.from_mapping({"a": [1, None], "b": ("x", 2), "c": np.array([1, 2], np.float32)})
    assert table.columns["a"].missing.tolist() == [False, True]
    assert table.columns["b"].factorize()[1] == (2, "x")
    assert len(Table.from_mapping({"a": 1, "b": "x"})) == 1
    with pytest.raises(DataError, match="the columns differ in length: 'a' has 1, 'b' has 2"):
        Table.from_mapping({"a": [1], "b": [1, 2]})
    with pytest.raises(DataError, match=r"column 'a': expected one dimension, got the shape \(1, 2\)"):
        Table.from_mapping({"a": [[1, 2]]})


def test_table_from_dataset():
    data = Dataset([[1, 2], [3, 4]], [[1, 0], [0, 1]], classes=("no", 7))
    table = Table.from_dataset(data)
    assert list(table.columns) == ["x0", "x1", "y"]
    codes, labels = table.columns["y"].factorize()
    assert [labels[code] for code in codes] == ["no", 7]
    assert table.categorical == {"y"}


def test_unknown_column_has_a_suggestion():
    with pytest.raises(DataError, match=r"^f\.csv: unknown column 'wait'\nhint: did you mean 'weight'\?"):
        Table({"weight": Column.from_values([1])}, "f.csv").column("wait")
