"""`cygd new experiment`: the written experiment runs, for many kinds of data."""

import gzip
import random
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "experiments" / "data"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(n=60, **columns):
    """Write data.csv with columns of functions of the row."""
    lines = [",".join(columns), *(",".join(str(make(i)) for make in columns.values()) for i in range(n))]
    Path("data.csv").write_text("\n".join(lines) + "\n")


noise = random.Random(3)
NUMBER = {"a": lambda i: f"{noise.uniform(-3, 5):.4f}"}


def test_without_data_it_is_synthetic(command, written):
    content, text = written()
    assert content["data"]["source"] == "synthetic"
    assert text.startswith("# mine: classification of two half moons")
    assert command("run", "mine.yaml", "--quiet")[0] == 0


def test_printed_commands_work(command):
    _, _, err = command("new", "experiment", "mine", "--data", DATA / "penguins.csv")
    assert err.splitlines()[0] == "classification of species from 7 columns of 344 rows"
    commands = [line.split()[1:] for line in err.splitlines() if line.startswith("  cygd ")]
    assert [words[0] for words in commands] == ["check", "run", "run"]
    for words in commands:
        assert command(*words)[0] == 0


def test_text_labels_are_classes(written):
    content, text = written("--data", DATA / "penguins.csv")
    assert content["data"]["targets"] == ["species"]
    assert content["data"]["inputs"][:2] == ["island", "bill_length_mm"]
    assert content["data"]["missing"] == "drop"
    assert content["model"]["layers"] == [16, {"units": 3, "activation": "softmax"}]
    assert content["loss"] == "cross_entropy"
    assert "# 32.1 to 59.6; 2 missing\n" in text
    assert "# female, male; 11 missing\n" in text
    assert "# 11 rows with missing values; mean fills" in text


def test_two_labels_are_binary_classification(written):
    content, _ = written("--data", DATA / "breast_cancer.csv")
    assert content["data"]["targets"] == ["diagnosis"]
    assert content["model"]["layers"][-1] == {"units": 1, "activation": "sigmoid"}
    assert content["loss"] == "binary_cross_entropy"
    assert content["metrics"] == ["accuracy"]


def test_two_numbers_are_two_classes(written):
    table(**NUMBER, y=lambda i: 5 + i % 2)
    content, _ = written("--data", "data.csv")
    assert content["data"]["categorical"] == ["y"]
    assert content["loss"] == "binary_cross_entropy"


def test_numbers_are_regression(written):
    content, _ = written("--data", DATA / "diabetes.csv")
    assert content["data"]["targets"] == ["progression"]
    assert content["data"]["scale"] == {"inputs": "standard", "targets": "standard"}
    assert content["loss"] == "mse"
    assert content["metrics"] == ["r2", "mae"]


@pytest.mark.parametrize(("low", "count"), [(0, 3), (1, 4)])
def test_few_integers_from_0_or_1_are_classes(written, low, count):
    table(**NUMBER, y=lambda i: low + i % count)
    content, _ = written("--data", "data.csv")
    assert content["data"]["categorical"] == ["y"]
    assert content["model"]["layers"][-1] == {"units": count, "activation": "softmax"}


@pytest.mark.parametrize("values", [[3, 4, 5], [0, 2, 3], [0, 0.5, 2]])
def test_other_integers_are_regression(written, values):
    table(**NUMBER, y=lambda i: values[i % 3])
    content, _ = written("--data", "data.csv")
    assert "categorical" not in content["data"]
    assert content["loss"] == "mse"


def test_many_columns_are_listed_on_few_lines(written):
    content, text = written("--data", DATA / "digits.csv.gz")
    assert len(content["data"]["inputs"]) == 61
    assert "  #   pixel_4_0: the same in every row\n" in text
    assert len(text.splitlines()) < 60
    assert content["data"]["categorical"] == ["digit"]


def test_many_columns_that_are_all_inputs_are_not_listed(written):
    table(**{f"c{k}": lambda i, k=k: i * i % (k + 7) for k in range(50)}, y=lambda i: i * 1.5)
    content, text = written("--data", "data.csv")
    assert "inputs" not in content["data"]
    assert "  # inputs: all 50 other columns, the default\n" in text


