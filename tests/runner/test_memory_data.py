"""Data that a program passes to `cygd.run`: arrays, and data frames."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cygd
from cygd.data.sources.csv import load_csv
from cygd.data.sources.frame import csv_of, load_frame
from cygd.errors import ConfigError, DataError
from cygd.runner import memory_data

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X @ [1.0, 2.0]
REST = {"model": {"layers": [1]}, "train": {"epochs": 3}, "optimizer": {"name": "sgd", "learning_rate": 0.01}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(result):
    return result.model.network.parameters.tolist()


def check_run_folder(result, content, **keys):
    """Check that a run can be repeated from its folder, and resumed to the bits of a longer run."""
    again = cygd.run(result.directory / "config.yaml")
    assert (weights(again), again.metrics) == (weights(result), result.metrics)
    longer = cygd.run(content, overrides=["train.epochs=5"], **keys)
    resumed = cygd.resume(result.directory, overrides=["train.epochs=5"])
    assert weights(resumed) == weights(longer) != weights(result)


@pytest.mark.parametrize("labels", [None, ["no", "yes"], [3, 7]], ids=["numbers", "texts", "classes"])
def test_long_lists_are_stored_as_arrays(monkeypatch, labels):
    monkeypatch.setattr(memory_data, "MAX_LISTED", 50)
    y = Y.tolist() if labels is None else [labels[int(value > 0)] for value in Y]
    data = {"source": "inline", "x": X.tolist(), "y": y, "classes": labels is not None}
    last = 1 if labels is None else {"units": 1, "activation": "sigmoid"}
    content = {**REST, "data": {**data, "split": {"validation": 0.2}}, "model": {"layers": [last]}}
    result = cygd.run(content)
    assert (result.directory / "data.npz").is_file()
    assert "data.npz" in (result.directory / "config.yaml").read_text()
    assert list(result.model.classes) == (labels or [])
    check_run_folder(result, content)
    monkeypatch.setattr(memory_data, "MAX_LISTED", 1000)
    listed = cygd.run(content)
    assert not (listed.directory / "data.npz").exists()
    assert (weights(listed), listed.metrics) == (weights(result), result.metrics)


def frames():
    columns = {
        "a": X[:, 0],
        "b": X[:, 1].astype("f4"),
        "kind": np.where(X[:, 0] > 0, 'say "p"', "n, q").tolist(),
        "count": np.arange(40),
        "y": Y,
    }
    yield pytest.param(lambda: columns, id="arrays")
    yield pytest.param(lambda: {name: list(values) for name, values in columns.items()}, id="lists")
    yield pytest.param(lambda: pytest.importorskip("pandas").DataFrame(columns), id="pandas")
    yield pytest.param(lambda: pytest.importorskip("polars").DataFrame(columns), id="polars")
    yield pytest.param(lambda: pytest.importorskip("pyarrow").table(columns), id="arrow")


@pytest.mark.parametrize("frame", list(frames()))
def test_frame_replaces_the_source_of_the_data(frame):
    split = {"validation": 0.2, "test": 0.1}
    content = {"data": {"targets": ["y"], "scale": "standard", "split": split}, **REST}
    result = cygd.run(content, data=frame())
    assert result.model.inputs == ("a", "b", "kind", "count")
    assert {"validation_loss", "test_loss"} <= result.metrics.keys()
    assert (result.directory / "data.csv").read_text().startswith("a,b,kind,count,y\n")
    check_run_folder(result, content, data=frame())


def test_frame_replaces_the_source_of_an_experiment_in_yaml(here):
    data = "{source: csv, path: absent.csv, delimiter: ';', targets: [y], inputs: [a]}"
    (here / "e.yaml").write_text(f"data: {data}\nmodel: {{layers: [1]}}\n")
    result = cygd.run("e.yaml", overrides=["train.epochs=2"], data={"a": X[:, 0], "b": X[:, 1], "y": Y})
    assert result.model.inputs == ("a",)
    text = (result.directory / "config.yaml").read_text()
    assert "source: csv" in text
    assert "absent.csv" not in text
    assert "delimiter" not in text


def test_columns_of_the_source_frame():
    columns = {"a": X[:, 0].tolist(), "y": Y.tolist()}
    content = {"data": {"source": "frame", "columns": columns, "targets": ["y"]}, **REST}
    result = cygd.run(content)
    assert not (result.directory / "data.csv").exists()  # lists are part of the experiment
    check_run_folder(result, content)
    arrays = {"source": "frame", "columns": {"a": X[:, 0], "y": Y}, "targets": ["y"]}
    content["data"] = {**arrays, "validation": {"columns": {"a": X[:9, 1], "y": Y[:9]}}}
    result = cygd.run(content)
    assert {"data.csv", "validation.csv"} <= {path.name for path in result.directory.iterdir()}
    check_run_folder(result, content)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, Y),
        (X.astype("f4"), Y[:, None]),
        (X, Y.tolist()),
        (np.arange(40), Y),
        (X.tolist(), Y),
        (np.asfortranarray(X), np.stack([Y, Y], axis=1)),
    ],
)
def test_arrays_of_an_inline_source(x, y):
    units = np.asarray(y).reshape(40, -1).shape[1]
    content = {**REST, "data": {"source": "inline", "x": x, "y": y}, "model": {"layers": [units]}}
    result = cygd.run(content)
    with np.load(result.directory / "data.npz") as archive:
        assert archive["x"].tolist() == np.asarray(x).reshape(40, -1).tolist()
    lists = {"source": "inline", "x": np.asarray(x, np.float64).tolist(), "y": np.asarray(y).tolist()}
    assert weights(cygd.run({**content, "data": lists})) == weights(result)
    check_run_folder(result, content)


@pytest.mark.parametrize(
    ("y", "classes"),
    [((Y > 0).astype(int), True), (np.where(Y > 0, "yes", "no"), False), (np.where(Y > 0, 2.5, -1), True)],
)
def test_classes_of_an_inline_source(y, classes):
    data = {"source": "inline", "x": X, "y": y, "classes": classes}
    data["validation"] = {"x": X[:5], "y": y[:5]}
    model = {"layers": [{"units": 1, "activation": "sigmoid"}]}
    content = {**REST, "data": data, "model": model, "loss": "binary_cross_entropy"}
    result = cygd.run(content)
    assert result.model.classes == tuple(sorted(set(y.tolist())))
    assert "validation_loss" in result.metrics
    check_run_folder(result, content)


def test_folds_share_the_stored_data():
    content = {**REST, "data": {"source": "inline", "x": X, "y": Y, "split": {"folds": 2}}}
    result = cygd.run(content)
    assert list(result.directory.rglob("data.npz")) == [result.directory / "data.npz"]
    assert cygd.run(result.directory / "config.yaml").metrics == result.metrics


def test_a_moved_run_folder_takes_its_data_along(here):
    content = {**REST, "data": {"source": "inline", "x": X, "y": Y}}
    result = cygd.run(content, out="first")
    (here / "first").rename(here / "second")
    resumed = cygd.resume("second", overrides=["train.epochs=5"])
    assert weights(resumed) == weights(cygd.run(content, overrides=["train.epochs=5"])) != weights(result)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "columns: expected a mapping or a data frame, got int"),
        ([{"a": 1, "y": 2}], "columns: expected a mapping or a data frame, got list"),
        (np.ones((3, 2)), "columns: expected a mapping or a data frame, got ndarray"),
        (pd.Series([1.0, 2.0]), "columns: expected a mapping or a data frame, got Series"),
        (sparse.csr_matrix(np.eye(2)), "columns: sparse matrices are not supported, got csr_matrix"),
        ({}, "columns: expected at least one column, got none"),
        ({"a": [], "y": []}, "columns: expected at least one row, got none"),
        ({"a": [1, 2], "y": [1]}, "the columns differ in length: 'a' has 2, 'y' has 1"),
        ({"a": [1, None], "y": [1, 2]}, "data: row 1 (from 0), column 'a': the value is missing"),
        ({"a": [1, "x"], "y": [1, 2]}, "data: row 1 (from 0), column 'a': expected a number, got 'x'"),
        ({"y ": [1, 2], "y": [1, 2]}, "columns: duplicate column name 'y'"),
        ({"": [1, 2], "y": [1, 2]}, "columns: column 1 has no name"),
    ],
)
def test_invalid_frames_are_an_error_without_a_run_folder(here, data, message):
    with pytest.raises(DataError) as error:
        cygd.run({"data": {"targets": ["y"]}, **REST}, data=data)
    assert message in str(error.value)
    assert not (here / "runs").exists()


@pytest.mark.parametrize("key", ["x", "y"])
def test_masked_inline_arrays_are_refused(here, key):
    arrays = {"x": np.ones((3, 1)), "y": np.ones((3, 1))}
    arrays[key] = np.ma.masked_array(arrays[key], [[False], [True], [False]])
    with pytest.raises(ConfigError, match=rf"data\.{key}: expected values, got a masked array"):
        cygd.run({**REST, "data": {"source": "inline", **arrays}})


def test_frame_without_targets():
    with pytest.raises(ConfigError, match=r"data data\.targets: missing key 'targets'"):
        cygd.run(REST, data={"a": [1, 2], "y": [1, 2]})


def test_stored_csv_is_read_as_the_same_table(here):
    columns = {
        "number": [1.0, -0.0, 0.1 + 0.2, 1e300, 5e-324, None, float("nan")],
        "text": ["a", ' say "b"', "c, d", "e\nf", "=1+1", None, ""],
        "mixed": [1, "u", 2.5, "v", None, "-", "w"],
        "whole": list(range(7)),
    }
    table = load_frame(here, columns=columns)
    (here / "t.csv").write_text(csv_of(table), newline="")
    read = load_csv(here, path="t.csv")
    for name in columns:
        first, second = table.column(name), read.column(name)
        assert first.numbers.tobytes() == second.numbers.astype(np.float64).tobytes()
        assert first.factorize()[0].tolist() == second.factorize()[0].tolist()
        assert first.factorize()[1] == second.factorize()[1]
