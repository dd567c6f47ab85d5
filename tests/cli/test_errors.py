"""Error messages for typical mistakes: the location, the line, what is wrong and what to do."""

import os
import textwrap
from pathlib import Path

import pytest

from cygd.cli.error_report import source_lines
from cygd.cli.main import main

PENGUINS = """\
species,bill,depth,island
Adelie,39.1,18.7,Torgersen
Adelie,39.5,17.4,Torgersen
Gentoo,46.1,13.2,Biscoe
Gentoo,,13.2,Biscoe
Chinstrap,46.5,17.9,Dream
"""

GOOD = """\
data:
  source: csv
  path: penguins.csv
  targets: [species]
  missing: drop
model:
  activation: tanh
  layers: [4, {units: 3, activation: softmax}]
loss: cross_entropy
train: {epochs: 20}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "penguins.csv").write_text(PENGUINS)
    (tmp_path / "p.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture
def messages(capsys):
    """Check an invalid file and return the messages."""

    def call(*arguments):
        assert main(["check", *arguments]) == 2
        return capsys.readouterr().err

    return call


# a mistake -> the replacement that makes it in the good experiment, and the messages
TYPICAL = {
    "misspelled key": (
        ("train: {epochs: 20}", "train: {epoch: 20}"),
        """\
        error: p.yaml:10:9 train.epoch: unknown key 'epoch'
          10 | train: {epoch: 20}
             |         ^^^^^
        hint: did you mean 'epochs'?
        """,
    ),
    "key in the wrong section": (
        ("model:\n", "model:\n  batch_size: 8\n"),
        """\
        error: p.yaml:7:3 model.batch_size: unknown key 'batch_size'
          7 |   batch_size: 8
            |   ^^^^^^^^^^
        hint: 'batch_size' belongs in 'train'
        """,
    ),
    "wrong type": (
        ("{epochs: 20}", "{epochs: '20'}"),
        """\
        error: p.yaml:10:17 train.epochs: expected a whole number of at least 0, got '20'
          10 | train: {epochs: '20'}
             |                 ^^^^
        hint: write it without quotes
        """,
    ),
    "unknown activation": (
        ("tanh", "rleu"),
        """\
        error: p.yaml:7:15 model.activation: unknown activation 'rleu'
          7 |   activation: rleu
            |               ^^^^
        hint: did you mean 'relu'?
        """,
    ),
    "option name of another library": (
        ("loss: cross", "optimizer: {name: adam, lr: 0.1}\nloss: cross"),
        """\
        error: p.yaml:9:25 optimizer.lr: optimizer 'adam' has no option 'lr'
          9 | optimizer: {name: adam, lr: 0.1}
            |                         ^^
        hint: did you mean 'learning_rate'?
        """,
    ),
    "misspelled column": (
        ("[species]", "[specis]"),
        """\
        error: p.yaml:4:12 data.targets: unknown column 'specis' in penguins.csv
          4 |   targets: [specis]
            |            ^
        hint: did you mean 'species'?
        """,
    ),
    "wrong number of outputs": (
        ("units: 3", "units: 2"),
        """\
        error: p.yaml:8:23 model.layers[1].units: expected 3 units in the last layer for 3 classes \
(Adelie, Chinstrap, Gentoo), got 2
          8 |   layers: [4, {units: 2, activation: softmax}]
            |                       ^
        hint: give the last layer 3 units
        """,
    ),
    "formula without quotes": (
        ("tanh", "{formula: max(h, 0)}"),
        """\
        error: p.yaml:7:25 model.activation.formula: YAML split the formula, got 'max(h'
          7 |   activation: {formula: max(h, 0)}
            |                         ^^^^^
        hint: put it in quotes: {formula: "..."}
        """,
    ),
    "unknown function in a formula": (
        ("tanh", "{formula: 'max(h, 0)'}"),
        """\
        error: p.yaml:7:25 model.activation.formula: activation 'formula': unknown function 'max'
          max(h, 0)
          ^^^
        hint: did you mean 'maximum'?
        """,
    ),
    "tab": (
        ("  source", "\tsource"),
        """\
        error: p.yaml:2:1: not valid YAML: expected spaces, got a tab
          2 | \N{RIGHTWARDS ARROW}source: csv
            | ^
        hint: indent with spaces
        """,
    ),
    "misaligned keys": (
        ("  path", " path"),
        """\
        error: p.yaml:3:2: not valid YAML: the indentation does not match the lines above \
