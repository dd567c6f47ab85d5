"""Experiments, interrupts and comparisons for the tests of `--resume`."""

import csv
import json
from pathlib import Path

import pytest

from cygd.plugins.manager import Plugins

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

PLUGIN = """\
import numpy as np
from cygd import Activation, DataSource, Dataset, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

def load(folder, file="numbers.txt"):
    x = np.loadtxt(folder / file).reshape(-1, 1)
    return Dataset(x=x, y=x * x)

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)

@hookimpl
def cygd_data_sources():
    yield DataSource("numbers", load)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bent.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def moons():
    """Return an experiment whose optimizer, schedule, early stopping, dropout and shuffling have a state."""
    return {
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 80,
            "scale": "standard",
            "split": {"validation": 0.25, "test": 0.25},
        },
        "model": {
            "layers": [{"units": 6, "dropout": 0.2, "l2": 1e-4}, {"units": 1, "activation": "sigmoid"}]
        },
        "loss": "binary_cross_entropy",
        "optimizer": {"name": "nadam", "learning_rate": 0.05},
        "schedule": {"name": "reduce_on_plateau", "patience": 1, "threshold": 0.05, "warmup": 2},
        "train": {"epochs": 12, "batch_size": 8, "evaluate_every": 2},
        "metrics": ["accuracy"],
        "stop": {"patience": 4, "min_delta": 0.001},
        "log": ["jsonl"],
        "checkpoint": {"every": 3},
    }


def interrupt_at(monkeypatch, epoch, *, after=True, error=KeyboardInterrupt):
    """Raise an error in the next run at an epoch, before or after its hooks are called."""

    def interrupt(run, current, call_hooks):
        if current == epoch and not after:
            raise error
        stop = call_hooks()
        if current == epoch:
            raise error
        return stop

    at_each_epoch(monkeypatch, interrupt)


def at_each_epoch(monkeypatch, follow):
    """Call follow(run, epoch, call_hooks) after each epoch of the next runs, instead of their hooks."""
    epoch_end = Plugins.epoch_end

    def follow_epoch(self, run, epoch, metrics):
        return follow(run, epoch, lambda: epoch_end(self, run, epoch, metrics))

    monkeypatch.setattr(Plugins, "needs_every_epoch", True)
    monkeypatch.setattr(Plugins, "epoch_end", follow_epoch)


def outputs(directory):
    """Return the content of the run folder's files without times."""
    with (directory / "metrics.csv").open(newline="") as file:
        rows = [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
    with (directory / "weights.npz").open("rb") as file:
        weights = file.read()
    result = json.loads((directory / "result.json").read_text())
    result.pop("seconds")
    preprocessing = (directory / "preprocessing.json").read_bytes()
    lines = []
    if (directory / "metrics.jsonl").is_file():
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        lines = [{name: line[name] for name in line if name != "seconds"} for line in lines]
    return {
        "weights": weights,
        "rows": rows,
        "result": result,
        "preprocessing": preprocessing,
        "lines": lines,
        "config": (directory / "config.yaml").read_text(),
        "hashes": (directory / "hashes.csv").read_text(),
    }


def assert_same(directory, other):
    here, there = outputs(directory), outputs(other)
    for name in here:
        assert here[name] == there[name], name
    assert not list(directory.rglob(".*.part"))
