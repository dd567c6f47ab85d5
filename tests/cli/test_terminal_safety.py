"""Every command, with columns, labels, files, plugins and keys that hold escape sequences."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from unicodedata import category

import pytest

import cygd
from cygd.cli.main import main

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj\u2066\u061c\u200b\x7f"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj\u2066\u061c\u200b\x7f"

TABLE = f"""\
one{EVIL},two,kind
1,red{EVIL},yes{EVIL}
2,blue,no
3,red{EVIL},yes{EVIL}
4,blue,no
5,red{EVIL},no
6,blue,yes{EVIL}
"""

EXPERIMENT = r"""
name: evil
data: {source: csv, path: "FILE", targets: [kind]}
model: {layers: [{units: 1, activation: sigmoid}]}
loss: binary_cross_entropy
train: {epochs: 2}
"""

RAISING = f"""\
import logging
import numpy as np
from cygd import Activation, hookimpl

def odd(h):
    return h

@hookimpl
def cygd_activations():
    yield Activation("odd", function=odd, derivative=np.ones_like)

@hookimpl
def cygd_epoch_end(epoch):
    logging.getLogger("cygd").warning("between {EVIL!r}", extra={{"hint": "do {EVIL!r}"}})
    if epoch == 2:
        raise ValueError("raised {EVIL!r}\\nerror: not mine")
