import numpy as np
import pytest

from cygd.data import Dataset, Part
from cygd.errors import DataError


def test_one_dimension_is_one_column_and_names_have_defaults():
    data = Dataset([1, 2], [[1, 0], [0, 1]])
    assert data.x.shape == (2, 1)
    assert (data.inputs, data.targets) == (("x0",), ("y0", "y1"))


def test_memory_mapped_arrays_stay_so(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert Dataset(x, [1, 2, 3]).x is x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [1, 2], "y": [1]}, "y: expected 2 rows as in x, got 1"),
        ({"x": [], "y": []}, "x and y have no rows"),
        ({"x": np.empty((2, 0)), "y": [1, 2]}, "x has no columns"),
        ({"x": [1], "y": np.empty((1, 0))}, "y has no columns"),
        (
            {"x": np.zeros((1, 1, 1)), "y": [1]},
            r"x: expected two dimensions, rows and columns, got the shape \(1, 1, 1\)",
        ),
        ({"x": [1], "y": [1j]}, "y: expected real numbers, got the type complex128"),
        ({"x": ["a"], "y": [1]}, "x: expected real numbers, got the type <U1"),
        ({"x": [[1], [1, 2]], "y": [1, 2]}, "x: expected rows of equal length"),
        (
            {"x": np.ma.masked_array([1.0], [True]), "y": [1]},
            "x: masked arrays are not supported\nhint: fill it first",
        ),
        ({"x": [None], "y": [1]}, "x: expected real numbers, got the type object"),
        ({"x": [1], "y": [1], "inputs": ["a", "b"]}, "x: expected 1 column name, got 2: a, b"),
        ({"x": [1], "y": [1], "inputs": ["a"], "targets": ["a"]}, "duplicate column name 'a'"),
        (
            {"x": [1], "y": [1], "sample_weight": [1, 2]},
            r"sample_weight: expected the shape \(1,\), got \(2,\)",
        ),
        ({"x": [1], "y": [1], "classes": [None, 1]}, "classes: expected strings or numbers, got None"),
    ],
)
def test_invalid_arguments_are_an_error(arguments, message):
    with pytest.raises(DataError, match=message):
        Dataset(**arguments)


@pytest.mark.parametrize("y", [[0, 2, 1], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]])
def test_class_indices_of_one_column_and_of_one_hot_columns(y):
    assert Dataset([1, 2, 3], y, classes="abc").class_indices().tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 3], "abc", r"y: row 1 \(from 0\): expected a class index from 0 to 2, got \[3\]"),
        ([[1, 0, 0], [1, 1, 0]], "abc", r"y: row 1 \(from 0\): expected a one-hot row, got \[1, 1, 0\]"),
        ([[1, 0], [0, 1]], "abc", "y: expected 1 or 3 columns for 3 classes, got 2"),
        ([0, 1], "aa", "classes: expected distinct labels, got 'a', 'a'"),
    ],
)
def test_invalid_class_indices_are_an_error(y, classes, message):
    with pytest.raises(DataError, match=message):
        Dataset([1, 2], y, classes=classes).class_indices()


def test_labels_become_python_values():
    assert [type(label) for label in Dataset([1], [0], classes=np.array([1, 2])).classes] == [int, int]
    assert [type(label) for label in Dataset([1], [0], classes=np.array(["a", "b"])).classes] == [str, str]


def test_part_takes_its_rows():
    x, y, weights = np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None], np.array([1.0, 2.0, 3.0])
    part = Part(x, y, weights, rows=np.array([2, 0]))
    assert len(part) == 2
    assert [a.tolist() for a in part.take()] == [[[4, 5], [0, 1]], [[2], [0]], [3, 1]]
    assert Part(x, y).take() == (x, y, None)
    assert len(Part(x, y)) == 3