def test_uninformative_columns_are_left_out_with_a_reason(written):
    table(
        id=lambda i: i + 1,
        **NUMBER,
        same=lambda i: 7,
        word=lambda i: "x",
        note=lambda i: f"note {i}",
        empty=lambda i: "NA",
        mixed=lambda i: "lost" if i == 7 else i * i,
        time=lambda i: i,
        y=lambda i: f"{noise.uniform(0, 1):.3f}",
    )
    content, text = written("--data", "data.csv")
    assert content["data"]["inputs"] == ["a", "time"]
    for line in (
        "id: row numbers",
        "same: the same in every row",
        "word: the same in every row",
        "note: 60 different strings",
        "empty: empty",
        "mixed: numbers, but also strings such as 'lost'",
    ):
        assert f"  #   {line}\n" in text


def test_rare_labels_are_left_out_if_the_training_rows_lack_them(written):
    table(**NUMBER, kind=lambda i: "rare" if i == 20 else "bc"[i % 2], y=lambda i: noise.random())
    content, text = written("--data", "data.csv")
    assert content["data"]["inputs"] in (["a", "kind"], ["a"])
    table(**NUMBER, kind=lambda i: f"rare{i}" if i < 12 else "bc"[i % 2], y=lambda i: noise.random())
    Path("mine.yaml").unlink()
    Path("out").rename("out1")
    content, text = written("--data", "data.csv")
    assert content["data"]["inputs"] == ["a"]
    assert "  #   kind: a label with few rows\n" in text


