"""A sweep from its file to its tables: same bits however it is run, and nothing lost whatever happens."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.errors import CheckpointError, ConfigError
from cygd.sweep import resume, sweep

SLOW = """
import time
from cygd import Metric, hookimpl

def slow(y, y_hat):
    time.sleep(0.02)
    return 1.0

@hookimpl
def cygd_metrics():
    return Metric("slow", slow, True)
"""


def rows(directory, name="summary.csv"):
    with (directory / name).open(newline="") as file:
        return list(csv.DictReader(file))


def bits(directory):
    """Return the weights and the measured values of all runs by their folders."""
    return {
        folder.name: (
            (folder / "weights.npz").read_bytes(),
            [line.rpartition(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()],
        )
        for folder in sorted(directory.glob("[0-9]" * 4))
    }


def test_every_run_has_its_folder_and_is_the_run_of_its_own(experiment):
    path = experiment("sweep: {grid: {optimizer.learning_rate: [0.1, 1.0], seed: [0, 3]}}\n")
    found = sweep(path, workers=2)
    assert found.directory.parent == Path.cwd() / "runs" / "xor"
    assert [record.status for record in found.records] == ["completed"] * 4
    assert found.failed == []
    names = {entry.name for entry in found.directory.iterdir()}
    assert names == {
        *("0000", "0001", "0002", "0003", "best"),
        *("summary.csv", "sweep.json", "runs.jsonl", "log.txt"),
    }
    alone = cygd.run(path, ["optimizer.learning_rate=1.0", "seed=3"], out="alone")
    assert (found.directory / "0003/weights.npz").read_bytes() == Path("alone/weights.npz").read_bytes()
    ours, theirs = (Path(at, "config.yaml").read_text() for at in (found.directory / "0003", "alone"))
    assert ours == theirs
    assert "sweep" not in ours
    again = cygd.run(found.directory / "0003" / "config.yaml")
    assert again.metrics == alone.metrics


def test_the_summary_is_sorted_and_reads_back_to_the_bits(experiment):
    found = sweep(experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4]}}\n"), workers=2)
    table = rows(found.directory)
    losses = [float(row["loss"]) for row in table]
    assert losses == sorted(losses)
    assert list(table[0]) == [
        *("run", "seed", "status", "loss", "accuracy", "epochs", "best_epoch", "seconds", "error")
    ]
    for row in table:
        result = json.loads((found.directory / row["run"] / "result.json").read_text())
        assert result["metrics"]["loss"] == float(row["loss"])
    assert found.best.metrics["loss"] == losses[0]
    best = (found.directory / "best" / "weights.npz").read_bytes()
    assert best == (found.directory / table[0]["run"] / "weights.npz").read_bytes()


def test_greater_is_better_where_the_metric_says_so(experiment):
    found = sweep(experiment("sweep: {grid: {train.epochs: [0, 2000]}, objective: accuracy}\n"), workers=1)
    assert [row["train.epochs"] for row in rows(found.directory)] == ["2000", "0"]


def test_serial_pooled_and_resumed_give_the_same_bits(experiment):
    path = experiment(
        "sweep: {random: {optimizer.learning_rate: {log_uniform: [0.01, 1]}}, samples: 6, repeat: 2}\n"
    )
    serial, pooled = sweep(path, workers=1, out="serial"), sweep(path, workers=3, out="pooled")
    first = bits(serial.directory)
    assert len(first) == 12
    assert first == bits(pooled.directory)
    # as if everything behind the fifth line had never been
    lines = (pooled.directory / "runs.jsonl").read_bytes().split(b"\n")
    (pooled.directory / "runs.jsonl").write_bytes(b"\n".join(lines[:5]) + b"\n" + lines[5][:20])
    kept = {json.loads(line)["folder"] for line in lines[:5]}
    before = {name: (pooled.directory / name / "log.txt").stat().st_mtime_ns for name in kept}
    again = resume(pooled.directory, workers=2)
    assert first == bits(again.directory)
    assert before == {name: (pooled.directory / name / "log.txt").stat().st_mtime_ns for name in kept}
    # what was not known to be done is still there
    assert len(list(pooled.directory.glob("*.unfinished-1"))) == 7
    numbers = [[{**row, "seconds": ""} for row in rows(at.directory)] for at in (serial, again)]
    assert numbers[0] == numbers[1]


def test_a_sweep_that_is_done_is_summed_up_again(experiment):
    found = sweep(experiment("sweep: {grid: {seed: [0, 1]}}\n"), workers=1)
    text = (found.directory / "summary.csv").read_text()
    (found.directory / "summary.csv").unlink()
    assert resume(found.directory).best == found.best
    assert (found.directory / "summary.csv").read_text() == text


def test_the_summary_alone(experiment):
    path = experiment("sweep: {grid: {optimizer: [sgd, adam], seed: [0, 1]}}\nstop: {loss_below: 0.5}\n")
    whole = sweep(path, workers=2)
    bare = sweep(path, ["sweep.runs=summary"], workers=2)
    assert {entry.name for entry in bare.directory.iterdir()} == {
        *("summary.csv", "sweep.json", "runs.jsonl", "log.txt")
    }
    numbers = [[{**row, "seconds": ""} for row in rows(at.directory)] for at in (whole, bare)]
    assert numbers[0] == numbers[1]


def test_repeated_runs_have_a_table_of_their_means(experiment):
    path = experiment("sweep: {grid: {model.activation: [tanh, relu]}, repeat: 4}\n")
    found = sweep(path, workers=2)
    table, groups = rows(found.directory), rows(found.directory, "groups.csv")
    assert [row["seed"] for row in sorted(table, key=lambda row: row["run"])] == ["0", "1", "2", "3"] * 2
    for group in groups:
        own = [float(row["loss"]) for row in table if row["configuration"] == group["configuration"]]
        assert int(group["n"]) == len(own) == 4
        assert float(group["mean"]) == pytest.approx(np.mean(own), rel=1e-14)
        assert float(group["standard_deviation"]) == pytest.approx(np.std(own, ddof=1), rel=1e-12)
        half = 3.182446305284263 * np.std(own, ddof=1) / 2  # Student's t of 3 degrees
        assert float(group["high"]) - float(group["mean"]) == pytest.approx(half, rel=1e-10)
        assert float(group["mean"]) - float(group["low"]) == pytest.approx(half, rel=1e-10)
    means = [float(group["mean"]) for group in groups]
    assert means == sorted(means)
    # the best is of the best configuration, even where a lucky run of another is better
    assert str(found.best.configuration) == groups[0]["configuration"]


# -- what goes wrong ----------------------------------------------------------------------------------

POISON = """
import numpy as np
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    def poison(h, dose=0.0):
        if dose and h.shape[0] and abs(h).max() > 1.5:
            raise ValueError("poisoned")
        return 1.0 * h
    return Activation("poison", poison, lambda h, dose=0.0: np.ones_like(h), parameters={"dose": 0.0})
