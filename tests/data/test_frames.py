"""Data frames: streams of Arrow, columns without a copy, and `Dataset.from_frame`."""

import datetime

import numpy as np
import pytest

import cygd
from cygd import Dataset
from cygd.data import InputColumn, Preprocessing, Table
from cygd.data.matrix_views import adjacent_columns
from cygd.data.sources.parquet import load_parquet
from cygd.errors import DataError
from cygd.runner import assembly

PLAIN = Preprocessing((InputColumn("a"), InputColumn("b")), ("y",))
REST = {"model": {"layers": [1]}, "train": {"epochs": 2}, "optimizer": {"name": "sgd", "learning_rate": 0.01}}


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


class Stream:
    """An object that has nothing but the Arrow C stream interface, and counts how often it is read."""

    def __init__(self, table):
        self.table, self.n_reads = table, 0

    def __arrow_c_stream__(self, requested_schema=None):
        self.n_reads += 1
        return self.table.__arrow_c_stream__(requested_schema)


# -- streams ----------------------------------------------------------------------------------------


def test_a_stream_is_read_like_its_table(arrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = arrow.table({"a": [1.0, 2.0, 4.0], "b": ["u", None, "v"], "y": [1, 2, 3]})
    section = {"targets": ["y"], "missing": "mean"}
    expected = cygd.run({**REST, "data": section}, data=table)
    for make in (Stream, lambda t: t.to_reader(), lambda t: t.to_batches()[0]):
        result = cygd.run({**REST, "data": section}, data=make(table))
        assert result.model.network.parameters.tolist() == expected.model.network.parameters.tolist()
        for strict in (True, False):
            predicted = result.model.predict(make(table), strict=strict)
            assert predicted.tolist() == expected.model.predict(table).tolist()


def test_a_stream_of_a_mapping_experiment(arrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = arrow.table({"a": [1.0, 2.0], "y": [1.0, 2.0]})
    for make in (Stream, lambda t: t.to_reader()):
        section = {"source": "frame", "columns": make(table), "targets": ["y"]}
        result = cygd.run({**REST, "data": {**section, "validation": {"columns": make(table)}}})
        assert result.metrics["loss"] == result.metrics["validation_loss"]
        assert cygd.run(result.directory / "config.yaml").metrics == result.metrics


def test_a_stream_is_read_once_where_rows_cannot_be_predicted(arrow):
    model = cygd.Model(cygd.Network(2, [1]), PLAIN)
    stream = Stream(arrow.table({"a": [1.0, None], "b": [1.0, 2.0]}))
    assert np.isnan(model.predict(stream, strict=False)).tolist() == [[False], [True]]
    assert stream.n_reads == 1


def test_columns_of_streams_are_no_frames(arrow):
    polars = pytest.importorskip("polars")
    for column in (polars.Series("a", [1.0]), arrow.chunked_array([[1.0]]), arrow.array([1.0])):
        with pytest.raises(DataError, match="columns: expected a mapping or a data frame, got"):
            cygd.run({**REST, "data": {"targets": ["y"]}}, data=column)
    one = Preprocessing((InputColumn("a"),), ("y",))
    assert one.transform_inputs(polars.Series("a", [1.0, 2.0])).tolist() == [[1], [2]]
    column = arrow.chunked_array([[1.0], [2.0]])
    for values in (column, Stream(column)):
        assert one.transform_inputs({"a": values}).tolist() == [[1], [2]]
    texts = Table.from_mapping({"a": Stream(arrow.chunked_array([["u"], [None, "v"]]))})
    assert texts.columns["a"].factorize()[1] == ("u", "v")


def test_a_stream_without_columns_is_an_error(arrow):
    class Other:
        def __arrow_c_stream__(self, requested_schema=None):
            return arrow.chunked_array([[1.0]]).__arrow_c_stream__()

    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise RuntimeError("connection lost\nat line 3")

    with pytest.raises(DataError, match="cannot read the Arrow stream of Other"):
        PLAIN.transform_inputs(Other())
    with pytest.raises(
        DataError, match=r"cannot read the Arrow stream of Broken: connection lost\n"
    ) as error:
        PLAIN.transform_inputs(Broken())
    assert "RuntimeError" in repr(error.value.__cause__)


def test_a_stream_without_pyarrow_is_an_error(arrow, monkeypatch):
    stream = Stream(arrow.table({"a": [1.0], "b": [1.0]}))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError) as error:
        PLAIN.transform_inputs(stream)
    assert error.value.message == "an Arrow stream (Stream) requires pyarrow, which is not installed"
    assert error.value.hint == 'pip install "cygd[parquet]"'


def test_bytes_and_durations_of_parquet_files_are_those_of_tables(arrow, tmp_path, caplog):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "bytes": arrow.array([b"x", None, b"y"]),
            "blob": arrow.array([b"\xff\xfe", b"", None]),
            "time": arrow.array([datetime.timedelta(1), None, datetime.timedelta(minutes=-1)]),
            "view": arrow.array(["x", None, "y"], arrow.string_view()),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    read = load_parquet(tmp_path, path="t.parquet")
    assert list(read.columns) == ["bytes", "time", "view"]
    assert "t.parquet: ignored column 'blob': expected UTF-8 text, got b'\\xff\\xfe'" in caplog.text
    assert read.columns["time"].factorize()[1] == ("-1 days +23:59:00", "1 days 00:00:00")
    frame = Table.from_mapping(table, list(read.columns))
    for name, column in read.columns.items():
        assert column.factorize()[1] == frame.columns[name].factorize()[1]
        assert column.factorize()[0].tolist() == frame.columns[name].factorize()[0].tolist()


# -- without a copy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_columns_of_one_array_are_not_copied(dtype):
    pandas = pytest.importorskip("pandas")
    rows = np.arange(12).reshape(4, 3).astype(dtype)
    frame = pandas.DataFrame(rows[:, :2], columns=["a", "b"], copy=False)
    of_rows = pandas.DataFrame(rows, columns=["a", "b", "c"], copy=False)
    structured = rows.view([("a", dtype), ("b", dtype), ("c", dtype)])[:, 0]
    of_all = Preprocessing(tuple(map(InputColumn, "abc")), ("y",))
    for data in (of_rows, {name: structured[name] for name in "abc"}):
        x = of_all.transform_inputs(data, dtype)
        assert np.shares_memory(x, rows)
        assert x.tolist() == rows.tolist()
        assert not x.flags.writeable
    other = frame.astype("f4" if dtype == "f8" else "f8")
    for data in (frame, frame[["b", "a"]], other):  # a part of each row, another order, another type
        x = PLAIN.transform_inputs(data, dtype)
        assert not np.shares_memory(x, rows)
        assert x.tolist() == rows[:, :2].tolist()
    scaled = Preprocessing((InputColumn("a", shift=1.0), *map(InputColumn, "bc")), ("y",))
    assert scaled.transform_inputs(of_rows, dtype)[:, 0].tolist() == (rows[:, 0] - 1).tolist()
    assert rows.tolist() == np.arange(12).reshape(4, 3).tolist()


def test_a_gap_in_columns_of_one_array_is_a_missing_value():
    rows = np.array([[1.0, 2.0], [3.0, np.nan]])
    for dtype in ("f4", "f8"):
        data = {"a": rows.astype(dtype)[:, 0], "b": rows.astype(dtype)[:, 1]}
        with pytest.raises(DataError, match=r"^row 1 \(from 0\), column 'b': the value is missing"):
            PLAIN.transform_inputs(data, dtype)


def test_a_run_leaves_the_memory_of_a_frame_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(20, 3))
    before = rows.copy()
    frame = pandas.DataFrame(rows, columns=["a", "b", "y"], copy=False)
    for section in ({}, {"scale": "standard"}, {"missing": "mean"}, {"split": {"validation": 0.5}}):
        first = cygd.run({**REST, "data": {"targets": ["y"], **section}}, data=frame)
        again = cygd.run(first.directory / "config.yaml")
        assert first.metrics == again.metrics
        assert rows.tobytes() == before.tobytes()