""".replace(repr(EVIL), ascii(EVIL)[1:-1])


def raw(text):
    """Return the characters of a text that a terminal would execute, reorder or hide."""
    return {c for c in text if category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in "\n\t"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / f"table{EVIL.replace('/', '')}.csv"
    table.write_text(TABLE, encoding="utf-8", newline="")
    escaped = table.name.encode("unicode_escape").decode()
    (tmp_path / "evil.yaml").write_text(EXPERIMENT.replace("FILE", escaped))
    (tmp_path / "raising.py").write_text(RAISING)
    return tmp_path


@pytest.fixture
def safe(command):
    """Return a function that calls the command line and checks that nothing raw is printed."""

    def call(*arguments, shows=SHOWN, code=None):
        status, out, err = command(*arguments)
        assert raw(out) | raw(err) == set(), (out, err)
        assert shows in out + err, (out, err)
        assert code is None or status == code, (out, err)
        return status, out, err

    return call


@pytest.fixture
def folder(command):
    """Return the folder of a run on hostile data."""
    code, out, err = command("run", "evil.yaml", "--out", "mine")
    assert code == 0, err
    assert raw(err) == set()
    return Path(out.rstrip("\n"))


def test_data_shows_hostile_columns_labels_and_paths(safe):
    _, out, _ = safe("data", "evil.yaml", code=0)
    assert f"one{SHOWN}" in out
    assert f"yes{SHOWN}" in out
    assert out.startswith(f"table{SHOWN}.csv: 6 rows, 3 columns\n")


def test_run_writes_a_log_without_controls(folder):
    assert raw((folder / "log.txt").read_text(encoding="utf-8")) == set()
    assert raw((folder / "config.yaml").read_text(encoding="utf-8")) == set()
    assert cygd.load(folder).inputs[0] == f"one{EVIL}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", f"none{EVIL}.yaml"],
        ["run", f"none{EVIL}.yaml"],
        ["run", "evil.yaml", f"train.ep{EVIL}=3"],
        ["check", "evil.yaml", f'model.activation="re{SHOWN}lu"'],
        ["check", "evil.yaml", f'data.targets=["kind{SHOWN}"]'],
        ["check", "evil.yaml", f'data.path="no{SHOWN}.csv"'],
        ["check", "evil.yaml", f'data.categorical=[two, "red{SHOWN}"]'],
        ["data", f"none{EVIL}.yaml"],
        ["data", f"none{EVIL}.csv"],
        ["trace", f"none{EVIL}.yaml"],
        ["bowl", f"none{EVIL}", "-w", "b0[0]"],
        ["bowl", "evil.yaml", "-w", f"b0{EVIL}[0]"],
        ["sweep", f"none{EVIL}.yaml"],
        ["sweep", "evil.yaml", f"se{EVIL}ed=1,2"],
        ["predict", f"none{EVIL}", "new.csv"],
        ["list", f"none{EVIL}"],
        ["compare", f"none{EVIL}", "other"],
        ["plugins", f"none{EVIL}"],
        ["plugins", "relu", f"slo{EVIL}pe=1"],
        ["plugins", "-p", f"none{EVIL}.py"],
        ["plugins", "--kind", f"activ{EVIL}ation"],
        ["new", "experiment", f"first{EVIL}"],
        ["new", "experiment", "first", "--data", f"none{EVIL}.csv"],
        ["new", "plugin", f"first{EVIL}"],
        ["new", f"first{EVIL}"],
        ["schema", f"none{EVIL}.yaml"],
        ["completion", f"ba{EVIL}sh"],
        ["info", f"--js{EVIL}on"],
        [f"fly{EVIL}"],
    ],
    ids=lambda arguments: arguments[0][:12].replace("\x1b", ""),
)  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--traceback"]], ids=["", "traceback"])
def test_errors_escape_what_the_user_wrote(safe, arguments, more):
    code, _, err = safe(*arguments, *more)
    assert code == 2
    assert ("Traceback" in err) == bool(more)


def test_check_of_a_hostile_file_name(safe, here):
    (here / f"a\n{EVIL}.yaml").write_text(Path("evil.yaml").read_text())
    assert safe("check", f"a\n{EVIL}.yaml", code=0)[1] == f"a\\n{SHOWN}.yaml: ok\n"
    (here / f"a\n{EVIL}.yaml").write_text("error: {}\n")
    _, _, err = safe("check", f"a\n{EVIL}.yaml", code=2)
    for line in err.splitlines():
        assert line.startswith(("error: a", "hint: ", "  "))


def test_keys_and_values_of_yaml(safe, here):
    key = EVIL.encode("unicode_escape").decode()
    (here / "keys.yaml").write_text(Path("evil.yaml").read_text() + f'"tr{key}": {{"{key}": "{key}"}}\n')
    safe("check", "keys.yaml", code=2)
    (here / "keys.yaml").write_text(Path("evil.yaml").read_text() + f"tr\u202e: {EVIL}\n", encoding="utf-8")
    safe("check", "keys.yaml", code=2, shows="U+001B")


def test_predict_escapes_unseen_labels_and_missing_columns(safe, folder, here):
    (here / "new.csv").write_text(f"one{EVIL},two\n1,green{EVIL}\n", encoding="utf-8", newline="")
    safe("predict", "--strict", "mine", "new.csv", code=2)
    (here / "new.csv").write_text(f"{EVIL}one,two\n1,blue\n", encoding="utf-8", newline="")
    safe("predict", "--strict", "mine", "new.csv", code=2)


def test_predict_writes_labels_unchanged_to_a_file_and_escaped_to_a_terminal(
    command, folder, here, monkeypatch
):
    (here / "new.csv").write_text(f"one{EVIL},two\n1,blue\n", encoding="utf-8", newline="")
    code, out, err = command("predict", "mine", "new.csv")
    assert (code, err) == (0, "")
    assert f"kind=yes{EVIL}" in out
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["predict", "mine", "new.csv"]) == 0
    assert raw(terminal.getvalue()) == set()
    assert f"kind=yes{SHOWN}" in terminal.getvalue()


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["", "json"])
def test_list_escapes_what_a_run_folder_says(safe, command, folder, more):
    result = json.loads((folder / "result.json").read_text())
    result |= {"status": f"done\n{EVIL}", "metrics": {f"loss{EVIL}": 1.0}}
    (folder / "result.json").write_text(json.dumps(result))
    _, out, _ = safe("list", "mine", *more, shows="owned", code=0)
    if more:
        assert json.loads(out)[0]["status"] == f"done\n{EVIL}"
    else:
        assert len(out.splitlines()) == 2
        assert f"done\\n{SHOWN}" in out


def test_compare_escapes_what_run_folders_say(safe, command, folder, here):
    command("run", "evil.yaml", "--out", f"other{EVIL}", "seed=2")
    other = here / f"other{EVIL}"
    for name in ("result.json", "environment.json"):
        content = json.loads((other / name).read_text())
        (other / name).write_text(json.dumps({**content, "status": f"done{EVIL}", f"new\n{EVIL}": EVIL}))
    _, out, _ = safe("compare", "mine", f"other{EVIL}", code=0)
    assert f"B  {f'other{SHOWN}'}" in out
    assert f"new\\n{SHOWN}" in out


def test_plugin_that_raises_cannot_imitate_a_message_or_a_record(safe, here):
    _, _, err = safe("run", "evil.yaml", "-p", "raising.py", "--out", "mine")
    assert f"warning: between {SHOWN}" in err
    assert f"hint: do {SHOWN}" in err
    assert "\nerror: not mine" not in err
    log = (here / "mine" / "log.txt").read_text(encoding="utf-8")
    assert raw(log) == set()
    assert SHOWN in log
    assert all(line[:1] in "2 " for line in log.splitlines())


def test_plugins_named_by_hostile_files_and_classes(safe, here):
    (here / f"odd{EVIL}.py").write_text(RAISING)
    safe("plugins", "-p", f"odd{EVIL}.py", code=0)
    safe("plugins", "odd", "-p", f"odd{EVIL}.py", code=0)
    safe("plugins", "odd", "--json", "-p", f"odd{EVIL}.py", code=0, shows="owned")
    (here / "bad.py").write_text(f"raise ImportError({EVIL!a})\n")
    safe("plugins", "-p", "bad.py", code=2)
    (here / "bad.py").write_text(RAISING.replace('"odd"', ascii(f"odd{EVIL}")))
    safe("plugins", "-p", "bad.py")
    safe("check", "evil.yaml", "-p", "bad.py")


def test_sweep_reports_hostile_values_and_errors(safe, here):
    Path("raising.py").write_text(RAISING.replace("return h", f"raise ValueError({EVIL!a})"))
    varied = ["model.activation=odd", "seed=1,2"]
    _, _, err = safe("sweep", "evil.yaml", "-p", "raising.py", *varied, "--workers", "1", "--out", "s")
    assert "error: " in err


def test_trace_and_bowl_of_hostile_columns(safe):
    safe("trace", "evil.yaml", code=0, shows="step 1")
    safe("bowl", "evil.yaml", "-w", "b0[0]", "--csv", code=0, shows="path")


def test_new_experiment_of_hostile_data_can_be_read(command, here):
    table = next(here.glob("table*.csv"))
    code, out, err = command("new", "experiment", "mine", "--data", table.name)
    assert raw(out) | raw(err) == set()
    if code == 0:
        assert raw((here / "mine.yaml").read_text(encoding="utf-8")) == set()
        assert command("check", "mine.yaml")[0] == 0


def test_surrogates_of_file_names_that_are_not_utf8(here):
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1]), "PYTHONUTF8": "1"}

    def run(*arguments):
        command = [sys.executable, "-m", "cygd", *arguments]
        return subprocess.run(command, capture_output=True, env=environment)

    done = run("check", b"caf\xe9.yaml")
    assert (done.returncode, done.stderr) == (2, b"error: caf\\udce9.yaml: no such file\n")
    Path("evil.yaml").rename(os.fsdecode(b"caf\xe9.yaml"))
    done = run("check", b"caf\xe9.yaml")
    assert (done.returncode, done.stdout) == (0, b"caf\\udce9.yaml: ok\n"), done.stderr
    done = run("run", b"caf\xe9.yaml", "--quiet", b"--out", b"m\xe9ine")
    assert done.returncode == 0, done.stderr
    assert done.stdout == os.fsencode(here) + b"/m\xe9ine\n"
