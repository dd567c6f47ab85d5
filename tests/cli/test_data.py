"""`cygd data`: the data of an experiment."""

import re

import pytest

from cygd.cli.main import main

CSV = """\
a,b,c,y,w,t
1,u,5,no,1,2026-01-01
2,,5,yes,2,2026-01-02
4,u,5,no,1,2026-01-03
7,v,5,no,0,2026-01-04
"""


@pytest.fixture
def show(tmp_path, capsys):
    (tmp_path / "t.csv").write_text(CSV)

    def run(data, *arguments, layers="[1]"):
        (tmp_path / "e.yaml").write_text(f"data: {data}\nmodel: {{layers: {layers}}}\n")
        code = main(["data", str(tmp_path / "e.yaml"), *arguments])
        out, err = capsys.readouterr()
        return code, re.sub(" {2,}", "  ", out), err

    return run


def test_columns_and_classes(show):
    split = "split: {time: t, test: 0.25}"
    options = f"targets: [y], inputs: [a, b], sample_weight: w, missing: drop, {split}"
    code, out, err = show(f"{{source: csv, path: t.csv, {options}}}")
    assert (code, err) == (0, "")
    for line in [
        "t.csv: 4 rows, 6 columns",
        "COLUMN  ROLE  TYPE  MISSING  VALUES",
        "a  input  number  0  1 to 7, mean 3.5, std 2.291",
        "b  input  category  1  2 labels: u (2), v (1)",
        "c  number  0  always 5",
        "y  target  category  0  2 labels: no (3), yes (1)",
        "w  weight  number  0  0 to 2, mean 1, std 0.7071",
        "dropped 1 row with missing values",
        "PART  TRAINING  TEST",
        "rows  2  1",
        "no  2  1",
    ]:
        assert f"{line}\n" in out, line
    assert "\nyes" not in out  # its row was dropped


def test_missing_values_are_a_warning_and_the_network_may_be_invalid(show):
    code, out, err = show("{source: csv, path: t.csv, targets: [y]}", layers="[7]")
    assert code == 0
    assert "rows  4\n" in out
    assert err.startswith(
        "warning: 1 row has missing values in used columns, which is an error in training\nhint:"
    )


def test_error_is_printed_after_the_columns(show):
    code, out, err = show("{source: csv, path: t.csv, targets: [z]}")
    assert code == 2
    assert "a  number  0  1 to 7" in out
    assert "e.yaml:1:43 data.targets: unknown column 'z'" in err
    code, out, err = show("{source: csv, path: t.csv, targets: [y], split: {time: b, test: 0.25}}")
    assert code == 2
    assert "y  target" in out
    assert "row 2, column 'b': the value is missing" in err


def test_synthetic_and_inline_data(show):
    code, out, _ = show("{source: synthetic, kind: moons, samples: 30, split: {folds: 3}}")
    assert code == 0
    assert "y0  target  category  0  2 labels: 0 (15), 1 (15)" in out
    assert "PART  TRAINING  VALIDATION\nrows  20  10" in out
    code, out, _ = show("{source: inline, x: [[1, 2], [3, 4]], y: [1, 2], validation: {x: [[1, 2]], y: [1]}}")
    assert "x1  input  number  0  2 to 4" in out
    assert "PART  TRAINING  VALIDATION\nrows  2  1" in out


def test_mixed_column(show, tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n1,2\n3,4\nx,5\n")
    code, out, _ = show("{source: csv, path: t.csv, targets: [y]}")
    assert code == 0
    assert "a  input  mixed  0  1 to 3, mean 2, std 1; strings such as 'x'" in out


def test_long_list_of_columns_is_cut(show):
    wide = f"{{source: inline, x: [{list(range(60))}], y: [1]}}"
    _, out, _ = show(wide)
    assert "... and 21 more (--all shows all)" in out
    _, out, _ = show(wide, "--all")
    assert "x59  input" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected an experiment file"),
        (["a.yaml", "b.yaml"], "expected one experiment file, got 'a.yaml' and 'b.yaml'"),
        (["a.csv"], "expected an experiment, got the data file 'a.csv'"),
    ],
)
def test_invalid_arguments(arguments, message, capsys):
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_filled_values_and_an_index_are_shown(show, tmp_path):
    (tmp_path / "t.csv").write_text("Unnamed: 0,a,b,y\n0,1,u,1\n1,,u,2\n2,3,,3\n3,NA,v,4\n")
    code, out, err = show("{source: csv, path: t.csv, targets: [y], missing: mean}")
    assert code == 0
    assert "Unnamed: 0  index  number  0  0 to 3" in out
    assert "filled 2 missing values of a with the mean, 2\n" in out
    assert "filled 1 missing value of b with the most frequent label, 'u'\n" in out
    assert err == (
        f"warning: {tmp_path / 't.csv'}: left out the index column 'Unnamed: 0'\n"
        "hint: name all inputs in data.inputs to change that\n"
    )


@pytest.mark.parametrize("command", ["data", "check", "run"])
def test_readings_that_may_be_wrong_are_shown_by_each_command(show, tmp_path, capsys, command):
    (tmp_path / "t.csv").write_text("a,y\n5%,1\n10%,2\n5%,3\n")
    show("{source: csv, path: t.csv, targets: [y]}")
    out = ["--out", str(tmp_path / "run")] if command == "run" else []
    assert main([command, str(tmp_path / "e.yaml"), *out]) == 0
    err = capsys.readouterr().err
    assert "column 'a' is categorical, because it holds strings such as '5%'" in err
    assert "hint: set data.percent: true if 5% is 0.05" in err
