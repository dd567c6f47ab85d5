import hashlib
from pathlib import Path

import numpy as np
import pytest

from cygd.components import OptionError
from cygd.data import DATA_SOURCES, Dataset, DataSource, fingerprint, load
from cygd.errors import DataError, PluginError


def test_built_in_sources():
    assert [source.name for source in DATA_SOURCES] == [
        *("inline", "csv", "parquet", "svmlight", "npy", "npz", "sklearn", "synthetic")
    ]
    assert {source.tier for source in DATA_SOURCES} == {"built-in"}


def test_options_come_from_the_signature():
    csv = next(source for source in DATA_SOURCES if source.name == "csv")
    given = {"path": "a.csv", "header": True, "delimiter": ","}
    default = {**given, "decimal": ".", "quote": '"', "encoding": "utf-8"}
    default |= {"thousands": "", "percent": False, "units": None, "missing_values": None}
    default |= {"comment": "", "skip_rows": 0, "skip_footer": 0}
    assert csv.configured({"path": "a.csv"}).options == default
    for options, message in [
        ({}, "data source 'csv' needs the option 'path'"),
        ({"path": "a", "header": 1}, "option 'header' of data source 'csv': expected true or false, got 1"),
        ({"path": "a", "heather": True}, "data source 'csv' has no option 'heather'"),
    ]:
        with pytest.raises(OptionError, match=message):
            csv.configured(options)


def failing(folder):
    raise OSError("the server is down")


def refusing(folder):
    raise DataError("no such table")


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [
        (failing, PluginError, "^data source 'own': load failed: OSError: the server is down$"),
        (refusing, DataError, "^no such table$"),
        (
            lambda folder: None,
            PluginError,
            "^data source 'own': expected a cygd.Dataset from load, got None\nhint: is a `return`",
        ),
        (lambda folder: [[1], [2]], PluginError, "expected a cygd.Dataset from load, got list"),
        (lambda folder: Dataset([1, 2], [1]), DataError, "y: expected 2 rows as in x, got 1"),
    ],
)
def test_failing_source_is_named(load, error, message):
    with pytest.raises(error, match=message):
        DataSource("own", load).read(Path())


def test_option_that_is_too_long_for_a_file_name_is_no_file(tmp_path):
    def own(folder, path="x"):
        raise NotImplementedError

    assert DataSource("own", own).configured({"path": "x" * 5000}).files(tmp_path) == []


def test_source_receives_folder_and_options(tmp_path, prepare):
    seen = []

    def own(folder, rows=3):
        seen.append((folder, rows))
        return Dataset(np.arange(rows), np.arange(rows), inputs=["time"], targets=["height"])

    prepared = prepare(source="own", component=DataSource("own", own).configured({"rows": 5}))
    assert seen == [(tmp_path, 5)]
    assert prepared.train.x.shape == (5, 1)
    assert (prepared.inputs, prepared.targets) == (("time",), ("height",))


def test_non_finite_data_of_a_source_is_an_error(prepare):
    source = DataSource("own", lambda folder: Dataset([[1, 2], [3, np.inf]], [1, 2]))
    with pytest.raises(
        DataError, match=r"own data: row 1 \(from 0\), column 'x1': expected a finite number, got inf"
    ):
        prepare(source="own", component=source)


def test_load_returns_raw_data(tmp_path, section):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n")
    (tmp_path / "v.csv").write_text("a,b\n2,x\n3,y\n")
    data = section(tmp_path, path="t.csv", validation={"path": "v.csv"})
    assert len(load(data, tmp_path)) == 1
    assert len(load(data, tmp_path, part="validation")) == 2


def test_fingerprint_covers_every_file(tmp_path, section):
    for name in ("t.csv", "v.csv"):
        (tmp_path / name).write_text(f"a,b\n1,{name}\n")
    data = section(tmp_path, path="t.csv", validation={"path": "v.csv"})
    assert fingerprint(data, tmp_path) == {
        str(tmp_path / name): hashlib.sha256(f"a,b\n1,{name}\n".encode()).hexdigest()
        for name in ("t.csv", "v.csv")
    }
    assert fingerprint(section(tmp_path, source="synthetic", kind="xor"), tmp_path) == {}
    assert fingerprint(section(tmp_path, source="inline", x=[1], y=["t"]), tmp_path) == {}
