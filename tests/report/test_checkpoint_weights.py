"""The page of a run that was killed, or goes on, shows the weights of its last checkpoint."""

import json
import subprocess
import sys

import numpy as np
import pytest

import cygd
from cygd.errors import CygdError
from cygd.report.evaluation import evaluate
from cygd.report.run_page import run_page
from cygd.report.run_record import read_run
from cygd.runner import load
from cygd.tracking.locking import FolderLock

pytest.importorskip("matplotlib")

MOONS = {
    "name": "moons",
    "data": {"source": "synthetic", "kind": "moons", "samples": 60, "split": {"test": 0.3}},
    "model": {"layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "sigmoid"}]},
    "loss": "binary_cross_entropy",
    "train": {"epochs": 9},
    "checkpoint": {"every": 2},
    "log": ["csv"],
}
KILLER = """import os
from cygd import hookimpl


@hookimpl
def cygd_epoch_end(run, epoch, metrics):
    if epoch == 5:
        os._exit(9)
"""


@pytest.fixture
def killed(tmp_path):
    """A run of which the process ended in epoch 5, after the checkpoint of epoch 4."""
    (tmp_path / "killer.py").write_text(KILLER)
    (tmp_path / "e.json").write_text(json.dumps(MOONS))
    code = "import json, cygd; cygd.run(json.load(open('e.json')), out='r', plugins=['killer.py'])"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 9
    assert not (tmp_path / "r" / "weights.npz").exists()
    return tmp_path / "r"


def test_killed_run_has_the_weights_of_its_checkpoint(killed, tmp_path):
    evaluation = evaluate(read_run(killed))
    assert evaluation.checkpoint == 4
    cygd.run(MOONS | {"train": {"epochs": 4}}, out=tmp_path / "short", quiet=True)
    assert np.array_equal(evaluation.network.weights[0], load(tmp_path / "short").network.weights[0])
    page = run_page(read_run(killed))
    assert "interrupted" in page
    assert "checkpoint of epoch 4, here and below" in page
    assert "confusion matrix" in page


def test_run_that_goes_on_prefers_its_checkpoint_to_old_weights(killed, tmp_path):
    cygd.run(MOONS | {"train": {"epochs": 1}}, out=tmp_path / "short", quiet=True)
    (killed / "weights.npz").write_bytes((tmp_path / "short" / "weights.npz").read_bytes())
    assert evaluate(read_run(killed)).checkpoint is None
    with FolderLock(killed):
        record = read_run(killed)
        assert record.is_going_on
        assert evaluate(record).checkpoint == 4


def test_run_without_weights_and_checkpoints_says_so(killed):
    for file in (killed / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(CygdError, match="the run has kept no weights yet"):
        evaluate(read_run(killed))


def test_damaged_checkpoints_cost_their_sections_only(killed):
    for file in (killed / "checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:-70])
    page = run_page(read_run(killed))
    assert "every checkpoint is damaged" in page
    assert "<h2>Training</h2>" in page


@pytest.mark.parametrize("tail", ["6", "6,0.5", "6,0.123"])
def test_row_that_is_being_written_is_left_out(tail, killed):
    file = killed / "metrics.csv"
    whole = file.read_bytes()
    before = read_run(killed)
    file.write_bytes(whole + tail.encode())
    record = read_run(killed)
    assert record.problems == before.problems == []
    assert record.last_epoch == before.last_epoch >= 4
    # a number that is cut short is another number
    file.write_bytes(whole[: whole.rindex(b"\n") - 2])
    assert read_run(killed).last_epoch == before.last_epoch - 1
    file.write_bytes(b"epoch,lo")
    assert read_run(killed).last_epoch == -1


def test_error_of_a_failed_run_is_on_its_page(tmp_path):
    cygd.run(MOONS, out=tmp_path / "r", quiet=True)
    file = tmp_path / "r" / "result.json"
    content = json.loads(file.read_text()) | {"status": "failed", "error": "loss <b> is gone"}
    file.write_text(json.dumps(content))
    page = run_page(read_run(tmp_path / "r"))
    assert '<p class="notice">loss &lt;b&gt; is gone</p>' in page
    assert "<h2>Result</h2>" in page
