"""Compare the whole job, from the shell to a saved model, with scripts of other libraries."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import BUILT, CHECKOUT
from benchmarks.charts import Chart, bars
from benchmarks.measure import summarize
from benchmarks.plans import read_metrics, write_plan
from benchmarks.report import Section, Table, progress, ratio_cell, verdict, versions
from benchmarks.workers import ONE_THREAD_OF_XLA, THREAD_VARIABLES, cores, present, xla_flags

TEXT = """
The whole job of a command in the shell: start the process, read the data, train, evaluate loss and accuracy
of the training rows (and the validation rows) after every epoch, write a table of them, evaluate the test
rows and save the model. cygd does it by `cygd run FILE`, each peer by its script in `benchmarks/jobs`, in a
process of its own that reads the same file. The scripts start from the same weights and use the same rows in
the same order, which they read from a file instead of drawing them. In every epoch they must have the losses
and accuracies of cygd, and they must stop where cygd stops (checked in each run, losses to 1 %). digits drops
units at random: there the scripts are checked in this way without dropout, and with it for the accuracy of
the test rows, within 0.02. The synthetic data are 10 000 rows of 784 numbers in ten classes, the size of
MNIST's images, in a .npy file; a tenth are validation rows.

The scripts are written for speed. They read CSV without pandas; PyTorch takes batches by index, without a
DataLoader, and has fused optimizers; JAX runs each epoch as one jitted function, a lax.scan with the updates
of optax. "JAX (cached)" finds its compiled functions in a cache on disk that an earlier run wrote.
scikit-learn has no dropout, so that it trains digits without, and not the loss of xor.

Times are medians; a ratio is a peer's time divided by cygd's, the median over interleaved rounds with the
interquartile range in brackets. CPU time is that of user and kernel together. Peak memory is the largest
resident set of the process (ru_maxrss). Each process is pinned to as many cores as it has threads. On a busy
machine, the threads of OpenBLAS and OpenMP spin while they wait for each other, so that the rows with two
threads overstate the times of scikit-learn and PyTorch.
"""
LUDWIG = """
Ludwig was not compared. It takes neither initial weights nor an order of the rows, so that equal losses,
which this comparison requires, cannot be checked. It could not be imported either: it needs torchvision,
whose wheel on PyPI does not match the CPU build of PyTorch.
"""
SYNTHETIC = """
data:
  source: npy
  x: x.npy
  y: y.npy
  classes: true
  split: {validation: 0.1}
model:
  dtype: float32
  activation: relu
  initializer: he_uniform
  layers: [128, {units: 10, activation: softmax}]
loss: cross_entropy
optimizer: {name: adam, learning_rate: 0.001}
train: {epochs: 10, batch_size: 128}
metrics: [accuracy]
"""
LOSS_TOLERANCE, ACCURACY_TOLERANCE = 0.01, 0.005
DROPOUT_TOLERANCE = 0.02  # of the test accuracy


@dataclass(frozen=True)
class Job:
    """An experiment, its number of threads and the least ratio to the fastest peer, the target."""

    name: str
    label: str
    least: float
    threads: int = 1
    overrides: tuple[str, ...] = ()
    without_dropout: tuple[str, ...] = ()  # the overrides for a comparison of the losses, if it drops units
    absent: tuple[str, ...] = ()  # peers that cannot do it


@dataclass(frozen=True)
class Peer:
    """A script in `benchmarks.jobs` and the packages that it needs."""

    label: str
    module: str
    packages: tuple[str, ...]
    cache: bool = False


PEERS = [
    Peer("scikit-learn", "sklearn_job", ("sklearn",)),
    Peer("PyTorch", "torch_job", ("torch",)),
    Peer("JAX", "jax_job", ("jax", "optax")),
    Peer("JAX (cached)", "jax_job", ("jax", "optax"), cache=True),
]
DIGITS = ("model.layers=[64, {units: 10, activation: softmax}]", "train.epochs=15")
JOBS = [
    Job("xor", "xor", 3, absent=("scikit-learn",)),
    Job("penguins", "penguins", 3),
    Job("digits", "digits", 3, without_dropout=DIGITS),
    Job("synthetic", "synthetic, 784-128-10", 1.5),
    Job("synthetic", "synthetic, 784-128-10", 1.5, threads=2),
]


class JobError(RuntimeError):
    """Raised if a process fails, or if a peer does not reach what cygd reaches."""


@dataclass
class Measured:
    """The processes of one side of a job, one value per round."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: list[float] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)  # of the last round


