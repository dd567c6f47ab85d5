"""One set of rules for texts in files, in `cygd.run(data=frame)` and in `Model.predict(frame)`."""

import json

import numpy as np
import pytest

import cygd
from cygd.data import Preprocessing
from cygd.errors import CheckpointError, DataError

REST = {"model": {"layers": [1]}, "train": {"epochs": 2}, "optimizer": {"name": "sgd", "learning_rate": 1e-9}}
OPTIONS = {
    "missing_values": ["void", -999],
    "thousands": ",",
    "percent": True,
    "units": ["$"],
}
CELLS = {
    "price": ["1,200", "2,350.5", "-999", "900"],
    "share": ["5%", "void", "20%", "0.5"],
    "cost": ["$5.00", "6", "7", "void"],
    "kind": ["a", "void", "b", "a"],
    "y": ["1", "2", "3", "4"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = zip(*CELLS.values(), strict=True)
    lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join([",".join(CELLS), *lines]) + "\n")
    return tmp_path


def run(section, frame=None):
    return cygd.run({**REST, "data": {"targets": ["y"], "missing": "mean", **section}}, data=frame)


def test_frames_and_files_are_read_by_the_same_options():
    file = run({"source": "csv", "path": "t.csv", **OPTIONS})
    frame = run(OPTIONS, CELLS)
    replaced = run({"source": "csv", "path": "t.csv", "delimiter": ";", **OPTIONS}, CELLS)
    expected = file.model.network.parameters.tobytes()
    for result in (frame, replaced, cygd.run(frame.directory / "config.yaml")):
        assert result.model.network.parameters.tobytes() == expected
    assert file.model.preprocessing.cell_format == frame.model.preprocessing.cell_format


@pytest.mark.parametrize("section", [{"source": "csv", "path": "t.csv", **OPTIONS}, OPTIONS])
def test_predictions_read_texts_by_the_options_of_the_run(section):
    result = run(section, None if "source" in section else CELLS)
    numbers = {
        "price": [1200, 2350.5, np.nan, 900],
        "share": [0.05, np.nan, 0.2, 0.5],
        "cost": [5.0, 6, 7, np.nan],
        "kind": ["a", None, "b", "a"],
    }
    pandas = pytest.importorskip("pandas")
    for model in (result.model, cygd.load(result.directory)):
        expected = model.predict(numbers).tolist()
        for data in (CELLS, pandas.DataFrame(CELLS), {**numbers, "price": [1200, 2350.5, -999, 900]}):
            assert model.predict(data).tolist() == expected
        array = np.array([CELLS[name] for name in model.inputs], object).T
        assert model.predict(array).tolist() == expected


def test_a_number_that_is_missing_is_missing_in_an_array_too(here):
    (here / "n.csv").write_text("a,b,y\n1,2,3\n-999,5,6\n7,8,9\n")
    section = {"source": "csv", "path": "n.csv", "missing_values": [-999], "missing": "drop"}
    model = run(section).model
    for data in (np.array([[1, 2], [-999, 5]]), {"a": [1, -999], "b": [2, 5]}):
        with pytest.raises(DataError, match=r"row 1 .*column 'a': the value is missing"):
            model.predict(data)
        assert np.isnan(model.predict(data, strict=False)[:, 0]).tolist() == [False, True]
    assert model.predict(np.array([[2**60, -999 + 2**60]])).shape == (1, 1)


@pytest.mark.parametrize("make", [dict, "pandas", "polars", "pyarrow"])
def test_blanks_around_names_are_ignored_everywhere(make):
    columns = {" a": [1.0, 2.0, 3.0], "b ": [4.0, 5.0, 7.0], "y": [1.0, 2.0, 3.0]}
    library = None if make is dict else pytest.importorskip(make)
    build = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}
    frame = columns if library is None else getattr(library, build[make])(columns)
    model = run({}, frame).model
    assert model.inputs == ("a", "b")
    assert model.predict(frame).tolist() == model.predict({"a": columns[" a"], "b": columns["b "]}).tolist()


def test_blanks_around_names_of_a_parquet_file():
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({" a": [1.0, 2.0], "y ": [1.0, 2.0]}), "t.parquet")
    assert run({"source": "parquet", "path": "t.parquet"}).model.inputs == ("a",)
    parquet.write_table(arrow.table({" a": [1.0, 2.0], "a": [1.0, 2.0]}), "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: duplicate column name 'a'"):
        run({"source": "parquet", "path": "t.parquet"})


def test_a_column_that_is_the_index_of_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 5.0], "y": [1.0, 2.0, 3.0]})
    model = run({}, frame).model
    with pytest.raises(DataError, match=r"unknown column 'a'\nhint: 'a' is the index .*reset_index\(\)"):
        model.predict(frame.set_index("a"))


def test_options_in_preprocessing_json():
    result = run({"source": "csv", "path": "t.csv", **OPTIONS})
    content = json.loads((result.directory / "preprocessing.json").read_text())
    assert content["cells"] == {**OPTIONS, "missing_values": ["void", "-999"]}
    assert Preprocessing.from_json(content) == result.model.preprocessing
    for cells, message in (
        ({"thousands": 1}, r"cells: thousands: expected str, got 1"),
        ({"other": ""}, "cells: unknown key 'other'"),
        ({"thousands": "abc"}, "cells: thousands: expected one character"),
        ({"missing_values": [[]]}, "cells: missing_values: expected list"),
        ([], "cells: expected"),
    ):
        with pytest.raises(CheckpointError, match=message):
            Preprocessing.from_json({**content, "cells": cells})
