"""Soak: networks and runs by the thousands in one process; memory, threads and descriptors must not grow.

    python tools/soak.py                                 2000 networks, 500 runs, 8 threads
    python tools/soak.py --networks 100 --runs 20        a shorter one

A network is made, fitted, saved, loaded and asked; a run writes a run folder. Then threads train equal nets
at a switch interval of 1 us and must get equal bits. The first tenth is not counted: caches fill.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import cygd

GROWTH = (
    8_000_000  # bytes of memory that may be new after the first tenth: pools and fragments of the allocator
)
MOONS = {
    "data": {"source": "synthetic", "kind": "moons", "samples": 60, "split": {"validation": 0.25}},
    "model": {"layers": [4, {"units": 1, "activation": "sigmoid"}]},
    "loss": "binary_cross_entropy",
    "optimizer": "adam",
    "train": {"epochs": 3, "batch_size": 8},
    "metrics": ["accuracy"],
    "checkpoint": {"every": 1},
}
KINDS = ("tanh", "relu", "h * sigmoid(h)", "gelu")


class Figures(NamedTuple):
    """What a process holds."""

    memory: int  # bytes
    threads: int
    descriptors: int

    @classmethod
    def now(cls) -> Figures:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir("/proc/self/task")),  # noqa: PTH208 (only the number counts)
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        )


def soak(name: str, count: int, step: Callable[[int], None]) -> list[str]:
    """Repeat a step, print what has grown since the first tenth, and return the faults."""
    began = time.perf_counter()
    before = Figures.now()
    for number in range(count):
        if number == max(1, count // 10):
            before = Figures.now()
        step(number)
    after = Figures.now()
    seconds = time.perf_counter() - began
    print(
        f"{count} {name} in {seconds:.1f} s: memory {after.memory / 1e6:.1f} MB "
        f"({(after.memory - before.memory) / 1e6:+.1f}), threads {after.threads} "
        f"({after.threads - before.threads:+d}), descriptors {after.descriptors} "
        f"({after.descriptors - before.descriptors:+d})",
        flush=True,
    )
    grown = after.memory - before.memory > GROWTH, after.threads > before.threads
    grown = (*grown, after.descriptors > before.descriptors)
    return [f"{what} of {name}" for what, more in zip(before._fields, grown, strict=True) if more]


def network_step(folder: Path) -> Callable[[int], None]:
    """Return a step that makes, fits, saves, loads and asks a network."""
    x = np.random.default_rng(0).normal(size=(64, 3))
    y = np.sin(x[:, :1])

    def step(number: int) -> None:
        kind = KINDS[number % len(KINDS)]
        activation = cygd.Activation("soaked", formula=kind) if " " in kind else kind
        layers = [(5, activation), (1, "identity")]
        dtype = ("float32", "float64")[number // 4 % 2]
        net = cygd.Network(3, layers, dtype=dtype, seed=number)
        net.fit(x, y, epochs=2, batch_size=16, optimizer="adam")
        net.save(folder / "net.npz")
        if activation is kind:  # a component of our own would have to be given again
            assert (cygd.Network.load(folder / "net.npz").predict(x) == net.predict(x)).all()

    return step


def run_step(folder: Path) -> Callable[[int], None]:
    """Return a step that writes, loads, resumes and removes a run folder."""

    def step(number: int) -> None:
        out = folder / "run"
        cygd.run({**MOONS, "seed": number}, out=out)
        cygd.load(out).predict([[0.0, 1.0]])
        if number % 5 == 0:
            cygd.resume(out, ["train.epochs=4"])
        shutil.rmtree(out)

    return step


def bits_of_threads(n_threads: int, rounds: int) -> int:
    """Train equal networks in threads that switch as often as possible; return how many bits differ."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = np.sin(x[:, :1])

    def train() -> bytes:
        net = cygd.Network(3, [(8, "tanh"), (1, "identity")], seed=1)
        net.fit(x, y, epochs=5, batch_size=8, optimizer="adam", threads=2)
        return bytes(net.predict(x).tobytes())

    expected = train()
    results: list[bytes] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(rounds):
            threads = [threading.Thread(target=lambda: results.append(train())) for _ in range(n_threads)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    return sum(result != expected for result in results) + n_threads * rounds - len(results)


def main() -> int:
    """Run all parts; return 1 if something grew or differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=25, help="of 8 threads")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cygd-soak-"))
    try:
        faults = soak("networks", options.networks, network_step(folder))
        faults += soak("runs", options.runs, run_step(folder))
    finally:
        shutil.rmtree(folder)
    different = bits_of_threads(8, options.rounds)
    print(f"{8 * options.rounds} trainings in 8 threads: {different} with other bits")
    faults += [f"{different} trainings differ"] if different else []
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
