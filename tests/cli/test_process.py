"""`python -m cygd` in a new process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cygd

XOR = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {layers: [3, {units: 1, activation: sigmoid}]}
train: {epochs: 4}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xor.yaml").write_text(XOR)
    return tmp_path


def python(*arguments, **options):
    """Run Python in a new process that imports this checkout of cygd."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, **options
    )


def test_interrupted_run_exits_130_and_names_its_folder(here):
    (here / "listener.py").write_text(
        "import signal\nfrom cygd import hookimpl\n"
        "@hookimpl\ndef cygd_epoch_end(epoch):\n    if epoch == 2: signal.raise_signal(signal.SIGINT)\n"
    )
    done = python("-m", "cygd", "run", "xor.yaml", "-p", "listener.py", "--out", "mine", "--quiet")
    assert done.returncode == 130
    mine = here / "mine"
    assert done.stderr == f"interrupted, kept: {mine}\nhint: cygd run --resume {mine}\n"
    assert done.stdout == f"{here / 'mine'}\n"
    assert json.loads((here / "mine" / "result.json").read_text())["status"] == "interrupted"


def test_broken_pipe_exits_1():
    source = (
        "import os, sys; from cygd.cli.main import main\n"
        "r, w = os.pipe(); os.close(r); os.dup2(w, 1)\n"
        "sys.exit(main(['plugins']))"
    )
    done = python("-c", source)
    assert (done.returncode, done.stderr) == (1, "")


def test_unknown_cpu_level_exits_2(monkeypatch):
    monkeypatch.setenv("CYGD_CPU", "v9")
    done = python("-m", "cygd", "info")
    assert done.returncode == 2
    assert done.stderr == "error: unknown CPU level 'v9': CYGD_CPU is one of base, v3, v4\n"


def test_checkout_without_compiled_core_exits_2_with_a_hint(here):
    package = Path(cygd.__file__).parent
    for source in [*package.rglob("*.py")]:
        copy = here / "checkout" / "cygd" / source.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "cygd", "info"], cwd=here / "checkout", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: the compiled core of cygd is not built here",
        f"hint: run `pip install {here / 'checkout'}`",
    ]


def test_python_in_a_checkout_without_compiled_core_says_what_to_do(here):
    package = Path(cygd.__file__).parent
    for source in package.rglob("*.py"):
        copy = here / "checkout" / "cygd" / source.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    for text in ("import cygd; cygd.run({})", "from cygd import Network", "from cygd import core"):
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=here / "checkout", capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "circular" not in done.stderr
        assert done.stderr.count("Traceback") == 1
        core = here / "checkout" / "cygd" / "core"
        assert done.stderr.splitlines()[-1] == (
            f"ImportError: the compiled core of cygd is not built in {core}; start Python in another folder "
            "to use an installed cygd, or build it here: python setup.py build_ext --inplace"
        )


def test_import_cygd_does_not_import_numpy_or_rich():
    done = python(
        "-c",
        "import sys, cygd; print(sorted(m for m in sys.modules if m.startswith(('cygd', 'numpy', 'rich'))))",
    )
    assert done.stdout == "['cygd']\n"


def test_run_without_terminal_does_not_import_rich():
    source = (
        "import sys; from cygd.cli.main import main; main(['run', 'xor.yaml']); "
        "assert 'rich' not in sys.modules"
    )
    done = python("-c", source)
    assert done.returncode == 0, done.stderr
