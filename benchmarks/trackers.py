"""Measure what trackers cost a run with epochs of about 1 ms, also if their service is gone or silent."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import BUILT, CHECKOUT
from benchmarks.measure import summarize
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import present
from cygd import Network

TEXT = """
Each run is a process of its own, with one thread; the sides alternate. The wall time and the CPU time of the
process are those of the training alone, from row 0 to the last one; `before and after` is the rest of the
run, in which the tracker is opened, receives the remaining rows, and stores the model. Times are medians;
ratios are medians over the rounds, with the interquartile range in brackets.

Installed: {versions}.
"""
EPOCH_SECONDS = 1e-3
ROUNDS = 11
MOST = 1.05
# runs an experiment; prints the wall and CPU seconds of an epoch, the other seconds of the run, and lost rows
RUN = """
import json, sys, time
from pathlib import Path
import cygd

folder, experiment = Path(sys.argv[1]), json.loads(sys.argv[2])
began = time.perf_counter()
result = cygd.run(experiment, plugins=[sys.argv[3]], out=folder, threads=1)
whole = time.perf_counter() - began
wall, cpu = json.loads((folder / "clocks.json").read_text())
records = folder / "trackers.json"
trackers = json.loads(records.read_text()).values() if records.exists() else []
missing = sum(each["missing"] for each in trackers)
print(json.dumps([wall / result.epochs, cpu / result.epochs, whole - wall, missing]))
"""
CLOCKS = """
import json
import time
from cygd import hookimpl

first, last = [], []


@hookimpl
def cygd_epochs_end(run, rows):
    last[:] = [time.perf_counter(), time.process_time()]
    if not first:
        first[:] = last


@hookimpl
def cygd_run_end(run, result):
    clocks = [after - before for before, after in zip(first, last)]
    (run.directory / "clocks.json").write_text(json.dumps(clocks))
"""


def run(quick: bool = False) -> Section:
    """Measure runs with each tracker that is installed."""
    epochs, rounds = (100, 2) if quick else (2000, ROUNDS)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        experiment = _experiment(folder, epochs)
        (folder / "clocks.py").write_text(CLOCKS)
        sides = {"none": None} | _files() | _services(folder, stack, quick)
        measured: dict[str, list[list[float]]] = {side: [] for side in sides}
        for turn in range(rounds):
            progress(f"round {turn + 1} of {rounds}")
            for side in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                out = folder / f"run-{turn}-{len(measured[side])}-{list(sides).index(side)}"
                measured[side].append(_measure(out, experiment | {"log": sides[side] or []}))
    packages = versions("tensorboardX", "mlflow", "wandb")
    text = TEXT.format(versions=packages)
    return Section("trackers", "Trackers", text, [_table(measured, epochs)])


def _files() -> dict[str, Any]:
    """Return the log sections of trackers that write files."""
    sides: dict[str, Any] = {"jsonl": ["jsonl"], "sqlite": [{"name": "sqlite", "file": "all.sqlite"}]}
    if present("tensorboardX"):
        sides["tensorboard"] = [{"name": "tensorboard", "directory": "events"}]
        sides["tensorboard, all rows"] = [{"name": "tensorboard", "directory": "events", "rows": 0}]
    return sides


def _services(folder: Path, stack: contextlib.ExitStack, quick: bool) -> dict[str, Any]:
    """Return the log sections of trackers that call a service, which is there, gone or silent."""
    sides: dict[str, Any] = {}
    if present("mlflow"):
        sides["mlflow, SQLite store"] = _mlflow(f"sqlite:///{folder}/mlflow.db")
        sides["mlflow, SQLite store, all rows"] = _mlflow(f"sqlite:///{folder}/mlflow.db", rows=0)
        if not quick:
            sides["mlflow, server"] = _mlflow(stack.enter_context(_mlflow_server(folder)))
        sides["mlflow, no server"] = _mlflow(f"http://127.0.0.1:{_free_port()}", wait=1)
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # it accepts, and never answers
        sides["mlflow, silent server"] = _mlflow(f"http://127.0.0.1:{silent.getsockname()[1]}", wait=1)
    if present("wandb"):
        sides["wandb, offline"] = [{"name": "wandb", "mode": "offline"}]
    return sides


def _mlflow(uri: str, **options: Any) -> list[dict[str, Any]]:
    return [{"name": "mlflow", "uri": uri, **options}]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def _mlflow_server(folder: Path) -> Iterator[str]:
    """Start an MLflow server within a `with` block, and yield its address."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command + store, stdout=log, stderr=log, cwd=folder, process_group=0)
    try:
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)  # with its workers
        process.wait()


def _experiment(folder: Path, epochs: int) -> dict[str, Any]:
    """Write data with which an epoch takes about 1 ms, and return the experiment."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8192, 2))
    y = np.tanh(x[:, :1])
    network = Network(2, [(16, "tanh"), (1, "identity")], loss="mse")
    # by CPU time: on a busy machine the wall time of an epoch is longer than its work
    began = time.process_time()
    network.fit(x, y, epochs=100, learning_rate=0.01, threads=1)
    epoch = (time.process_time() - began) / 100
    times = max(1, round(EPOCH_SECONDS / epoch * len(x)) // 32 * 32)
    np.save(folder / "x.npy", np.resize(x, (times, 2)))
    np.save(folder / "y.npy", np.resize(y, (times, 1)))
    return {
        "data": {"source": "npy", "x": str(folder / "x.npy"), "y": str(folder / "y.npy")},
        "model": {"layers": [{"units": 16, "activation": "tanh"}, {"units": 1}]},
        "loss": "mse",
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "train": {"epochs": epochs, "batch_size": 32, "evaluate_every": 0},
    }


def _measure(out: Path, experiment: dict[str, Any]) -> list[float]:
    """Return what `RUN` prints, from a process of its own."""
    environment = dict(os.environ) | {"WANDB_SILENT": "true", "PYTHONWARNINGS": "ignore"}
    if BUILT:
        environment["PYTHONPATH"] = str(CHECKOUT)
    arguments = [str(out), json.dumps(experiment), str(out.parent / "clocks.py")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=out.parent,
    )
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def _table(measured: dict[str, list[list[float]]], epochs: int) -> Table:
    head = ["tracker", "ms per epoch", "ratio", "target", "CPU time", "before and after, s", "rows lost"]
    table = Table(f"A run of {epochs} epochs with a tracker", head)
    wall = summarize({side: [values[0] for values in rounds] for side, rounds in measured.items()})
    cpu = summarize({side: [values[1] for values in rounds] for side, rounds in measured.items()})
    for side, rounds in measured.items():
        target = "-" if side == "none" else verdict(f"at most {MOST}", wall.ratios[side] <= MOST)
        table.rows.append(
            [
                side,
                f"{1e3 * wall.seconds[side]:.3f}",
                ratio_cell(wall, side),
                target,
                ratio_cell(cpu, side),
                f"{statistics.median(values[2] for values in rounds):.2f}",
                f"{statistics.median(values[3] for values in rounds):.0f}",
            ]
        )
    table.note = (
        "`no server`: nothing listens at the port. `silent server`: it accepts connections and never "
        "answers. The CPU time does not include the process that wandb starts."
    )
    return table
