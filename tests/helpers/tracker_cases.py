"""Experiments with trackers, and readers of what the trackers wrote."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cygd

MODULES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
ROOT = Path(cygd.__file__).parents[1]


def skip_without(name):
    """Skip a test if the library of a tracker is not installed."""
    pytest.importorskip(MODULES.get(name, "cygd"), exc_type=ImportError)


def experiment(*log, epochs=20, **sections):
    """Return a small experiment with trackers."""
    return {
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 100,
            "split": {"validation": 0.2, "test": 0.2},
        },
        "model": {"layers": [{"units": 4, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}]},
        "loss": "binary_cross_entropy",
        "train": {"epochs": epochs, "batch_size": 8},
        "metrics": ["accuracy"],
        "log": list(log),
        **sections,
    }


def record(folder, name):
    """Return what trackers.json of a run has of a tracker."""
    return json.loads((folder / "trackers.json").read_text())[name]


def start(folder, *arguments, code="-m cygd run", **more):
    """Start a run in a process of its own."""
    other = ("CYGD_", "WANDB_SERVICE")  # the service of this process is not that of the run
    environment = {name: value for name, value in os.environ.items() if not name.startswith(other)}
    environment |= {"PYTHONPATH": str(ROOT), "WANDB_MODE": "offline", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [sys.executable, *code.split(), *map(str, arguments)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def run_to_end(folder, *arguments, **more):
    """Execute a run in a process of its own, and return what it printed."""
    process = start(folder, *arguments, **more)
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0, printed
    return printed


def wait_for(condition, seconds=150):
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("timed out")


def expected_rows(folder):
    """Return epoch -> values of metrics.csv, as numbers."""
    import csv

    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {int(row.pop("epoch")): {k: float(v) for k, v in row.items() if v} for row in rows}


def offline_records(folder):
    """Yield the records of all offline runs of wandb in a folder, in order of time.

    The file is a log of LevelDB with a header of 7 bytes: blocks of 32 KiB, in them fragments, each with a
    CRC, its length and its kind.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted(folder.glob("**/offline-run-*/run-*.wandb")):
        data, position, message = path.read_bytes(), 7, b""
        while position + 7 <= len(data):
            if 32768 - position % 32768 < 7:
                position += 32768 - position % 32768
                continue
            _, size, kind = struct.unpack("<IHB", data[position : position + 7])
            if kind == 0:
                break
            message += data[position + 7 : position + 7 + size]
            position += 7 + size
            if kind in (1, 4):  # a whole record, or its last fragment
                parsed = Record()
                parsed.ParseFromString(message)
                message = b""
                yield parsed


def offline_history(folder):
    """Return the rows of an offline run of wandb as (step, values)."""
    rows = []
    for each in offline_records(folder):
        if each.WhichOneof("record_type") == "history":
            items = {
                item.key or ".".join(item.nested_key): json.loads(item.value_json)
                for item in each.history.item
            }
            rows.append((items.pop("_step", each.history.step.num), items))
    return rows
