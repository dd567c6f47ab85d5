"""Sources that need an optional library."""

import datetime
import sys

import numpy as np
import pytest

from cygd.data.sources.parquet import load_parquet
from cygd.data.sources.sklearn_datasets import SKLEARN_DATASETS, load_sklearn
from cygd.errors import ConfigError, DataError
from cygd.runner import assembly


@pytest.mark.parametrize("name", SKLEARN_DATASETS)
def test_sklearn_datasets_match_scikit_learn(tmp_path, name):
    datasets = pytest.importorskip("sklearn.datasets")
    data, bunch = load_sklearn(tmp_path, name=name), getattr(datasets, f"load_{name}")()
    assert np.array_equal(data.x, bunch.data)
    assert np.array_equal(data.y, bunch.target.reshape(len(data.x), -1))
    assert len(data.classes) == (0 if name in ("diabetes", "linnerud") else len(bunch.target_names))


def test_experiment_with_sklearn_source(tmp_path):
    pytest.importorskip("sklearn")
    iris = {"source": "sklearn", "name": "iris"}
    prepared = assembly.assemble({"data": iris, "model": {"layers": [3]}}).data
    assert prepared.classes == ("setosa", "versicolor", "virginica")
    with pytest.raises(ConfigError, match=r"data\.name: .* expected one of breast_cancer \| .* got 'mnist'"):
        assembly.assemble({"data": {**iris, "name": "mnist"}, "model": {"layers": [3]}})


@pytest.mark.parametrize(
    ("module", "load", "options", "message"),
    [
        (
            "sklearn",
            load_sklearn,
            {"name": "iris"},
            r"sklearn requires scikit-learn.*\nhint: .*cygd\[sklearn\]",
        ),
        ("pyarrow", load_parquet, {"path": "a"}, r"parquet requires pyarrow.*\nhint: pip .*cygd\[parquet\]"),
    ],
)
def test_missing_library_has_an_install_hint(tmp_path, monkeypatch, module, load, options, message):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=message):
        load(tmp_path, **options)


@pytest.fixture
def write(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def run(name, **columns):
        parquet.write_table(arrow.table(columns), tmp_path / name)
        return load_parquet(tmp_path, path=name)

    return run


def test_parquet_types(write):
    arrow = pytest.importorskip("pyarrow")
    table = write(
        "t.parquet",
        whole=[1, None, 3],
        single=arrow.array([0.5, 1.5, None], arrow.float32()),
        flag=[True, False, None],
        text=["x", None, "7"],
        category=arrow.array(["u", "v", "u"]).dictionary_encode(),
        day=[datetime.date(2026, 1, day) for day in (1, 2, 3)],
        odd=[[1], [2], [3]],
    )
    assert list(table.columns) == [
        "whole",
        "single",
        "flag",
        "text",
        "category",
        "day",
    ]
    assert table.columns["whole"].missing.tolist() == [False, True, False]
    assert table.columns["single"].numbers[:2].tolist() == [0.5, 1.5]
    assert table.columns["flag"].numbers[:2].tolist() == [1, 0]
    assert table.columns["text"].factorize()[1] == (7, "x")
    assert table.columns["category"].factorize()[0].tolist() == [0, 1, 0]
    assert table.columns["day"].strings[0] == "2026-01-01"
    assert table.categorical == {"text", "category", "day"}


def test_several_parquet_files(tmp_path, write):
    write("p1.parquet", a=[1, 2], b=["x", "y"])
    write("p2.parquet", b=["z"], a=[0.5])
    table = load_parquet(tmp_path, path="p*.parquet")
    assert table.columns["a"].numbers.tolist() == [1, 2, 0.5]
    assert table.columns["b"].factorize()[1] == ("x", "y", "z")
    assert table.location(2, "a").endswith("p2.parquet: row 0 (from 0), column 'a'")
    write("p3.parquet", a=[1])
    with pytest.raises(DataError, match=r"p3\.parquet: expected the columns of .*p1\.parquet: a, b, got a"):
        load_parquet(tmp_path, path="p*.parquet")


def test_invalid_parquet_file_is_an_error(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read as a Parquet file"):
        load_parquet(tmp_path, path="t.parquet")


def test_experiment_with_parquet_source(tmp_path, write):
    write("t.parquet", a=[1.0, 2.0, 3.0], b=["x", "y", "x"], y=[0, 1, 0])
    source = {"source": "parquet", "path": str(tmp_path / "t.parquet")}
    experiment = {"data": {**source, "targets": ["y"]}, "model": {"layers": [1]}}
    assert assembly.assemble(experiment).data.inputs == ("a", "b=x", "b=y")
