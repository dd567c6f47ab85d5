"""New data for a trained network: columns by position, and rows that can be predicted."""

import re

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.data.encoding import InputColumn
from cygd.data.prediction import match_columns, transform_usable_rows
from cygd.data.preprocessing import Preprocessing
from cygd.data.table import Column, Table
from cygd.errors import DataError

X = np.array([[2.5, 3.5, 1.5], [1.25, 2.0, 6.5], [0.5, 0.25, 3.25], [4.75, 1.75, 2.25]])
LABELS = ["a", "b", "a", "b"]
NUMBERS = [10.5, 20.25, 30.75, 40.5]


def write(path, *columns):
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True)))


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that trains on a file without header whose target is at a position."""
    monkeypatch.chdir(tmp_path)

    def run(target, values, **data):
        columns = list(X.T)
        columns.insert(target, values)
        write(tmp_path / "t.txt", *columns)
        is_class = isinstance(values[0], str)
        last = {"units": 1, "activation": "sigmoid"} if is_class else 1
        return cygd.run(
            {
                "name": "e",
                "data": {"source": "csv", "path": "t.txt", "header": False, "targets": [target], **data},
                "model": {"layers": [3, last]},
                "train": {"epochs": 3},
            }
        )

    return run


@pytest.fixture
def predict(train, capsys):
    def run(result, *arguments):
        code = main(["predict", str(result.directory), *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, [line.split(",")[-1] for line in out.splitlines()[1:]], err

    return run


def expected_of(result):
    return [str(value) for value in result.model.predict(X)[:, 0]]


@pytest.mark.parametrize("target", [0, 1, 3])
@pytest.mark.parametrize("values", [LABELS, NUMBERS])
def test_file_without_header_as_in_training_or_without_the_target(train, predict, tmp_path, target, values):
    result = train(target, values)
    code, rows, err = predict(result, "t.txt")
    assert (code, rows) == (0, expected_of(result))
    assert err == f"t.txt: column {target + 1} of 4 is taken for the target 'c{target}', not used\n"
    write(tmp_path / "n.txt", *X.T)
    code, rows, err = predict(result, "n.txt")
    assert (code, rows) == (0, expected_of(result))
    assert err == f"n.txt: 3 columns are taken for all but the target 'c{target}'\n"


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("target", [0, 1, 3])
def test_file_without_header_with_one_column_more(train, predict, tmp_path, target, place):
    result = train(target, LABELS)
    columns = list(X.T)
    columns.insert(target, LABELS)
    columns.insert(place, [700, 701, 702, 703])
    write(tmp_path / "n.txt", *columns)
    code, rows, err = predict(result, "n.txt")
    assert (code, rows) == (2, [])
    expected = f"expected 4 columns as in the training data, or 3 without the target 'c{target}'"
    assert err.startswith(f"error: n.txt: {expected}, got 5\n")
    write(tmp_path / "n.txt", *X.T[:2])
    assert ", got 2\n" in predict(result, "n.txt")[2]


@pytest.mark.parametrize(("target", "place"), [(0, 3), (0, 1), (1, 0), (1, 3), (3, 0)])
def test_another_column_in_the_place_of_the_classes(train, predict, tmp_path, target, place):
    result = train(target, LABELS)
    columns = list(X.T)
    columns.insert(place, [700, 701, 702, 703])
    write(tmp_path / "n.txt", *columns)
    code, rows, err = predict(result, "n.txt")
    assert (code, rows) == (2, [])
    assert re.match(rf"error: n\.txt:1: row 1, column 'c{target}': unknown label ", err)
    assert f"column {target + 1} is the target in the training data; a file without it has 3 columns" in err


def test_gaps_in_place_of_the_target(train, predict, tmp_path):
    result = train(1, LABELS)
    write(tmp_path / "n.txt", X[:, 0], ["", "?", "a", "b"], X[:, 1], X[:, 2])
    assert predict(result, "n.txt")[:2] == (0, expected_of(result))


def test_selected_inputs_of_a_file_without_header(train, predict, tmp_path):
    result = train(1, NUMBERS, inputs=[3, 0])
    expected = [str(value) for value in result.model.predict(X[:, [2, 0]])[:, 0]]
    assert predict(result, "t.txt")[:2] == (0, expected)
    write(tmp_path / "n.txt", *X.T)
    assert predict(result, "n.txt")[:2] == (0, expected)
    write(tmp_path / "n.txt", X[:, 2], X[:, 0])
    assert predict(result, "n.txt")[:2] == (0, expected)
    write(tmp_path / "n.txt", X[:, 2])
    assert predict(result, "n.txt")[0] == 2


def test_sample_weight_and_time_of_a_file_without_header(train, predict, tmp_path):
    write(tmp_path / "w.txt", [1, 2, 3, 4], X[:, 0], [1, 1, 2, 1], NUMBERS, X[:, 1])
    data = {"source": "csv", "path": "w.txt", "header": False, "targets": [3], "sample_weight": "c2"}
    data["split"] = {"time": "c0", "test": 0.25}
    result = cygd.run({"data": data, "model": {"layers": [1]}, "train": {"epochs": 1}})
    assert result.model.inputs == ("c1", "c4")
    expected = [str(value) for value in result.model.predict(X[:, :2])[:, 0]]
    assert predict(result, "w.txt")[:2] == (0, expected)
    write(tmp_path / "n.txt", *X.T[:2])
    assert predict(result, "n.txt")[:2] == (0, expected)


def test_run_folder_of_an_older_cygd_without_a_layout(train, predict, tmp_path):
    result = train(0, LABELS)
    file = result.directory / "preprocessing.json"
    assert '"layout"' in file.read_text()
    file.write_text(re.sub(r',\s*"layout":\s*\[[^]]*\]', "", file.read_text()))
    assert '"layout"' not in file.read_text()
    write(tmp_path / "n.txt", *X.T)
    assert predict(result, "n.txt")[:2] == (0, expected_of(result))
    write(tmp_path / "n.txt", *X.T, [700, 701, 702, 703])
    assert predict(result, "n.txt")[0] == 2
    write(tmp_path / "n.txt", *X.T, *X.T)
    assert "expected 4 columns as in the training data" in predict(result, "n.txt")[2]


def test_header_that_is_missing(train, predict, tmp_path):
    (tmp_path / "h.csv").write_text("a,b,y\n1,2,3\n4,5,6\n")
    data = {"source": "csv", "path": "h.csv", "targets": ["y"]}
    result = cygd.run({"data": data, "model": {"layers": [1]}, "train": {"epochs": 1}})
    write(tmp_path / "n.csv", *X.T[:2])
    code, _, err = predict(result, "n.csv")
    assert code == 2
    assert err == (
        "error: n.csv: expected a header with the columns 'a', 'b', got numbers\n"
        "hint: header=false reads a file without a header, by position\n"
    )
    assert predict(result, "n.csv", "header=false")[0] == 0
    write(tmp_path / "n.csv", *X.T)
    assert "n.csv: expected 2 columns, a, b, got 3\n" in predict(result, "n.csv", "header=false")[2]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_other_files_without_header_are_as_wide_as_the_training_file(train, tmp_path, part):
    write(tmp_path / "n.txt", NUMBERS, *X.T)
    assert train(0, NUMBERS, **{part: {"path": "n.txt"}}).status == "completed"
    for columns, count in [((NUMBERS, *X.T, X[:, 0]), 5), ((NUMBERS, X[:, 0], X[:, 1]), 3)]:
        write(tmp_path / "n.txt", *columns)
        with pytest.raises(DataError, match=f"n.txt: expected 4 columns as in t.txt, got {count}") as error:
            train(0, NUMBERS, **{part: {"path": "n.txt"}})
        assert "files without header are read by position" in error.value.hint


def test_svmlight_files_have_the_features_of_the_training_file(train, predict, tmp_path):
    (tmp_path / "t.svm").write_text("1 1:0.5 3:1\n0 2:1 5:0.2\n1 1:1 4:2\n0 3:0.1 5:1\n")
    (tmp_path / "few.svm").write_text("1 1:0.5 3:1\n0 2:1\n")
    (tmp_path / "more.svm").write_text("1 1:0.5 6:1\n0 2:1\n")
    content = {
        "data": {"source": "svmlight", "path": "t.svm"},
        "model": {"layers": [1]},
        "train": {"epochs": 1},
    }
    result = cygd.run(content)
    code, _, err = predict(result, "few.svm")
    assert code == 2
    assert err == (
        "error: few.svm: expected 5 features as in the training data, got 3\n"
        "hint: features=5 reads those that no row has as 0\n"
    )
    expected = result.model.predict([[0.5, 0, 1, 0, 0], [0, 1, 0, 0, 0]])[:, 0]
    assert predict(result, "few.svm", "features=5")[:2] == (0, [str(value) for value in expected])
    code, _, err = predict(result, "more.svm")
    assert code == 2
    assert (
        "more.svm: expected 5 features as in the training data, got 6\nhint: the network has not seen" in err
    )
    for name, n_features, needed in [("few.svm", 3, 5), ("more.svm", 6, 6)]:
        for part in ("validation", "test"):
            with pytest.raises(
                DataError, match=f"{name}: expected 5 features as in t.svm, got {n_features}"
            ) as error:
                cygd.run(content, overrides=[f"data.{part}={{path: {name}}}"])
            assert error.value.hint == f"set data.features: {needed}, the number of features of all files"
            overrides = [f"data.{part}={{path: {name}}}", f"data.features={needed}"]
            assert cygd.run(content, overrides).status == "completed"
    selected = cygd.run(content, overrides=["data.inputs=[x2, x1]"])
    assert predict(selected, "t.svm")[0] == 0
    assert "expected 5 features as in the training data, got 3" in predict(selected, "few.svm")[2]


# -- rows -------------------------------------------------------------------------------------------


MIXED = Preprocessing(
    (InputColumn("a", shift=1.0, scale=2.0), InputColumn("b", ("u", "v")), InputColumn("c", fill=0.5)), ("y",)
)


def test_usable_rows_are_those_that_can_be_transformed_alone():
    data = {
        "a": [1, None, 2, "x", 3, float("inf"), 4],
        "b": ["u", "v", "w", "u", None, "v", "u"],
        "c": [1, 2, 3, 4, 5, 6, None],
    }
    x, usable, table = transform_usable_rows(MIXED, data, np.float64)
    assert usable.tolist() == [True, False, False, False, False, False, True]
    assert x.tolist() == MIXED.transform_inputs({"a": [1, 4], "b": ["u", "u"], "c": [1, 0.5]}).tolist()
    assert table is not None
    for row, is_usable in enumerate(usable):
        alone = {name: [values[row]] for name, values in data.items()}
        assert transform_usable_rows(MIXED, alone, np.float64)[1].tolist() == [is_usable]


def test_model_predicts_rows_of_nan_unless_strict():
    network = cygd.Network(n_inputs=4, layers=[1], seed=0)
    model = cygd.Model(network, MIXED)
    data = {"a": [1.0, np.nan, 2.0], "b": ["u", "v", "w"], "c": [1, 2, np.nan]}
    with pytest.raises(DataError, match=r"row 1 \(from 0\), column 'a': the value is missing"):
        model.predict(data)
    first = model.predict({"a": [1.0], "b": ["u"], "c": [1]})
    np.testing.assert_array_equal(model.predict(data, strict=False), [first[0], [np.nan], [np.nan]])
    nothing = model.predict({"a": [np.nan], "b": ["u"], "c": [1]}, strict=False)
    np.testing.assert_array_equal(nothing, [[np.nan]])
    with pytest.raises(DataError, match="unknown column 'b'"):
        model.predict({"a": [1.0], "c": [2]}, strict=False)
    array = np.array([[1.0, "u", 1], [None, "u", 2]], dtype=object)
    np.testing.assert_array_equal(model.predict(array, strict=False), [first[0], [np.nan]])


def test_rows_of_a_plain_array_with_gaps():
    model = cygd.Model(
        cygd.Network(n_inputs=2, layers=[1], seed=0), Preprocessing(tuple(map(InputColumn, "ab")), ("y",))
    )
    x = np.array([[1.0, 2], [np.nan, 1], [3, np.inf], [4, 5]])
    y = model.predict(x, strict=False)
    assert np.isnan(y[:, 0]).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(y[[0, 3]], model.predict(x[[0, 3]]))


def test_many_distinct_values_are_tried_by_halves():
    values = [str(i) for i in range(2000)]
    values[1234] = "x"
    preprocessing = Preprocessing((InputColumn("a"), InputColumn("b", ("u",))), ("y",))
    data = Table({"a": Column.from_values(values), "b": Column.from_values(["u"] * 1999 + ["w"])}, "t")
    _, usable, _ = transform_usable_rows(preprocessing, data, np.float64)
    assert np.flatnonzero(~usable).tolist() == [1234, 1999]


def test_unnamed_layout_with_the_width_of_the_inputs():
    table = Table({f"c{i}": Column.from_values([i]) for i in range(3)}, "t", default_names=True)
    matched, note = match_columns(table, MIXED, ())
    assert (list(matched.columns), note) == (["a", "b", "c"], "")
