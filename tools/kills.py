"""Kill small runs, or sweeps and their workers, at random moments; resumed, they end with the same bits.

    python tools/kills.py --kills 10000 --state kills.json
    python tools/kills.py --sweeps --kills 500 --state sweep-kills.json

The processes are forked from one that has imported cygd, so that most of their time is in a run. The counts
are kept in the state file: a second start continues where the first ended. Exit code 1: something was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygd.cli.main import main as command
from cygd.tracking.checkpoints import read

RUN = """\
name: killed
data: {source: synthetic, kind: moons, samples: 80, scale: standard, split: {validation: 0.25, test: 0.25}}
model:
  layers: [{units: 6, dropout: 0.2, l2: 1e-4}, {units: 1, activation: sigmoid}]
loss: binary_cross_entropy
train: {epochs: 12, batch_size: 8}
metrics: [accuracy]
log: [jsonl]
"""
VARIANTS = (
    "optimizer: {name: adam, learning_rate: 0.01}\ncheckpoint: {every: 1}\nstop: {patience: 9}\n",
    "optimizer: {name: nadam, learning_rate: 0.05}\ncheckpoint: {every: 2, keep: 1}\n"
    "schedule: {name: reduce_on_plateau, patience: 1, warmup: 2}\n",
    "optimizer: {name: sgd, momentum: 0.9}\ncheckpoint: {every: 3, keep: all}\nseed: 5\n",
)
SWEEP = "sweep: {grid: {optimizer.learning_rate: [0.01, 0.02, 0.05], seed: [0, 1, 2, 3]}}\n"
TIMED = ("seconds", "attempts")


class Lost(Exception):
    """What must not happen: other bits, an error, or a file that cannot be read."""


def start(arguments: list[str], errors: Path) -> int:
    """Fork a process, the leader of a group, that runs a command; return its number."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code = 99
    try:
        code = command(arguments)
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, seconds: float | None) -> int | None:
    """Return the exit code of a process, or None if it has not ended after a time."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, 0 if end is None else os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if end is not None and time.monotonic() >= end:
            return None
        time.sleep(0.0005)


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what differs between equal runs."""
    return [{key: value for key, value in row.items() if key not in TIMED} for row in rows]


