"""Measure what epochs and runs cost besides training: evaluation, files, listeners, the runs of a sweep."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cygd
from benchmarks import BUILT, CHECKOUT
from benchmarks.measure import Comparison, summarize
from benchmarks.report import Section, Table, progress, ratio_cell, verdict
from benchmarks.startup import LOGGER
from cygd.runner.assembly import assemble
from cygd.runner.fit import fit_options

TEXT = """
An epoch of a shipped experiment on one thread, without early stopping: as shipped, with loss and metrics
after each epoch, metrics.csv and hashes.csv; without evaluation; with a logger or a metric in Python that
sees each epoch; and by `Network.fit` alone. The last table runs `cygd sweep` over seeds with a durable folder
for each run. Times are medians over interleaved rounds, ratios medians over the rounds with the interquartile
range.
"""
PLUGIN = f"""{LOGGER}

import numpy as np
from cygd import Metric


@hookimpl
def cygd_metrics():
    return Metric("largest_error", lambda y, y_hat: float(np.abs(y - y_hat).max()), False)
"""
BARE, PLAIN, SHIPPED = "Network.fit", "without evaluation", "as shipped"
LOGGER, METRIC = "with a logger", "with a metric in Python"
# experiment, epochs, and the most that an epoch as shipped may take: times that of the side
EXPERIMENTS = [("xor", 5000, 5.0, BARE), ("penguins", 1000, 1.5, PLAIN), ("digits", 40, 1.5, PLAIN)]
EARLIER_MILLISECONDS = 12  # CPU time of a run of the sweep before many epochs ran in one call


def run(quick: bool = False, runs: int = 0) -> Section:
    """Measure epochs, and sweeps of so many runs (default 1000)."""
    ratios = [f"over {BARE}", f"over {PLAIN}", LOGGER, METRIC]
    head = ["experiment", "us as shipped", *ratios, "target"]
    epochs = Table("An epoch of a run", head)
    with tempfile.TemporaryDirectory() as folder:
        for name, count, most, side in EXPERIMENTS[:1] if quick else EXPERIMENTS:
            progress(name)
            count = count // 20 if quick else count
            comparison = _epochs(Path(folder), name, count, 2 if quick else 9)
            ratio = comparison[side].ratios[SHIPPED]
            cells = [ratio_cell(comparison[other], SHIPPED) for other in (BARE, PLAIN)]
            cells += [ratio_cell(comparison[SHIPPED], other) for other in (LOGGER, METRIC)]
            target = verdict(f"at most {most:g} {side}", ratio <= most)
            shipped = f"{1e6 * comparison[SHIPPED].seconds[SHIPPED]:.1f}"
            epochs.rows.append([f"{name}.yaml, {count} epochs", shipped, *cells, target])
        epochs.note = "The logger and the metric are compared with the run as shipped."
        progress("sweep")
        sweep = _sweep(Path(folder), runs or (20 if quick else 1000))
    return Section("epochs", "Epochs and runs", TEXT, [epochs, sweep])


def _epochs(folder: Path, name: str, count: int, rounds: int) -> dict[str, Comparison]:
    """Return the comparisons of an epoch of all sides with each of three."""
    path = CHECKOUT / "experiments" / f"{name}.yaml"
    plugin = folder / "listeners.py"
    plugin.write_text(PLUGIN)
    overrides = [f"train.epochs={count}", "stop=null", "checkpoint=null"]
    metrics = [spec.component.name for spec in assemble(path).experiment.metrics]

    def of_run(*more: str) -> Callable[[], float]:
        plugins = [str(plugin)] if more else []
        given = [*overrides, *more]

        def seconds() -> float:
            out = folder / f"run{time.monotonic_ns()}"
            return cygd.run(path, overrides=given, plugins=plugins, out=out, threads=1, quiet=True).seconds

        return seconds

    def bare() -> float:
        assembly = assemble(path)
        options, train = fit_options(assembly.experiment, 1), assembly.data.train
        began = time.perf_counter()
        assembly.network.fit(
            train.x,
            train.y,
            optimizer=options.optimizer,
            epochs=count,
            batch_size=options.batch_size,
            shuffle=options.shuffle,
            threads=1,
        )
        return time.perf_counter() - began

    sides = {
        BARE: bare,
        PLAIN: of_run("train.evaluate_every=0"),
        SHIPPED: of_run(),
        LOGGER: of_run("log=[console, counter]"),
        METRIC: of_run(f"metrics=[{', '.join([*metrics, 'largest_error'])}]"),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(rounds):
        for side in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            times[side].append(sides[side]() / count)
    return {side: summarize({side: times[side], **times}) for side in (BARE, PLAIN, SHIPPED)}


def _sweep(folder: Path, runs: int) -> Table:
    """Time sweeps over seeds of an experiment of 100 epochs, by process CPU time and from start to exit."""
    head = ["sweep", "workers", "ms a run", "CPU ms a run", "target"]
    table = Table(f"{runs} runs of 100 epochs with durable folders", head)
    path = CHECKOUT / "experiments" / "xor.yaml"
    for label, options in (("xor.yaml", []), ("xor.yaml, batch_size: full", ["train.batch_size=full"])):
        for workers in (1, 2):
            out = folder / f"sweep{time.monotonic_ns()}"
            seeds = ",".join(map(str, range(runs)))
            command = [sys.executable, *([] if BUILT else ["-P"]), "-m", "cygd", "sweep", str(path)]
            command += [f"seed={seeds}", "train.epochs=100", *options]
            command += ["--out", str(out), "--workers", str(workers), "--quiet"]
            before, began = _cpu_seconds(), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd=CHECKOUT)
            took, cpu = time.perf_counter() - began, _cpu_seconds() - before
            least = EARLIER_MILLISECONDS / 3
            target = verdict(f"CPU {least:g} ms", 1e3 * cpu / runs <= least) if workers == 1 else "-"
            table.rows.append(
                [label, f"{workers}", f"{1e3 * took / runs:.1f}", f"{1e3 * cpu / runs:.1f}", target]
            )
    table.note = (
        "The target is a third of the time before many epochs ran in one call, 12 to 14 ms on a Zen 4."
    )
    return table


def _cpu_seconds() -> float:
    """Return the CPU time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
