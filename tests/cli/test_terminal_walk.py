"""Every command on a pseudo-terminal, in encodings with and without letters, with hostile data."""

import json
import os
import re
import select
import sys
import threading
from pathlib import Path

import pytest

from cygd.cli.main import main
from tests.cli.test_terminal_safety import EVIL, EXPERIMENT, TABLE, raw

pty = pytest.importorskip("pty")

ENCODINGS = ["utf-8", "cp437", "ascii", "cp1252"]
LETTERS = "жé\u6f22\U0001f600"  # which code pages lack
# what the progress bar writes: colors, and the position and visibility of the cursor
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\d*[AK]|\?25[hl])|\r")

METRIC = f"""\
from cygd import Activation, Metric, hookimpl

@hookimpl
def cygd_metrics():
    yield Metric("odd_metric", lambda y, y_hat: 1.0, greater_is_better=True)

@hookimpl
def cygd_activations():
    yield Activation("odd", formula="h * tanh(h)")

@hookimpl
def cygd_epoch_end(epoch):
    if epoch == 2:
        raise ValueError({EVIL + LETTERS!a})
"""

COMMANDS = [
    (["run", "evil.yaml", "--out", "new", "train.epochs=1"], 0),
    (["run", "evil.yaml", "--out", f"new{EVIL}{LETTERS}", "train.epochs=1", "log=[]"], 0),
    (["run", "evil.yaml", "--out", "new", "-p", "odd.py", "metrics=[odd_metric]", "model.activation=odd"], 0),
    (["run", "--resume", "mine"], 0),
    (["run", "evil.yaml", "--dry-run"], 0),
    (["run", f"none{EVIL}{LETTERS}.yaml"], 2),
    (["run", "evil.yaml", "--out", "new", f"train.epochs={LETTERS}", "--traceback"], 2),
    (["check", "evil.yaml"], 0),
    (["check", "evil.yaml", f"data.targets=[{LETTERS}]"], 2),
    (["data", "evil.yaml"], 0),
    (["trace", "evil.yaml"], 0),
    (["trace", "evil.yaml", "--csv"], 0),
    (["bowl", "mine", "-w", "b0[0]", "--csv"], 0),
    (["sweep", "evil.yaml", "seed=1,2", "--workers", "1", "--out", "swept"], 0),
    (["sweep", "evil.yaml", "seed=1,2", "--dry-run"], 0),
    (["sweep", "evil.yaml", f"name={LETTERS}a,{LETTERS}b", "--dry-run"], 2),
    (["predict", "mine", "new.csv"], 0),
    (["predict", "mine", "unseen.csv"], 1),
    (["predict", "mine", "unseen.csv", "--strict"], 2),
    (["predict", "mine", f"none{EVIL}{LETTERS}.csv"], 2),
    (["list", "mine"], 0),
    (["list", "mine", "--json"], 0),
    (["list", f"none{EVIL}{LETTERS}"], 2),
    (["compare", "mine", f"other{EVIL}{LETTERS}"], 0),
    (["plugins"], 0),
    (["plugins", "-p", "odd.py"], 0),
    (["plugins", "odd", "-p", "odd.py", "--plot"], 0),
    (["plugins", "odd", "-p", "odd.py", "--json"], 0),
    (["plugins", f"none{LETTERS}"], 2),
    (["info"], 0),
    (["info", "--json"], 0),
    (["schema", "evil.yaml"], 0),
    (["completion", "bash"], 0),
    (["new", "experiment", "made", "--data", "TABLE"], 0),
    (["new", "plugin", f"made{LETTERS}"], 2),
    ([], 2),
    (["--help"], 0),
    (["sweep", "--help"], 0),
]


@pytest.fixture
def on_terminal(monkeypatch):
    """Return a function that calls the command line on a pseudo-terminal, and returns what that receives."""

    def call(encoding, *arguments):
        main_end, process_end = pty.openpty()
        received, done = [], threading.Event()

        def receive():
            # not to the end of the file: a process that multiprocessing starts keeps the terminal open
            while not done.is_set() or select.select([main_end], [], [], 0)[0]:
                if select.select([main_end], [], [], 0.01)[0]:
                    try:
                        received.append(os.read(main_end, 65536))
                    except OSError:  # the other end is closed
                        return

        reader = threading.Thread(target=receive)
        reader.start()
        try:
            for name in ("stdout", "stderr"):
                errors = {"stdout": "strict", "stderr": "backslashreplace"}[name]  # as Python opens them
                stream = os.fdopen(os.dup(process_end), "w", encoding=encoding, errors=errors, newline="")
                monkeypatch.setattr(sys, name, stream)
            assert sys.stderr.isatty()
            try:
                code = main(list(arguments))
            except SystemExit as end:
                code = end.code
        finally:
            sys.stdout.close()
            sys.stderr.close()
            os.close(process_end)
            done.set()
            reader.join()
            os.close(main_end)
        return code, b"".join(received).decode(encoding)

    return call


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with hostile data, plugins and two runs."""
    folder = tmp_path_factory.mktemp("walk")
    name = f"table{EVIL}{LETTERS}.csv"
    table = TABLE.replace("kind", f"kind{LETTERS}").replace("blue", f"blue{LETTERS}")
    (folder / name).write_text(table, encoding="utf-8", newline="")
    escaped = name.encode("unicode_escape").decode()
    text = EXPERIMENT.replace("FILE", escaped).replace("[kind]", f'["kind{LETTERS}"]')
    (folder / "evil.yaml").write_text(text, encoding="utf-8")
    (folder / "odd.py").write_text(METRIC)
    (folder / "new.csv").write_text(f"one{EVIL},two\n1,blue{LETTERS}\n", encoding="utf-8", newline="")
    (folder / "unseen.csv").write_text(f"one{EVIL},two\n1,green{EVIL}\n", encoding="utf-8", newline="")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for out in ("mine", f"other{EVIL}{LETTERS}"):
            assert main(["run", "evil.yaml", "--quiet", "--out", out]) == 0
    finally:
        os.chdir(before)
    other = folder / f"other{EVIL}{LETTERS}" / "result.json"
    other.write_text(json.dumps({**json.loads(other.read_text()), "status": f"done{EVIL}{LETTERS}"}))
    return folder


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("arguments", "expected"), COMMANDS, ids=lambda value: ascii(value)[:50])
def test_command_on_a_terminal(project, on_terminal, monkeypatch, unset, encoding, arguments, expected):
    monkeypatch.chdir(project)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    table = next(project.glob("table*.csv")).name
    code, shown = on_terminal(encoding, *(table if text == "TABLE" else text for text in arguments))
    for made in ("new", f"new{EVIL}{LETTERS}", "swept"):
        remove(project / made)
    (project / "made.yaml").unlink(missing_ok=True)
    assert code == expected, shown
    assert shown
    assert raw(OWN.sub("", shown)) == set(), shown
    assert "UnicodeEncodeError" not in shown
    assert ("Traceback" in shown) == ("--traceback" in arguments)


def remove(path):
    """Remove a file or folder, if it exists."""
    if path.is_dir():
        for below in path.iterdir():
            remove(below)
        path.rmdir()
    elif path.exists():
        path.unlink()
