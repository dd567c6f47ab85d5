"""Explicit and balanced class weights."""

import numpy as np
import pytest

from cygd.errors import ConfigError

TEXT = "a,w,y\n1,1,no\n2,1,no\n3,1,no\n4,1,yes\n5,2,yes\n6,1,maybe\n7,1,no\n8,1,maybe\n"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_balanced_weights_match_scikit_learn(table, dtype):
    weights = pytest.importorskip("sklearn.utils.class_weight")
    prepared = table(TEXT, inputs=("a",), units=3, class_weight="balanced", dtype=dtype)
    labels = np.array([row.split(",")[2] for row in TEXT.split()[1:]])
    assert np.allclose(prepared.train.sample_weight, weights.compute_sample_weight("balanced", labels))
    assert prepared.train.sample_weight.dtype == dtype


def test_balanced_classes_have_equal_total_weight(table):
    prepared = table(TEXT, inputs=("a",), units=3, class_weight="balanced", sample_weight="w")
    sums = prepared.train.y.T @ prepared.train.sample_weight
    assert np.allclose(sums, 9 / 3)


def test_class_weights_apply_to_training_rows_only(table):
    split = {"validation": 0.25, "stratify": True}
    prepared = table(TEXT, inputs=("a",), units=3, class_weight="balanced", split=split)
    assert prepared.validation.sample_weight is None
    y, weights = (values[prepared.train.rows] for values in (prepared.train.y, prepared.train.sample_weight))
    assert np.allclose(y.T @ weights, 6 / 3)


def test_explicit_class_weights(table):
    prepared = table(TEXT, inputs=("a",), units=3, class_weight={"yes": 5.0, "maybe": 0.0})
    assert prepared.train.sample_weight.tolist() == [1, 1, 1, 5, 5, 0, 1, 0]
    text = "a,y\n1,0\n2,1\n3,1\n"
    prepared = table(text, categorical=("y",), class_weight={"1": 3.0})
    assert prepared.train.sample_weight.tolist() == [1, 3, 3]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a,y\n1,2\n3,4\n", {}, "class weights require a categorical target\n.*under data.categorical"),
        (TEXT, {"class_weight": {"yse": 2.0}}, "unknown class 'yse'\n.*did you mean 'yes'"),
        (TEXT, {"class_weight": {"5": 2.0}}, "unknown class '5'\n.*the classes are maybe, no, yes"),
        (TEXT.replace("5,2,yes", "5,0,yes").replace("4,1,yes", "4,0,yes"), {"sample_weight": "w"},
         "class 'yes' has total sample weight 0 and cannot be balanced"),
    ],
)  # fmt: skip
def test_invalid_class_weights_are_reported_at_their_key(table, text, keys, message):
    units = 3 if "no" in text else 1
    with pytest.raises(ConfigError, match=rf"data\.class_weight: {message}"):
        table(text, inputs=("a",), units=units, **{"class_weight": "balanced", **keys})
