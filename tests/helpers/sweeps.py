"""What the folder of a sweep holds, and the processes of a sweep."""

import csv
import time
from pathlib import Path

# runs of this experiment are trained side by side
TWO_AT_A_TIME = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]]}
model: {layers: [4, {units: 1, activation: sigmoid}]}
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 20, batch_size: 2}
metrics: [accuracy]
"""


def rows(directory, name="summary.csv"):
    with (directory / name).open(newline="") as file:
        return list(csv.DictReader(file))


def bits(directory):
    """Return the weights and metrics of all runs by folder."""
    return {
        folder.name: (
            (folder / "weights.npz").read_bytes(),
            [line.rpartition(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()],
        )
        for folder in sorted(directory.glob("[0-9]" * 4))
    }


def wait_for(condition, process=None):
    """Wait until a condition holds, for at most a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def workers(parent):
    """Return the worker processes of a sweep."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, words = (folder / "status").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and b"spawn_main" in words:
            pids.append(int(folder.name))
    return pids


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
