"""Inputs converted in place have the same bits as inputs in a new array."""

import sys

import numpy as np
import pytest

from cygd.data import inplace
from cygd.errors import DataError


def both(table, monkeypatch, text, **keys):
    in_place = table(text, **keys)
    with monkeypatch.context() as context:
        context.setattr(sys.modules["cygd.data.preparation"], "convert_in_place", lambda *arguments: None)
        copied = table(text, **keys)
    return in_place, copied


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"scale": {"inputs": "standard", "targets": "minmax"}},
        {"inputs": ("c", "a")},
        {"sample_weight": "c"},
        {"missing": "mean", "scale": "minmax"},
        {"missing": "drop"},
        {"categorical": ("y",), "units": 3},
        {"categorical": ("a",)},
    ],
)
def test_in_place_inputs_have_the_same_bits(table, monkeypatch, keys, dtype):
    monkeypatch.setattr(inplace, "BLOCK_ROWS", 2)  # several blocks
    gap = "" if "missing" in keys else "4"
    text = f"a,y,b,c\n1,1,.3,4\n2,2,.5,{gap}\n3,3,-.1,1e-3\n1,1,7,8\n2,3,9,1\n"
    in_place, copied = both(table, monkeypatch, text, dtype=dtype, **keys)
    assert np.array_equal(in_place.train.x, copied.train.x)
    assert np.array_equal(in_place.train.y, copied.train.y)
    assert in_place.preprocessing == copied.preprocessing
    if copied.train.sample_weight is not None:
        assert np.array_equal(in_place.train.sample_weight, copied.train.sample_weight)


@pytest.mark.parametrize("keys", [{}, {"sample_weight": "c"}])
def test_single_row_does_not_overwrite_its_target(table, keys):
    prepared = table("y,a,b,c\n5,6,7,8\n", **keys)
    assert prepared.train.y.tolist() == [[5]]
    assert prepared.train.x.tolist() == [[6, 7, 8][: 3 - len(keys)]]
    if keys:
        assert prepared.train.sample_weight.tolist() == [8]


def test_out_of_range_value_is_located(table):
    with pytest.raises(DataError, match=r"t\.csv:3: row 2, column 'b': 1e\+39 is out of range"):
        table("a,b,y\n1,2,3\n4,1e39,6\n", dtype="float32")