def test_adjacent_columns_are_of_one_array_in_order():
    array = np.arange(12.0).reshape(4, 3)
    columns = list(array.T)
    assert np.shares_memory(adjacent_columns(columns), array)
    assert adjacent_columns(columns).tolist() == array.tolist()
    assert adjacent_columns([array[:, 1]]) is None
    assert adjacent_columns([np.ascontiguousarray(array[:, 1])]).tolist() == array[:, 1:2].tolist()
    assert adjacent_columns(columns[:2]) is None  # a part of each row
    assert adjacent_columns(columns[1:]) is None
    assert adjacent_columns([columns[0][:3], *columns[1:]]) is None
    assert adjacent_columns(list(array[::2].T)) is None
    assert adjacent_columns(list(array[::-1].T)) is None
    assert adjacent_columns(list(np.asfortranarray(array).T)) is None
    assert adjacent_columns([column.view("i8") for column in columns[:1]] + columns[1:]) is None
    assert adjacent_columns(list(array.astype(">f8").T)) is None
    assert adjacent_columns([array[:0, 0], array[:0, 1]]) is None or len(array[:0]) == 0
    copies = [column.copy() for column in columns]
    assert adjacent_columns(copies) is None


# -- Dataset.from_frame -----------------------------------------------------------------------------

