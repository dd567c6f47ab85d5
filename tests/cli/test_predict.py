"""`cygd predict`: predictions of a trained network for new data."""

import csv
import io

import numpy as np
import pytest

import cygd
from cygd.cli.main import main

TRAINING = "a;b;y\n1,5;u;no\n2;v;yes\n-3;u;no\n4,25;v;yes\n"
DATA = "{source: csv, path: t.csv, delimiter: ';', decimal: ',', targets: [y], scale: standard}"
SIGMOID = "{units: 1, activation: sigmoid}"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(TRAINING)
    return tmp_path


@pytest.fixture
def train(here):
    def run(data=DATA, layers=f"[3, {SIGMOID}]", name="mine"):
        text = f"name: {name}\ndata: {data}\nmodel: {{layers: {layers}}}\ntrain: {{epochs: 3}}\n"
        (here / "e.yaml").write_text(text)
        return cygd.run("e.yaml")

    return run


@pytest.fixture
def predict(here, capsys):
    def run(*arguments):
        code = main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, list(csv.reader(io.StringIO(out))), err

    return run


def test_each_row_has_a_label_and_the_output(train, predict):
    result = train()
    code, rows, err = predict(result.directory, "t.csv")
    assert (code, err) == (0, "")
    assert rows[0] == ["y", "y=yes"]
    expected = result.model.predict({"a": [1.5, 2, -3, 4.25], "b": ["u", "v", "u", "v"]})[:, 0]
    assert [float(row[1]) for row in rows[1:]] == expected.tolist()
    assert [row[0] for row in rows[1:]] == ["yes" if value > 0.5 else "no" for value in expected]


def test_name_selects_its_newest_run(train, predict, here):
    train(), train(name="other")
    newest = train()
    assert predict("mine", "t.csv")[1] == predict(newest.directory, "t.csv")[1]
    assert predict("runs/mine", "t.csv")[1] == predict(newest.directory, "t.csv")[1]


def test_several_classes_with_columns_in_another_order(train, predict, here):
    (here / "t.csv").write_text(TRAINING + "0;u;maybe\n")
    train(layers="[{units: 3, activation: softmax}]")
    (here / "n.csv").write_text("more;b;a\nx;u;1\n")
    _, rows, _ = predict("mine", "n.csv")
    assert rows[0] == ["y", "y=maybe", "y=no", "y=yes"]
    values = [float(value) for value in rows[1][1:]]
    assert rows[1][0] == ["maybe", "no", "yes"][int(np.argmax(values))]


def test_numbers_are_in_the_units_of_the_targets(train, predict, here):
    (here / "t.csv").write_text("a,y,z\n1,100,7\n2,200,8\n3,300,9\n")
    data = "{source: csv, path: t.csv, targets: [y, z], scale: {inputs: standard, targets: standard}}"
    result = train(data, "[2]")
    _, rows, _ = predict("mine", "t.csv")
    assert rows[0] == ["y", "z"]
    assert np.array_equal(np.array(rows[1:], float), result.model.predict({"a": [1, 2, 3]}))


def test_missing_values_are_filled_as_in_training(train, predict, here):
    train(DATA.replace("targets", "missing: mean, targets"))
    (here / "n.csv").write_text("a;b\n;u\n1;\n")
    assert len(predict("mine", "n.csv")[1]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c;b\n1;u\n", "error: n.csv: unknown column 'a'\nhint: the columns are c, b\n"),
        ("c;d\n1;u\n", "error: n.csv: missing columns 'a', 'b'\nhint: the columns are c, d\n"),
        (
            "a;b\n1;u\n2;w\n",
            "error: n.csv:3: row 2, column 'b': unknown label 'w'\n",
        ),
        ("a;b\n1;u\n;v\n", "error: n.csv:3: row 2, column 'a': the value is missing\n"),
        ("a;b\n1;u\nx;v\n", "error: n.csv:3: row 2, column 'a': expected a number, got 'x'\n"),
        ("a;b\n1\n", "error: n.csv:2: expected 2 cells as in the header, got 1\n"),
        ("", "error: n.csv is empty\n"),
    ],
)
def test_invalid_data_names_the_column(train, predict, here, text, message):
    train()
    (here / "n.csv").write_text(text)
    code, rows, err = predict("mine", "n.csv")
    assert (code, rows) == (2, [])
    assert err.startswith(message)
    assert "data.missing" not in err
    assert "data.categorical" not in err


