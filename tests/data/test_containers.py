"""The same value is the same in CSV and Parquet files, data frames, Arrow tables, arrays and lists."""

import datetime
import decimal

import numpy as np
import pytest

from cygd import Dataset, Network
from cygd.data import Column, InputColumn, Preprocessing, Table
from cygd.data.sources.csv import load_csv
from cygd.data.sources.parquet import load_parquet
from cygd.errors import ConfigError, DataError
from cygd.runner import assembly

VALUES = {
    "integers": [3, 1, None, 3],
    "ids": [2**53, 2**53 + 1, None, 2**53],
    "floats": [0.5, 2.25, None, 1.0],
    "texts": ["x", "y", None, "x"],
    "dates": [datetime.date(2026, 1, 31), None, datetime.date(2025, 1, 1)],
    "times": [datetime.datetime(2026, 1, 31, 9, 5), None, datetime.datetime(2026, 1, 31, 10, 0)],
    "decimals": [decimal.Decimal("2.10"), decimal.Decimal("2.1"), None, decimal.Decimal("0.3")],
    "booleans": [True, False, None, True],
}
PANDAS_TYPES = {
    "integers": ["Int64", "float64", "int64[pyarrow]", "UInt8"],
    "ids": ["Int64", "int64[pyarrow]"],
    "floats": ["Float64", "float64", "double[pyarrow]"],
    "texts": ["string", "string[pyarrow]"],
    "dates": ["date32[pyarrow]"],
    "times": ["datetime64[ns]", "timestamp[us][pyarrow]"],
    "decimals": [],
    "booleans": ["boolean", "bool[pyarrow]"],
}


def containers(values, kind, folder):
    """Yield a name and the values as a column, for each container."""
    yield "list", Table.from_mapping({"a": values})
    yield "array", Table.from_mapping({"a": np.array(values, object)})
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"a": values})
    yield "arrow", Table.from_mapping(table)
    yield "record batch", Table.from_mapping(table.to_batches()[0])
    parquet.write_table(table, folder / "t.parquet")
    yield "parquet", load_parquet(folder, path="t.parquet")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.Series(values, dtype=object)})
    yield "pandas object", Table.from_mapping(frame)
    yield "pandas category", Table.from_mapping(frame.astype("category"))
    for dtype in PANDAS_TYPES[kind]:
        yield (
            f"pandas {dtype}",
            Table.from_mapping(pandas.DataFrame({"a": pandas.Series(values, dtype=dtype)})),
        )
    polars = pytest.importorskip("polars")
    yield "polars", Table.from_mapping(polars.DataFrame({"a": values}))
    yield "polars series", Table.from_mapping({"a": polars.Series(values)})


@pytest.mark.parametrize("kind", VALUES)
def test_labels_and_missing_values_of_all_containers(tmp_path, kind):
    values = VALUES[kind]
    cells = ["" if value is None else str(value) for value in values]
    (tmp_path / "t.csv").write_text("a,i\n" + "".join(f"{cell},1\n" for cell in cells))
    expected = load_csv(tmp_path, path="t.csv").columns["a"]
    codes, labels = expected.factorize()
    model = Preprocessing((InputColumn("a", labels, fill=labels[-1]),), ("y",))
    x = model.transform_inputs(Table({"a": expected})).tolist()
    for name, table in containers(values, kind, tmp_path):
        column = table.columns["a"]
        assert column.missing.tolist() == [value is None for value in values], name
        assert model.transform_inputs(table).tolist() == x, name
        assert column.factorize()[1] == labels, name
        assert column.factorize()[0].tolist() == codes.tolist(), name


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
@pytest.mark.parametrize(
    "spec",
    [
        InputColumn("a"),
        InputColumn("a", categories=(0, 1)),
        InputColumn("a", categories=("False", "True")),
        InputColumn("a", categories=("FALSE", "TRUE", "maybe")),
    ],
)
def test_a_boolean_is_one_value_however_it_is_written(tmp_path, spec, spelling):
    model = Preprocessing((spec,), ("y",))
    values = [True, False, True]
    texts = [spelling(str(value)) for value in values]
    (tmp_path / "t.csv").write_text("a\n" + "\n".join(texts))
    expected = model.transform_inputs({"a": values})
    assert expected[0, -1 if len(model.features) < 3 else 1] == 1
    for data in ({"a": texts}, {"a": np.array(values)}, load_csv(tmp_path, path="t.csv")):
        assert np.array_equal(model.transform_inputs(data), expected)


def test_a_boolean_text_is_no_class_number():
    model = Preprocessing((InputColumn("a", categories=(0, 1, 2)),), ("y",))
    with pytest.raises(DataError, match="unknown label 'True'"):
        model.transform_inputs({"a": ["True"]})


def test_booleans_beside_texts_are_texts():
    assert Column.from_values([True, "unknown", False]).factorize()[1] == ("False", "True", "unknown")
    assert Column.from_values([True, 2, False]).numbers.tolist() == [1, 2, 0]


