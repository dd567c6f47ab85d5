"""`Model.predict` of data frames, with a data frame as the result."""

import csv
import io

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import DataError

COLUMNS = {
    "mass": [3.5, None, 4.2, 5.0, 3.1, 4.4],
    "island": ["Dream", "Biscoe", "Dream", None, "Dream", "Biscoe"],
    "flag": [True, False, None, True, False, True],
    "kind": ["u", "v", "w", "u", "v", "w"],
    "size": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
}
LIBRARIES = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}
REST = {"train": {"epochs": 2}, "optimizer": {"name": "sgd", "learning_rate": 0.01}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("narwhals")
    return tmp_path


def train(target, layers, dtype="float64", missing="mean", **data):
    inputs = ["mass", "island", "flag"]
    section = {
        "targets": [target],
        "inputs": inputs,
        "missing": missing,
        "scale": {"inputs": "standard"},
        **data,
    }
    content = {"data": section, "model": {"layers": layers, "dtype": dtype}, **REST}
    return cygd.run(content, data=COLUMNS)


def make(library, columns=COLUMNS):
    module = pytest.importorskip(library)
    return getattr(module, LIBRARIES[library])(columns)


def cells_of(frame):
    """Return the columns of a frame of any library as lists."""
    if hasattr(frame, "to_pydict"):
        return frame.to_pydict()
    return {name: frame[name].to_list() for name in frame.columns}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("target", "layers", "names"),
    [
        ("size", [2, 1], ["size"]),
        ("kind", [{"units": 3, "activation": "softmax"}], ["kind", "kind=u", "kind=v", "kind=w"]),
        ("flag", [{"units": 1, "activation": "sigmoid"}], ["flag", "flag=True"]),
    ],
)
def test_frame_of_the_same_library(library, dtype, target, layers, names):
    inputs = ["mass", "island"] if target == "flag" else ["mass", "island", "flag"]
    missing = "drop" if target == "flag" else "mean"
    model = train(target, layers, dtype, missing, inputs=inputs).model
    whole = {name: [values[0], values[4], values[5]] for name, values in COLUMNS.items()}
    frame = make(library, whole)
    found = model.predict(frame, as_frame=True)
    assert type(found) is type(frame)
    array, cells = model.predict(frame), cells_of(found)
    assert list(cells) == names
    outputs = [cells[name] for name in names[-array.shape[1] :]]
    assert np.array_equal(np.array(outputs, dtype).T, array)
    of_numbers = found.schema.field(names[-1]).type if library == "pyarrow" else found[names[-1]].dtype
    assert str(of_numbers).lower() in (dtype, {"float32": "float", "float64": "double"}[dtype])
    if target == "kind":
        assert cells["kind"] == [("u", "v", "w")[i] for i in array.argmax(axis=1)]
    if target == "flag":
        assert cells["flag"] == [("False", "True")[int(value > 0.5)] for value in array[:, 0]]


def test_pandas_frame_keeps_its_index():
    pandas = pytest.importorskip("pandas")
    model = train("kind", [{"units": 3, "activation": "softmax"}]).model
    frame = pandas.DataFrame(COLUMNS, index=list("zyxwvu"))
    assert model.predict(frame, as_frame=True).index.tolist() == list("zyxwvu")
    assert model.predict(frame.iloc[:0], as_frame=True).shape == (0, 4)
    joined = frame.assign(predicted=model.predict(frame, as_frame=True)["kind"])
    assert joined["predicted"].notna().all()
    frame[7] = 1.0  # a name that is no text
    assert model.predict(frame, as_frame=True).index.tolist() == list("zyxwvu")


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_without_a_prediction(library):
    model = train("kind", [{"units": 3, "activation": "softmax"}], missing="drop").model
    frame = make(library)
    with pytest.raises(DataError, match="row 1"):
        model.predict(frame, as_frame=True)
    cells = cells_of(model.predict(frame, strict=False, as_frame=True))
    is_known = [True, False, False, False, True, True]
    assert [isinstance(label, str) for label in cells["kind"]] == is_known
    assert [value == value for value in cells["kind=u"]] == is_known


def test_arrays_and_mappings_become_frames_of_pandas(monkeypatch):
    pandas = pytest.importorskip("pandas")
    model = train("size", [1]).model
    rows = {name: COLUMNS[name] for name in model.inputs}
    for data in (rows, np.array(list(rows.values()), object).T):
        frame = model.predict(data, as_frame=True)
        assert isinstance(frame, pandas.DataFrame)
        assert frame["size"].tolist() == model.predict(rows)[:, 0].tolist()


def test_stream_becomes_a_table_of_arrow():
    arrow = pytest.importorskip("pyarrow")
    model = train("size", [1]).model
    found = model.predict(arrow.table(COLUMNS).to_reader(), as_frame=True)
    assert isinstance(found, arrow.Table)
    assert found.column("size").to_pylist() == model.predict(COLUMNS)[:, 0].tolist()


@pytest.mark.parametrize(
    ("module", "user"), [("narwhals", "as_frame=True"), ("pandas", "as_frame=True for dict")]
)
def test_libraries_that_are_not_installed(monkeypatch, module, user):
    model = train("size", [1]).model
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(DataError) as error:
        model.predict(COLUMNS, as_frame=True)
    assert error.value.message == f"{user} requires {module}, which is not installed"
    assert error.value.hint == 'pip install "cygd[frames]"'


def test_number_beyond_the_dtype_of_the_network_is_an_error():
    model = train("size", [1], "float32", inputs=["mass"], scale="none").model
    for data in ({"mass": [1e39]}, np.array([[1e39]])):
        with pytest.raises(DataError, match=r"row 0 .*column 'mass': 1e\+39 is out of range for float32"):
            model.predict(data)
        assert np.isnan(model.predict(data, strict=False)).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_run_of_a_frame_and_predictions_of_its_files(library, here, capsys):
    """A frame trains and predicts what `cygd run` and `cygd predict` do with its rows in a file."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    frame = make(library)
    section = {"targets": ["kind"], "missing": "mean", "scale": "standard"}
    content = {"data": section, "model": {"layers": [{"units": 3, "activation": "softmax"}]}, **REST}
    result = cygd.run(content, data=frame)
    parquet.write_table(arrow.table(COLUMNS), here / "t.parquet")
    with (here / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *zip(*COLUMNS.values(), strict=True)])
    expected = result.model.predict(frame, as_frame=True)
    rows = [[str(value) for value in row] for row in zip(*cells_of(expected).values(), strict=True)]
    for name in ("t.csv", "t.parquet"):
        source = {"source": name.split(".")[-1], "path": str(here / name)}
        trained = cygd.run({**content, "data": {**section, **source}})
        assert trained.model.network.parameters.tolist() == result.model.network.parameters.tolist()
        assert trained.metrics == result.metrics
        for folder in (result.directory, trained.directory):
            assert main(["predict", str(folder), str(here / name)]) == 0
            printed = list(csv.reader(io.StringIO(capsys.readouterr().out)))
            assert printed[1:] == rows