def test_source_options_override_those_of_the_run(train, predict, here):
    train()
    (here / "n.csv").write_text("a,b\n1.5,u\n")
    code, _, err = predict("mine", "n.csv")
    assert code == 2
    assert "missing columns 'a', 'b'" in err
    assert predict("mine", "n.csv", "delimiter=','", "decimal=.")[0] == 0
    code, _, err = predict("mine", "n.csv", "delimeter=','")
    assert code == 2
    assert "no option 'delimeter'" in err


def test_output_file_is_not_overwritten(train, predict, here):
    train()
    code, rows, err = predict("mine", "t.csv", "-o", "p.csv")
    assert (code, rows, err) == (0, [], "4 predictions in p.csv\n")
    assert (here / "p.csv").read_text().startswith("y,y=yes\n")
    before = (here / "p.csv").read_bytes()
    code, _, err = predict("mine", "t.csv", "-o", "p.csv")
    assert code == 2
    assert err.startswith("error: 'p.csv' already exists")
    assert (here / "p.csv").read_bytes() == before


def test_arrays_and_csv_without_header(train, predict, here):
    x, y = np.array([[0.0, 1], [2, 3], [4, 5]]), np.array([1.0, 2, 3])
    np.savez(here / "t.npz", x=x, y=y)
    np.save(here / "x.npy", x)
    result = train("{source: npz, path: t.npz}", "[1]")
    (here / "n.csv").write_text("0,1\n2,3\n4,5\n")
    expected = [["y0"], *([str(value)] for value in result.model.predict(x)[:, 0])]
    assert predict("mine", "t.npz")[1] == expected
    assert predict("mine", "x.npy")[1] == expected
    assert predict("mine", "n.csv", "header=false")[1] == expected
    np.save(here / "wide.npy", np.ones((2, 3)))
    code, _, err = predict("mine", "wide.npy")
    assert code == 2
    assert "wide.npy: expected the shape (n_samples, 2), got (2, 3)" in err
    np.savez(here / "none.npz", z=x)
    assert "none.npz has no array 'x', only z" in predict("mine", "none.npz")[2]


def test_svmlight_and_parquet(train, predict, here):
    result = train("{source: inline, x: [[0, 1], [2, 3]], y: [1, 2]}", "[1]")
    (here / "n.svm").write_text("0 2:1\n0 1:2 2:3\n")
    train("{source: svmlight, path: n.svm}", "[1]", name="sparse")
    assert len(predict("sparse", "n.svm")[1]) == 3
    arrow = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    arrow.write_table(pyarrow.table({"x1": [1.0, 3], "x0": [0.0, 2]}), "n.parquet")
    expected = [[str(value)] for value in result.model.predict([[0, 1], [2, 3]])[:, 0]]
    assert predict("mine", "n.parquet")[1][1:] == expected


def test_diverged_run_prints_a_warning(train, predict, here):
    result = train()
    (result.directory / "result.json").write_text('{"status": "diverged"}')
    code, rows, err = predict("mine", "t.csv")
    assert (code, len(rows)) == (0, 5)
    assert err.startswith("warning: the run in ")
    (result.directory / "weights.npz").unlink()
    code, _, err = predict("mine", "t.csv")
    assert code == 2
    assert "weights.npz is missing" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a run and a data file"),
        (["mine"], "expected a data file after the run"),
        (["mine", "a", "b"], "expected one data file, got 'a' and 'b'"),
        (["mnie", "t.csv"], "unknown run 'mnie'\nhint: did you mean 'mine'?"),
        (["mine", "no.csv"], "no.csv: no such file"),
        (["mine", "e.yaml/t.csv"], "no such file"),
    ],
)
def test_invalid_arguments(train, predict, arguments, message):
    train()
    code, rows, err = predict(*arguments)
    assert (code, rows) == (2, [])
    assert message in err
