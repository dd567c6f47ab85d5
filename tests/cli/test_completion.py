"""Shell completion by argcomplete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.cli.commands import COMMANDS
from cygd.cli.commands.completion import SHELLS
from cygd.cli.main import main

pytest.importorskip("argcomplete")


def completed(line, folder):
    """Return the completions at the end of a command line."""
    output = folder / "completions"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(cygd.__file__).parents[1]),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(output),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-P", "-m", "cygd"], env=environment, cwd=folder, capture_output=True, check=True
    )
    return {text.strip() for text in output.read_text().split("\n")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cygd ", set(COMMANDS)),
        ("cygd ru", {"run"}),
        ("cygd run xo", {"xor.yaml"}),
        ("cygd run xor.yaml train.ep", {"train.epochs="}),
        ("cygd run --th", {"--threads"}),
        ("cygd run --out ru", {"runs/"}),
        ("cygd new ", {"experiment", "plugin"}),
        ("cygd plugins leaky", {"leaky_relu"}),
        ("cygd completion f", {"fish"}),
    ],
)
def test_completions(tmp_path, line, expected):
    (tmp_path / "xor.yaml").touch()
    (tmp_path / "runs").mkdir()
    assert expected <= completed(line, tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_script_registers_cygd(capsys, shell):
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert "cygd" in out
    assert err == ""


def test_missing_argcomplete_names_the_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        'error: completion needs argcomplete\nhint: pip install "cygd[completion]"\n'
    )


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "expected a shell, got none", "cygd completion bash|zsh|fish"),
        (["bsh"], "expected a shell, got 'bsh'", "did you mean 'bash'?"),
        (["tcl"], "expected a shell, got 'tcl'", "cygd completion bash|zsh|fish"),
        (["bash", "zsh"], "unknown argument 'zsh'", "cygd completion --help"),
    ],
)
def test_unknown_shell_exits_2(capsys, arguments, message, hint):
    assert main(["completion", *arguments]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {message}", f"hint: {hint}"]
