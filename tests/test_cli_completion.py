"""What `cygd completion` prints completes every command, and the examples of `--help` are command lines."""

import argparse
import os
import shlex
import shutil
import subprocess

import pytest

from cygd import cli
from cygd.commands import completion
from cygd.commands.examples import EXAMPLES

SHELLS = completion.SHELLS


def printed(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def actions(name):
    return [action for action in cli._parser(name)._actions if action.option_strings]


def spelt(option, shell):
    """Return an option as the text of a shell has it."""
    if shell != "fish":
        return option
    return f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_there(capsys, shell):
    text = printed(capsys, shell)
    for name in cli.COMMANDS:
        assert name in text
        for action in actions(name):
            for option in action.option_strings:
                assert spelt(option, shell) in text
    for word in ("train.epochs=", "experiment plugin", "leaky_relu", "data_source"):
        assert word in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_it(capsys, shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    path = tmp_path / "completion"
    path.write_text(printed(capsys, shell))
    done = subprocess.run([program, "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


WORDS = """
cygd r = run
cygd ne = new
cygd -p x.py ru = run
cygd run --dr = --dry-run
cygd --ver = --version
cygd run train.ep = train.epochs=
cygd run xo = xor.yaml
cygd run xor.yaml optim = optimizer=
cygd run fold = folder
cygd run --out fo = folder
cygd run --out xo =
cygd run --threads x =
cygd run train = x =
cygd run -p plug = plug in.py
cygd check note =
cygd new experiment x --data note = note.txt
cygd new exp = experiment
cygd plugins leaky = leaky_relu
cygd plugins --kind lo = loss logger
cygd completion z = zsh
cygd fly x =
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("line", WORDS.strip().splitlines())
def test_bash_completes_a_line(capsys, tmp_path, line):
    (tmp_path / "folder").mkdir()
    for name in ("xor.yaml", "note.txt", "plug in.py"):
        (tmp_path / name).touch()
    words, _, expected = line.rpartition(" =")
    typed = shlex.join(words.split())
    script = f"""
        {printed(capsys, "bash")}
        COMP_WORDS=({typed}) COMP_CWORD={len(words.split()) - 1} COMPREPLY=()
        _cygd
        printf '%s\\n' "${{COMPREPLY[*]}}"
    """
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout == f"{expected.strip()}\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(("line", "first"), [("cygd ru", "run"), ("cygd run train.ep", "train.epochs=")])
def test_fish_completes_a_line(capsys, tmp_path, line, first):
    script = f"{printed(capsys, 'fish')}\ncomplete -C {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == first


@pytest.mark.parametrize("shell", SHELLS)
def test_any_help_text_is_quoted(capsys, tmp_path, shell):
    parser = argparse.ArgumentParser(description='It\'s [new]: $HOME `x` \\ "y"\nand more', add_help=False)
    parser.add_argument("--odd", metavar="RUN", help='it\'s [odd]: $HOME `x` \\ "y"')
    parser.add_argument("--pair", nargs=2, metavar=("LOW", "HIGH"))
    parser.add_argument("--pick", choices=["one", "two"])
    parsers = {"": argparse.ArgumentParser("cygd"), "odd": parser}
    assert completion.run(argparse.Namespace(shell=shell), parsers) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    program = shutil.which(shell)
    if program is not None:
        done = subprocess.run([program, "-n", tmp_path / "completion"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "for which shell?", "cygd completion bash|zsh|fish"),
        (["bsh"], "there is no completion for 'bsh'", "did you mean 'bash'?"),
        (["tcl"], "there is no completion for 'tcl'", "cygd completion bash|zsh|fish"),
        (["bash", "zsh"], "unknown argument 'zsh'", "cygd completion --help"),
    ],
)
def test_another_shell_is_refused(capsys, arguments, message, hint):
    assert cli.main(["completion", *arguments]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {message}", f"hint: {hint}"]


# -- the examples of --help ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_examples_that_it_understands(capsys, name):
    assert len(EXAMPLES[name]) >= 2
    for example, purpose in EXAMPLES[name]:
        plain = example.removeprefix("folder=$(").removeprefix("source <(").rstrip(")").partition(" > ")[0]
        program, command, *words = shlex.split(plain)
        assert (program, command) == ("cygd", name)
        _, strange = cli._parser(name).parse_known_intermixed_args(words)
        assert strange == []
        assert purpose
        assert len(example) + len(purpose) < 100
    assert cli.main([name, "--help"]) == 0
    assert f"\nexamples:\n  {EXAMPLES[name][0][0]} " in capsys.readouterr().out


def test_examples_are_of_commands_that_there_are():
    assert set(EXAMPLES) == set(cli.COMMANDS)
