"""Messages quote a value as its file writes it."""

import numpy as np
import pytest

from cygd.errors import DataError

TEXT = "when,x,w,y\n1704067200.123456,1,-0.10,2\n{},2,1,3\n1704067300,3,1,4\n"


def test_a_number_that_is_no_date(table):
    split = {"time": "when", "format": "%Y-%m-%d", "test": 0.4}
    with pytest.raises(DataError, match=r"t\.csv:2: .*expected a date in .*, got '1704067200\.123456'"):
        table(TEXT.format(7), inputs=("x",), split=split)


def test_a_number_of_a_declared_format_keeps_its_zeros(table):
    text = "when,y\n01022026,1\n31012026,2\n15012026,3\n"
    split = {"time": "when", "format": "%d%m%Y", "test": 0.4}
    assert table(text, inputs=("y",), targets=("when",), split=split).test.rows.tolist() == [0]
    with pytest.raises(DataError, match=r"t\.csv:3: .* got '0031012026'"):
        table(text.replace("31012026", "0031012026"), inputs=("y",), targets=("when",), split=split)


def test_a_missing_time_is_never_filled(table):
    with pytest.raises(DataError, match=r"t\.csv:3: .*missing\n.*drop removes.*; a time is never fil"):
        table(TEXT.format(""), inputs=("x",), missing="mean", split={"time": "when", "test": 0.4})
    data = table(TEXT.format(""), inputs=("x",), missing="drop", split={"time": "when", "test": 0.4})
    assert np.ravel(data.train.y[data.train.rows]).tolist() == [2]


def test_a_sample_weight_below_zero(table):
    with pytest.raises(DataError, match=r"t\.csv:2: .*nonnegative sample weight, got -0\.10$"):
        table(TEXT.format(7), inputs=("x",), sample_weight="w")


def test_a_number_out_of_range(table):
    with pytest.raises(DataError, match=r"column 'x': 1\.2345678e\+300 is out of range for float32"):
        table("x,y\n1.2345678e300,1\n1,2\n", dtype="float32")
