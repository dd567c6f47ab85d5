"""docs/plugins.md: every example runs unchanged, and its messages are those of the code."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.errors import PluginError
from cygd.plugins.discovery import Request
from cygd.plugins.manager import Plugins
from cygd.testing import check_logger, load_plugin

CHECKOUT = Path(__file__).parents[2]
GUIDE = (CHECKOUT / "docs" / "plugins.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)


def block(words):
    [text] = [text for _, text in BLOCKS if words in text]
    return text


@pytest.fixture
def bent(tmp_path):
    path = tmp_path.resolve() / "bent.py"
    path.write_text(block("def bent_prime"))
    return path


def load(path):
    return Plugins.load([Request(str(path), "-p")], environment={"CYGD_DISABLE_PLUGIN_AUTOLOAD": "1"})


def test_plugin_file_can_be_loaded(bent):
    assert load(bent).get("activation", "bent:bent_identity").evaluate([0.0]) == [0.0]


def test_message_for_a_wrong_derivative_is_that_of_the_guide(bent):
    bent.write_text(bent.read_text().replace("(2 * np.sqrt(h * h + 1)) + 1", "(2 * np.sqrt(h * h + 1))"))
    with pytest.raises(PluginError) as caught:
        load(bent)
    shown = " ".join(block("-p: plugin 'bent'").replace("\nhint", "|hint").split()).replace("|", "\n")
    assert str(caught.value).replace(str(bent), "/home/ada/bent.py") == shown.replace(" \nhint", "\nhint")


def test_example_of_a_test_passes(bent):
    shown = block("def test_bent_identity")
    namespace = {"__file__": str(bent.with_name("test_bent.py"))}
    exec(shown, namespace)
    namespace["test_bent_identity"]()


def test_example_of_a_logger_passes_its_suite(tmp_path):
    path = tmp_path / "lines.py"
    path.write_text(block("class Lines"))
    check_logger(load_plugin(path).cygd_loggers())


def written_files(folder, section):
    """Write the files of a section."""
    for name, text in re.findall(r"`([\w./-]+)`:\n\n```\w+\n(.*?)```", section, re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


INTO_SITE = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", "site"]


def run(folder, command):
    first, *words = shlex.split(command)
    words = {
        "pip": [sys.executable, *INTO_SITE, words[-1]],  # keeps the tested environment unchanged
        "cygd": [sys.executable, "-P", "-m", "cygd", *words],
        "python": [sys.executable, *words],
        "mkdir": ["mkdir", *words],
        "cp": ["cp", *words],
    }[first]
    paths = [str(folder / "site"), str(Path(cygd.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"$ {words}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_commands_run_and_all_implementations_agree(tmp_path):
    """Run `cygd` as its script does, without the current folder in `sys.path`."""
    section = GUIDE.partition("## From a formula to a package")[2].partition("\n## ")[0]
    written_files(tmp_path, section)
    for part in section.split("\n### ")[1:]:
        if "numba" in part and importlib.util.find_spec("numba") is None:
            continue
        shown = "\n".join(re.findall(r"```console\n(.*?)```", part, re.DOTALL))
        commands = [line.removeprefix("$ ") for line in shown.splitlines() if line.startswith("$ ")]
        assert commands
        for command in commands:
            run(tmp_path, command)

    h = np.linspace(-5, 5, 101)
    expected = (h + np.sqrt(h * h + 4)) / 2
    formula = load(tmp_path / "squareplus.py").get("activation", "squareplus")
    # the formula keeps the digits that NumPy loses where h and the root cancel
    np.testing.assert_allclose(formula.evaluate(h), expected, rtol=1e-14)
    code = "import numpy as np, fast; [a] = fast.cygd_activations(); h = np.linspace(-5, 5, 101); "
    code += "print(a.evaluate(h).tolist())"
    np.testing.assert_allclose(eval(run(tmp_path, f'python -c "{code}"')), expected, rtol=1e-15)
    with pytest.raises(AssertionError, match=r"hint: fast\.\S+ exists, .*run `python -m cygd`"):
        run(tmp_path, "cygd run moons.yaml -p fast model.activation=squareplus_c")
    with pytest.raises(AssertionError, match="'squareplus' is registered by 2 plugins"):
        run(tmp_path, "cygd run moons.yaml -p squareplus.py model.activation=squareplus")


def test_pyproject_of_the_guide_is_that_of_the_example_package():
    shown = block("[project.entry-points.cygd]")
    assert shown == (CHECKOUT / "plugins" / "cygd-squareplus" / "pyproject.toml").read_text()
    assert 'squareplus = "cygd_squareplus"' in shown


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        ("squareplus(const double *h, double *out", "squareplus(const float *h, float *out"),
        ("squareplus_prime(const double *h, const double *y_hat, ", "squareplus_prime(const double *h, "),
        ("block_capsule_f64(squareplus)", "block_capsule_f64(squareplus_prime)"),
        ("derivative_capsule_f64(squareplus_prime)", "derivative_capsule_f64(squareplus)"),
    ],
)
def test_cython_rejects_pointers_of_a_wrong_type(tmp_path, shown, wrong):
    text = block("cdef void squareplus_prime")
    assert shown in text
    (tmp_path / "fast.pyx").write_text(text.replace(shown, wrong))
    with pytest.raises(AssertionError, match="Cannot assign type"):
        run(tmp_path, "python -m cython -3 fast.pyx")
