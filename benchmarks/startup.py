"""Measure the overhead besides arithmetic: startup, callbacks after every epoch, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import cygd
from benchmarks import BUILT, CHECKOUT
from benchmarks.measure import compare, seconds, summarize
from benchmarks.report import Section, Table, ratio_cell, verdict
from cygd import Network
from cygd.network import training

TEXT = """
Processes are timed from start to exit, in interleaved rounds. Times are medians; ratios are medians over the
rounds, with the interquartile range in brackets.
"""
LOGGER = '''
from cygd import Logger, hookimpl


class Counter:
    """Counts the epochs."""

    def __init__(self):
        self.epochs = 0

    def cygd_epoch_end(self, run, epoch, metrics):
        self.epochs += 1


@hookimpl
def cygd_loggers():
    return Logger("counter", Counter)
'''
# runs a small experiment and the given one, and prints the peak resident memory in kB after each
MEMORY = """
import json, sys
from pathlib import Path
import cygd

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

folder, experiment = Path(sys.argv[1]), json.loads(sys.argv[2])
small = experiment | {"data": {"source": "inline", "x": [[0.0]] * 8, "y": [[0.0]] * 8}}
cygd.run(small, out=folder / "small")       # imports everything
before = peak()
result = cygd.run(experiment, out=folder / "run")
print(json.dumps([before, peak(), result.status]))
"""
MEGABYTES = 60  # target for the memory besides the data


def run(quick: bool = False, megabytes: int = 0) -> Section:
    """Measure startup, callbacks and memory, the last with `megabytes` of data (default 800)."""
    tables = [_processes(3 if quick else 21), _callbacks(3 if quick else 15)]
    if Path("/proc/self/status").exists():
        tables.append(_memory(megabytes or (40 if quick else 800)))
    return Section("startup", "Startup, callbacks, memory", TEXT, tables)


def _python(folder: str, *arguments: str) -> str:
    """Run Python with the measured cygd, in a folder without modules, and return its stdout."""
    environment = dict(os.environ)
    # from the second process on there is bytecode, as for an installed cygd
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "bytecode"))
    if BUILT:
        environment["PYTHONPATH"] = str(CHECKOUT)
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, cwd=folder
    ).stdout


def _processes(rounds: int) -> Table:
    experiment = str(CHECKOUT / "experiments" / "one_unit.yaml")
    count = iter(range(10**6))
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare(
            {
                "import numpy": lambda: _python(folder, "-c", "import numpy"),
                "empty program": lambda: _python(folder, "-c", ""),
                "import cygd": lambda: _python(folder, "-c", "import cygd"),
                "from cygd import Network": lambda: _python(folder, "-c", "from cygd import Network"),
                "cygd run one_unit.yaml": lambda: _python(
                    folder, "-m", "cygd", "run", experiment, "--quiet", "--out", f"run{next(count)}"
                ),
            },
            rounds,
            at_least=0,
        )
    table = Table("Processes compared with `import numpy`", ["process", "ms", "ratio", "target"])
    for side, most in (
        ("empty program", 0.0),
        ("import numpy", 0.0),
        ("import cygd", 1.5),
        ("from cygd import Network", 0.0),
        ("cygd run one_unit.yaml", 4.0),
    ):
        target = verdict(f"at most {most:g}", comparison.ratios[side] <= most) if most else "-"
        table.rows.append(
            [side, f"{1e3 * comparison.seconds[side]:.0f}", ratio_cell(comparison, side), target]
        )
    return table


class _CallbackTraining:
    """Trains a small network on enough rows for an epoch of 20 us."""

    EPOCHS = 2000

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(8192, 2))
        self.y = np.tanh(self.x[:, :1])
        self.network = Network(2, [(16, "tanh"), (1, "identity")], loss="mse")
        epoch = seconds(lambda: self.fit(200), 0.02)[0] / 200
        rows = max(32, int(20e-6 / epoch * len(self.x)) // 32 * 32)
        self.x, self.y = self.x[:rows], self.y[:rows]
        self.folder, self.runs = folder, 0
        self.plugin = folder / "counter_logger.py"
        self.plugin.write_text(LOGGER)
        np.save(folder / "x.npy", self.x)
        np.save(folder / "y.npy", self.y)

    def fit(self, epochs: int, callback: Any = None) -> None:
        self.network.fit(self.x, self.y, epochs=epochs, learning_rate=0.01, threads=1, callback=callback)

    def without_python(self) -> tuple[float, float]:
        """Return the seconds of a training without callbacks, and those spent in the engine."""
        in_engine = 0.0
        advance = training.TrainingLoop.advance

        def timed(loop: Any, rates: Any) -> Any:
            nonlocal in_engine
            began = time.perf_counter()
            result = advance(loop, rates)
            in_engine += time.perf_counter() - began
            return result

        training.TrainingLoop.advance = timed  # type: ignore[assignment,method-assign]
        try:
            began = time.perf_counter()
            self.fit(self.EPOCHS)
            return time.perf_counter() - began, in_engine
        finally:
            training.TrainingLoop.advance = advance  # type: ignore[method-assign]

    def with_callback(self) -> float:
        began = time.perf_counter()
        self.fit(self.EPOCHS, lambda epoch, values: None)
        return time.perf_counter() - began

    def run(self, log: list[str]) -> float:
        """Return the training time of a run."""
        self.runs += 1
        data = {"source": "npy", "x": str(self.folder / "x.npy"), "y": str(self.folder / "y.npy")}
        experiment = {
            "data": data,
            "model": {"layers": [{"units": 16, "activation": "tanh"}, {"units": 1}]},
            "loss": "mse",
            "optimizer": {"name": "sgd", "learning_rate": 0.01},
            "train": {"epochs": self.EPOCHS, "batch_size": 32, "evaluate_every": 0},
            "log": log,
        }
        out = self.folder / f"run{self.runs}"
        return cygd.run(experiment, plugins=[str(self.plugin)], out=out, threads=1).seconds


def _callbacks(rounds: int) -> Table:
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = _CallbackTraining(Path(folder))
        for _ in range(rounds):
            fit, engine = work.without_python()
            for side, took in (
                ("fit, no callback", fit),
                ("the engine alone", engine),
                ("fit, a callback", work.with_callback()),
                ("run, metrics.csv", work.run([])),
                ("run, metrics.csv and a logger", work.run(["counter"])),
            ):
                times.setdefault(side, []).append(took / work.EPOCHS)
        rows = len(work.x)
    comparison = summarize(times)
    head = ["measurement", "us per epoch", "ratio", "target"]
    table = Table(f"Callbacks after every epoch: 2-16-1, {rows} rows in batches of 32, float64", head)
    alone = summarize({"alone": times["the engine alone"], "fit": times["fit, no callback"]})
    for side in times:
        target = "-"
        if side == "fit, no callback":
            target = verdict("at most 1.05 of the engine alone", alone.ratios["fit"] <= 1.05)
        elif side in ("fit, a callback", "run, metrics.csv and a logger"):
            target = verdict("at most 1.5", comparison.ratios[side] <= 1.5)
        table.rows.append(
            [side, f"{1e6 * comparison.seconds[side]:.1f}", ratio_cell(comparison, side), target]
        )
    table.note = "The callback and the logger are called after each epoch; the logger only counts the epochs."
    return table


def _memory(megabytes: int) -> Table:
    columns = 99
    rows = megabytes * 1_000_000 // (4 * (columns + 1))
    with tempfile.TemporaryDirectory() as folder:
        x = np.lib.format.open_memmap(Path(folder, "x.npy"), "w+", np.float32, (rows, columns))
        y = np.lib.format.open_memmap(Path(folder, "y.npy"), "w+", np.float32, (rows, 1))
        rng = np.random.default_rng(0)
        for first in range(0, rows, 100_000):
            part = rng.random(size=x[first : first + 100_000].shape, dtype=np.float32)
            x[first : first + 100_000], y[first : first + 100_000, 0] = part, part[:, 0]
        size = x.nbytes + y.nbytes
        x.flush()
        y.flush()
        del x, y
        experiment = {
            "data": {
                "source": "npy",
                "x": str(Path(folder, "x.npy")),
                "y": str(Path(folder, "y.npy")),
                "split": {"validation": 0.1, "test": 0.1},
            },
            "model": {"dtype": "float32", "layers": [{"units": 8, "activation": "tanh"}, {"units": 1}]},
            "loss": "mse",
            "optimizer": {"name": "adam", "learning_rate": 0.001},
            "train": {"epochs": 2, "batch_size": 256},
            "log": [],
        }
        _python(folder, "-c", "import cygd.runner")  # compiles the bytecode, which would use memory
        before, after, status = json.loads(_python(folder, "-c", MEMORY, folder, json.dumps(experiment)))
    assert status == "completed", status
    beyond = (1024 * after - size) / 1e6
    head = ["data, MB", "peak resident memory, MB", "besides the data, MB", "target", "small run, MB"]
    table = Table(f"Memory: {rows} x {columns} float32 from .npy, unscaled, split by index, shuffled", head)
    cells = [f"{size / 1e6:.0f}", f"{1024 * after / 1e6:.0f}", f"{beyond:.0f}"]
    target = verdict(f"at most {MEGABYTES}", beyond <= MEGABYTES)
    table.rows.append([*cells, target, f"{1024 * before / 1e6:.0f}"])
    table.note = (
        "The last column is the peak of the same process after a run on eight rows: Python, NumPy and cygd."
    )
    return table
