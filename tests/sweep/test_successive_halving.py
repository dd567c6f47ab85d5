"""Successive halving: only the best continue, with the bits of an uninterrupted run."""

import json
import time
from pathlib import Path

import pytest

import cygd
from cygd.errors import ConfigError
from cygd.sweep import resume, sweep

HALVING = """\
sweep:
  grid: {optimizer.learning_rate: [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]}
  halving: {epochs: 4, factor: 3}
"""


def lines(folder="s"):
    records = [json.loads(line) for line in Path(folder, "runs.jsonl").read_text().splitlines()]
    return sorted(
        ({**line, "seconds": 0} for line in records), key=lambda line: (line["target"], line["run"])
    )


def test_best_third_continues_for_three_times_the_epochs(experiment):
    result = sweep(experiment(HALVING), out="s", workers=2)
    rungs = {}
    for line in lines():
        rungs.setdefault(line["target"], []).append(line)
    assert {target: len(own) for target, own in rungs.items()} == {4: 9, 12: 3, 20: 1}
    for now, then in ((4, 12), (12, 20)):
        best = sorted(rungs[now], key=lambda line: line["metrics"]["loss"])[: len(rungs[then])]
        assert {line["run"] for line in best} == {line["run"] for line in rungs[then]}
    assert sorted(record.epochs for record in result.records) == [4] * 6 + [12] * 2 + [20]
    assert all(line["seed"] == 0 for line in lines())


def test_continued_run_has_the_bits_of_an_uninterrupted_one(experiment):
    path = experiment(HALVING)
    result = sweep(path, out="s", workers=1)
    last = max(result.records, key=lambda record: record.epochs)
    rate = last.values["optimizer.learning_rate"]
    single = cygd.run(path, [f"optimizer.learning_rate={rate}"], out="single")
    assert Path("s", last.folder, "weights.npz").read_bytes() == Path("single/weights.npz").read_bytes()
    assert last.metrics == single.metrics


def test_number_of_workers_does_not_change_the_records(experiment):
    path = experiment(HALVING + "  repeat: 2\n")
    sweep(path, out="s", workers=1)
    sweep(path, out="t", workers=3)
    assert lines("s") == lines("t")


@pytest.mark.parametrize("n_records", [3, 10], ids=["first_rung", "second_rung"])
def test_killed_sweep_resumes_in_its_rung(n_records, slow_experiment, tmp_path, start):
    path = slow_experiment(HALVING, seconds=0.01)
    process = start(path, "--out", "s", "--workers", 2)
    end = time.monotonic() + 60
    known = tmp_path / "s" / "runs.jsonl"
    while not known.exists() or known.read_bytes().count(b"\n") < n_records:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    (tmp_path / "fast").touch()
    resume("s", workers=2)
    sweep(path, out="t", workers=2)
    assert [{**line, "attempts": 1} for line in lines("s")] == lines("t")


def test_failed_and_stopped_runs_do_not_continue(experiment):
    path = experiment("sweep: {list: [{optimizer.learning_rate: -1}, {stop: {loss_below: 100}}, {}]}\n")
    path.write_text(path.read_text().replace("{}]", "{seed: 5}, {seed: 6}], halving: {epochs: 4, factor: 2}"))
    result = sweep(path, out="s", workers=1)
    status = {record.run: (record.status, record.epochs) for record in result.records}
    assert status[0] == ("failed", 0)
    assert status[1] == ("stopped", 0)
    assert sorted(epochs for _, epochs in status.values()) == [0, 0, 8, 20]


def test_no_run_exceeds_its_own_epochs(experiment):
    grid = "sweep: {grid: {train.epochs: [2, 6, 9]}, halving: {epochs: 4, factor: 2}}\n"
    result = sweep(experiment(grid), out="s", workers=1)
    assert max(record.epochs for record in result.records) <= 9
    assert {line["target"] for line in lines() if line["run"] == 0} == {2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overrides": ["sweep.runs=summary"]}, "sweep.halving cannot be combined with sweep.runs: summary"),
        ({"out": "s", "shard": (1, 2)}, "sweep.halving cannot be combined with --shard"),
        (
            {"overrides": ["sweep.optuna={seed: {integers: [1, 2]}}"]},
            "sweep.halving cannot be combined with sweep.optuna",
        ),
        ({"overrides": ["sweep.halving.factor=1"]}, "at least 2, got 1"),
        ({"overrides": ["sweep.halving.epoch=1"]}, "did you mean 'epochs'?"),
    ],
)
def test_invalid_combinations_are_rejected(arguments, message, experiment):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        sweep(experiment(HALVING), **arguments)
    assert not Path("runs").exists()