@pytest.mark.parametrize(
    ("delimiter", "name"), [(";", "data.csv"), ("\t", "data.tsv"), ("|", "data.txt"), (",", "data.csv")]
)
def test_delimiter_is_detected(written, delimiter, name):
    rows = [
        ["a, b", "c|d;", "y"],
        *([f"{noise.random()}", f"{noise.random()}", "ny"[i % 2]] for i in range(40)),
    ]
    Path(name).write_text("\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows))
    content, _ = written("--data", name)
    assert content["data"].get("delimiter", ",") == {"\t": "tab"}.get(delimiter, delimiter)
    assert content["data"]["inputs"] == ["a, b", "c|d;"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_decimal_comma_and_encoding_are_detected(written, encoding):
    rows = [f"{noise.uniform(0, 9):.3f};{i};{['früh', 'spät'][i % 2]}".replace(".", ",") for i in range(40)]
    Path("data.csv").write_text("\n".join(["größe;zahl;y", *rows]), encoding=encoding)
    content, _ = written("--data", "data.csv")
    assert content["data"]["decimal"] == ","
    assert content["data"].get("encoding", "utf-8") == encoding
    assert content["data"]["inputs"] == ["größe", "zahl"]


def test_decimal_points_are_kept(written):
    rows = [f"{noise.uniform(0, 9):.3f};1,234;{i % 2}" for i in range(40)]
    Path("data.csv").write_text("\n".join(["a;b;y", *rows]))
    content, _ = written("--data", "data.csv")
    assert "decimal" not in content["data"]


def test_pattern_of_several_files(written):
    for part in "ab":
        table(**NUMBER, y=lambda i: i * 1.5)
        Path("data.csv").rename(f"part-{part}.csv")
    content, text = written("--data", "part-*.csv")
    assert content["data"]["path"] == "part-*.csv"
    assert "120 rows" in text


def test_parquet(written):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"a": [i * i % 7 for i in range(60)], "y": ["ab"[i % 2] for i in range(60)]}
    parquet.write_table(pyarrow.table(columns), "data.parquet")
    content, _ = written("--data", "data.parquet")
    assert content["data"]["source"] == "parquet"
    assert content["loss"] == "binary_cross_entropy"


@pytest.mark.parametrize("name", ["data.svm", "data.LIBSVM", "data.svm.gz"])
def test_svmlight(written, name):
    rows = [f"{[1, -1][i % 2]} 1:{noise.random():.3f} 2:{noise.random():.3f}" for i in range(60)]
    text = "\n".join(rows).encode()
    Path(name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    content, _ = written("--data", name)
    assert content["data"]["source"] == "svmlight"
    assert content["loss"] == "binary_cross_entropy"


def test_file_without_header(written):
    rows = [
        f"{noise.random()},{noise.random()},{['setosa', 'virginica', 'versicolor'][i % 3]}" for i in range(60)
    ]
    Path("iris.data").write_text("\n".join(rows))
    content, _ = written("--data", "iris.data")
    assert content["data"]["header"] is False
    assert content["data"]["inputs"] == ["c0", "c1"]
    assert content["data"]["targets"] == ["c2"]
    assert content["model"]["layers"][-1]["units"] == 3


ODD = [
    *["yes", "1e3x", "a: b", "c # d", "'q'", '"', "{f}", "[g", "- h", "*i", "&j", "!k", "~", "null", "$name"],
    *["é日本", "%l", "#z", "@a", "`b`", "true", "x\ny", "a\tb", "a\u2028b", "back\\slash", "\x7fdel"],
    *["x" * 150, "words and " * 20],
]


def test_odd_column_names_are_quoted(written):
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in [*ODD, "y"])
    rows = [",".join(f"{noise.random():.4f}" for _ in [*ODD, "y"]) for _ in range(40)]
    Path("data.csv").write_text("\n".join([quoted, *rows]), encoding="utf-8", newline="")
    content, _ = written("--data", "data.csv")
    assert len(content["data"]["inputs"]) == len(ODD)


def test_fewer_than_ten_rows_are_not_split(written):
    table(6, **NUMBER, y=lambda i: i * 1.5)
    content, _ = written("--data", "data.csv")
    assert "split" not in content["data"]
    assert "stop" not in content


@pytest.mark.parametrize("rows", [10, 11, 12, 13, 17, 25])
def test_ten_rows_are_split(written, rows):
    table(rows, **NUMBER, y=lambda i: i * 1.5)
    content, _ = written("--data", "data.csv")
    assert content["data"]["split"] == {"validation": 0.2, "test": 0.2}


def test_columns_with_many_gaps_are_not_the_target(written):
    rows = "".join(f"{i % 7},{i},{i if i < 5 else ''}\n" for i in range(20))
    Path("g.csv").write_text("a,b,note\n" + rows)
    content, _ = written("--data", "g.csv")
    assert (content["data"]["targets"], content["data"]["inputs"]) == (["b"], ["a", "note"])
    assert content["data"]["missing"] == "mean"


def test_inputs_with_many_gaps_do_not_cost_the_rows_of_a_target_with_gaps(written):
    rows = "".join(f"{i % 7},{i if i < 5 else ''},{i * i if i else ''}\n" for i in range(20))
    Path("g.csv").write_text("a,b,y\n" + rows)
    content, text = written("--data", "g.csv")
    assert (content["data"]["targets"], content["data"]["inputs"]) == (["y"], ["a"])
    assert content["data"]["missing"] == "drop"
    assert "#   b: 15 missing values\n" in text
    assert "# 1 row with missing values; mean fills" in text


@pytest.mark.parametrize("labels", [["p", "q", "r"], ["0", "1", "2"]])
def test_classes_of_dropped_rows_do_not_count(written, labels):
    rows = "".join(f"{i % 7},{labels[i % 2]}\n" for i in range(40))
    Path("g.csv").write_text(f"a,y\n,{labels[2]}\n{rows}")
    content, _ = written("--data", "g.csv")
    assert content["data"]["missing"] == "drop"
    assert content["model"]["layers"][-1] == {"units": 1, "activation": "sigmoid"}


def test_gaps_of_one_class_are_filled(written):
    Path("g.csv").write_text("a,y\n" + "".join(f"{i % 7 or ''},{'pq'[i % 7 == 0]}\n" for i in range(40)))
    content, _ = written("--data", "g.csv")
    assert content["data"]["missing"] == "mean"


def test_one_class_in_the_rows_without_gaps_is_an_error(command):
    rows = "".join(f"{i % 7 or ''},{'pq'[i % 7 == 0] if i else ''}\n" for i in range(40))
    Path("g.csv").write_text("a,y\n" + rows)
    code, _, err = command("new", "experiment", "mine", "--data", "g.csv", "--target", "y")
    message = "cannot predict the column 'y': the rows without missing values have 1 of its classes"
    assert (code, err) == (2, f"error: {message}\nhint: choose another --target\n")


def test_many_missing_inputs_are_filled(written):
    table(**NUMBER, b=lambda i: i if i % 3 else "", y=lambda i: i * 1.5)
    content, _ = written("--data", "data.csv")
    assert content["data"]["missing"] == "mean"
    Path("mine.yaml").unlink()
    Path("out").rename("out1")
    table(**NUMBER, b=lambda i: i if i % 3 else "", y=lambda i: i * 1.5 if i % 5 else "")
    content, _ = written("--data", "data.csv")
    assert content["data"]["missing"] == "drop"


def test_arrays(written):
    x = np.random.default_rng(1).normal(size=(50, 3))
    np.savez("a.npz", x=x, y=x[:, :2])
    content, _ = written("--data", "a.npz")
    assert content["data"]["source"] == "npz"
    assert content["model"]["layers"] == [16, 2]


def test_target_option(written):
    content, _ = written("--data", DATA / "penguins.csv", "--target", "body_mass_g")
    assert content["data"]["targets"] == ["body_mass_g"]
    assert "species" in content["data"]["inputs"]
    assert content["loss"] == "mse"


def test_column_named_target_is_preferred(written):
    table(**NUMBER, Target=lambda i: "ab"[i % 2], z=lambda i: i * i)
    content, _ = written("--data", "data.csv")
    assert content["data"]["targets"] == ["Target"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["experiment"], "expected a name for the experiment",
         "cygd new experiment NAME [--data FILE] [--target COLUMN]"),
        (["experiment", "a/b"], "invalid experiment name 'a/b'",
         "use letters, digits, '_', '-' and '.', such as my-first"),
        (["experiment", "a b"], "invalid experiment name 'a b'",
         "use letters, digits, '_', '-' and '.', such as my-first"),
        (["experiment", "a", "--kind", "loss"], "--kind is an option of `cygd new plugin`",
         "cygd new experiment NAME [--data FILE] [--target COLUMN]"),
        (["plugin", "a", "--data", "x.csv"], "--data is an option of `cygd new experiment`",
         "cygd new plugin NAME [--kind activation|loss|optimizer]"),
        (["experiment", "a", "--target", "y"], "--target needs --data",
         "cygd new experiment NAME --data FILE --target COLUMN"),
        (["experiment", "a", "--data", "dat.csv"], "dat.csv: no such file",
         "relative paths start from {here}; did you mean 'data.csv'?"),
        (["experiment", "a", "--data", "."], ".: expected a file, got a folder", None),
        (["experiment", "a", "--data", "data.csv", "--target", "hight"],
         "unknown column 'hight' in data.csv", "did you mean 'height'?"),
        (["experiment", "a", "--data", "data.csv", "--target", "name"],
         "cannot predict the column 'name': 30 different strings", None),
        (["experiment", "a", "--data", "one.csv"], "no input column is left to predict 'height'", None),
        (["experiment", "a", "--data", "flat.csv"], "no column of flat.csv can be predicted",
         "a: the same in every row; b: the same in every row"),
        (["experiment", "a", "--data", "head.csv"], "head.csv has a header but no rows", None),
        (["experiment", "a", "--data", "empty.csv"], "empty.csv is empty", None),
        (["experiment", "a", "--data", "odd.csv"], "odd.csv:3: expected 2 cells as in the header, got 1",
         None),
    ],
)  # fmt: skip
def test_invalid_arguments_write_nothing(command, here, arguments, message, hint):
    table(30, name=lambda i: f"N{i}", height=lambda i: i * 1.5)
    Path("one.csv").write_text("height\n1\n2\n3\n")
    Path("flat.csv").write_text("a,b\n1,x\n1,x\n1,x\n")
    Path("head.csv").write_text("a,b\n")
    Path("empty.csv").write_text("")
    Path("odd.csv").write_text("a,b\n1,2\n3\n")
    before = sorted(here.iterdir())
    code, out, err = command("new", *arguments)
    assert (code, out) == (2, "")
    hints = [f"hint: {hint.replace('{here}', str(here))}"] if hint else []
    assert err.splitlines() == [f"error: {message}", *hints]
    assert sorted(here.iterdir()) == before


def test_nothing_is_overwritten(command, here):
    (here / "mine.yaml").write_text("precious")
    for name in ("mine", "mine.yaml"):
        code, _, err = command("new", "experiment", name)
        assert code == 2
        assert err.startswith("error: mine.yaml already exists and is not overwritten\n")
    assert (here / "mine.yaml").read_text() == "precious"
