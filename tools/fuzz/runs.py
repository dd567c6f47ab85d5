"""Run folders: one file of a run or a sweep is changed, then every command that reads such a folder is run.

An input is the name of the file, a line break and its content, in which PLACE is the folder of runs.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

import cygd
from cygd.cli.main import main
from cygd.sweep.plan import restore_plan
from cygd.sweep.runner import sweep
from cygd.sweep.store import Store
from cygd.sweep.summary import Ranking, write_tables
from tools.fuzz.mutations import mutate_bytes, mutate_json

TABLE = "size,color,label\n" + "".join(
    f"{k / 7},{'rgb'[k % 3]},{'no' if k % 5 else 'yes'}\n" for k in range(20)
)
EXPERIMENT = """\
name: table
data: {source: csv, path: ../data.csv, targets: [label], scale: standard, split: {validation: 0.25}}
model: {layers: [{units: 3, activation: tanh}, {units: 1, activation: sigmoid}]}
loss: binary_cross_entropy
optimizer: adam
train: {epochs: 2, batch_size: 4}
stop: {patience: 5}
checkpoint: {every: 1}
"""
MOONS = EXPERIMENT.replace("csv, path: ../data.csv, targets: [label]", "synthetic, kind: moons, samples: 30")
RUN_FILES = (
    *("result.json", "environment.json", "preprocessing.json", "config.yaml", "metrics.csv", "hashes.csv"),
    *("weights.npz", "log.txt"),
)
PLACE = b"/the-folder-of-the-runs"
SWEEP_FILES = ("sweep.json", "runs.jsonl", "summary.csv")


@cache
def template() -> Path:
    """Return a folder with a table, three runs and a sweep."""
    folder = Path(tempfile.mkdtemp(prefix="cygd-fuzz-runs-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "data.csv").write_text(TABLE)
    (folder / "experiments").mkdir()
    file = folder / "experiments" / "table.yaml"
    file.write_text(EXPERIMENT)
    for name in ("run", "other"):
        cygd.run(file, out=folder / "runs" / name)
    (folder / "experiments" / "moons.yaml").write_text(MOONS)
    cygd.run(folder / "experiments" / "moons.yaml", out=folder / "runs" / "moons")
    sweep(
        file, ["optimizer.learning_rate=0.1,0.2", "train.epochs=1"], out=folder / "runs" / "sweep", workers=1
    )
    return folder


def seeds() -> list[bytes]:
    """Return the files of a run and of a sweep."""
    folder = template() / "runs"
    files = [f"run/{name}" for name in RUN_FILES] + [f"sweep/{name}" for name in SWEEP_FILES]
    place = os.fsencode(folder.parent)
    return [name.encode() + b"\n" + (folder / name).read_bytes().replace(place, PLACE) for name in files]


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change the content of a file, JSON mostly by its values."""
    name, _, content = data.partition(b"\n")
    lines = content.split(b"\n")
    if name.endswith(b".json") and draw.random() < 0.8:
        content = mutate_json(content, draw)
    elif name.endswith(b".jsonl") and draw.random() < 0.8:
        content = b"\n".join([mutate_json(lines[0], draw), *lines[1:]])
    else:
        content = mutate_bytes(content, draw, [content])
    return name + b"\n" + content


def check(data: bytes, folder: Path) -> bool:
    """Run the commands; return True if all of them succeed."""
    name, _, content = data.partition(b"\n")
    shutil.copytree(template(), folder, dirs_exist_ok=True)
    assert name.decode() in {
        f"{part}/{file}" for part in ("run", "sweep") for file in RUN_FILES + SWEEP_FILES
    }
    (folder / "runs" / name.decode()).write_bytes(content.replace(PLACE, os.fsencode(template())))
    os.chdir(folder)
    if name.startswith(b"sweep/"):
        run_command("list", "--json")
        store = Store(folder / "runs" / "sweep")
        plan = restore_plan(store.read_plan(), store.path)
        write_tables(store, Ranking(plan.objective, plan.greater_is_better), plan.keys, repeated=False)
        return True
    codes = [run_command("list"), run_command("compare", "runs/run", "runs/other")]
    codes.append(run_command("predict", "runs/run", "data.csv"))
    codes.append(run_command("run", "--resume", "runs/run", "train.epochs=3", "--quiet"))
    return not any(codes)


def run_command(*arguments: str) -> int:
    """Run a command and return its exit code; raise an AssertionError for an unexpected error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["--traceback", *arguments])
    text = err.getvalue()
    if code not in (0, 1, 2) or "unexpected" in text:
        raise AssertionError(f"cygd {' '.join(arguments)}: exit code {code}\n{text}")
    return code