class Bench:
    """The folder of the measurements, and the processes that run in it."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.count = folder, 0
        _write_synthetic(folder, rows)

    def experiment(self, job: Job) -> Path:
        """Return the YAML file of a job."""
        if job.name == "synthetic":
            return self.folder / "synthetic.yaml"
        return CHECKOUT / "experiments" / f"{job.name}.yaml"

    def new_folder(self, name: str) -> Path:
        """Return the path of a folder that does not exist."""
        self.count += 1
        return self.folder / f"{name}-{self.count}"

    def ours(self, job: Job, overrides: Sequence[str]) -> tuple[Path, dict[str, Any]]:
        """Run cygd; return the run folder, and times and memory."""
        out = self.new_folder("cygd")
        path = [] if BUILT else ["-P"]  # not the sources in the current folder
        command = [*path, "-m", "cygd", "run", str(self.experiment(job)), *overrides]
        command += ["--quiet", "--threads", str(job.threads), "--out", str(out)]
        return out, self.launch(command, job.threads)

    def theirs(self, peer: Peer, plan: Path, threads: int) -> tuple[Path, dict[str, Any]]:
        """Run the script of a peer; return its folder, and times and memory."""
        out = self.new_folder(peer.module)
        cache = self.folder / "compiled" if peer.cache else None
        command = ["-m", f"benchmarks.jobs.{peer.module}", str(plan), str(out)]
        return out, self.launch(command, threads, cache)

    def launch(self, command: Sequence[str], threads: int, cache: Path | None = None) -> dict[str, Any]:
        """Run Python with a command line, pinned to as many cores as threads."""
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # from the second process on there is bytecode
        if threads == 1:
            environment["XLA_FLAGS"] = xla_flags(ONE_THREAD_OF_XLA, environment)
        if cache is not None:
            environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        cpus = ",".join(map(str, cores()[-threads:]))
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), cpus]
        done = subprocess.run(
            [*launcher, sys.executable, *command],
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
        )
        usage = json.loads(done.stdout) if done.returncode == 0 else {"code": done.returncode}
        if usage["code"]:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise JobError(f"{' '.join(command[:2])} ended with exit code {usage['code']}: {last}")
        return dict(usage)


def _write_synthetic(folder: Path, rows: int) -> None:
    """Write rows of ten classes, of the size of MNIST's images, and their experiment."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(10, 784))
    y = rng.integers(0, 10, rows)
    x = 0.15 * centers[y] + rng.normal(size=(rows, 784))
    np.save(folder / "x.npy", x.astype(np.float32))
    np.save(folder / "y.npy", y)
    (folder / "synthetic.yaml").write_text(SYNTHETIC)


def run(quick: bool = False, jobs: Sequence[Job] | None = None) -> Section:
    """Measure all jobs."""
    peers = [peer for peer in PEERS if all(map(present, peer.packages))]
    if quick:
        peers = [peer for peer in peers if not peer.cache]
    absent = [f"{peer.label}: not installed" for peer in PEERS if not all(map(present, peer.packages))]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), 2000 if quick else 10_000)
        for job in JOBS if jobs is None else jobs:
            if job.threads <= (1 if quick else len(cores())):
                progress(f"{job.label}, threads: {job.threads}")
                results.append((job, measure(bench, job, peers, 1 if quick else 7)))
    text = TEXT + LUDWIG + f"\nPeers: {versions('scikit-learn', 'torch', 'jax', 'optax')}."
    if absent:
        text += "\n\nSkipped: " + "; ".join(absent) + "."
    tables = [_table(results)]
    return Section("experiments", "The whole job", text, tables, [_chart(results)])


def measure(bench: Bench, job: Job, peers: Sequence[Peer], rounds: int) -> dict[str, Measured]:
    """Time cygd and the peers alternately; the first, untimed round writes bytecode and caches."""
    peers = [peer for peer in peers if peer.label not in job.absent]
    if job.without_dropout:
        run, _ = bench.ours(job, job.without_dropout)
        plan = _plan(bench, run, job)
        for peer in peers:
            check(job, peer.label, run, bench.theirs(peer, plan, job.threads)[0], exact=True)
    reference, _ = bench.ours(job, job.overrides)
    plan = _plan(bench, reference, job)
    sides: dict[str, Peer | None] = {"cygd": None} | {peer.label: peer for peer in peers}
    measured = {label: Measured() for label in sides}
    for turn in range(rounds + 1):
        for label in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
            peer = sides[label]
            out, usage = (
                bench.ours(job, job.overrides) if peer is None else bench.theirs(peer, plan, job.threads)
            )
            check(job, label, reference, out, exact=not job.without_dropout)
            side = measured[label]
            side.result = json.loads((out / "result.json").read_text())
            if turn or rounds == 1:
                for name in ("seconds", "cpu_seconds", "peak_bytes"):
                    getattr(side, name).append(usage[name])
        if rounds == 1:  # a smoke test
            break
    return measured


