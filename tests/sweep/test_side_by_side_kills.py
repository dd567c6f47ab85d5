"""Workers and sweeps that are killed while they train runs side by side."""

import json
import os
import signal
from pathlib import Path

import pytest

from cygd.sweep import resume, sweep
from tests.helpers.sweeps import TWO_AT_A_TIME as XOR
from tests.helpers.sweeps import bits, wait_for, workers


@pytest.fixture
def slow(slow_experiment):
    """Write an experiment of 8 slow runs that are trained side by side."""

    def write(more="", epochs=20):
        path = slow_experiment(f"{more}\nsweep: {{grid: {{seed: [0, 1, 2, 3, 4, 5, 6, 7]}}}}\n")
        text = path.read_text().replace("batch_size: 1", "batch_size: 4")
        path.write_text(text.replace("epochs: 20", f"epochs: {epochs}"))
        return path

    return write


def has_begun(folder, checkpoint):
    """Return whether all runs have begun; with checkpoints, whether one was written."""
    begun = all((folder / f"{number:04d}" / "hashes.csv").exists() for number in range(8))
    return begun and (not checkpoint or any(folder.glob("0*/checkpoints/*.npz")))


def assert_bits_of_one_after_the_other(folder, path, tmp_path, execute):
    (tmp_path / "fast").touch()
    other, _, _ = execute(path, [], alone=True)
    assert bits(folder) == bits(other)


@pytest.mark.parametrize("checkpoint", ["", "checkpoint: {every: 2}"])
def test_a_killed_worker(checkpoint, slow, tmp_path, start, execute):
    path = slow(checkpoint)
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: has_begun(tmp_path / "s", checkpoint), process)
    for pid in workers(process.pid):
        os.kill(pid, signal.SIGKILL)
    (tmp_path / "fast").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.count("was killed by signal 9; executing it again") == 8
    lines = [json.loads(line) for line in Path("s/runs.jsonl").read_text().splitlines()]
    assert [line["attempts"] for line in lines] == [2] * 8
    resumed = [
        "resumes from epoch" in (tmp_path / "s" / f"{k:04d}" / "log.txt").read_text() for k in range(8)
    ]
    assert any(resumed) == bool(checkpoint)
    assert_bits_of_one_after_the_other(tmp_path / "s", path, tmp_path, execute)


@pytest.mark.parametrize("checkpoint", ["", "checkpoint: {every: 2}"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep(number, checkpoint, slow, tmp_path, start, execute):
    path = slow(checkpoint)
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: has_begun(tmp_path / "s", checkpoint), process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in err
    (tmp_path / "fast").touch()
    result = resume("s", workers=2)
    assert [record.status for record in result.records] == ["completed"] * 8
    assert_bits_of_one_after_the_other(tmp_path / "s", path, tmp_path, execute)


def test_a_run_that_kills_its_worker_takes_no_other_with_it(experiment, tmp_path):
    (tmp_path / "killer.py").write_text(
        "import os, signal\nfrom cygd import hookimpl\n\n"
        "@hookimpl\ndef cygd_epoch_end(run, epoch, metrics):\n"
        "    if run.seed == 3 and epoch == 5:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = experiment("plugins: [killer.py]\n", XOR)
    result = sweep(path, ["seed=0,1,2,3,4,5,6,7"], out="s", workers=1)
    statuses = {record.run: record.status for record in result.records}
    assert statuses == {run: "killed" if run == 3 else "completed" for run in range(8)}
    assert {record.run: record.attempts for record in result.records} == dict.fromkeys(range(8), 2)
