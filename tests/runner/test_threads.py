"""Runs in several threads of one process: complete folders, own logs, and the sequential bits."""

import logging
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cygd
from cygd.errors import ConfigError, RunError
from tests.helpers.resume_cases import at_each_epoch, outputs

PLUGIN = """\
import logging
from dataclasses import dataclass
from typing import ClassVar

from cygd import Activation, hookimpl

@dataclass
class Scale:
    kind: "ClassVar[str]" = "scale"
    factor: float = 2.0

def scaled(h, factor: float = 1.0):
    return factor * h

def scaled_prime(h, factor: float = 1.0):
    return factor + 0 * h

@hookimpl
def cygd_activations():
    yield Activation("scaled", function=scaled, derivative=scaled_prime)

@hookimpl
def cygd_epoch_end(run, epoch, metrics):
    logging.getLogger("cygd").info("plugin sees %s", run.directory.name)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scaled.py").write_text(PLUGIN)
    return tmp_path


def experiment(seed):
    """Return one of four experiments; half of them load a plugin file."""
    hidden = [{"units": 3}, {"units": 3, "activation": "scaled"}][seed % 2]
    formula = {"formula": "h * sigmoid(beta * h)", "beta": 1.0, "trainable": ["beta"]}
    return {
        "name": f"run{seed}",
        "seed": seed % 4,
        "plugins": ["scaled.py"] if seed % 2 else [],
        "data": {"source": "synthetic", "kind": "moons", "samples": 40, "split": {"validation": 0.25}},
        "model": {
            "layers": [hidden, {"units": 2, "activation": formula}, {"units": 1, "activation": "sigmoid"}]
        },
        "loss": "binary_cross_entropy",
        "train": {"epochs": 3, "batch_size": 8},
        "checkpoint": {"every": 2},
        "metrics": ["accuracy"],
        "log": ["jsonl"],
    }


def test_200_runs_in_8_threads_equal_the_sequential_ones(here, eager_switches):
    expected = [outputs(cygd.run(experiment(seed), out=f"sequential{seed}").directory) for seed in range(4)]

    def run(seed):
        return cygd.run(experiment(seed), out=f"threaded/{seed}", threads=1)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(200)))
    for seed, result in enumerate(results):
        found, wanted = outputs(result.directory), dict(expected[seed % 4])
        found["config"] = found["config"].replace(f"name: run{seed}\n", f"name: run{seed % 4}\n")
        assert found == wanted
        lines = (result.directory / "log.txt").read_text().splitlines()
        own = [line for line in lines if f"run run{seed} in {result.directory}" in line]
        assert len(own) == 1
        assert not [line for line in lines if "run run" in line and line not in own]
        seen = [line.rpartition(" ")[2] for line in lines if "plugin sees" in line]
        assert seen == [str(seed)] * (4 if seed % 2 else 0)
        assert lines[-1].endswith("completed after 3 epochs")
    assert not list(here.rglob(".*.part"))
    logger = logging.getLogger("cygd")
    assert (logger.filters, logger.level) == ([], logging.NOTSET)


def test_failing_runs_do_not_disturb_those_of_other_threads(here, eager_switches):
    """Half of the runs fail: unknown names, a plugin file that raises, an activation that raises."""
    (here / "broken.py").write_text("raise RuntimeError('broken')")
    (here / "failing.py").write_text(PLUGIN.replace("return factor * h", "raise ValueError(factor)"))

    def run(number):
        content = experiment(number % 4)
        if number % 8 == 4:
            content["plugins"] = ["broken.py"]
        elif number % 8 == 5:
            content["loss"] = "binary"
        elif number % 8 == 6:
            content["train"]["epochs"] = -1
        elif number % 8 == 7:
            content["plugins"] = ["failing.py"]
        try:
            return cygd.run(content, out=f"{number}", threads=1).status
        except cygd.CygdError as error:
            return type(error).__name__

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(run, range(40)))
    failed = ["PluginError", "ConfigError", "ConfigError", "PluginError"]
    assert statuses == (["completed"] * 4 + failed) * 5


def test_interrupt_of_the_main_thread_leaves_the_runs_of_threads(here, monkeypatch):
    """Ctrl-C reaches the main thread only; the run of another thread completes its folder."""
    waiting, release = threading.Event(), threading.Event()

    def hook(run, epoch, call_hooks):
        if run.name == "run0" and epoch == 1:
            raise KeyboardInterrupt
        if run.name == "run1" and epoch == 1:
            waiting.set()
            assert release.wait(timeout=60)
        return call_hooks()

    at_each_epoch(monkeypatch, hook)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(cygd.run, experiment(1), out="other")
        assert waiting.wait(timeout=60)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(experiment(0), out="main")
        release.set()
        assert other.result(timeout=60).status == "completed"
    assert "interrupted" in (here / "main" / "log.txt").read_text()
    assert "interrupted" not in (here / "other" / "log.txt").read_text()
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert cygd.resume("main").status == "completed"


def test_two_threads_cannot_use_one_folder(here):
    meet = threading.Barrier(4)

    def run(number):
        meet.wait(timeout=60)
        try:
            return cygd.run(experiment(0), out="same").status
        except (ConfigError, RunError) as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(run, range(4)))
    assert [text for text in outcomes if "is not empty" not in text] == ["completed"]
    assert cygd.load("same").inputs


# -- first use --------------------------------------------------------------------------------------

FIRST_USE = """
import sys, threading, traceback
kind = int(sys.argv[1]) if sys.argv[1:] else None
sys.setswitchinterval(1e-6)
import cygd
E = {"data": {"source": "synthetic", "kind": "moons", "samples": 20},
     "model": {"layers": [{"units": 2, "activation": {"formula": "h * sigmoid(h)"}}, 1]},
     "train": {"epochs": 1}}
