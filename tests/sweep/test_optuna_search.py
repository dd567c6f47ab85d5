"""Sweeps with configurations that Optuna suggests."""

import importlib.util
import json
import warnings
from pathlib import Path

import pytest

from cygd.errors import ConfigError
from cygd.sweep import resume, sweep

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="optuna is not installed"
)

SWEEP = """\
sweep:
  optuna:
    optimizer.learning_rate: {log_uniform: [0.01, 2]}
    model.activation: {choice: [tanh, {name: leaky_relu, slope: 0.1}]}
    model.layers.0.units: {integers: [2, 8]}
  samples: 18
  repeat: 2
"""


@pytest.fixture(autouse=True)
def ignore_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def lines(folder):
    """Return the records by run."""
    records = [json.loads(line) for line in Path(folder, "runs.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in sorted(records, key=lambda line: line["run"])]


@needs_optuna
def test_suggestions_depend_on_neither_workers_nor_interruptions(experiment):
    path = experiment(SWEEP)
    result = sweep(path, out="one", workers=1)
    assert result.total == len(result.records) == 36
    sweep(path, out="three", workers=3)
    assert lines("one") == lines("three")
    rates = [line["values"]["optimizer.learning_rate"] for line in lines("one")[::2]]
    assert len(set(rates)) == 18
    # resume from the middle of the second round
    kept = Path("three/runs.jsonl").read_text().splitlines(keepends=True)
    Path("three/runs.jsonl").write_text("".join(kept[:21]))
    resume("three", workers=2)
    assert lines("one") == lines("three")
    assert Path("three/optuna.log").is_file()


@needs_optuna
def test_study_can_be_read_with_optuna(experiment):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    result = sweep(experiment(SWEEP), ["sweep.samples=3"], out="s", workers=1)
    storage = optuna.storages.JournalStorage(JournalFileBackend("s/optuna.log"))
    study = optuna.load_study(study_name=None, storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    means = [sum(r.metrics["loss"] for r in result.records if r.configuration == k) / 2 for k in range(3)]
    assert [trial.value for trial in study.trials] == pytest.approx(means, rel=1e-15)


@needs_optuna
def test_other_blocks_come_first_and_failed_runs_are_skipped(experiment):
    more = "sweep: {grid: {seed: [5]}, optuna: {optimizer.learning_rate: {uniform: [-1, 1]}}, samples: 12}\n"
    result = sweep(experiment(more), out="s", workers=2)
    assert result.total == 13
    assert lines("s")[0]["values"] == {"seed": 5}
    assert {record.status for record in result.failed} == {"failed"}
    assert result.best is not None


@needs_optuna
def test_shards_are_rejected(experiment):
    with pytest.raises(ConfigError, match="cannot be combined with --shard"):
        sweep(experiment(SWEEP), out="s", shard=(1, 2))
    assert not Path("s").exists()


def test_missing_optuna_is_reported_before_anything_runs(experiment, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "cygd.sweep.optuna_search.find_spec", lambda name: None if name == "optuna" else find_spec(name)
    )
    with pytest.raises(ConfigError, match="requires Optuna") as raised:
        sweep(experiment(SWEEP))
    assert raised.value.problems[0].hint == 'install it with: pip install "cygd[hpo]"'
    assert not Path("runs").exists()