(in the mapping that begins on line 1)
          3 |  path: penguins.csv
            |  ^^^^
        hint: indent the keys of one mapping alike
        """,
    ),
    "duplicate key": (
        ("loss:", "train: {}\nloss:"),
        """\
        error: p.yaml:11:1 train: duplicate key 'train'
          11 | train: {epochs: 20}
             | ^^^^^
        hint: the first one is on line 9
        """,
    ),
    "missing plugin": (
        ("data:\n", "plugins: [swish.py]\ndata:\n"),
        """\
        error: p.yaml:1:11: plugin 'swish.py': no such file: {here}/swish.py
          1 | plugins: [swish.py]
            |           ^^^^^^^^
        """,
    ),
    "missing data file": (
        ("path: penguins", "path: pengiuns"),
        """\
        error: pengiuns.csv: no such file
          from p.yaml:3:9 data.path
          3 |   path: pengiuns.csv
            |         ^^^^^^^^^^^^
        hint: relative paths start from {here}; did you mean 'penguins.csv'?
        """,
    ),
    "missing test file": (
        ("  missing: drop", "  missing: drop\n  test: {path: more.csv}"),
        """\
        error: more.csv: no such file
          from p.yaml:6:16 data.test.path
          6 |   test: {path: more.csv}
            |                ^^^^^^^^
        hint: relative paths start from {here}
        """,
    ),
    "rows of different lengths": (
        (GOOD[: GOOD.index("model:")], "data: {source: inline, x: [[0, 1], [2]], y: [1, 2]}\n"),
        """\
        error: x[1]: expected 2 values as in x[0], got 1
          from p.yaml:1:36 data.x[1]
          1 | data: {source: inline, x: [[0, 1], [2]], y: [1, 2]}
            |                                    ^
        """,
    ),
    "misspelled choice": (
        (GOOD[: GOOD.index("model:")], "data: {source: synthetic, kind: mons}\n"),
        """\
        error: p.yaml:1:33 data.kind: option 'kind' of data source 'synthetic': expected one of \
linear | sine | xor | moons | circles | spirals, got 'mons'
          1 | data: {source: synthetic, kind: mons}
            |                                 ^^^^
        hint: did you mean 'moons'?
        """,
    ),
    "missing value": (
        ("  missing: drop\n", ""),
        """\
        error: penguins.csv:5: row 4, column 'bill': the value is missing
        hint: data.missing: drop removes such rows, data.missing: mean fills missing inputs
        """,
    ),
    "unknown metric to monitor": (
        ("train:", "stop: {monitor: val_loss}\ntrain:"),
        """\
        error: p.yaml:10:17 stop.monitor: expected loss, got 'val_loss'
          10 | stop: {monitor: val_loss}
             |                 ^^^^^^^^
        hint: did you mean 'validation_loss'? it needs validation data: data.split.validation, \
