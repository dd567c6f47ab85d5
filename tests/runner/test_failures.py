"""Runs that diverge, fail or are interrupted, and the folders that they leave."""

import csv
import json
import re
import signal

import numpy as np
import pytest

import cygd
from cygd.components.optimizers import OPTIMIZERS
from cygd.errors import ConfigError, DataError, PluginError, RunError

FILES = {
    "config.yaml",
    "environment.json",
    "metrics.csv",
    "hashes.csv",
    "weights.npz",
    "preprocessing.json",
    "result.json",
    "log.txt",
}

FAILING = """\
import numpy as np
from cygd import Activation, hookimpl

class Fuse:
    calls = 0

def f(h):
    Fuse.calls += 1
    if Fuse.calls > {calls}:
        raise {error}
    return h

@hookimpl
def cygd_activations():
    yield Activation("fused", function=f, derivative=np.ones_like)
"""

INTERRUPTING = """\
import signal
from cygd import hookimpl

@hookimpl
def cygd_epoch_end(epoch):
    if epoch == 2:
        signal.raise_signal(signal.SIGINT)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def xor():
    return {
        "name": "xor",
        "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [0, 1, 1, 0]},
        "model": {"layers": [3, {"units": 1, "activation": "sigmoid"}]},
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "train": {"epochs": 4, "batch_size": 2},
    }


def rows(directory):
    with (directory / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def result_of(directory):
    return json.loads((directory / "result.json").read_text())


def test_divergence_keeps_the_last_finite_weights(xor):
    xor["model"] = {"layers": [1]}
    xor["optimizer"]["learning_rate"] = 1e300
    result = cygd.run(xor)
    assert result.status == "diverged"
    assert result_of(result.directory)["status"] == "diverged"
    with np.load(result.directory / "weights.npz") as archive:
        assert all(np.isfinite(archive[name]).all() for name in archive.files)
    assert np.isfinite(result.metrics["loss"])


@pytest.mark.parametrize(
    ("error", "message"),
    [("ValueError('no more')", "fused.*ValueError: no more"), ("SystemExit(3)", "SystemExit: 3")],
)
def test_error_in_a_component_leaves_a_complete_folder(xor, here, error, message):
    (here / "fused.py").write_text(FAILING.format(calls=60, error=error))
    xor["model"]["activation"] = "fused"
    xor["train"]["epochs"] = 1000
    with pytest.raises(RunError, match=f"the run failed: .*{message}") as caught:
        cygd.run(xor, plugins=["fused.py"])
    result = caught.value.result
    assert result.status == "failed"
    assert 0 < result.epochs < 1000
    assert len(rows(result.directory)) == result.epochs + 1
    assert {path.name for path in result.directory.iterdir()} == {*FILES, "plugins", "checkpoints"}
    written = result_of(result.directory)
    assert written["status"] == "failed"
    assert re.search(message, written["error"])
    text = (result.directory / "log.txt").read_text()
    assert "Traceback (most recent call last)" in text
    assert "fused.py" in text
    with np.load(result.directory / "weights.npz") as archive:
        assert np.isfinite(archive["w0"]).all()


def test_hint_of_an_unexpected_error_names_the_log(xor, monkeypatch):
    def broken(loop):
        raise LookupError("inside")

    monkeypatch.setattr(cygd.network.training.TrainingLoop, "run", broken)
    with pytest.raises(RunError, match="the run failed: unexpected LookupError: inside") as caught:
        cygd.run(xor)
    log = caught.value.result.directory / "log.txt"
    assert caught.value.hint == f"the traceback is in {log}"
    assert "LookupError: inside" in log.read_text()
    assert isinstance(caught.value.__cause__, LookupError)


def test_full_disk_fails_the_run(xor, monkeypatch):
    def full(self, name, arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cygd.tracking.directory.RunDirectory.write_npz", full)
    with pytest.raises(RunError, match="No space left on device"):
        cygd.run(xor)


def test_interrupt_leaves_a_complete_folder_and_propagates(xor, here):
    (here / "interrupting.py").write_text(INTERRUPTING)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            cygd.run(xor, plugins=["interrupting.py"], out="mine")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert caught.value.directory == here / "mine"
    assert {path.name for path in (here / "mine").iterdir()} == {*FILES, "plugins", "checkpoints"}
    written = result_of(here / "mine")
    assert written["status"] == "interrupted"
    assert written["epochs"] == 2
    assert len(rows(here / "mine")) == 3
    assert written["metrics"]["loss"] == float(rows(here / "mine")[-1]["loss"])
    assert cygd.load(here / "mine").predict([[0, 1]]).shape == (1, 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"train.epochs": -1}, ConfigError, "train.epochs"),
        ({"model.layers.1.units": 2}, ConfigError, "for 1 numeric target"),
        ({"model.layers.0": {"units": 3, "weights": [[1, 2, 3]]}}, ConfigError,
         re.escape("model.layers[0].weights: expected 2 rows, one for each input (x0, x1), got 1")),
        ({"loss": "hinge"}, ConfigError,
         re.escape("loss 'hinge': expected targets of -1 or 1, got y[0, 0] = 0.0")),
        ({"data.x": [[0, 0]]}, DataError, "y: expected 1 row as in x, got 4"),
        ({"plugins": ["none.py"]}, PluginError, "no such file"),
    ],
)  # fmt: skip
def test_invalid_experiment_creates_no_folder(xor, here, change, error, message):
    for key, value in change.items():
        *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
        target = xor
        for part in path:
            target = target[part]
        target[last] = value
    with pytest.raises(error, match=message):
        cygd.run(xor, out="mine")
    assert not (here / "mine").exists()
    assert not (here / "runs").exists()


def test_nonempty_folder_is_rejected_before_training(xor, here):
    first = cygd.run(xor, out="mine")
    before = {path.name: path.read_bytes() for path in first.directory.iterdir()}
    with pytest.raises(ConfigError, match=r"run folder '.*mine' is not empty"):
        cygd.run(xor, out="mine")
    assert {path.name: path.read_bytes() for path in first.directory.iterdir()} == before


NAN_PLUGIN = """
import numpy as np
from cygd import Optimizer, hookimpl

def signs(w, g, state, learning_rate, step):
    w -= learning_rate * np.where(g > 0, 1.0, -1.0)

@hookimpl
def cygd_optimizers():
    yield Optimizer("signs", signs)
    yield Optimizer("sign_formula", formula={"w": "w - learning_rate * where(g > 0, 1, -1)"})
"""


@pytest.mark.parametrize("optimizer", [*[row.name for row in OPTIMIZERS], "signs", "sign_formula"])
@pytest.mark.parametrize("batch_size", [1, "full"])
def test_a_nan_gradient_of_a_finite_loss_is_divergence(here, optimizer, batch_size):
    (here / "signs.py").write_text(NAN_PLUGIN)
    result = cygd.run(
        {
            "data": {"source": "inline", "x": [[1, 1], [0, 1], [1, 0]], "y": [[0], [1], [2]]},
            "model": {"layers": [{"units": 1, "weights": [[0.0], [0.0]]}]},
            "loss": {"formula": "sqrt(abs(y - y_hat))", "reduction": "sum"},  # 0 / 0 where y = y_hat
            "optimizer": optimizer,
            "train": {"epochs": 3, "batch_size": batch_size, "shuffle": False},
        },
        plugins=["signs.py"],
        out=here / "run",
    )
    assert (result.status, result.epochs) == ("diverged", 0)
    assert result.model.network.parameters.tolist() == [0.0, 0.0, 0.0]