def _plan(bench: Bench, run: Path, job: Job) -> Path:
    plan = bench.new_folder("plan")
    write_plan(plan, run, job.threads)
    return plan


def check(job: Job, label: str, reference: Path, out: Path, exact: bool) -> None:
    """Raise an error if a side did not reach what cygd reached.

    With `exact`, in every epoch; otherwise in the accuracy of the test rows.
    """
    ours, theirs = (json.loads((path / "result.json").read_text()) for path in (reference, out))
    if ours["epochs"] != theirs["epochs"]:
        raise JobError(f"{job.label}, {label}: {theirs['epochs']} epochs, cygd {ours['epochs']}")
    if not exact:
        values = [side["metrics"]["test_accuracy"] for side in (ours, theirs)]
        if not abs(values[0] - values[1]) <= DROPOUT_TOLERANCE:
            raise JobError(f"{job.label}, {label}: test_accuracy {values[1]}, cygd {values[0]}")
        return
    ours, theirs = ({"saved": side["metrics"]} for side in (ours, theirs))
    for path, rows in ((reference, ours), (out, theirs)):
        columns = read_metrics(path)
        for epoch in range(len(columns["epoch"])):
            rows[f"epoch {epoch}"] = {name: column[epoch] for name, column in columns.items()}
    for row, values in ours.items():
        for name, value in values.items():
            if not name.endswith(("loss", "accuracy")) or name.startswith("running"):
                continue
            loss = name.endswith("loss")
            tolerance = LOSS_TOLERANCE * value + 1e-5 if loss else ACCURACY_TOLERANCE
            if not abs(theirs[row][name] - value) <= tolerance:  # a NaN is not within
                found = theirs[row][name]
                raise JobError(f"{job.label}, {label}, {row}: {name} {found:g}, cygd {value:g}")


def _table(results: list[tuple[Job, dict[str, Measured]]]) -> Table:
    head = ["job", "threads", "side", "wall, s", "CPU, s", "ratio of wall", "ratio of CPU", "peak memory, MB"]
    table = Table("From the shell to a saved model", [*head, "epochs", "loss", "accuracy", "target"])
    for job, sides in results:
        walls = summarize({label: side.seconds for label, side in sides.items()})
        loads = summarize({label: side.cpu_seconds for label, side in sides.items()})
        fastest = min((walls.ratios[label] for label in sides if label != "cygd"), default=np.nan)
        for label, side in sides.items():
            ours = label == "cygd"
            metrics = side.result["metrics"]
            accuracy = next(
                metrics[name]
                for name in ("test_accuracy", "validation_accuracy", "accuracy")
                if name in metrics
            )
            target = "-"
            if ours and not np.isnan(fastest):
                target = verdict(f"{job.least:g} times the fastest peer", fastest >= job.least)
            table.rows.append(
                [
                    job.label,
                    str(job.threads),
                    label,
                    f"{walls.seconds[label]:.2f}",
                    f"{loads.seconds[label]:.2f}",
                    "1" if ours else ratio_cell(walls, label),
                    "1" if ours else ratio_cell(loads, label),
                    f"{statistics.median(side.peak_bytes) / 1e6:.0f}",
                    str(side.result["epochs"]),
                    f"{metrics['loss']:.4f}",
                    f"{accuracy:.3f}",
                    target,
                ]
            )
    table.note = (
        "The loss is that of the training rows, the accuracy that of the test rows, else of the validation "
        "rows, else of the training rows; both of the saved model."
    )
    return table


def _chart(results: list[tuple[Job, dict[str, Measured]]]) -> Chart:
    groups = {}
    for job, sides in results:
        name = job.name if job.threads == 1 else f"{job.name}\n{job.threads} threads"
        ratios = summarize({label: side.seconds for label, side in sides.items()}).ratios
        groups[name] = {label: ratio for label, ratio in ratios.items() if label != "cygd"}
    caption = "Wall time of the whole job, from the shell to a saved model"
    return Chart("experiments", caption, lambda: bars(groups, caption))
