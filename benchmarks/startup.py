"""What is paid besides the arithmetic: starting, memory, and Python listening to every epoch."""

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
from benchmarks.measure import compare, seconds, summarized
from benchmarks.report import Section, Table, ratio_cell, verdict
from cygd import Network
from cygd.network import training

TEXT = """
Processes are whole: from their start to their end, the sides in turns. Times are medians, ratios those of
the rounds, with the middle half of them in brackets.
"""
LISTENER = '''
from cygd import Logger, hookimpl


class Counter:
    """The least that a logger can do."""

    def __init__(self):
        self.epochs = 0

    def cygd_epoch_end(self, run, epoch, metrics):
        self.epochs += 1


@hookimpl
def cygd_loggers():
    return Logger("counter", Counter)
'''
# trains on what lies in a folder, and prints the highest resident memory in kB, without the data and with it
MEMORY = """
import json, sys
from pathlib import Path
import cygd

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

folder, experiment = Path(sys.argv[1]), json.loads(sys.argv[2])
small = experiment | {"data": {"source": "inline", "x": [[0.0]] * 8, "y": [[0.0]] * 8}}
cygd.run(small, out=folder / "small")       # everything is imported, nothing is large
before = peak()
result = cygd.run(experiment, out=folder / "run")
print(json.dumps([before, peak(), result.status]))
"""
MEGABYTES = 60  # beyond the data


def run(quick: bool = False, megabytes: int = 0) -> Section:
    """Measure all of it; `megabytes` of data for the memory, 800 by default."""
    tables = [_processes(3 if quick else 21), _listening(3 if quick else 15)]
    if Path("/proc/self/status").exists():
        tables.append(_memory(megabytes or (40 if quick else 800)))
    return Section("startup", "Starting, memory, listening", TEXT, tables)


def _python(folder: str, *arguments: str) -> str:
    """Run Python with the cygd that is measured, in a folder of nothing to import; return what it prints."""
    environment = dict(os.environ)
    # bytecode is there after the first start, as it is where cygd was installed
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
        found = compare(
            {
                "import numpy": lambda: _python(folder, "-c", "import numpy"),
                "nothing": lambda: _python(folder, "-c", ""),
                "import cygd": lambda: _python(folder, "-c", "import cygd"),
                "from cygd import Network": lambda: _python(folder, "-c", "from cygd import Network"),
                "cygd run one_unit.yaml": lambda: _python(
                    folder, "-m", "cygd", "run", experiment, "--quiet", "--out", f"run{next(count)}"
                ),
            },
            rounds,
            at_least=0,
        )
    table = Table("Whole processes against `import numpy`", ["process", "ms", "ratio", "target"])
    for side, most in (
        ("nothing", 0.0),
        ("import numpy", 0.0),
        ("import cygd", 1.5),
        ("from cygd import Network", 0.0),
        ("cygd run one_unit.yaml", 4.0),
    ):
        target = verdict(f"at most {most:g}", found.ratios[side] <= most) if most else "-"
        table.rows.append([side, f"{1e3 * found.seconds[side]:.0f}", ratio_cell(found, side), target])
    return table


class _Listening:
    """Trainings of a small network, of so many rows that an epoch takes 20 us."""

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
        self.plugin.write_text(LISTENER)
        np.save(folder / "x.npy", self.x)
        np.save(folder / "y.npy", self.y)

    def fit(self, epochs: int, callback: Any = None) -> None:
        self.network.fit(self.x, self.y, epochs=epochs, learning_rate=0.01, threads=1, callback=callback)

    def without_python(self) -> tuple[float, float]:
        """Return the seconds of a training nobody listens to, and of what the engine takes of them."""
        inside = 0.0
        advance = training.TrainingLoop.advance

        def timed(loop: Any, rates: Any) -> Any:
            nonlocal inside
            began = time.perf_counter()
            result = advance(loop, rates)
            inside += time.perf_counter() - began
            return result

        training.TrainingLoop.advance = timed  # type: ignore[assignment,method-assign]
        try:
            began = time.perf_counter()
            self.fit(self.EPOCHS)
            return time.perf_counter() - began, inside
        finally:
            training.TrainingLoop.advance = advance  # type: ignore[method-assign]

    def with_callback(self) -> float:
        began = time.perf_counter()
        self.fit(self.EPOCHS, lambda epoch, values: None)
        return time.perf_counter() - began

    def run(self, log: list[str]) -> float:
        """Return the seconds that a run has trained."""
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


def _listening(rounds: int) -> Table:
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = _Listening(Path(folder))
        for _ in range(rounds):
            fit, inside = work.without_python()
            for side, took in (
                ("fit, nobody listens", fit),
                ("the engine alone", inside),
                ("fit, a callback", work.with_callback()),
                ("run, metrics.csv", work.run([])),
                ("run, metrics.csv and a logger", work.run(["counter"])),
            ):
                times.setdefault(side, []).append(took / work.EPOCHS)
        rows = len(work.x)
    found = summarized(times)
    head = ["what", "us per epoch", "ratio", "target"]
    table = Table(f"Listening to every epoch: 2-16-1, {rows} rows in batches of 32, float64", head)
    alone = summarized({"alone": times["the engine alone"], "fit": times["fit, nobody listens"]})
    for side in times:
        target = "-"
        if side == "fit, nobody listens":
            target = verdict("at most 1.05 of the engine alone", alone.ratios["fit"] <= 1.05)
        elif side in ("fit, a callback", "run, metrics.csv and a logger"):
            target = verdict("at most 1.5", found.ratios[side] <= 1.5)
        table.rows.append([side, f"{1e6 * found.seconds[side]:.1f}", ratio_cell(found, side), target])
    table.note = "A callback or a logger is called after each epoch, and does nothing but count."
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
        _python(folder, "-c", "import cygd.runner")  # the first start compiles, which takes memory of its own
        before, after, status = json.loads(_python(folder, "-c", MEMORY, folder, json.dumps(experiment)))
    assert status == "completed", status
    beyond = (1024 * after - size) / 1e6
    head = ["data, MB", "highest resident memory, MB", "beyond the data, MB", "target", "process, MB"]
    table = Table(f"Memory: {rows} x {columns} float32 from .npy, unscaled, split by index, shuffled", head)
    cells = [f"{size / 1e6:.0f}", f"{1024 * after / 1e6:.0f}", f"{beyond:.0f}"]
    target = verdict(f"at most {MEGABYTES}", beyond <= MEGABYTES)
    table.rows.append([*cells, target, f"{1024 * before / 1e6:.0f}"])
    table.note = "The last column is the same process after a run on eight rows: Python, NumPy, cygd."
    return table