"""


def test_what_fails_is_told_and_the_rest_goes_on(experiment, cygd_sweep, tmp_path):
    (tmp_path / "poison.py").write_text(POISON)
    path = experiment(
        "plugins: [poison.py]\n"
        "sweep:\n"
        "  list:\n"
        "  - {model.activation: {name: poison, dose: 0}}\n"
        "  - {model.activation: {name: poison, dose: 1}, train.epochs: 4000}\n"
        "  - {optimizer.learning_rate: -1}\n"
        "  - {optimizer.learning_rate: 1.0e+200, model.layers.1.activation: identity}\n"
        "  - {seed: 1}\n"
    )
    code, out, err = cygd_sweep(path, "--workers", 2)
    assert code == 1
    directory = Path(out.strip())
    by_run = {row["run"]: row for row in rows(directory)}
    assert [by_run[f"{run:04d}"]["status"] for run in range(5)] == [
        *("completed", "failed", "failed", "diverged", "completed")
    ]
    assert "poisoned" in by_run["0001"]["error"]
    assert f"{path}:12:31 optimizer.learning_rate" in by_run["0002"]["error"]
    assert [row["status"] for row in rows(directory)][:2] == ["completed"] * 2
    assert "5 runs, 3 failed" in err
    assert "error: run 0002 (optimizer.learning_rate=-1): failed: " in err
    assert "Traceback" not in err
    assert json.loads((directory / "0001" / "result.json").read_text())["status"] == "failed"
    # they have failed, and would again: what is missing is nothing
    code, out, err = cygd_sweep("--resume", directory)
    assert code == 1
    assert len(list(directory.glob("0001*"))) == 1


def test_a_killed_worker_costs_its_run_alone(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: (tmp_path / "s" / "0001" / "metrics.csv").exists(), process)
    killed = workers(process.pid)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "was killed by signal 9; the run is made once more" in err
    lines = map(json.loads, Path("s/runs.jsonl").read_text().splitlines())
    assert sorted(line["attempts"] for line in lines) == [1, 1, 2]
    assert [row["status"] for row in rows(tmp_path / "s")] == ["completed"] * 3
    sweep(path, out="ignore_signals")
    assert bits(tmp_path / "s") == bits(tmp_path / "ignore_signals")


KILLER = """
import os, signal
from cygd import Metric, hookimpl

