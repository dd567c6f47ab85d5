"""Labels of categorical columns: exact values, one rule for spellings, the same in every container."""

import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygd.data import Column, Dataset, InputColumn, Preprocessing, Table
from cygd.data.numbers import exact_number
from cygd.data.sources.arrays import load_inline, make_dataset
from cygd.data.sources.csv import load_csv

BIG = 2**53


@pytest.fixture
def column(tmp_path):
    def read(*cells, **options):
        (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{cell},0\n" for cell in cells))
        return load_csv(tmp_path, path="t.csv", **options).columns["a"]

    return read


def labels(column):
    return column.factorize()[1]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("01", 1),
        ("-0.0", 0),
        ("1E0", 1),
        ("1.50", 1.5),
        ("1e23", 10**23),
        ("9007199254740993", BIG + 1),
        ("12345678901234567890123", 12345678901234567890123),
        ("0.1", 0.1),
        ("0.10000000000000000001", "0.10000000000000000001"),
        ("1e-400", "1E-400"),
        ("1e9999999999999999999", "1e9999999999999999999"),
    ],
)
def test_label_of_a_number_is_its_exact_value(text, label):
    assert (exact_number(text), type(exact_number(text))) == (label, type(label))


@pytest.mark.parametrize(
    "ids",
    [
        (BIG, BIG + 1),
        (1234567890123456788, 1234567890123456789, 1234567890123456800),
        (-BIG - 1, -BIG),
        (2**63, 2**64 - 1),
    ],
)
def test_large_integers_are_different_labels(column, ids):
    assert labels(column(*ids)) == ids
    assert labels(Column.from_values(list(ids))) == ids
    assert labels(Column.from_values([*ids, None])) == ids
    assert labels(Column.from_values(list(map(str, ids)))) == ids
    assert labels(Column.from_values(np.array(ids))) == ids


def test_large_class_numbers_of_arrays_are_different_classes(tmp_path):
    y = np.array([BIG, BIG + 1, BIG])
    assert make_dataset(np.zeros((3, 1)), y, classes=True).classes == (BIG, BIG + 1)
    assert load_inline(tmp_path, x=[0, 1], y=[BIG, BIG + 1], classes=True).classes == (BIG, BIG + 1)
    table = Table.from_dataset(Dataset(np.array([[BIG], [BIG + 1]]), [0, 1]))
    assert labels(table.columns["x0"]) == (BIG, BIG + 1)
    table = Table.from_dataset(Dataset([[0], [1]], [0, 1], classes=(BIG, BIG + 1)))
    assert labels(table.columns["y0"]) == (BIG, BIG + 1)


def test_large_ids_of_a_file_train_and_predict_as_different_categories(table):
    rows = "".join(f"{BIG + i % 2},{i}\n" for i in range(6))
    data = table("store,y\n" + rows, categorical=("store",))
    assert data.inputs == (f"store={BIG}", f"store={BIG + 1}")
    assert data.train.x.tolist() == [[1, 0], [0, 1]] * 3
    stored = Preprocessing.from_json(json.loads(json.dumps(data.preprocessing.to_json())))
    for values in ([BIG + 1, BIG], [str(BIG + 1), f"{BIG}.0"], np.array([BIG + 1, BIG])):
        assert stored.transform_inputs({"store": values}).tolist() == [[0, 1], [1, 0]]


def test_labels_that_older_versions_stored_are_found():
    old = {"version": 1, "targets": {"columns": ["y"]}}
    old["inputs"] = [{"column": "a", "categories": [0.5, 1, 100, "x"], "fill": 1}]
    stored = Preprocessing.from_json(old)
    x = stored.transform_inputs({"a": ["0.50", "01", "1E2", "x", None]})
    assert x.argmax(axis=1).tolist() == [0, 1, 2, 3, 1]


def test_names_are_texts_in_a_column_of_texts(column):
    names = column("Anna", "Nan", "Inf", "1E2", "Bob", "", "NA")
    assert labels(names) == ("1E2", "Anna", "Bob", "Inf", "Nan")
    assert names.missing.tolist() == [False] * 5 + [True] * 2
    assert labels(column("x", "7", "y", "07")) == (7, "x", "y")


