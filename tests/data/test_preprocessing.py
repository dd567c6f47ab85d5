import json
import re

import numpy as np
import pytest

from cygd.data import InputColumn, Preprocessing
from cygd.errors import CheckpointError, DataError

MIXED = Preprocessing(
    (
        InputColumn("mass", shift=2.0, scale=0.1, fill=3.7),
        InputColumn("island", categories=("Biscoe", "Dream"), fill="Dream"),
        InputColumn("year", categories=(2007, 2008)),
    ),
    ("length",),
    target_shift=(10.0,),
    target_scale=(1 / 3,),
)
PLAIN = Preprocessing((InputColumn("a"), InputColumn("b")), ("y",), classes=("no", "yes"))


def test_columns_are_encoded_in_order():
    x = MIXED.transform_inputs(
        {"year": [2008, "2007"], "island": ["Dream", "Biscoe"], "mass": [2.5, "2"], "z": [0, 0]}
    )
    assert x.tolist() == [[5, 0, 1, 0, 1], [0, 1, 0, 1, 0]]
    assert MIXED.features == ("mass", "island=Biscoe", "island=Dream", "year=2007", "year=2008")
    assert MIXED.inputs == ("mass", "island", "year")


def test_missing_values_are_filled_in():
    x = MIXED.transform_inputs({"mass": [None], "island": ["NA"], "year": [2007]})
    assert x.tolist() == [[(3.7 - 2.0) / 0.1, 0, 1, 1, 0]]


def test_array_columns_are_in_the_order_of_the_inputs():
    rows = [[2.5, "Dream", 2008], [2, "Biscoe", 2007]]
    expected = MIXED.transform_inputs({"mass": [2.5, 2], "island": ["Dream", "Biscoe"], "year": [2008, 2007]})
    assert np.array_equal(MIXED.transform_inputs(rows), expected)
    assert np.array_equal(MIXED.transform_inputs(np.array(rows, object)), expected)
    assert PLAIN.transform_inputs([[1, 2]]).tolist() == [[1, 2]]


def test_array_without_scaling_is_not_copied():
    x = np.ones((3, 2), np.float32)
    assert PLAIN.transform_inputs(x, np.float32) is x
    assert PLAIN.transform_inputs(x).dtype == np.float64
    turned = np.asfortranarray(x)
    assert PLAIN.transform_inputs(turned, np.float32).flags.c_contiguous
    assert PLAIN.transform_inputs(x.astype(">f4"), np.float32).dtype.isnative


def test_arrays_and_columns_give_the_same_bits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20000, 2))
    columns = (InputColumn("a", shift=0.1, scale=0.7), InputColumn("b", shift=-3.3, scale=1.9))
    scaling = Preprocessing(columns, ("y",))
    for dtype in (np.float32, np.float64):
        by_columns = scaling.transform_inputs({"a": x[:, 0], "b": x[:, 1]}, dtype)
        assert np.array_equal(scaling.transform_inputs(x, dtype), by_columns)


def test_one_column_takes_one_dimension():
    assert Preprocessing((InputColumn("a"),), ("y",)).transform_inputs([1, 2]).tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"island": ["Dream"], "year": [2007]}, "unknown column 'mass'\nhint: the columns are island, year"),
        (
            {"mas": [1], "island": ["Dream"], "year": [2007]},
            "unknown column 'mass'\nhint: did you mean 'mas'?",
        ),
        (
            {"mass": [1], "island": ["Torgersen"], "year": [2007]},
            "row 0 (from 0), column 'island': unknown label 'Torgersen'\n"
            "hint: the labels of the training rows are Biscoe, Dream",
        ),
        ({"mass": [1], "island": ["Dream"], "year": [2009]}, "column 'year': unknown label 2009"),
        ({"mass": [1], "island": ["Dream"], "year": [None]}, "column 'year': the value is missing"),
        (
            {"mass": ["fat"], "island": ["Dream"], "year": [2007]},
            "column 'mass': expected a number, got 'fat'",
        ),
        (
            {"mass": [np.inf], "island": ["Dream"], "year": [2007]},
            "column 'mass': expected a finite number, got inf",
        ),
        ([[1, "Dream"]], "the array: expected the shape (n_samples, 3), got (1, 2)"),
        ([1, 2, 3], "the array: expected the shape (n_samples, 3), got (3,)"),
    ],
)
def test_mismatched_data_is_an_error(data, message):
    with pytest.raises(DataError, match=re.escape(message)):
        MIXED.transform_inputs(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1, 2], [3, np.nan]], "row 1 (from 0), column 'b': expected a finite number, got nan"),
        ([["1", "x"]], "the array: expected real numbers, got the type <U1"),
        (
            np.ma.masked_array([[1, 2]], [[0, 1]]),
            "the array: masked arrays are not supported\nhint: fill it first",
        ),
        (
            [np.ma.masked_array([1, 2], [0, 1])],
            "the array: masked arrays are not supported\nhint: fill it first",
        ),
        (
            np.ones((1, 3)),
            "the array: expected the shape (n_samples, 2), got (1, 3)\nhint: the columns are a, b",
        ),
        ({"a": [1], "b": ["x"]}, "column 'b': expected a number, got 'x'"),
    ],
)
def test_mismatched_array_is_an_error(data, message):
    with pytest.raises(DataError, match=re.escape(message)):
        PLAIN.transform_inputs(data)


