"""stdout and stderr that lack characters, are full, closed or a terminal: the exit code and the message."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.cli.main import main
from cygd.cli.tables import print_table
from cygd.errors import escape_controls
from cygd.tracking.terminal import display_width, echo, encodable

EXPERIMENT = """\
name: Größe
data: {source: csv, path: data.csv, targets: [ж]}
model: {layers: [{units: 1, activation: sigmoid}]}
loss: binary_cross_entropy
train: {epochs: 3}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (tmp_path / "data.csv").write_text("café,ж\n1,да\n2,€\n3,да\n4,€\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("café\n1\n", encoding="utf-8")
    return tmp_path


def cygd_process(*arguments, shell=None, **environment):
    """Run the command line in a new process; return its exit code, stdout and stderr as bytes."""
    words = [sys.executable, "-m", "cygd", *arguments]
    if shell:
        words = ["bash", "-c", f'"$@" {shell}', "bash", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1]), **environment}
    done = subprocess.run(words, capture_output=True, env=env)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def command_in(monkeypatch):
    """Return a function that calls the command line with streams of an encoding, and returns their bytes."""

    def call(encoding, *arguments):
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n"))
        code = main(list(arguments))
        streams = sys.stdout, sys.stderr
        for stream in streams:
            stream.flush()
        return code, *(stream.buffer.getvalue() for stream in streams)

    return call


REPORTS = [["data", "e.yaml"], ["list", "Größe"], ["check", "e.yaml"], ["plugins"], ["trace", "e.yaml"]]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "koi8-r", "utf-16-le"])
def test_commands_replace_characters_that_an_encoding_lacks(command_in, encoding):
    code, out, err = command_in(encoding, "run", "e.yaml", "--out", "Größe")
    assert code == 0, err
    assert out == f"{Path.cwd()}/Größe\n".encode()  # the bytes of the file system
    for arguments in REPORTS:
        code, out, err = command_in(encoding, *arguments)
        assert (code, err) == (0, b"")
        assert out.decode(encoding)
    code, out, err = command_in(encoding, "check", "нет.yaml")
    assert code == 2
    assert "no such file" in err.decode(encoding)
    assert "completed" in Path("Größe/log.txt").read_bytes().decode("utf-8")


def test_predictions_say_that_labels_are_escaped(command_in):
    command_in("utf-8", "run", "e.yaml", "--out", "mine")
    code, out, err = command_in("latin-1", "predict", "mine", "new.csv")
    assert code == 0
    assert out.startswith(b"\\u0436,\\u0436=")
    assert err.splitlines() == [
        b"warning: the encoding of stdout, latin-1, lacks characters of the data; "
        b"they are written as escapes such as \\u20ac",
        b"hint: PYTHONIOENCODING=utf-8 writes all characters",
    ]
    code, out, err = command_in("utf-8", "predict", "mine", "new.csv")
    assert (code, err) == (0, b"")
    assert out.startswith("ж,ж=".encode())


def test_locale_without_letters(here):
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    (here / "e.yaml").write_text(EXPERIMENT.replace("Größe", "size"), encoding="utf-8")
    code, out, err = cygd_process("run", "e.yaml", **environment)
    assert code == 0, err
    code, out, err = cygd_process("data", "e.yaml", **environment)
    assert (code, err) == (0, b"")
    assert b"caf\\xe9" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["plugins"], ["--help"], ["run", "e.yaml", "--quiet"]])
def test_stdout_on_a_full_disk_is_an_error(arguments):
    code, _, err = cygd_process(*arguments, shell=">/dev/full")
    assert code == 1
    assert err == b"error: cannot write to stdout: No space left on device\n"


def test_closed_stdout_is_an_error_and_the_run_is_kept(here):
    code, _, err = cygd_process("run", "e.yaml", "--quiet", "--out", "mine", shell=">&-")
    assert (code, err) == (1, b"error: cannot write to stdout: it is closed\n")
    assert json.loads((here / "mine" / "result.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-"])
def test_stderr_that_cannot_be_written_changes_no_exit_code(shell):
    assert cygd_process("run", "e.yaml", "--out", "mine", shell=shell)[0] == 0
    assert cygd_process("run", "none.yaml", shell=shell)[0] == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\r\x00\x7f\x85\x9b", "\\r\\x00\\x7f\\x85\\x9b"),
        ("\u202e\u2066\u200f\u061c\u2028", "\\u202e\\u2066\\u200f\\u061c\\u2028"),
        ("\udcff\ud800", "\\udcff\\ud800"),
        ("pay\u200bpal\u2060\ufeff\xad\u3164", "pay\\u200bpal\\u2060\\ufeff\\xad\\u3164"),
        ("a\u200db\u200c", "a\\u200db\\u200c"),
        ("\U000e0041", "\\U000e0041"),
        ("שלום é e\u0301 漢字 \xa0 ⣿", "שלום é e\u0301 漢字 \xa0 ⣿"),
        ("👩\u200d💻 ❤\ufe0f \u0645\u06cc\u200c\u062e", "👩\u200d💻 ❤\ufe0f \u0645\u06cc\u200c\u062e"),
    ],
)
def test_escape_controls(text, shown):
    assert escape_controls(text) == shown
    assert escape_controls(escape_controls(text)) == shown


def test_escape_controls_of_one_line():
    assert escape_controls("a\tb\nc", one_line=True) == "a\\tb\\nc"


def test_table_is_aligned_and_its_cells_are_short(capsys):
    rows = [
        {"name": name, "value": "x"}
        for name in ("漢字", "e\u0301te\u0301", "👍", "two\nlines", "\x1b[2J", "n" * 100_000)
    ]
    print_table(rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(rows)
    assert {display_width(line.rpartition("  ")[0]) for line in lines} == {200}
    assert "two\\nlines" in lines[4]
    assert "nnn...nnn" in lines[-1]


def test_long_message_is_cut(command):
    code, _, err = command("run", "n" * 100_000)
    assert code == 2
    assert len(err) < 2000
    assert "..." in err
    assert "file" in err.lower()


def test_stderr_of_another_encoding(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    echo("é €", "ж")
    assert stream.buffer.getvalue() == b"\\xe9 \\u20ac\nhint: \\u0436\n"
    assert encodable("é", io.StringIO()) == "é"


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_terminal_shows_no_markup_and_no_controls(variable, here):
    pty = pytest.importorskip("pty")
    plugin = (
        "from cygd import Metric, hookimpl\n@hookimpl\ndef cygd_metrics():\n"
        "    yield Metric('m', lambda y, y_hat: 0.0, greater_is_better=True)\n"
    )
    (here / "m.py").write_text(plugin)
    main_end, process_end = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1]), "COLUMNS": "100"}
    environment[variable] = {"NO_COLOR": "1", "TERM": "dumb"}[variable]
    words = [
        sys.executable,
        "-m",
        "cygd",
        "run",
        "e.yaml",
        "-p",
        "m.py",
        "metrics=[m]",
        "--out",
        "[red]a\x1b[2J",
    ]
    process = subprocess.Popen(words, stdout=process_end, stderr=process_end, env=environment)
    os.close(process_end)
    shown = b""
    while True:
        try:
            chunk = os.read(main_end, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(main_end)
    assert process.wait() == 0
    assert b"[red]a\\x1b[2J" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x1b[31m" not in shown
