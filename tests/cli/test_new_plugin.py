"""`cygd new plugin`: the written plugin works, with its formula and with the functions in its comment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from cygd.cli.commands import new

CHECKOUT = Path(cygd.__file__).parents[1]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_test(folder, file):
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def with_functions(text):
    """Return a plugin whose formula is replaced by the functions in its comment."""
    before, rest = re.split(
        r"^# (?:An )?[Ee]xpressions? .*?\n(?=[A-Z])", text, flags=re.MULTILINE | re.DOTALL
    )
    comment, hook = rest.split("\n\n\n@hookimpl")
    code = comment[comment.index("\n#\n") :].replace("\n# ", "\n").replace("\n#", "\n")
    return f"{before}{code}\n\n\n@hookimpl{hook}"


@pytest.mark.parametrize("kind", ["activation", "loss", "optimizer"])
def test_written_plugin_works_with_formula_and_with_functions(command, here, kind):
    code, out, err = command("new", "plugin", "my_own", "--kind", kind)
    assert (code, out) == (0, "my_own.py\ntest_my_own.py\n")
    assert "cygd plugins my_own -p my_own.py --check\n" in err
    code, out, err = command("plugins", "my_own", "-p", "my_own.py", "--check")
    assert (code, err) == (0, "")
    assert f"{kind} my_own" in out
    assert ": formula" in out
    code, output = run_test(here, "test_my_own.py")
    assert code == 0, output

    text = with_functions((here / "my_own.py").read_text())
    assert "formula=" not in text
    (here / "my_own.py").write_text(text)
    code, out, _ = command("plugins", "my_own", "-p", "my_own.py", "--check")
    assert code == 0, out
    assert ": numpy" in out
    code, output = run_test(here, "test_my_own.py")
    assert code == 0, output


@pytest.mark.parametrize("installed", [True, False])
def test_pytest_is_suggested_only_if_missing(command, monkeypatch, installed):
    monkeypatch.setattr(new, "find_spec", lambda name: object() if name == "pytest" and installed else None)
    _, _, err = command("new", "plugin", "mine")
    assert ("  pip install pytest\n  pytest test_mine.py\n" in err) is not installed


@pytest.mark.parametrize("name", ["name", "CONSTANT", "NAME", "plugin", "_", "A"])
def test_placeholder_words_are_valid_names(command, name):
    assert command("new", "plugin", name)[0] == 0
    assert command("plugins", name, "-p", f"{name}.py")[0] == 0
    compile(Path(f"test_{name}.py").read_text(), name, "exec")


@pytest.mark.parametrize("file", ["mine.py", "test_mine.py"])
def test_nothing_is_overwritten_and_no_half_is_written(command, here, file):
    (here / file).write_text("precious")
    code, out, err = command("new", "plugin", "mine")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {file} already exists and is not overwritten\n")
    assert [path.name for path in here.iterdir()] == [file]
    assert (here / file).read_text() == "precious"


def test_dangling_link_is_not_followed(command, here):
    (here / "mine.py").symlink_to(here / "elsewhere")
    assert command("new", "plugin", "mine")[0] == 2
    assert not (here / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(command, here):
    here.chmod(0o500)
    code, _, err = command("new", "plugin", "mine")
    here.chmod(0o700)
    assert code == 2
    assert err.startswith("error: cannot write mine.py: ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "expected 'experiment' or 'plugin'",
         "cygd new experiment NAME, or cygd new plugin NAME"),
        (["plug", "x"], "expected 'experiment' or 'plugin', got 'plug'", "did you mean 'plugin'?"),
        (["plugin"], "expected a name for the plugin",
         "cygd new plugin NAME [--kind activation|loss|optimizer]"),
        (["plugin", "a", "b"], "expected one name, got 'a' and 'b'",
         "cygd new plugin NAME [--kind activation|loss|optimizer]"),
        (["plugin", "a", "--kind", "los"], "unknown plugin kind 'los'", "did you mean 'loss'?"),
        (["plugin", "lambda"], "invalid plugin name 'lambda': it is a Python keyword",
         "use letters, digits and underscores, such as my_activation"),
        (["plugin", "my-own"], "invalid plugin name 'my-own'",
         "use letters, digits and underscores, such as my_activation"),
        (["plugin", "../up"], "invalid plugin name '../up'",
         "use letters, digits and underscores, such as my_activation"),
        (["plugin", "relu"], "activation 'relu' already exists in the plugin 'cygd'", "choose another name"),
        (["plugin", "accuracy"], "metric 'accuracy' already exists in the plugin 'cygd'",
         "choose another name"),
        (["plugin", "json"], "json.py would hide the Python module 'json'", "choose another name"),
    ],
)  # fmt: skip
def test_invalid_arguments_write_nothing(command, here, arguments, message, hint):
    code, out, err = command("new", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"error: {message}", f"hint: {hint}"]
    assert list(here.iterdir()) == []
