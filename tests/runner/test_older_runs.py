"""Run folders, checkpoints and sweeps of the first version 0.1.0 still load, predict, resume and list.

`version_0_1` holds what that version wrote: a completed run, one killed in epoch 7 with a checkpoint of
epoch 6, a cross-validation killed in its second fold, and a sweep with one of four runs missing.
"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.core import dispatch
from cygd.sweep import resume as resume_sweep

RUNS = Path(__file__).parent / "version_0_1"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    shutil.copytree(RUNS, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def weights(folder):
    with np.load(folder / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_same_weights(folder, other):
    """Compare bits; the recorded run was trained with fused multiply-add, which the level `base` lacks."""
    ours, expected = weights(folder), weights(other)
    assert ours.keys() == expected.keys()
    for name, values in expected.items():
        if dispatch.level() == "base":
            np.testing.assert_allclose(ours[name], values, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(ours[name], values)


def test_model_predicts_what_it_predicted(runs):
    recorded = json.loads((RUNS / "completed_predictions.json").read_text())
    model = cygd.load(runs / "completed")
    np.testing.assert_allclose(model.predict(np.array(recorded["x"])), recorded["y_hat"], rtol=1e-12)


def test_config_trains_to_the_same_bits(runs):
    result = cygd.run(runs / "completed" / "config.yaml", out="again")
    assert result.status == "completed"
    assert_same_weights(result.directory, runs / "completed")


def test_killed_run_resumes_to_the_bits_of_the_completed_one(runs):
    result = cygd.resume(runs / "killed")
    assert (result.status, result.epochs) == ("completed", 12)
    assert_same_weights(runs / "killed", runs / "completed")
    with (runs / "killed" / "metrics.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(13))


def test_completed_run_resumes_with_more_epochs(runs):
    result = cygd.resume(runs / "completed", ["train.epochs=15"])
    assert (result.status, result.epochs) == ("completed", 15)


def test_killed_folds_resume(runs):
    result = cygd.resume(runs / "folds")
    assert result.status == "completed"
    assert {path.name for path in (runs / "folds").glob("fold-*")} == {"fold-1", "fold-2", "fold-3"}


def test_sweep_resumes_with_the_missing_run(runs):
    found = resume_sweep(runs / "sweep")
    assert len(found.records) == 4
    assert (runs / "sweep" / "summary.csv").is_file()


def test_runs_are_listed(runs, command):
    code, out, err = command("list", "runs")
    assert (code, err) == (0, "")
    for name in ("completed", "killed", "folds"):
        assert name in out