or data.validation
        """,
    ),
}


@pytest.mark.parametrize(("change", "expected"), TYPICAL.values(), ids=TYPICAL)
def test_message_shows_location_line_and_hint(messages, here, change, expected):
    assert change[0] in GOOD
    (here / "p.yaml").write_text(GOOD.replace(*change, 1))
    assert messages("p.yaml") == textwrap.dedent(expected).replace("{here}", str(here))


def test_mistake_on_the_command_line_has_no_source_line(messages, here):
    assert messages("p.yaml", "data.path=none.csv") == (
        "error: none.csv: no such file\n"
        "  from command line data.path\n"
        f"hint: relative paths start from {here}\n"
    )
    assert messages("p.yaml", "train.epochs=-3") == (
        "error: command line train.epochs: expected a whole number of at least 0, got -3\n"
    )


def test_missing_plugin_hides_no_other_error(messages, here):
    wrong = GOOD.replace("epochs", "epoch").replace("tanh", "mine").replace("cross_entropy", "{name: our}")
    (here / "p.yaml").write_text(f"plugins: [mine.py]\n{wrong}seed: -1\n")
    errors = [line for line in messages("p.yaml").splitlines() if line.startswith("error: ")]
    assert [error.split(": ")[1] for error in errors] == [
        "p.yaml:1:11",
        "p.yaml:11:9 train.epoch",
        "p.yaml:12:7 seed",
    ]


# -- source lines -----------------------------------------------------------------------------------


def carets(text, number, column):
    """Return the text of a file above the carets."""
    Path("e.yaml").write_text(text, encoding="utf-8")
    line, below = source_lines(f"e.yaml:{number}:{column}")
    assert below.index("|") == line.index("|")
    assert set(below[below.index("|") + 1 :].strip()) == {"^"}
    return line[below.index("^") : below.rindex("^") + 1]


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("a: b", 1, 4, "b"),
        ("a: b\nlong: word  # comment", 2, 7, "word"),
        ("a: 'b c, d' # e", 1, 4, "'b c, d'"),
        ('a: "b \\" c", d', 1, 4, '"b \\" c"'),
        ("a: 'b c", 1, 4, "'b"),
        ("a: [1, 2]", 1, 4, "["),
        ("a: {b}", 1, 5, "b"),
        ("a: b\r\nc: d\r\n", 2, 4, "d"),
        ("a: b\u2028c: d\x85e: f", 3, 4, "f"),
        ("\ufeffa: b", 1, 4, "b"),
        ("c: " + "x" * 300 + " yy " + "z" * 300, 1, 305, "yy"),
        ("c: " + "x" * 3000, 1, 2999, "xxxxx"),
    ],
)
def test_carets_mark_the_word(text, line, column, expected):
    assert carets(text, line, column) == expected


def test_carets_align_below_wide_and_combining_characters():
    Path("e.yaml").write_text("日本: [e\u0301, 日本]", encoding="utf-8")
    line, below = source_lines("e.yaml:1:10")
    assert line == "  1 | 日本: [e\u0301, 日本]"
    assert below == "    |           ^^^^"


def test_long_line_is_cut_to_the_terminal():
    Path("e.yaml").write_text(f"c: {'x' * 400} yy {'z' * 400}")
    line, below = source_lines("e.yaml:1:405")
    assert len(line) <= 100
    assert line.startswith("  1 | ...x")
    assert line.endswith("z...")
    assert len(below) <= 100


def test_control_characters_are_replaced():
    Path("e.yaml").write_text("a: \x1b[31mred\x07\tb\u202ec")
    assert source_lines("e.yaml:1:1")[0] == "  1 | a: \ufffd[31mred\ufffd\N{RIGHTWARDS ARROW}b\ufffdc"


@pytest.mark.parametrize(
    "where",
    [
        "e.yaml:9:1",
        "e.yaml:2:1",
        "e.yaml:1:0",
        "gone.yaml:1:1",
        ".:1:1",
        "command line",
        "e.yaml",
        "",
        "\0:1:1",
    ],
)
def test_unreadable_location_has_no_source_line(where):
    Path("e.yaml").write_text("a: b\n\n")
    assert source_lines(where) == []


def test_location_after_the_end_of_a_line_has_one_caret():
    Path("e.yaml").write_text("a: b\n")
    assert source_lines("e.yaml:1:50") == ["  1 | a: b", "    |     ^"]


def test_file_that_is_not_utf8_is_shown(messages, here):
    (here / "p.yaml").write_bytes(GOOD.encode() + b"name: caf\xe9\n")
    assert messages("p.yaml").splitlines()[:3] == [
        "error: p.yaml:11:10: expected UTF-8 text, got byte 0xE9",
        "  11 | name: caf\ufffd",
        "     |          ^",
    ]


def test_file_name_with_colons(messages, here):
    (here / "a:1:2.yaml").write_text(GOOD.replace("tanh", "rleu"))
    assert messages("a:1:2.yaml").splitlines()[1] == "  7 |   activation: rleu"


def test_pipe_has_no_source_line(messages, here):
    os.mkfifo(here / "pipe.yaml")
    reader = os.open(here / "pipe.yaml", os.O_RDWR)  # so that writing does not wait
    os.write(reader, b"train: 3\n")
    assert source_lines("pipe.yaml:1:8") == []
    os.close(reader)
