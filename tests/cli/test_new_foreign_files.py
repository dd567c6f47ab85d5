"""`cygd new experiment`: files of other programs, their options, notes and missing words."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = "".join(f"{i * i % 17}.5,{i % 7}.25,{i % 2}\n" for i in range(40))
BLANKS = ROWS.replace(",", "  ")
FOREIGN_FILES = {
    "blanks": ("a  b  y\n" + BLANKS, ["a", "b"]),
    "headerless": (ROWS.replace("0.5,", "?,", 1), ["c0", "c1"]),
    "texts": (
        "".join(f"{'ab'[i % 2]},{'uvw'[i % 3]},{'xz'[i * i % 3 % 2]}\n" for i in range(40)),
        ["c0", "c1"],
    ),
    "R table": (
        '"a" "b" "y"\n' + "".join(f'"r{i}" {row}\n' for i, row in enumerate(BLANKS.splitlines())),
        ["a", "b"],
    ),
    "R csv": (
        '"","a","b","y"\n' + "".join(f'"{i}",{row}\n' for i, row in enumerate(ROWS.split())),
        ["a", "b"],
    ),
    "pandas": (",a,b,y\n" + "".join(f"{3 * i},{row}\n" for i, row in enumerate(ROWS.split())), ["a", "b"]),
    "Excel": (
        "sep=;\r\na;b;y;\r\n" + ROWS.replace(",", ";").replace(".", ",").replace("\n", ";\r\n"),
        ["a", "b"],
    ),
    "comments": ("# exported\n#\na,b,y\n" + ROWS, ["a", "b"]),
    "title": ("Report\n\na,b,y\n" + ROWS, ["a", "b"]),
    "total": ("a,b,y\n" + ROWS + "Total,9,9\n", ["a", "b"]),
}


@pytest.mark.parametrize("kind", FOREIGN_FILES)
def test_files_of_other_programs(written, command, kind):
    text, inputs = FOREIGN_FILES[kind]
    Path("data.txt").write_text(text, newline="")
    content, _ = written("--data", "data.txt")
    assert content["data"]["inputs"] == inputs
    assert content["loss"] == "binary_cross_entropy"
    assert command("data", "mine.yaml")[1].startswith("data.txt: 40 rows, ")
    if kind != "headerless":  # a row has a gap
        code, out, _ = command("predict", "out", "data.txt")
        assert (code, len(out.splitlines())) == (0, 41)


def test_notes_and_warnings_are_printed_once(command):
    Path("data.txt").write_text("# exported\na,b,y\n" + ROWS.replace("\n", ",\n"))
    code, _, err = command("new", "experiment", "mine", "--data", "data.txt")
    assert (code, err.splitlines()[:3]) == (
        0,
        [
            "warning: data.txt: left out 1 column that has neither a name nor values",
            "classification of y from 2 columns of 40 rows",
            "note: data.txt:1: '# exported' is taken for a comment (comment: '#')",
        ],
    )
    assert (
        "  comment: '#'                        # lines that begin with it are left out\n"
        in Path("mine.yaml").read_text()
    )


def test_notes_are_printed_before_an_error(command):
    Path("data.txt").write_text("# exported\ny\n1\n2\n")
    code, _, err = command("new", "experiment", "mine", "--data", "data.txt")
    assert code == 2
    assert err.splitlines()[:2] == [
        "note: data.txt:1: '# exported' is taken for a comment (comment: '#')",
        "error: no input column is left to predict 'y'",
    ]


def test_options_of_the_data_are_not_guessed(written):
    Path("data.txt").write_text(
        "Report\na;k;y\n" + "".join(f"{i};x{i % 2};{i * i}\n" for i in range(20)) + "T;9\n"
    )
    content, _ = written("--data", "data.txt", "data.skip_footer=1", "data.missing_values=[-1]")
    options = {"delimiter": ";", "skip_rows": 1, "skip_footer": 1, "missing_values": [-1]}
    assert options.items() <= content["data"].items()
    assert content["data"]["targets"] == ["y"]


def test_given_delimiter_and_header(written, command):
    Path("data.txt").write_text("".join(f"{i + 1}\t{i % 3}\t{i * i + 7}\n" for i in range(20)))
    code, _, err = command("new", "experiment", "other", "--data", "data.txt", "data.header=true")
    assert (code, "is taken for a row" in err) == (0, False)
    content, _ = written("--data", "data.txt", "data.delimiter=whitespace")
    assert (content["data"]["delimiter"], content["data"]["targets"]) == ("whitespace", ["c2"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.skip_rows=1"], "error: data.skip_rows=1 needs --data"),
        (["--data", "t.csv", "epochs=2"], "error: expected overrides such as data.skip_rows=2, got epochs=2"),
        (
            ["--data", "t.csv", "data.path=x"],
            "error: expected overrides such as data.skip_rows=2, got data.path=x",
        ),
        (["--data", "t.csv", "data=3"], "error: expected overrides such as data.skip_rows=2, got data=3"),
        (["--data", "t.csv", "data.skip=1"], "error: data source 'csv' has no option 'skip'"),
        (
            ["--data", "t.csv", "data.skip_rows=-1"],
            "error: option 'skip_rows' of data source 'csv': expected",
        ),
    ],
)
def test_rejected_options_of_the_data(command, arguments, message):
    Path("t.csv").write_text("a,y\n1,2\n2,4\n3,5\n")
    code, out, err = command("new", "experiment", "mine", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert not Path("mine.yaml").exists()


def test_hint_names_the_option_of_the_command(command):
    Path("data.txt").write_text("a,k,y\n1,x,2\n2,z,3\n3,x,4\nT,5\n")
    _, _, err = command("new", "experiment", "mine", "--data", "data.txt")
    hint = "hint: set data.skip_footer: 1 if the table ends before this line; cygd new takes such options too"
    assert f"{hint}, as data.KEY=VALUE\n" in err
    assert command("new", "experiment", "mine", "--data", "data.txt", "data.skip_footer=1")[0] == 0


def test_notes_are_printed_before_an_error_of_the_file(command):
    Path("data.txt").write_text("Report\na,y\n1,2\n2,3\n3,4\n4\n")
    code, _, err = command("new", "experiment", "mine", "--data", "data.txt")
    assert code == 2
    assert err.splitlines()[:2] == [
        "note: data.txt: the table is taken to begin on line 2 (skip_rows: 1)",
        "error: data.txt:6: expected 2 cells as in the header, got 1",
    ]


@pytest.mark.parametrize("words", [["-"], ["-", "."], ["missing"]])
def test_words_for_a_missing_value_are_detected(written, command, words):
    rows = [
        f"{words[i % len(words)] if i % 7 == 3 else i * i % 17},{'uv'[i % 2]},{i * 1.5}" for i in range(40)
    ]
    Path("data.csv").write_text("\n".join(["a,b,y", *rows]))
    content, text = written("--data", "data.csv")
    assert content["data"]["missing_values"] == words
    assert content["data"]["missing"] == "drop"
    assert "# 0 to 16; 6 missing\n" in text


def test_word_that_is_also_a_label_is_not_taken_for_a_missing_value(written):
    rows = [f"{'-' if i % 7 == 3 else i * i % 17},{'u-'[i % 2]},{i * 1.5}" for i in range(40)]
    Path("data.csv").write_text("\n".join(["a,b,y", *rows]))
    content, text = written("--data", "data.csv")
    assert "missing_values" not in content["data"]
    assert "  #   a: numbers, but also strings such as '-'\n" in text
