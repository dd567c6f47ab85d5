"""Most runs end early, and those that go on are the runs that they would have been."""

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
    found = [json.loads(line) for line in Path(folder, "runs.jsonl").read_text().splitlines()]
    return sorted(({**line, "seconds": 0} for line in found), key=lambda line: (line["target"], line["run"]))


def test_a_third_goes_on_for_three_times_the_epochs(experiment):
    found = sweep(experiment(HALVING), out="s", workers=2)
    rounds = {}
    for line in lines():
        rounds.setdefault(line["target"], []).append(line)
    assert {target: len(own) for target, own in rounds.items()} == {4: 9, 12: 3, 20: 1}
    for now, then in ((4, 12), (12, 20)):
        best = sorted(rounds[now], key=lambda line: line["metrics"]["loss"])[: len(rounds[then])]
        assert {line["run"] for line in best} == {line["run"] for line in rounds[then]}
    assert sorted(record.epochs for record in found.records) == [4] * 6 + [12] * 2 + [20]
    assert all(line["seed"] == 0 for line in lines())


def test_what_has_gone_on_is_the_run_that_was_never_stopped(experiment):
    path = experiment(HALVING)
    found = sweep(path, out="s", workers=1)
    last = max(found.records, key=lambda record: record.epochs)
    rate = last.values["optimizer.learning_rate"]
    alone = cygd.run(path, [f"optimizer.learning_rate={rate}"], out="alone")
    assert Path("s", last.folder, "weights.npz").read_bytes() == Path("alone/weights.npz").read_bytes()
    assert last.metrics == alone.metrics


def test_any_number_of_workers_and_going_on_give_the_same(experiment):
    path = experiment(HALVING + "  repeat: 2\n")
    sweep(path, out="s", workers=1)
    sweep(path, out="t", workers=3)
    assert lines("s") == lines("t")


SLOW = """
import time
from cygd import Metric, hookimpl

def slow(y, y_hat):
    time.sleep(0.01)
    return 1.0

@hookimpl
def cygd_metrics():
    return Metric("slow", slow, True)
"""


@pytest.mark.parametrize("enough", [3, 10], ids=["in the first round", "in the second round"])
def test_a_sweep_that_is_killed_goes_on_in_its_round(enough, experiment, tmp_path, start):
    (tmp_path / "slow.py").write_text(SLOW)
    path = experiment("plugins: [slow.py]\n" + HALVING)
    path.write_text(path.read_text().replace("metrics: [accuracy]", "metrics: [slow]"))
    process = start(path, "--out", "s", "--workers", 2)
    end = time.monotonic() + 60
    known = tmp_path / "s" / "runs.jsonl"
    while not known.exists() or known.read_bytes().count(b"\n") < enough:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    resume("s", workers=2)
    sweep(path, out="t", workers=2)
    assert [{**line, "attempts": 1} for line in lines("s")] == lines("t")


def test_what_fails_or_stops_does_not_go_on(experiment):
    path = experiment("sweep: {list: [{optimizer.learning_rate: -1}, {stop: {loss_below: 100}}, {}]}\n")
    path.write_text(path.read_text().replace("{}]", "{seed: 5}, {seed: 6}], halving: {epochs: 4, factor: 2}"))
    found = sweep(path, out="s", workers=1)
    status = {record.run: (record.status, record.epochs) for record in found.records}
    assert status[0] == ("failed", 0)
    assert status[1] == ("stopped", 0)
    assert sorted(epochs for _, epochs in status.values()) == [0, 0, 8, 20]


def test_its_own_epochs_are_the_last(experiment):
    grid = "sweep: {grid: {train.epochs: [2, 6, 9]}, halving: {epochs: 4, factor: 2}}\n"
    found = sweep(experiment(grid), out="s", workers=1)
    assert max(record.epochs for record in found.records) <= 9
    assert {line["target"] for line in lines() if line["run"] == 0} == {2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overrides": ["sweep.runs=summary"]}, "sweep.halving and sweep.runs: summary exclude each other"),
        ({"out": "s", "shard": (1, 2)}, "sweep.halving and --shard exclude each other"),
        (
            {"overrides": ["sweep.optuna={seed: {integers: [1, 2]}}"]},
            "sweep.halving and sweep.optuna exclude each other",
        ),
        ({"overrides": ["sweep.halving.factor=1"]}, "at least 2, got 1"),
        ({"overrides": ["sweep.halving.epoch=1"]}, "did you mean 'epochs'?"),
    ],
)
def test_what_it_does_not_go_with(arguments, message, experiment):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        sweep(experiment(HALVING), **arguments)
    assert not Path("runs").exists()
