"""Sweeps from experiment to tables: the same bits in any execution, and no failure loses finished runs."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.errors import CheckpointError, ConfigError
from cygd.sweep import resume, sweep
from tests.helpers.sweeps import alive, bits, rows, wait_for, workers


def test_each_run_has_the_files_and_bits_of_a_single_run(experiment):
    path = experiment("sweep: {grid: {optimizer.learning_rate: [0.1, 1.0], seed: [0, 3]}}\n")
    result = sweep(path, workers=2)
    assert result.directory.parent == Path.cwd() / "runs" / "xor"
    assert [record.status for record in result.records] == ["completed"] * 4
    assert result.failed == []
    names = {entry.name for entry in result.directory.iterdir()}
    assert names == {
        *("0000", "0001", "0002", "0003", "best"),
        *("summary.csv", "sweep.json", "runs.jsonl", "log.txt"),
    }
    single = cygd.run(path, ["optimizer.learning_rate=1.0", "seed=3"], out="single")
    assert (result.directory / "0003/weights.npz").read_bytes() == Path("single/weights.npz").read_bytes()
    ours, theirs = (Path(at, "config.yaml").read_text() for at in (result.directory / "0003", "single"))
    assert ours == theirs
    assert "sweep" not in ours
    again = cygd.run(result.directory / "0003" / "config.yaml")
    assert again.metrics == single.metrics


def test_summary_is_sorted_and_reads_back_exactly(experiment):
    result = sweep(experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4]}}\n"), workers=2)
    table = rows(result.directory)
    losses = [float(row["loss"]) for row in table]
    assert losses == sorted(losses)
    assert list(table[0]) == [
        *("run", "seed", "status", "loss", "accuracy", "epochs", "best_epoch", "seconds", "error")
    ]
    for row in table:
        recorded = json.loads((result.directory / row["run"] / "result.json").read_text())
        assert recorded["metrics"]["loss"] == float(row["loss"])
    assert result.best.metrics["loss"] == losses[0]
    best = (result.directory / "best" / "weights.npz").read_bytes()
    assert best == (result.directory / table[0]["run"] / "weights.npz").read_bytes()


def test_metric_decides_whether_greater_is_better(experiment):
    result = sweep(experiment("sweep: {grid: {train.epochs: [0, 2000]}, objective: accuracy}\n"), workers=1)
    assert [row["train.epochs"] for row in rows(result.directory)] == ["2000", "0"]


def test_serial_parallel_and_resumed_sweeps_have_the_same_bits(experiment):
    path = experiment(
        "sweep: {random: {optimizer.learning_rate: {log_uniform: [0.01, 1]}}, samples: 6, repeat: 2}\n"
    )
    serial, pooled = sweep(path, workers=1, out="serial"), sweep(path, workers=3, out="pooled")
    first = bits(serial.directory)
    assert len(first) == 12
    assert first == bits(pooled.directory)
    # truncate the records in the middle of the sixth line
    lines = (pooled.directory / "runs.jsonl").read_bytes().split(b"\n")
    (pooled.directory / "runs.jsonl").write_bytes(b"\n".join(lines[:5]) + b"\n" + lines[5][:20])
    kept = {json.loads(line)["folder"] for line in lines[:5]}
    before = {name: (pooled.directory / name / "log.txt").stat().st_mtime_ns for name in kept}
    again = resume(pooled.directory, workers=2)
    assert first == bits(again.directory)
    assert before == {name: (pooled.directory / name / "log.txt").stat().st_mtime_ns for name in kept}
    # folders without a record are kept
    assert len(list(pooled.directory.glob("*.unfinished-1"))) == 7
    numbers = [[{**row, "seconds": ""} for row in rows(at.directory)] for at in (serial, again)]
    assert numbers[0] == numbers[1]


def test_resuming_a_finished_sweep_rewrites_the_summary(experiment):
    result = sweep(experiment("sweep: {grid: {seed: [0, 1]}}\n"), workers=1)
    text = (result.directory / "summary.csv").read_text()
    (result.directory / "summary.csv").unlink()
    assert resume(result.directory).best == result.best
    assert (result.directory / "summary.csv").read_text() == text


def test_runs_summary_writes_the_same_table_without_folders(experiment):
    path = experiment("sweep: {grid: {optimizer: [sgd, adam], seed: [0, 1]}}\nstop: {loss_below: 0.5}\n")
    whole = sweep(path, workers=2)
    bare = sweep(path, ["sweep.runs=summary"], workers=2)
    assert {entry.name for entry in bare.directory.iterdir()} == {
        *("summary.csv", "sweep.json", "runs.jsonl", "log.txt")
    }
    numbers = [[{**row, "seconds": ""} for row in rows(at.directory)] for at in (whole, bare)]
    assert numbers[0] == numbers[1]


def test_runs_summary_fails_with_plugins_that_need_epochs(experiment, tmp_path):
    (tmp_path / "listener.py").write_text(
        "from cygd import hookimpl\n\n@hookimpl\ndef cygd_epoch_end(run, epoch, metrics): pass\n"
    )
    path = experiment("plugins: [listener.py]\nsweep: {grid: {seed: [0]}, runs: summary}\n")
    [record] = sweep(path, workers=1).failed
    assert "a plugin implements cygd_epoch_end" in record.error


def test_groups_table_has_the_statistics_of_repeated_runs(experiment):
    path = experiment("sweep: {grid: {model.activation: [tanh, relu]}, repeat: 4}\n")
    result = sweep(path, workers=2)
    table, groups = rows(result.directory), rows(result.directory, "groups.csv")
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
    # not the best run of all, which may belong to another configuration
    assert str(result.best.configuration) == groups[0]["configuration"]


# -- failures ----------------------------------------------------------------------------------

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


def test_failed_runs_are_reported_and_the_others_continue(experiment, cygd_sweep, tmp_path):
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
    # failed runs are not executed again
    code, out, err = cygd_sweep("--resume", directory)
    assert code == 1
    assert len(list(directory.glob("0001*"))) == 1


def test_run_of_a_killed_worker_is_executed_again(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2]}}\n")
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: (tmp_path / "s" / "0001" / "metrics.csv").exists(), process)
    killed = workers(process.pid)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "was killed by signal 9; executing it again" in err
    lines = map(json.loads, Path("s/runs.jsonl").read_text().splitlines())
    assert sorted(line["attempts"] for line in lines) == [1, 1, 2]
    assert [row["status"] for row in rows(tmp_path / "s")] == ["completed"] * 3
    (tmp_path / "fast").touch()
    sweep(path, out="reference")
    assert bits(tmp_path / "s") == bits(tmp_path / "reference")


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


def test_run_that_kills_two_workers_is_marked_killed_until_resumed(experiment, tmp_path):
    (tmp_path / "killer.py").write_text(KILLER)
    path = experiment("plugins: [killer.py]\nsweep: {list: [{seed: 0}, {seed: 1, metrics: [killer]}]}\n")
    (tmp_path / "armed").touch()
    result = sweep(path, out="s", workers=1)
    assert [record.status for record in result.records] == ["completed", "killed"]
    [lost] = result.failed
    assert (lost.run, lost.attempts, lost.metrics) == (1, 2, {})
    assert lost.error == "the worker was killed by signal 9, 2 times"
    (tmp_path / "armed").unlink()
    assert [record.status for record in resume(result.directory).records] == ["completed"] * 2


def test_ctrl_c_keeps_finished_runs(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0002" / "metrics.csv").exists(), process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted, kept: " in err
    assert "Traceback" not in err
    assert 1 <= len(rows(tmp_path / "s")) < 6
    assert not list((tmp_path / "s").glob(".data*"))
    (tmp_path / "fast").touch()
    resume("s")
    sweep(path, out="reference")
    assert bits(tmp_path / "s") == bits(tmp_path / "reference")


def test_workers_exit_when_their_sweep_is_killed(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2, 3]}}\n", seconds=0.5)
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0001" / "metrics.csv").exists(), process)
    orphans = workers(process.pid)
    assert orphans
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, orphans)))
    with pytest.raises(ConfigError, match="another sweep"):
        resume("s", path, ["train.epochs=3"])
    (tmp_path / "fast").touch()  # the killed process released its lock
    result = resume("s", overrides=[], workers=2)
    assert len(result.records) == 4
    assert not list((tmp_path / "s").glob(".data*"))


def test_sweep_in_use_is_rejected(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2, 3]}}\n")
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: (tmp_path / "s" / "runs.jsonl").exists(), process)
    with pytest.raises(ConfigError, match="another process is running the sweep"):
        resume("s")
    with pytest.raises(ConfigError, match="is not empty"):
        sweep(path, out="s")


def test_shard_excludes_the_whole_sweep_and_other_divisions(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    process = start(path, "--out", "s", "--workers", 1, "--shard", "1/2")
    wait_for(lambda: (tmp_path / "s" / "0000").exists(), process)
    for refused in (lambda: resume("s"), lambda: sweep(path, out="s", shard=(2, 3))):
        with pytest.raises(ConfigError, match=r"another process is running .* \(runs-1-of-2\.jsonl\)"):
            refused()
    sweep(path, out="s", shard=(2, 2), workers=1)
    assert process.wait(timeout=60) == 0
    assert len(resume("s").records) == 6


def test_killed_run_resumes_from_its_checkpoint(slow_experiment, tmp_path, start):
    path = slow_experiment("checkpoint: {every: 2}\nsweep: {grid: {seed: [3]}, repeat: 2}\n")
    process = start(path, "--out", "s", "--workers", 1)
    wait_for(lambda: any((tmp_path / "s" / "0000").glob("checkpoints/*.npz")), process)
    for pid in workers(process.pid):
        os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 0
    assert not list((tmp_path / "s").glob("*.unfinished*"))
    assert "resumes from epoch" in (tmp_path / "s" / "0000" / "log.txt").read_text()
    assert [row["seed"] for row in sorted(rows(tmp_path / "s"), key=lambda row: row["run"])] == ["3", "4"]
    (tmp_path / "fast").touch()
    sweep(path, out="reference")
    assert bits(tmp_path / "s") == bits(tmp_path / "reference")


def test_sigterm_acts_like_ctrl_c(slow_experiment, tmp_path, start):
    path = slow_experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4, 5]}}\n")
    process = start(path, "--out", "s", "--workers", 2)
    wait_for(lambda: (tmp_path / "s" / "0002" / "metrics.csv").exists(), process)
    os.killpg(process.pid, signal.SIGTERM)  # batch systems signal the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted, kept: " in err
    assert "Traceback" not in err
    (tmp_path / "fast").touch()
    assert len(resume("s").records) == 6


def test_resume_names_what_has_changed(experiment, tmp_path):
    (tmp_path / "d.csv").write_text("x,y\n0,1\n1,2\n")
    path = experiment("", "data: {source: csv, path: d.csv, targets: [y]}\nmodel: {layers: [1]}\nname: a\n")
    result = sweep(path, ["seed=1,2"], workers=1)
    with pytest.raises(ConfigError, match=r"expected axes\.seed \[1, 2\], got \[1, 3\]"):
        resume(result.directory, path, ["seed=1,3"])
    with pytest.raises(ConfigError, match=r"expected experiment\.train null, got"):
        resume(result.directory, path, ["seed=1,2", "train.epochs=3"])
    (tmp_path / "d.csv").write_text("x,y\n0,1\n1,3\n")
    with pytest.raises(ConfigError, match=r"the data file .*d\.csv has changed since the sweep"):
        resume(result.directory)
    with pytest.raises(CheckpointError, match=r"not a sweep folder: it has no sweep\.json"):
        resume(tmp_path)


# -- shards -------------------------------------------------------------------------------------------


def test_resume_executes_the_runs_of_a_missing_shard(experiment, tmp_path):
    path = experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4]}}\n")
    for k in (1, 3):
        result = sweep(path, out="s", shard=(k, 3), workers=1)
    assert sorted(record.run for record in result.records) == [0, 2, 3]
    assert result.total == 5
    merged = resume("s", workers=2)
    assert sorted(record.run for record in merged.records) == [0, 1, 2, 3, 4]
    assert len(rows(tmp_path / "s")) == 5
    sweep(path, out="whole")
    assert bits(tmp_path / "s") == bits(tmp_path / "whole")


def test_shards_may_start_at_the_same_time(experiment, tmp_path, start):
    path = experiment("sweep: {grid: {seed: [0, 1, 2, 3, 4, 5, 6]}}\n")
    shards = [start(path, "--shard", f"{k}/3", "--out", "s", "--workers", 1) for k in (1, 2, 3)]
    for process in shards:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out == f"{tmp_path / 's'}\n"
    assert len(resume("s").records) == len(rows(tmp_path / "s")) == 7


def test_shard_of_another_sweep_is_rejected(experiment):
    path = experiment("sweep: {grid: {seed: [0, 1]}}\n")
    sweep(path, out="s", shard=(1, 2), workers=1)
    with pytest.raises(ConfigError, match="holds another sweep"):
        sweep(path, ["train.epochs=3"], out="s", shard=(2, 2))
    with pytest.raises(ConfigError, match="requires the folder that all shards share"):
        sweep(path, shard=(1, 2))
    Path("full").mkdir()
    Path("full/other.txt").touch()
    with pytest.raises(ConfigError, match="is not empty and not a sweep folder"):
        sweep(path, out="full", shard=(1, 2))
