"""A run gives the same files whether its epochs run in bulk or a plugin follows each one."""

from pathlib import Path

import numpy as np
import pytest

import cygd

HERE = Path(__file__).parents[2]
EXPERIMENTS = sorted((HERE / "experiments").glob("*.yaml"))
FOLLOWER = """\
from cygd import hookimpl

@hookimpl
def cygd_epoch_end(run, epoch, metrics): pass
"""
COUNTER = """\
from cygd import hookimpl

@hookimpl
def cygd_epochs_end(run, rows):
    with (run.directory / "epochs.txt").open("a") as file:
        print(*(epoch for epoch, values in rows), file=file)
    return "stop" if rows.last >= 5 else None
"""


def files(folder):
    """Return the rows without their seconds, the hashes and the weights of a run or of its folds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "metrics.csv":
            found[name] = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
        elif path.name == "hashes.csv":
            found[name] = path.read_text()
        elif path.name == "weights.npz":
            with np.load(path) as arrays:
                found[name] = {key: arrays[key].tobytes() for key in arrays}
    return found


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_experiment_has_the_same_bits(experiment, tmp_path):
    (tmp_path / "follower.py").write_text(FOLLOWER)
    bulk = cygd.run(experiment, ["train.epochs=12"], out=tmp_path / "bulk")
    plugins = [str(tmp_path / "follower.py")]
    single = cygd.run(experiment, ["train.epochs=12"], plugins=plugins, out=tmp_path / "single")
    found = files(bulk.directory)
    assert len(found) >= 3
    assert found == files(single.directory)
    assert repr(bulk.metrics) == repr(single.metrics)


def test_plugins_follow_consecutive_epochs_and_stop(tmp_path):
    (tmp_path / "counter.py").write_text(COUNTER)
    result = cygd.run(
        HERE / "experiments" / "xor.yaml",
        ["train.epochs=100000", "stop=null"],
        plugins=[str(tmp_path / "counter.py")],
        out=tmp_path / "run",
    )
    lines = (result.directory / "epochs.txt").read_text().splitlines()
    epochs = [int(number) for line in lines for number in line.split()]
    assert epochs == list(range(result.epochs + 1))
    assert result.status == "stopped"
    assert len(lines) == 2  # row 0, and one call of the core
