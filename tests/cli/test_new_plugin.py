"""`cygd new plugin`: what it writes works, as it is and in the form that its comment shows."""

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
    """Return a plugin with its comment in place of its formula."""
    before, rest = re.split(
        r"^# (?:An )?[Ee]xpressions? .*?\n(?=[A-Z])", text, flags=re.MULTILINE | re.DOTALL
    )
    comment, hook = rest.split("\n\n\n@hookimpl")
    code = comment[comment.index("\n#\n") :].replace("\n# ", "\n").replace("\n#", "\n")
    return f"{before}{code}\n\n\n@hookimpl{hook}"


@pytest.mark.parametrize("kind", ["activation", "loss", "optimizer"])
def test_what_is_written_works_in_both_forms(command, here, kind):
    code, out, err = command("new", "plugin", "my_own", "--kind", kind)
    assert (code, out) == (0, "my_own.py\ntest_my_own.py\n")
    assert "cygd plugins my_own -p my_own.py --check\n" in err
    code, out, err = command("plugins", "my_own", "-p", "my_own.py", "--check")
    assert (code, err) == (0, "")
    assert f"{kind} my_own" in out
    assert ": formula" in out
    code, said = run_test(here, "test_my_own.py")
    assert code == 0, said

    text = with_functions((here / "my_own.py").read_text())
    assert "formula=" not in text
    (here / "my_own.py").write_text(text)
    code, out, _ = command("plugins", "my_own", "-p", "my_own.py", "--check")
    assert code == 0, out
    assert ": numpy" in out
    code, said = run_test(here, "test_my_own.py")
    assert code == 0, said


@pytest.mark.parametrize("there", [True, False])
def test_what_the_test_needs_is_said_where_it_is_missing(command, monkeypatch, there):
    monkeypatch.setattr(new, "find_spec", lambda name: object() if name == "pytest" and there else None)
    _, _, err = command("new", "plugin", "mine")
    assert ("  pip install pytest\n  pytest test_mine.py\n" in err) is not there


@pytest.mark.parametrize("name", ["KIND", "XCONSTANT", "NAME", "plugin", "_", "A"])
def test_odd_names_are_no_trouble(command, name):
    assert command("new", "plugin", name)[0] == 0
    assert command("plugins", name, "-p", f"{name}.py")[0] == 0
    compile(Path(f"test_{name}.py").read_text(), name, "exec")


@pytest.mark.parametrize("file", ["mine.py", "test_mine.py"])
def test_nothing_is_overwritten_and_nothing_half_written(command, here, file):
    (here / file).write_text("precious")
    code, out, err = command("new", "plugin", "mine")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {file} is there already, and nothing is overwritten\n")
    assert [path.name for path in here.iterdir()] == [file]
    assert (here / file).read_text() == "precious"


def test_a_dangling_link_is_not_written_through(command, here):
    (here / "mine.py").symlink_to(here / "elsewhere")
    assert command("new", "plugin", "mine")[0] == 2
    assert not (here / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(command, here):
    here.chmod(0o500)
    code, _, err = command("new", "plugin", "mine")
    here.chmod(0o700)
    assert code == 2
    assert err.startswith("error: mine.py cannot be written: ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "what is to be written?", "cygd new experiment NAME [--data FILE] [--target COLUMN] | "
         "plugin NAME [--kind activation|loss|optimizer]"),
        (["plug", "x"], "there is no new 'plug'", "did you mean 'plugin'?"),
        (["plugin"], "the name of the plugin is missing",
         "cygd new plugin NAME [--kind activation|loss|optimizer]"),
        (["plugin", "a", "b"], "one name at a time, found 'a' and 'b'",
         "cygd new plugin NAME [--kind activation|loss|optimizer]"),
        (["plugin", "a", "--kind", "los"], "there is no new plugin of kind 'los'", "did you mean 'loss'?"),
        (["plugin", "lambda"], "'lambda' is a keyword of Python",
         "letters, digits and underscores, such as my_activation"),
        (["plugin", "my-own"], "'my-own' is no name for a plugin",
         "letters, digits and underscores, such as my_activation"),
        (["plugin", "../up"], "'../up' is no name for a plugin",
         "letters, digits and underscores, such as my_activation"),
        (["plugin", "relu"], "activation 'relu' is there already, from plugin 'cygd'", "take another name"),
        (["plugin", "accuracy"], "metric 'accuracy' is there already, from plugin 'cygd'",
         "take another name"),
        (["plugin", "json"], "'json' is a module of Python, which json.py would hide", "take another name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_error_and_nothing_is_written(command, here, arguments, message, hint):
    code, out, err = command("new", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines() == [f"error: {message}", f"hint: {hint}"]
    assert list(here.iterdir()) == []
