"""Runs in several threads of one process: complete folders, a log of its own each, and the sequential bits."""

import contextvars
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import cygd
from cygd.errors import DataError
from tests.helpers.resume_cases import outputs

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


@pytest.fixture
def switch_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


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


def test_200_runs_in_8_threads_equal_the_sequential_ones(here, switch_often):
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
    logger = logging.getLogger("cygd")
    assert (logger.filters, logger.level) == ([], logging.NOTSET)