@pytest.mark.parametrize("data", [np.array([[1, 1e300]]), {"a": [1], "b": [1e300]}])
def test_out_of_range_for_float32_is_an_error(data):
    with pytest.raises(DataError, match=r"row 0 \(from 0\), column 'b': .*is out of range for float32"):
        PLAIN.transform_inputs(data, np.float32)


def test_inverse_targets_restores_units():
    y = np.array([[10.0], [12.5]])
    seen = MIXED.transform_targets(y, np.float32)
    assert seen.dtype == np.float32
    assert np.allclose(seen, [[0], [7.5]])
    back = MIXED.inverse_targets(seen)
    assert back.dtype == np.float32
    assert np.allclose(back, y)
    assert PLAIN.inverse_targets(y) is y


@pytest.mark.parametrize("preprocessing", [MIXED, PLAIN])
def test_json_round_trip_is_exact(preprocessing):
    text = json.dumps(preprocessing.to_json(), allow_nan=False)
    assert Preprocessing.from_json(json.loads(text)) == preprocessing


GOOD = json.dumps(MIXED.to_json())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version": 1', '"version": 2', "preprocessing.json: expected version 1, got 2"),
        ('"version": 1', '"version": "1"', "preprocessing.json: version: expected int, got '1'"),
        ('"version": 1', '"version": true', "preprocessing.json: version: expected int, got True"),
        ('"version": 1, ', "", "preprocessing.json: the key 'version' is missing"),
        ('"inputs": [', '"inputs": [1, ', "preprocessing.json: inputs[0]: expected a mapping, got int"),
        ('"column": "mass"', '"name": "mass"', "preprocessing.json: inputs[0]: the key 'column' is missing"),
        ('"column": "year"', '"column": "mass"', "preprocessing.json: duplicate column in inputs"),
        (
            '"scale": 0.1',
            '"scale": 0',
            "preprocessing.json: inputs[0]: scale: expected a nonzero number, got 0",
        ),
        (
            '"scale": 0.1',
            '"scale": NaN',
            "preprocessing.json: inputs[0]: scale: expected a finite number, got nan",
        ),
        (
            '"shift": 2.0',
            '"shift": "2"',
            "preprocessing.json: inputs[0]: shift: expected a finite number, got '2'",
        ),
        (
            '"fill": 3.7',
            '"fill": "x"',
            "preprocessing.json: inputs[0]: fill: expected a finite number, got 'x'",
        ),
        ('"fill": "Dream"', '"fill": "Drea"', "inputs[1]: fill: expected one of the categories, got 'Drea'"),
        ('"fill": "Dream"', '"fill": []', "preprocessing.json: inputs[1]: fill: expected a label, got []"),
        (
            "[2007, 2008]",
            "[2007, 2007]",
            "inputs[2]: categories: expected a list of distinct labels, got [2007, 2007]",
        ),
        (
            "[2007, 2008]",
            "[2007, null]",
            "preprocessing.json: inputs[2]: categories: expected a label, got None",
        ),
        ("[2007, 2008]", '"2007"', "preprocessing.json: inputs[2]: categories: expected list, got '2007'"),
        ('"columns": ["length"]', '"columns": [1]', "targets: columns: expected a list of strings, got [1]"),
        (
            '"shift": [10.0]',
            '"shift": []',
            "preprocessing.json: targets: expected a shift and a nonzero scale for each column",
        ),
        (
            '"shift": [10.0]',
            '"shift": [[]]',
            "preprocessing.json: targets: shift[0]: expected a finite number, got []",
        ),
    ],
)
def test_invalid_json_is_an_error(old, new, message):
    assert old in GOOD
    with pytest.raises(CheckpointError, match=re.escape(message)):
        Preprocessing.from_json(json.loads(GOOD.replace(old, new)))


def test_json_list_is_an_error():
    with pytest.raises(CheckpointError, match=r"preprocessing\.json: expected a mapping, got list"):
        Preprocessing.from_json([])
