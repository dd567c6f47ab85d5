"""What a user reads who has made a mistake: where it is, what is wrong, and what to do."""

import os
import textwrap
from pathlib import Path

import pytest

from cygd.cli.error_report import excerpt
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
def said(capsys):
    """Check a file and return what is said."""

    def call(*arguments):
        assert main(["check", *arguments]) == 2
        return capsys.readouterr().err

    return call


# what is put in the place of what in the good experiment, and all that is said then
TYPICAL = {
    "a key that is misspelt": (
        ("train: {epochs: 20}", "train: {epoch: 20}"),
        """\
        error: p.yaml:10:9 train.epoch: unknown key 'epoch'
          10 | train: {epoch: 20}
             |         ^^^^^
        hint: did you mean 'epochs'?
        """,
    ),
    "a key in the wrong section": (
        ("model:\n", "model:\n  batch_size: 8\n"),
        """\
        error: p.yaml:7:3 model.batch_size: unknown key 'batch_size'
          7 |   batch_size: 8
            |   ^^^^^^^^^^
        hint: 'batch_size' belongs in 'train'
        """,
    ),
    "a value of the wrong type": (
        ("{epochs: 20}", "{epochs: '20'}"),
        """\
        error: p.yaml:10:17 train.epochs: expected a whole number of at least 0, found '20'
          10 | train: {epochs: '20'}
             |                 ^^^^
        hint: write it without quotes
        """,
    ),
    "an activation that there is not": (
        ("tanh", "rleu"),
        """\
        error: p.yaml:7:15 model.activation: unknown activation 'rleu'
          7 |   activation: rleu
            |               ^^^^
        hint: did you mean 'relu'?
        """,
    ),
    "an option by another tool's name": (
        ("loss: cross", "optimizer: {name: adam, lr: 0.1}\nloss: cross"),
        """\
        error: p.yaml:9:25 optimizer.lr: optimizer 'adam' has no option 'lr'
          9 | optimizer: {name: adam, lr: 0.1}
            |                         ^^
        hint: did you mean 'learning_rate'?
        """,
    ),
    "a column that is misspelt": (
        ("[species]", "[specis]"),
        """\
        error: p.yaml:4:12 data.targets: unknown column 'specis' in penguins.csv
          4 |   targets: [specis]
            |            ^
        hint: did you mean 'species'?
        """,
    ),
    "an output layer of the wrong size": (
        ("units: 3", "units: 2"),
        """\
        error: p.yaml:8:23 model.layers[1].units: expected 3 units in the last layer for 3 classes \
(Adelie, Chinstrap, Gentoo), got 2
          8 |   layers: [4, {units: 2, activation: softmax}]
            |                       ^
        hint: give the last layer 3 units
        """,
    ),
    "a formula without quotes": (
        ("tanh", "{formula: max(h, 0)}"),
        """\
        error: p.yaml:7:25 model.activation.formula: YAML took the formula apart, found 'max(h'
          7 |   activation: {formula: max(h, 0)}
            |                         ^^^^^
        hint: put it in quotes: {formula: "..."}
        """,
    ),
    "a formula with an unknown function": (
        ("tanh", "{formula: 'max(h, 0)'}"),
        """\
        error: p.yaml:7:25 model.activation.formula: activation 'formula': unknown function 'max'
          max(h, 0)
          ^^^
        hint: did you mean 'maximum'?
        """,
    ),
    "a tab": (
        ("  source", "\tsource"),
        """\
        error: p.yaml:2:1: not valid YAML: a tab stands where spaces must
          2 | \N{RIGHTWARDS ARROW}source: csv
            | ^
        hint: indent with spaces
        """,
    ),
    "keys that do not line up": (
        ("  path", " path"),
        """\
        error: p.yaml:3:2: not valid YAML: this does not line up with what stands above it \
(in the mapping that begins on line 1)
          3 |  path: penguins.csv
            |  ^^^^
        hint: indent the keys of one mapping alike
        """,
    ),
    "a key that stands twice": (
        ("loss:", "train: {}\nloss:"),
        """\
        error: p.yaml:11:1 train: duplicate key 'train'
          11 | train: {epochs: 20}
             | ^^^^^
        hint: it stands first on line 9
        """,
    ),
    "a plugin that is not there": (
        ("data:\n", "plugins: [swish.py]\ndata:\n"),
        """\
        error: p.yaml:1:11: plugin 'swish.py': no such file: {here}/swish.py
          1 | plugins: [swish.py]
            |           ^^^^^^^^
        """,
    ),
    "a file of data that is not there": (
        ("path: penguins", "path: pengiuns"),
        """\
        error: pengiuns.csv: no such file
          from p.yaml:3:9 data.path
          3 |   path: pengiuns.csv
            |         ^^^^^^^^^^^^
        hint: relative paths start from {here}; did you mean 'penguins.csv'?
        """,
    ),
    "a file for the test that is not there": (
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
    "a word that is misspelt": (
        (GOOD[: GOOD.index("model:")], "data: {source: synthetic, kind: mons}\n"),
        """\
        error: p.yaml:1:33 data.kind: option 'kind' of data source 'synthetic': expected one of \
linear | sine | xor | moons | circles | spirals, got 'mons'
          1 | data: {source: synthetic, kind: mons}
            |                                 ^^^^
        hint: did you mean 'moons'?
        """,
    ),
    "a gap in the data": (
        ("  missing: drop\n", ""),
        """\
        error: penguins.csv:5: row 4, column 'bill': the value is missing
        hint: data.missing: drop removes such rows, data.missing: mean fills missing inputs
        """,
    ),
    "a quantity to watch that nobody measures": (
        ("train:", "stop: {monitor: val_loss}\ntrain:"),
        """\
        error: p.yaml:10:17 stop.monitor: expected one of the measured values loss, found 'val_loss'
          10 | stop: {monitor: val_loss}
             |                 ^^^^^^^^
        hint: did you mean 'validation_loss'? it needs validation data: data.split.validation, \
or data.validation
        """,
    ),
}


@pytest.mark.parametrize(("change", "expected"), TYPICAL.values(), ids=TYPICAL)
def test_a_mistake_is_shown_with_its_place_its_line_and_a_way_out(said, here, change, expected):
    assert change[0] in GOOD
    (here / "p.yaml").write_text(GOOD.replace(*change, 1))
    assert said("p.yaml") == textwrap.dedent(expected).replace("{here}", str(here))


def test_what_is_wrong_on_the_command_line_has_no_line(said, here):
    assert said("p.yaml", "data.path=none.csv") == (
        "error: none.csv: no such file\n"
        "  from command line data.path\n"
        f"hint: relative paths start from {here}\n"
    )
    assert said("p.yaml", "train.epochs=-3") == (
        "error: command line train.epochs: expected a whole number of at least 0, found -3\n"
    )


def test_a_plugin_that_is_not_there_hides_no_other_error(said, here):
    wrong = GOOD.replace("epochs", "epoch").replace("tanh", "mine").replace("cross_entropy", "{name: our}")
    (here / "p.yaml").write_text(f"plugins: [mine.py]\n{wrong}seed: -1\n")
    errors = [line for line in said("p.yaml").splitlines() if line.startswith("error: ")]
    assert [error.split(": ")[1] for error in errors] == [
        "p.yaml:1:11",
        "p.yaml:11:9 train.epoch",
        "p.yaml:12:7 seed",
    ]


# -- the excerpt by itself --------------------------------------------------------------------------


def carets(text, line, column):
    """Return what of a file is underlined."""
    Path("e.yaml").write_text(text, encoding="utf-8")
    shown, below = excerpt(f"e.yaml:{line}:{column}")
    assert below.index("|") == shown.index("|")
    assert set(below[below.index("|") + 1 :].strip()) == {"^"}
    return shown[below.index("^") : below.rindex("^") + 1]


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
def test_the_carets_stand_below_the_word(text, line, column, expected):
    assert carets(text, line, column) == expected


def test_the_carets_stand_right_below_wide_and_combined_characters():
    Path("e.yaml").write_text("日本: [e\u0301, 日本]", encoding="utf-8")
    shown, below = excerpt("e.yaml:1:10")
    assert shown == "  1 | 日本: [e\u0301, 日本]"
    assert below == "    |           ^^^^"


def test_a_line_is_cut_to_the_terminal():
    Path("e.yaml").write_text(f"c: {'x' * 400} yy {'z' * 400}")
    shown, below = excerpt("e.yaml:1:405")
    assert len(shown) <= 100
    assert shown.startswith("  1 | ...x")
    assert shown.endswith("z...")
    assert len(below) <= 100


def test_nothing_that_commands_a_terminal_is_repeated():
    Path("e.yaml").write_text("a: \x1b[31mred\x07\tb\u202ec")
    assert excerpt("e.yaml:1:1")[0] == "  1 | a: \ufffd[31mred\ufffd\N{RIGHTWARDS ARROW}b\ufffdc"


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
def test_where_there_is_nothing_to_show_nothing_is_shown(where):
    Path("e.yaml").write_text("a: b\n\n")
    assert excerpt(where) == []


def test_a_place_behind_the_end_of_a_line_has_one_caret():
    Path("e.yaml").write_text("a: b\n")
    assert excerpt("e.yaml:1:50") == ["  1 | a: b", "    |     ^"]


def test_a_file_that_is_not_utf8_is_shown_all_the_same(said, here):
    (here / "p.yaml").write_bytes(GOOD.encode() + b"name: caf\xe9\n")
    assert said("p.yaml").splitlines()[:3] == [
        "error: p.yaml:11:10: not UTF-8 text: byte 0xE9",
        "  11 | name: caf\ufffd",
        "     |          ^",
    ]


def test_a_name_with_colons_is_no_trouble(said, here):
    (here / "a:1:2.yaml").write_text(GOOD.replace("tanh", "rleu"))
    assert said("a:1:2.yaml").splitlines()[1] == "  7 |   activation: rleu"


def test_what_was_read_from_a_pipe_has_no_excerpt(said, here):
    os.mkfifo(here / "pipe.yaml")
    reader = os.open(here / "pipe.yaml", os.O_RDWR)  # so that writing does not wait
    os.write(reader, b"train: 3\n")
    assert excerpt("pipe.yaml:1:8") == []
    os.close(reader)