def test_names_of_one_predicted_row_are_the_labels_of_training():
    stored = Preprocessing((InputColumn("a", ("1E2", "Inf", "NA", "Nan", "None")),), ("y",))
    for i, name in enumerate(("1E2", "Inf", "NA", "Nan", "None")):
        assert stored.transform_inputs({"a": [name]}).argmax() == i


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("2.1", "2.10", "3"), "'2.1' and '2.10' are one label, 2.1"),
        (("01", "1", "2"), "'01' and '1' are one label, 1"),
        (("1E2", "100", "2"), "'1E2' and '100' are one label, 100"),
        (("1", "1.0", "01", "2", "02"), "'1', '1.0', '01' are one label, 1, and 1 more such labels"),
    ],
)
def test_spellings_that_become_one_label_are_a_warning(table, caplog, cells, message):
    table("a,y\n" + "".join(f"{cell},0\n" for cell in cells), categorical=("a",))
    (record,) = caplog.records
    assert record.getMessage().endswith(f"t.csv: column 'a': {message}")
    assert "write a letter before them" in record.hint


def test_labels_that_are_spelled_in_one_way_are_no_warning(table, caplog):
    table("a,b,y\n01,x,0\n01,y,1\n02,x,2\n", categorical=("a",))
    assert not caplog.records


def test_floats_beyond_integers_are_a_warning(tmp_path, prepare, caplog):
    np.savez(tmp_path / "a.npz", x=np.array([[1e18], [2e18]]), y=[0, 1])
    prepare(source="npz", path="a.npz", categorical=("x0",))
    assert "column 'x0' has labels beyond 2^53 as floats" in caplog.text


def test_labels_remain_after_rows_are_dropped(column):
    # the other rows are mostly numbers, but the column is one of texts
    kept = column("u", "v", "w", "1E2", "7").take(np.array([3, 4]))
    assert labels(kept) == (7, "1E2")


def test_cells_of_several_columns_are_read_in_one_pass(table, monkeypatch):
    from cygd.data.sources import csv_reader

    passes = []
    iterate = csv_reader.iterate_cells
    monkeypatch.setattr(csv_reader, "iterate_cells", lambda *given: passes.append(1) or iterate(*given))
    table("a,b,c,y\n1,2,x,0\n2,1,y,1\n", categorical=("a", "b"))
    assert len(passes) == 1


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.integers(BIG - 3, BIG + 3),
    st.floats(allow_nan=False, allow_infinity=False),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), NUMBERS), min_size=1, max_size=6))
def test_numbers_have_the_same_labels_in_all_containers(tmp_path_factory, values):
    folder = tmp_path_factory.getbasetemp()
    lines = ["" if value is None else repr(value) for value in values]
    (folder / "labels.csv").write_text("a,b\n" + "".join(f"{line},0\n" for line in lines))
    of_file = load_csv(folder, path="labels.csv").columns["a"].factorize()
    for container in (values, np.array(values, object), lines):
        codes, found = Column.from_values(container).factorize()
        assert found == of_file[1]
        assert codes.tolist() == of_file[0].tolist()
    assert json.loads(json.dumps(found)) == list(found)
    assert len(set(map(str, found))) == len(found)


def test_many_labels_are_a_warning(table, caplog):
    rows = "".join(f"id{i:05},{i}\n" for i in range(2000))
    with caplog.at_level(logging.WARNING):
        table("a,y\n" + rows)
    assert (
        "column 'a' has 2000 labels in 2000 rows, and each becomes an input: 2000 inputs, 32.0 MB in all"
        in (caplog.text)
    )
    assert "leave 'a' out of data.inputs" in caplog.records[0].hint


def test_few_labels_for_many_rows_are_no_warning(table, caplog):
    table("a,y\n" + "".join(f"id{i % 60},{i}\n" for i in range(200)))
    assert not caplog.records


def test_inputs_beyond_the_memory_are_an_error(table, monkeypatch):
    from cygd.data import column_checks
    from cygd.errors import DataError

    monkeypatch.setattr(column_checks, "physical_memory", lambda: 10_000)
    message = r"t\.csv: 100 rows of 100 inputs take .* GB, more than .*\nhint: leave 'a' out of data\.inputs"
    with pytest.raises(DataError, match=message):
        table("a,y\n" + "".join(f"id{i},{i}\n" for i in range(100)))