X, Y = [[1.0, 2.0]] * 2, [[1.0]] * 2
USES = [
    lambda number: cygd.run(E, out=f"first-{number}"),
    lambda number: cygd.Network(2, [(3, "tanh"), (1, "identity")]).fit(X, Y, epochs=1),
    lambda number: [getattr(cygd, name) for name in (*cygd.__all__[number:], *cygd.__all__[:number])],
    lambda number: cygd.core.activate([[1.0]], "tanh"),
    lambda number: cygd.trace(E),
    lambda number: exec("import cygd.sweep, cygd.testing; cygd.sweep.sweep, cygd.testing.check_activation"),
]
start, errors = threading.Barrier(8), []
def use(number):
    start.wait()
    try:
        USES[number % 5 if kind is None else kind](number)
    except BaseException:
        errors.append(traceback.format_exc())
threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit("".join(errors) or 0)
"""


@pytest.mark.parametrize("kind", [None, 0, 1, 2, 5])
def test_first_use_from_several_threads(here, kind):
    command = [sys.executable, "-c", FIRST_USE, *([] if kind is None else [str(kind)])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")


DIRECT_IMPORTS = """
import sys, threading, traceback, cygd
sys.setswitchinterval(1e-6)
IMPORTS = [
    "import cygd.testing; cygd.testing.check_loss",
    "from cygd.testing import check_activation, check_logger",
    "from cygd.sweep import sweep",
    "from cygd import Network, hookimpl",
    "from cygd.testing import load_plugin",
    "import cygd; cygd.run",
]
start, errors = threading.Barrier(2 * len(IMPORTS)), []
def use(statement):
    start.wait()
    try:
        exec(statement)
    except BaseException:
        errors.append(traceback.format_exc())
threads = [threading.Thread(target=use, args=(statement,)) for statement in 2 * IMPORTS]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit("".join(errors) or 0)
"""


def test_direct_imports_from_several_threads():
    for _ in range(3):
        command = [sys.executable, "-c", DIRECT_IMPORTS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_module_that_another_thread_has_just_imported_is_found(monkeypatch):
    import cygd.sweep

    monkeypatch.delattr(cygd, "sweep")  # Python sets the attribute of the package last
    assert cygd.sweep is sys.modules["cygd.sweep"]


def test_arrays_are_taken_while_another_thread_imports_masked_arrays(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy.ma", types.ModuleType("numpy.ma"))  # has no MaskedArray yet
    monkeypatch.delattr(np, "ma", raising=False)
    assert cygd.core.sse([[1.0]], [[2.0]]) == 0.5
    assert cygd.Dataset([[1.0]], [[2.0]]).x.shape == (1, 1)
