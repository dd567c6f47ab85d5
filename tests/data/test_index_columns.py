"""Columns of row numbers or row names are inputs only where the experiment names them."""

import numpy as np
import pytest

from cygd.data import Column, Table
from cygd.data.describe import describe
from cygd.data.source import DataSource
from cygd.data.sources.parquet import load_parquet
from tests.data.conftest import experiment

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

FRAME = pandas.DataFrame({"x": [0.5, 0.25, 1.5, 2.5], "y": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    ("frame", "index"),
    [
        (FRAME[FRAME.x > 0.3], ("__index_level_0__",)),
        (FRAME.set_index(pandas.date_range("2026-01-01", periods=4)), ("__index_level_0__",)),
        (FRAME.set_index(pandas.Index(list("abcd"), name="name")), ("name",)),
        (FRAME.set_index([[1, 1, 2, 2], [1, 2, 1, 2]]), ("__index_level_0__", "__index_level_1__")),
        (FRAME, ()),
        (FRAME.reset_index(names="Unnamed: 0"), ("Unnamed: 0",)),
    ],
)
def test_the_index_of_a_parquet_file_is_left_out(tmp_path, prepare, caplog, frame, index):
    frame.to_parquet(tmp_path / "t.parquet")
    options = {"source": "parquet", "path": "t.parquet", "targets": ("y",)}
    assert prepare(**options).inputs == ("x",)
    messages = [record.getMessage() for record in caplog.records]
    if not index:
        assert not messages
        return
    names = ", ".join(map(repr, index))
    noun = "columns" if len(index) > 1 else "column"
    assert len(messages) == 1
    assert messages[0].endswith(f"t.parquet: left out the index {noun} {names}")
    roles = {c.name: c.role for c in describe(experiment(tmp_path, **options)).columns}
    assert all(roles[name] == "index" for name in index)


def test_inputs_and_targets_may_name_it(tmp_path, prepare, caplog):
    FRAME[FRAME.x > 0.3].to_parquet(tmp_path / "t.parquet")
    options = {"source": "parquet", "path": "t.parquet"}
    data = prepare(**options, targets=("y",), inputs=("x", "__index_level_0__"))
    assert data.train.x.tolist() == [[0.5, 0], [1.5, 2], [2.5, 3]]
    assert prepare(**options, targets=("__index_level_0__",)).inputs == ("x", "y")
    assert not caplog.records


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_pandas_names_of_an_index_in_a_text_file(table, caplog, name):
    data = table(f"{name},x,y\n0,0.5,1\n1,0.75,2\n")
    assert data.inputs == ("x",)
    assert f"left out the index column '{name}'" in caplog.text
    assert caplog.records[0].hint == "name all inputs in data.inputs to change that"


def test_the_first_column_without_a_name_is_left_out(table, caplog):
    assert table(",x,y\n7,0.5,1\n8,0.75,2\n").inputs == ("x",)
    assert "left out the index column 'Unnamed: 0'" in caplog.text
    assert table(",x,y\n7,0.5,1\n8,0.75,2\n", inputs=("Unnamed: 0",)).train.x.tolist() == [[7], [8]]


def test_a_source_names_its_index(prepare):
    def load(folder):
        columns = {name: Column.from_values([1, 2]) for name in ("id", "x", "y")}
        return Table(columns, index_columns=("id",), targets=("y",))

    assert prepare(component=DataSource("mine", load)).inputs == ("x",)


def test_metadata_that_is_not_of_pandas_is_ignored(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"x": np.arange(3), "y": np.arange(3)})
    for metadata in (b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}, "z"]}'):
        parquet.write_table(table.replace_schema_metadata({b"pandas": metadata}), tmp_path / "t.parquet")
        assert load_parquet(tmp_path, path="t.parquet").index_columns == ()
