"""`cygd predict`: predictions of a trained network for new data."""

import csv
import io
import json

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


GAPS = "a;b\n1;u\n2;w\n;v\nx;v\n4;v\n"


@pytest.mark.parametrize("batch", [None, 1, 2, 100])
def test_rows_that_cannot_be_predicted_are_empty(train, predict, here, batch):
    result = train()
    (here / "n.csv").write_text(GAPS)
    code, rows, err = predict("mine", "n.csv", *([] if batch is None else ["--batch", batch]))
    assert code == 0
    expected = result.model.predict({"a": [1, 4], "b": ["u", "v"]})[:, 0].tolist()
    assert [row[1] for row in rows[1:]] == [str(expected[0]), "", "", "", str(expected[1])]
    assert [row[0] for row in rows[2:5]] == ["", "", ""]
    assert err == (
        "warning: n.csv: 3 of 5 rows cannot be predicted and are empty in the output:\n"
        "  n.csv:3: row 2, column 'b': unknown label 'w'\n"
        "  n.csv:4: row 3, column 'a': the value is missing\n"
        "  n.csv:5: row 4, column 'a': expected a number, got 'x'\n"
        "hint: --strict refuses such data\n"
    )


@pytest.mark.parametrize("batch", [[], ["--batch", "1"]])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2;w", "unknown label 'w'"),
        (";v", "the value is missing"),
        ("x;v", "expected a number, got 'x'"),
        ("inf;v", "expected a finite number, got inf"),
    ],
)
def test_strict_refuses_the_first_row_that_cannot_be_predicted(train, predict, here, row, message, batch):
    train()
    (here / "n.csv").write_text(f"a;b\n1;u\n{row}\n3;v\n")
    code, rows, err = predict("mine", "n.csv", "--strict", *batch, "-o", "p.csv")
    assert (code, rows) == (2, [])
    assert err.startswith("error: n.csv:3: row 2, column ")
    assert message in err
    assert "data." not in err
    assert sorted(path.name for path in here.iterdir() if "p.csv" in path.name or ".part" in path.name) == []
    assert predict("mine", "t.csv", "--strict", *batch)[1] == predict("mine", "t.csv")[1]


def test_data_without_a_row_that_can_be_predicted_fail(train, predict, here):
    train()
    (here / "n.csv").write_text("a;b\n;u\n2;w\n;\nx;x\n1;x\n")
    code, rows, err = predict("mine", "n.csv")
    assert (code, rows[1:]) == (1, [["", ""]] * 5)
    assert "5 of 5 rows cannot be predicted" in err
    assert "... and 2 more\n" in err
    (here / "one.csv").write_text("a;b\n;u\n")
    code, rows, err = predict("mine", "one.csv", "-o", "one.jsonl")
    assert (code, (here / "one.jsonl").read_text()) == (1, '{"y": null, "y=yes": null}\n')
    assert "0 predictions and 1 empty row in one.jsonl" in err
    assert "1 of 1 row cannot be predicted and is empty" in err


def test_number_out_of_range_for_float32(train, predict, here):
    (here / "t.csv").write_text("a,y\n1,1\n2,2\n")
    data = "{source: csv, path: t.csv, targets: [y]}\nmodel: {dtype: float32, layers: [1]}\nlog: []"
    (here / "e.yaml").write_text(f"name: single\ndata: {data}\ntrain: {{epochs: 1}}\n")
    cygd.run("e.yaml")
    (here / "n.csv").write_text("a\n1e300\n1\n")
    code, rows, err = predict("single", "n.csv")
    assert code == 0
    assert rows[1] == [""]
    assert "1e+300 is out of range for float32" in err


def test_json_lines_and_parquet(train, predict, here):
    train()
    (here / "n.csv").write_text(GAPS)
    lines = predict("mine", "n.csv")[1]
    assert predict("mine", "n.csv", "-o", "p.jsonl", "--batch", 2)[0] == 0
    records = [json.loads(line) for line in (here / "p.jsonl").read_text().splitlines()]
    assert [list(record) for record in records] == [["y", "y=yes"]] * 5
    assert [record["y"] or "" for record in records] == [line[0] for line in lines[1:]]
    assert [str(record["y=yes"] or "") for record in records] == [line[1] for line in lines[1:]]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert predict("mine", "n.csv", "-o", "p.parquet", "--batch", 2)[0] == 0
    assert parquet.read_table(here / "p.parquet").to_pylist() == records