def test_a_date_is_its_midnight():
    model = Preprocessing((InputColumn("a", categories=("2026-01-31", "2026-02-01 00:00:00")),), ("y",))
    days = np.array(["2026-01-31", "2026-02-01"], "M8[D]")
    for values in (days, days.astype("M8[ns]"), days.tolist(), ["2026-01-31 00:00:00", "2026-02-01"]):
        assert model.transform_inputs({"a": values}).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([b"x", b"y"], ("x", "y")),
        (np.array([b"x", b"y"]), ("x", "y")),
        ([1, "1", 1.0, "01"], (1,)),
        ([-0.0, 0, "0"], (0,)),
        ([" a ", "a"], ("a",)),
        (np.array(3), (3,)),
        (np.float32(0.5), (0.5,)),
        ("abc", ("abc",)),
        (range(3), (0, 1, 2)),
        ([], ()),
        ([None, float("nan"), decimal.Decimal("NaN")], ()),
        (np.array(["2026-01-01", "NaT"], "M8[ns]"), ("2026-01-01 00:00:00",)),
        ([10**400, 1], (1, "1E+400")),
        ([datetime.timedelta(1), datetime.time(9, 5)], ("09:05:00", "1 days 00:00:00")),
    ],
)
def test_labels_of_unusual_values(values, labels):
    assert Column.from_values(values).factorize()[1] == labels


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "Float32", "UInt8", object])
def test_nullable_columns_of_pandas_are_numbers_without_a_detour(monkeypatch, dtype):
    pandas = pytest.importorskip("pandas")
    # one cell for each distinct number takes seconds in a large column
    monkeypatch.setattr("cygd.data.containers.distinct_cells", None)
    for values in ([1, pandas.NA, 3], [pandas.NA] * 3, [1, 2, 3]):
        column = Column.from_values(pandas.Series(values, dtype=dtype))
        expected = [np.nan if value is pandas.NA else value for value in values]
        np.testing.assert_array_equal(column.numbers, expected)
        assert column.source is None


def test_intervals_of_pandas_are_texts():
    pandas = pytest.importorskip("pandas")
    cut = pandas.cut(pandas.Series([1, 5, 9]), [0, 5, 10])
    assert Column.from_values(cut).factorize()[1] == ("(0, 5]", "(5, 10]")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([b"\xff"], r"column 'a': expected UTF-8 text, got b'\\xff'"),
        ([{"b": 1}], "column 'a': expected a number or a text, got dict"),
        ([1j], "column 'a': expected a number or a text, got complex"),
        ([object()], "column 'a': expected a number or a text, got object"),
        ([[1], [2]], r"column 'a': expected one dimension, got the shape \(2, 1\)"),
        (np.ma.array([1, 2], mask=[0, 1]), "column 'a': masked arrays are not supported"),
        (np.array([(1, 2)], dtype=[("u", int), ("v", int)]), "column 'a': expected a number or a text"),
    ],
)
def test_values_that_are_neither_numbers_nor_texts_are_an_error(values, message):
    with pytest.raises(DataError, match=message):
        Table.from_mapping({"a": values})


def test_frames_that_have_no_columns_yet_are_an_error():
    polars = pytest.importorskip("polars")
    with pytest.raises(DataError, match=r"got a query that has not run\nhint: call its \.collect\(\)"):
        Preprocessing((InputColumn("a"),), ("y",)).transform_inputs(polars.LazyFrame({"a": [1]}))


def test_names_that_occur_twice_are_an_error():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="duplicate column name 'a'"):
        Table.from_mapping(frame)


def test_sparse_matrices_are_an_error_that_says_so():
    sparse = pytest.importorskip("scipy.sparse")
    model = Preprocessing((InputColumn("a"), InputColumn("b")), ("y",))
    for make in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        matrix = make(np.eye(2))
        for use in (
            lambda x=matrix: model.transform_inputs(x),
            lambda x=matrix: Dataset(x, [0, 1]),
            lambda x=matrix: Dataset(np.eye(2), x),
            lambda x=matrix: Table.from_mapping({"a": x}),
        ):
            with pytest.raises(DataError, match=r"sparse matrices are not supported.*\nhint: .*toarray\(\)"):
                use()
        network = Network(2, [1])
        for use in (
            lambda x=matrix, net=network: net.predict(x),
            lambda x=matrix, net=network: net.fit(x, np.zeros((2, 1)), learning_rate=0.1),
        ):
            with pytest.raises(TypeError, match=r"x: sparse matrices are not supported.*toarray\(\)"):
                use()


def test_a_sparse_matrix_in_an_experiment_is_an_error_that_says_so():
    sparse = pytest.importorskip("scipy.sparse")
    data = {"source": "inline", "x": sparse.csr_matrix(np.eye(2)), "y": [0, 1]}
    with pytest.raises(
        ConfigError, match=r"data\.x: sparse matrices are not supported, got csr_matrix\n.*dense"
    ):
        assembly.assemble({"data": data, "model": {"layers": [1]}})


def test_columns_that_a_model_does_not_need_may_hold_anything():
    model = Preprocessing((InputColumn("a"),), ("y",))
    odd = {"lists": [[1], [2]], "objects": [object(), 1j], "short": [1], "a": [1, 2]}
    assert model.transform_inputs(odd).tolist() == [[1], [2]]
    with pytest.raises(DataError, match="unknown column 'a'\nhint: the columns are b, c"):
        model.transform_inputs({"b": [1], "c": [[2]]})