COLUMNS = {
    "mass": [3750.0, None, 4200.0, 5000.0],
    "island": ["Dream", "Biscoe", "Dream", "Torgersen"],
    "count": [1, 2, 3, 4],
    "weight": [1.0, 2.0, 0.0, 1.0],
    "sex": ["m", "f", "f", "m"],
}


@pytest.mark.parametrize("make", [dict, "pandas", "polars", "pyarrow", "stream"])
def test_dataset_of_a_frame(make):
    library = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table", "stream": "table"}
    frame = COLUMNS
    if make is not dict:
        module = pytest.importorskip("pyarrow" if make == "stream" else make)
        frame = getattr(module, library[make])(COLUMNS)
    frame = Stream(frame) if make == "stream" else frame
    data = Dataset.from_frame(frame, "sex", sample_weight="weight", categorical=["count"])
    islands = ("island=Biscoe", "island=Dream", "island=Torgersen")
    assert data.inputs == ("mass", *islands, "count=1", "count=2", "count=3", "count=4")
    assert data.targets == ("sex",)
    assert data.classes == ("f", "m")
    assert data.y.tolist() == [[1], [0], [0], [1]]
    assert data.sample_weight.tolist() == [1, 2, 0, 1]
    assert data.x[:, 0].tolist()[::2] == [3750, 4200]
    assert np.isnan(data.x[1, 0])
    assert data.x[:, 1:4].tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert data.x[:, 4:].tolist() == np.eye(4).tolist()


def test_dataset_of_a_frame_is_what_a_run_prepares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {**COLUMNS, "mass": [1.0, 2.0, 3.0, 4.0], "flag": [True, False, True, True]}
    content = {**REST, "data": {"targets": ["flag"], "inputs": ["island", "mass"]}, "model": {"layers": [2]}}
    prepared = assembly.assemble(content, data=columns).data
    data = Dataset.from_frame(columns, ["flag"], inputs=["island", "mass"])
    assert data.inputs == prepared.inputs
    assert data.classes == prepared.classes == ("False", "True")
    assert data.x.tolist() == prepared.train.x.tolist()
    assert data.class_indices().tolist() == prepared.train.y.argmax(axis=1).tolist()


def test_dataset_of_one_array_shares_its_memory():
    pandas = pytest.importorskip("pandas")
    for dtype in ("f4", "f8"):
        rows = np.arange(6).reshape(3, 2).astype(dtype)
        frame = pandas.DataFrame(rows, columns=["a", "b"], copy=False)
        frame.insert(2, "y", [1, 2, 3])
        data = Dataset.from_frame(frame, "y")
        assert np.shares_memory(data.x, rows)
        assert data.x.dtype == dtype
        assert data.y.tolist() == [[1], [2], [3]]
        assert Dataset.from_frame(frame, "y", inputs=["b", "a"]).x.tolist() == rows[:, ::-1].tolist()


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ({"a": [1], "y": [1]}, {"targets": "z"}, "unknown column 'z'\nhint: the columns are a, y"),
        ({"a": [1], "y": [1]}, {"targets": []}, "targets: expected at least one column, got none"),
        ({"y": [1]}, {"targets": "y"}, "inputs: no columns are left for the inputs"),
        ({"a": [1], "y": [1]}, {"targets": "y", "inputs": ["y"]}, "column 'y' is named twice"),
        ({"a": [1], "y": [1]}, {"targets": "y", "inputs": ["b"]}, "unknown column 'b'"),
        ({"a": [1], "y": [1]}, {"targets": "y", "categorical": ["b"]}, "unknown column 'b'"),
        ({"a": [1], "y": [1]}, {"targets": "y", "sample_weight": "y"}, "column 'y' is named twice"),
        (
            {"a": ["u", None], "y": [1, 2]},
            {"targets": "y"},
            "row 1 (from 0), column 'a': the value is missing",
        ),
        (
            {"a": [1, 2], "y": ["u", None]},
            {"targets": "y"},
            "row 1 (from 0), column 'y': the value is missing",
        ),
        (
            {"a": [1, 2, "x"], "y": [1, 2, 3]},
            {"targets": "y"},
            "row 2 (from 0), column 'a': expected a number",
        ),
        ({"a": [1], "y": ["u"], "z": [1]}, {"targets": ["y", "z"]}, "expected one categorical target, got 2"),
        ({"a": [], "y": []}, {"targets": "y"}, "x and y have no rows"),
        (np.ones((2, 2)), {"targets": "y"}, "expected a mapping or a data frame, got ndarray"),
        ({"a": [1, 2], "y": [1]}, {"targets": "y"}, "the columns differ in length: 'a' has 2, 'y' has 1"),
    ],
)
def test_invalid_frames_of_a_dataset(columns, keys, message):
    with pytest.raises(DataError) as error:
        Dataset.from_frame(columns, **keys)
    assert message in str(error.value)