@pytest.mark.parametrize("name", ["p.xlsx", "p.json", "p.csv.gz", "p.npy"])
def test_other_formats_are_not_written(train, predict, here, name):
    train()
    code, rows, err = predict("mine", "t.csv", "-o", name)
    assert (code, rows) == (2, [])
    assert f"expected a .csv, .jsonl or .parquet file, got '{name}'" in err
    assert not (here / name).exists()


def test_dash_is_stdout(train, predict, here):
    train()
    assert predict("mine", "t.csv", "-o", "-") == predict("mine", "t.csv")
    assert not (here / "-").exists()


def test_output_file_is_written_whole(train, predict, here, monkeypatch):
    train()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    code, _, err = predict("mine", "t.csv", "-o", "p.csv")
    assert code == 2
    assert "cannot write" in err
    assert "No space left on device" in err
    assert not [path.name for path in here.iterdir() if "part" in path.name or "p.csv" in path.name]


def test_labels_are_not_formulas_of_a_spreadsheet(train, predict, here):
    (here / "t.csv").write_text("a,=y\n1,=1+1\n2,+cmd\n3,-x\n4,@s\n5,-1\n6,ok\n")
    units = "[{units: 6, activation: softmax}]"
    train("{source: csv, path: t.csv, targets: ['=y'], categorical: ['=y']}", units)
    _, rows, _ = predict("mine", "t.csv")
    assert rows[0] == ["'=y", *(f"'=y={label}" for label in [-1, "+cmd", "-x", "=1+1", "@s", "ok"])]
    assert {row[0] for row in rows[1:]} <= {"-1", "'+cmd", "'-x", "'=1+1", "'@s", "ok"}
    predict("mine", "t.csv", "-o", "p.jsonl")
    labels = [json.loads(line)["=y"] for line in (here / "p.jsonl").read_text().splitlines()]
    assert labels == [float(r[0]) if r[0] == "-1" else r[0].removeprefix("'") for r in rows[1:]]


def test_probabilities_of_all_classes(train, predict, here):
    train()
    _, rows, _ = predict("mine", "t.csv", "--proba")
    assert rows[0] == ["y", "y=no", "y=yes"]
    assert [row[2] for row in rows[1:]] == [row[1] for row in predict("mine", "t.csv")[1][1:]]
    assert all(abs(float(no) + float(yes) - 1) < 1e-15 for _, no, yes in rows[1:])
    train(layers="[{units: 2, activation: softmax}]")
    assert predict("mine", "t.csv", "--proba") == predict("mine", "t.csv")
    train(layers="[2]")
    code, rows, err = predict("mine", "t.csv", "--proba")
    assert (code, rows) == (2, [])
    assert "--proba: the outputs of 2 units with the activation identity are not probabilities" in err
    (here / "t.csv").write_text("a,y\n1,1\n2,2\n")
    train("{source: csv, path: t.csv, targets: [y]}", "[1]")
    assert "--proba: expected a run that predicts classes" in predict("mine", "t.csv", "--proba")[2]


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


@pytest.mark.parametrize(
    ("arguments", "n_rows", "note"),
    [
        ((), 1, "n.csv: skip_footer: 1 of the run leaves out its last line; skip_footer=0 reads all lines\n"),
        (("skip_footer=0",), 2, ""),
    ],
)
def test_lines_that_the_run_leaves_out_are_said(predict, here, arguments, n_rows, note):
    (here / "s.csv").write_text("a,y\n1,2\n2,3\nend of data,\n")
    data = {"source": "csv", "path": "s.csv", "skip_footer": 1, "targets": ["y"]}
    cygd.run({"data": data, "model": {"layers": [1]}, "loss": "mse", "train": {"epochs": 1}}, out="r")
    (here / "n.csv").write_text("a\n1\n2\n")
    code, rows, err = predict("r", "n.csv", *arguments)
    assert (code, len(rows) - 1) == (0, n_rows)
    assert err.startswith(note)
    assert bool(err) == bool(note)


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