def run_outputs(folder: Path) -> Any:
    """Return all outputs of a run, without times."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = without_times(list(csv.DictReader(file)))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((folder / "result.json").read_text())
    names = ("weights.npz", "preprocessing.json", "config.yaml", "hashes.csv")
    files = [(folder / name).read_bytes() for name in names]
    return rows, without_times([*lines, result]), files


def sweep_outputs(folder: Path) -> Any:
    """Return all outputs of a sweep, without times."""
    with (folder / "summary.csv").open(newline="") as file:
        rows = without_times(list(csv.DictReader(file)))
    runs = sorted(path for path in folder.iterdir() if path.name.isdecimal() or path.name == "best")
    return rows, [(path.name, run_outputs(path)) for path in runs]


def check_complete(folder: Path) -> None:
    """Raise Lost if a file that was renamed into place cannot be read."""
    for path in folder.rglob("*.json"):
        if not path.name.startswith("."):
            json.loads(path.read_text())
    for path in folder.rglob("checkpoints/*.npz"):
        if not path.name.startswith("."):
            read(path)


class Chaos:
    """Kills commands in a folder until each has ended, and compares what they leave."""

    def __init__(self, folder: Path, sweeps: bool) -> None:
        self.folder, self.sweeps = folder, sweeps
        self.outputs: Callable[[Path], Any] = sweep_outputs if sweeps else run_outputs
        self.name = "sweep" if sweeps else "run"
        self.mine, self.errors = folder / "mine", folder / "errors.txt"
        self.worker_kills = 0  # after which a sweep went on
        self.files, self.expected, self.seconds = [], [], []
        for number, variant in enumerate(VARIANTS):
            file = folder / f"{number}.yaml"
            file.write_text(RUN + variant + (SWEEP if sweeps else ""))
            began = time.monotonic()
            code = wait(start(self.arguments(file, folder / f"expected-{number}"), self.errors), None)
            if code:
                raise Lost(f"exit code {code}: {self.errors.read_text()}")
            self.files.append(file)
            self.seconds.append(time.monotonic() - began)
            self.expected.append(self.outputs(folder / f"expected-{number}"))

    def arguments(self, file: Path, out: Path) -> list[str]:
        """Return the command that starts an experiment."""
        more = ["--workers", "2"] if self.sweeps else []
        return [self.name, str(file), "--out", str(out), "--quiet", *more]

    def one(self, number: int, draw: random.Random, moment: float | None) -> bool:
        """Start or resume, and kill after a part of the whole time; return whether a kill was needed."""
        variant = number % len(VARIANTS)
        done = self.mine / ("sweep.json" if self.sweeps else "config.yaml")
        if done.exists():
            arguments = [self.name, "--resume", str(self.mine), "--quiet"]
        else:
            shutil.rmtree(self.mine, ignore_errors=True)
            arguments = self.arguments(self.files[variant], self.mine)
        child = start(arguments, self.errors)
        code = wait(child, None if moment is None else moment * self.seconds[variant])
        if code is None:
            victims = workers_of(child) if self.sweeps else []
            if victims and draw.random() < 0.5:  # a worker alone: the sweep continues
                kill(draw.choice(victims))
                self.worker_kills += 1
                code = wait(child, None)
            else:
                kill(-child if draw.random() < 0.5 else child)  # a group of processes, or one
                kill(child)  # before it leads a group
                wait(child, None)
                time.sleep(0.05 if self.sweeps else 0)  # its workers see that it is gone
                check_complete(self.mine)
                return True
        if code != 0:
            raise Lost(f"exit code {code}: {self.errors.read_text()}")
        if self.outputs(self.mine) != self.expected[variant]:
            raise Lost(f"variant {variant} ended with other bits")
        shutil.rmtree(self.mine)
        return False


def kill(process: int) -> None:
    """Kill a process, or with a negative number a group, that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def workers_of(process: int) -> list[int]:
    """Return the children of a process."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def main() -> int:
    """Kill until the number of kills is reached; print and keep the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments")
    parser.add_argument("--sweeps", action="store_true", help="kill sweeps and their workers")
    parser.add_argument("--state", type=Path, help="a file that keeps the counts")
    parser.add_argument("--keep", type=Path, default=Path("kills-lost"), help="where lost folders are kept")
    options = parser.parse_args()
    counts = {"seed": options.seed, "starts": 0, "kills": 0, "worker_kills": 0, "ended": 0, "lost": 0}
    if options.state is not None and options.state.exists():
        counts |= json.loads(options.state.read_text())
    folder = Path(tempfile.mkdtemp(prefix="cygd-kills-"))
    began = reported = time.monotonic()
    try:
        chaos = Chaos(folder, options.sweeps)
        number = counts["ended"] + counts["lost"]
        killed = False
        while counts["kills"] < options.kills or killed:  # what was killed last ends, too
            draw = random.Random(f"{counts['seed']}/{counts['starts']}")
            moment = draw.uniform(0, 1.05) if counts["kills"] < options.kills else None
            counts["starts"] += 1
            try:
                killed = chaos.one(number, draw, moment)
                counts["kills"] += killed + chaos.worker_kills
                counts["worker_kills"] += chaos.worker_kills
                chaos.worker_kills = 0
                number += not killed
                counts["ended"] += not killed
            except Exception as error:  # whatever it is: it is kept
                killed = False
                counts["lost"] += 1
                number += 1
                options.keep.mkdir(exist_ok=True)
                kept = options.keep / f"{counts['seed']}-{counts['starts']}"
                print(f"lost, kept in {kept}: {error!r}", flush=True)
                if chaos.mine.exists():
                    shutil.move(chaos.mine, kept)
            if time.monotonic() - reported > 10 or not (counts["kills"] < options.kills or killed):
                reported = time.monotonic()
                print(f"{reported - began:.0f} s: {counts}", flush=True)
    finally:
        if options.state is not None:
            options.state.write_text(json.dumps(counts))
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if counts["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
