"""Colors of tables: where rich finds that they are wanted."""

import io
import subprocess
import sys

import pytest

from cygd.cli.colors import painter
from cygd.cli.tables import print_table

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "TERM")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def environment(monkeypatch):
    """Return a function that sets the variables that decide on colors."""

    def set_variables(**values):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm"} | values).items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize(
    ("stream", "variables", "colored"),
    [
        (Terminal, {}, True),
        (Terminal, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (Terminal, {"TERM": "unknown"}, False),
        (Terminal, {"FORCE_COLOR": ""}, False),
        (Terminal, {"TTY_COMPATIBLE": "0"}, False),
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (io.StringIO, {"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        (io.StringIO, {"TTY_COMPATIBLE": "1"}, True),
    ],
)
def test_colors_are_those_that_are_wanted(environment, stream, variables, colored):
    environment(**variables)
    text = painter(stream())("well", "green")
    assert text == ("\x1b[32mwell\x1b[0m" if colored else "well")


def test_no_style_is_no_color(environment):
    environment()
    assert painter(Terminal())("well", "") == "well"


def test_table_stays_aligned_in_colors(environment, monkeypatch):
    environment()
    monkeypatch.setattr(sys, "stdout", stdout := Terminal())
    rows = [{"name": "a", "status": "failed", "x": "\x1b[1m"}, {"name": "漢字", "status": "done", "x": "2"}]
    print_table(rows, lambda name, row: "red" if name == "status" and row[name] == "failed" else "")
    assert stdout.getvalue().splitlines() == [
        "\x1b[1mNAME\x1b[0m  \x1b[1mSTATUS\x1b[0m  \x1b[1mX\x1b[0m",
        "a     \x1b[31mfailed\x1b[0m  \\x1b[1m",
        "漢字  done    2",
    ]


def test_characters_that_the_encoding_lacks_keep_the_columns_aligned(monkeypatch):
    binary = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(binary, "ascii"))
    print_table([{"name": "é", "x": "1"}, {"name": "abcdef", "x": "2"}])
    sys.stdout.flush()
    assert binary.getvalue().decode().splitlines() == ["NAME    X", r"\xe9    1", "abcdef  2"]


def test_rich_is_not_imported_for_a_pipe(tmp_path):
    program = "import sys; from cygd.cli.main import main; main(['list']); print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout == "False\n", run.stderr
