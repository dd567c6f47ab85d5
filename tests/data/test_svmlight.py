import re

import pytest

from cygd.data.sources.svmlight import load_svmlight
from cygd.errors import DataError


@pytest.fixture
def read(tmp_path):
    def run(text, **options):
        (tmp_path / "t.svm").write_text(text)
        return load_svmlight(tmp_path, path="t.svm", **options)

    return run


def test_omitted_features_are_zero(read):
    data = read("1 1:0.5 3:2 # a remark\n\n# another\n-1 qid:7 2:1e-3\n0\n")
    assert data.x.tolist() == [[0.5, 0, 2], [0, 1e-3, 0], [0, 0, 0]]
    assert data.y.tolist() == [[1], [-1], [0]]
    assert data.inputs == ("x1", "x2", "x3")


def test_first_index_and_feature_count(read):
    data = read("1 0:1\n2 1:5\n", first_index=0, features=4, classes=True)
    assert data.x.tolist() == [[1, 0, 0, 0], [0, 5, 0, 0]]
    assert (data.inputs[0], data.classes) == ("x0", (1, 2))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "t.svm is empty"),
        ("1 1:2\nx 1:2\n", {}, "t.svm:2: expected a number as the label, got 'x'"),
        ("1 1:2\n1,2 1:2\n", {}, "t.svm:2: expected a number as the label, got '1,2'"),
        ("1 1\n", {}, "t.svm:1: expected INDEX:VALUE, got '1'"),
        ("1 1:x\n", {}, "t.svm:1: expected INDEX:VALUE, got '1:x'"),
        ("1 -1:1\n", {}, "t.svm:1: expected INDEX:VALUE, got '-1:1'"),
        ("1 0:1\n", {}, "t.svm:1: expected feature indices from 1, got 0\nhint: set data.first_index: 0"),
        ("1 1:1 1:2\n", {}, "t.svm:1: duplicate feature 1"),
        ("1 9:1\n", {"features": 3}, "t.svm:1: expected 3 features (data.features), got feature 9"),
        ("1 99999999999:1\n", {}, "t.svm: 1 row of 99999999999 features do not fit into a dense array"),
    ],
)
def test_errors_have_their_line(read, text, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(text, **options)
