"""The command line, called as a user calls it; `main` in this process, a new process where it matters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import cli

XOR = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {layers: [3, {units: 1, activation: sigmoid}]}
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 4, batch_size: 2}
log: [console]
"""

PLUGIN = """\
import numpy as np
from cygd import Activation, hookimpl

print("hello from the plugin")

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CYGD_") and name != "CYGD_CPU"]:
        monkeypatch.delenv(name)
    (tmp_path / "xor.yaml").write_text(XOR)
    (tmp_path / "bent.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def command(capsys):
    """Call the command line and return exit code, stdout and stderr."""

    def call(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def python(*arguments, **options):
    """Run python in a new process, in which cygd is this one."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, **options
    )


# -- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rnu", "xor.yaml"], "unknown command 'rnu'", "did you mean 'run'?"),
        (["fly"], "unknown command 'fly'", "one of run, check, trace, plugins, info"),
        (["run"], "which experiment? a YAML file is missing", "cygd run FILE [KEY=VALUE ...]"),
        (["run", "seed=1"], "which experiment? a YAML file is missing", "cygd run FILE [KEY=VALUE ...]"),
        (["run", "a.yaml", "b.yaml"], "one file at a time; 'b.yaml' is no KEY=VALUE either", None),
        (["run", "xor.yaml", "--fast"], "unrecognized arguments: --fast", "cygd run --help"),
        (["run", "xor.yaml", "--resume"], "unrecognized arguments: --resume", "cygd run --help"),
        (["run", "xor.yaml", "--out"], "argument --out: expected one argument", "cygd run --help"),
        (["run", "xor.yaml", "--threads", "0"], "argument --threads: expected a whole number from 1 up, found '0'",
         "cygd run --help"),
        (["run", "xor.yaml", "--threads", "two"],
         "argument --threads: expected a whole number from 1 up, found 'two'", "cygd run --help"),
        (["check"], "check needs a file", "cygd check FILE ... [KEY=VALUE ...]"),
        (["trace"], "which experiment? a YAML file is missing", "cygd trace FILE [KEY=VALUE ...]"),
        (["trace", "xor.yaml", "--steps", "0"], "argument --steps: expected a whole number from 1 up, found '0'",
         "cygd trace --help"),
        (["plugins", "extra"], "unrecognized arguments: extra", "cygd plugins --help"),
        (["--fast"], "unrecognized arguments: --fast", "cygd --help"),
        (["-p"], "argument -p/--plugin: expected one argument", "cygd --help"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_error_and_a_hint(command, arguments, message, hint):
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert err.splitlines() == [f"error: {message}", *([f"hint: {hint}"] if hint else [])]


def test_no_command_prints_the_help_to_stderr(command):
    code, out, err = command()
    assert code == 2
    assert out == ""
    assert "cygd run FILE [KEY=VALUE ...] [--out DIR] [--threads N] [--quiet] [--dry-run]" in err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_names_every_command(command, arguments):
    code, out, _ = command(*arguments)
    assert code == 0
    for name in ("run", "check", "trace", "plugins", "info"):
        assert f"cygd {name}" in out


@pytest.mark.parametrize("name", ["run", "check", "trace", "plugins", "info"])
def test_every_command_has_help_and_the_common_options(command, name):
    code, out, _ = command(name, "--help")
    assert code == 0
    assert out.startswith(f"usage: cygd {name}")
    assert "--plugin" in out
    assert "--traceback" in out


def test_version(command):
    assert command("--version") == (0, f"cygd {cygd.__version__}\n", "")