def killer(y, y_hat):
    if os.path.exists(os.path.join(os.path.dirname(__file__), "armed")) and abs(y_hat).sum() != 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0

@hookimpl
def cygd_metrics():
    return Metric("killer", killer, True)
"""


def test_a_run_that_always_kills_its_worker_is_marked_and_made_by_resume(experiment, tmp_path):
    (tmp_path / "killer.py").write_text(KILLER)
    path = experiment("plugins: [killer.py]\nsweep: {list: [{seed: 0}, {seed: 1, metrics: [killer]}]}\n")
    (tmp_path / "armed").touch()
    found = sweep(path, out="s", workers=1)
    assert [record.status for record in found.records] == ["completed", "killed"]
    [lost] = found.failed
    assert (lost.run, lost.attempts, lost.metrics) == (1, 2, {})
    assert lost.error == "the worker was killed by signal 9, 2 times"
    (tmp_path / "armed").unlink()
    assert [record.status for record in resume(found.directory).records] == ["completed"] * 2


def test_ctrl_c_keeps_what_is_done(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0002" / "metrics.csv").exists(), process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted, kept: " in err
    assert "Traceback" not in err
    assert 1 <= len(rows(tmp_path / "s")) < 6
    assert not list((tmp_path / "s").glob(".data*"))
    resume("s")
    sweep(path, out="ignore_signals")
    assert bits(tmp_path / "s") == bits(tmp_path / "ignore_signals")


def test_workers_do_not_outlive_a_sweep_that_is_killed(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW.replace("0.02", "0.5"))
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2, 3]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0001" / "metrics.csv").exists(), process)
    orphans = workers(process.pid)
    assert orphans
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, orphans)))
    with pytest.raises(ConfigError, match="another sweep"):
        resume("s", path, ["train.epochs=3"])
    # the lock went with its holder, and so does what it left
    found = resume("s", overrides=[], workers=2)
    assert len(found.records) == 4
    assert not list((tmp_path / "s").glob(".data*"))


def test_two_at_one_sweep(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2, 3]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: (tmp_path / "s" / "runs.jsonl").exists(), process)
    with pytest.raises(ConfigError, match="another process works on the sweep"):
        resume("s")
    with pytest.raises(ConfigError, match="is not empty"):
        sweep(path, out="s")


def test_a_shard_and_a_whole_sweep_do_not_work_side_by_side(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 1, "--shard", "1/2")
    wait_for(lambda: (tmp_path / "s" / "0000").exists(), process)
    for refused in (lambda: resume("s"), lambda: sweep(path, out="s", shard=(2, 3))):
        with pytest.raises(ConfigError, match=r"another process works .* \(runs-1-of-2\.jsonl\)"):
            refused()
    sweep(path, out="s", shard=(2, 2), workers=1)
    assert process.wait(timeout=60) == 0
    assert len(resume("s").records) == 6


def test_a_run_that_was_killed_goes_on_from_its_checkpoint(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\ncheckpoint: {every: 2}\nsweep: {grid: {seed: [3]}, repeat: 2}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: any((tmp_path / "s" / "0000").glob("checkpoints/*.npz")), process)
    for pid in workers(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 0
    assert not list((tmp_path / "s").glob("*.unfinished*"))
    assert "resumes from epoch" in (tmp_path / "s" / "0000" / "log.txt").read_text()
    assert [row["seed"] for row in sorted(rows(tmp_path / "s"), key=lambda row: row["run"])] == ["3", "4"]
    sweep(path, out="ignore_signals")
    assert bits(tmp_path / "s") == bits(tmp_path / "ignore_signals")


def test_a_request_to_end_is_what_ctrl_c_is(experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\nsweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0002" / "metrics.csv").exists(), process)
    os.killpg(process.pid, signal.SIGTERM)  # as a batch system does: to all of them
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted, kept: " in err
    assert "Traceback" not in err
    assert len(resume("s").records) == 6


def test_what_has_changed_is_named(experiment, tmp_path):
    (tmp_path / "d.csv").write_text("x,y\n0,1\n1,2\n")
    path = experiment("", "data: {source: csv, path: d.csv, targets: [y]}\nmodel: {layers: [1]}\nname: a\n")
    found = sweep(path, ["seed=1,2"], workers=1)
    with pytest.raises(ConfigError, match=r"axes\.seed was \[1, 2\] there, and is \[1, 3\] here"):
        resume(found.directory, path, ["seed=1,3"])
    with pytest.raises(ConfigError, match=r"experiment\.train was null there, and is"):
        resume(found.directory, path, ["seed=1,2", "train.epochs=3"])
    (tmp_path / "d.csv").write_text("x,y\n0,1\n1,3\n")
    with pytest.raises(ConfigError, match=r"the data file .*d\.csv has changed since the sweep"):
        resume(found.directory)
    with pytest.raises(CheckpointError, match=r"not the folder of a sweep: it has no sweep\.json"):
        resume(tmp_path)


# -- shards -------------------------------------------------------------------------------------------


def test_shards_share_a_folder_and_resume_merges(experiment, tmp_path):
    path = experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4]}}\n")
    for k in (1, 3):
        found = sweep(path, out="s", shard=(k, 3), workers=1)
    assert sorted(record.run for record in found.records) == [0, 2, 3]
    assert found.total == 5
    merged = resume("s", workers=2)
    assert sorted(record.run for record in merged.records) == [0, 1, 2, 3, 4]
    assert len(rows(tmp_path / "s")) == 5
    sweep(path, out="whole")
    assert bits(tmp_path / "s") == bits(tmp_path / "whole")


def test_shards_that_start_together(experiment, tmp_path, start):
    path = experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4, 5, 6]}}\n")
    shards = [start(path, "--shard", f"{k}/3", "--out", "s", "--workers", 1) for k in (1, 2, 3)]
    for process in shards:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out == f"{tmp_path / 's'}\n"
    assert len(resume("s").records) == len(rows(tmp_path / "s")) == 7


def test_a_shard_of_another_sweep_is_refused(experiment):
    path = experiment("sweep: {grid: {seed: [0, 1]}}\n")
    sweep(path, out="s", shard=(1, 2), workers=1)
    with pytest.raises(ConfigError, match="is another sweep's"):
        sweep(path, ["train.epochs=3"], out="s", shard=(2, 2))
    with pytest.raises(ConfigError, match="needs the folder that all shards share"):
        sweep(path, shard=(1, 2))
    Path("full").mkdir()
    Path("full/other.txt").touch()
    with pytest.raises(ConfigError, match="not empty, and not that of a sweep"):
        sweep(path, out="full", shard=(1, 2))


# -- helpers ------------------------------------------------------------------------------------------


def wait_for(condition, process=None):
    """Wait until something holds, for at most a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def workers(parent):
    """Return the worker processes of a sweep."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, words = (folder / "status").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and b"spawn_main" in words:
            found.append(int(folder.name))
    return found


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
