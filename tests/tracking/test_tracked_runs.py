"""What the trackers have in common: options, records in trackers.json, groups and parameters."""

import json

import pytest

import cygd
from cygd.errors import ConfigError
from cygd.tracking.loggers import background
from cygd.tracking.loggers.sqlite import SqliteLogger
from cygd.tracking.loggers.tensorboard import TensorboardLogger
from cygd.tracking.loggers.wandb import WandbLogger
from cygd.tracking.tracked_runs import (
    TrackedRun,
    find_group,
    read_record,
    shared_record,
    write_record,
)
from tests.helpers.tracker_cases import expected_rows, experiment


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(background, "_failed", set())


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SqliteLogger(wait=-1), "log.sqlite: wait: expected a number of seconds, got -1"),
        (lambda: SqliteLogger(file=""), "log.sqlite: file: expected the name of a file, got ''"),
        (
            lambda: TensorboardLogger(rows=-2),
            "log.tensorboard: rows: expected a number of rows, or 0 for all, got -2",
        ),
        (
            lambda: WandbLogger(mode="of"),
            "log.wandb: mode: expected online, offline or disabled, got 'of'",
        ),
    ],
)
def test_invalid_option_is_refused(build, message):
    with pytest.raises(ConfigError) as caught:
        build()
    assert message in str(caught.value)


def test_unknown_option_is_refused_with_its_place(tmp_path):
    with pytest.raises(ConfigError, match="logger 'sqlite' has no option 'fil'") as caught:
        cygd.run(experiment({"name": "sqlite", "fil": "x"}), out=tmp_path / "out")
    assert "did you mean 'file'" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_missing_library_is_named_before_there_is_a_run_folder(name, tmp_path, monkeypatch):
    monkeypatch.setattr(background, "find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=f"log.{name}: .* is not installed") as caught:
        cygd.run(experiment(name), out=tmp_path / "out")
    assert f'pip install "cygd[{name}]"' in str(caught.value)
    assert not (tmp_path / "out").exists()


# -- trackers.json and groups -----------------------------------------------------------------------


def test_two_trackers_of_one_kind_have_two_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = [{"name": "sqlite", "file": "a.sqlite"}, {"name": "sqlite", "file": "b.sqlite"}]
    cygd.run(experiment(*log), out=tmp_path / "out")
    content = json.loads((tmp_path / "out" / "trackers.json").read_text())
    assert [(key, each["file"]) for key, each in content.items()] == [
        ("sqlite", str(tmp_path / "a.sqlite")),
        ("sqlite-2", str(tmp_path / "b.sqlite")),
    ]
    assert len(expected_rows(tmp_path / "out")) == 21


@pytest.mark.parametrize("text", ["", "{", "[]", '{"memory": 3}', "\x00"])
def test_damaged_record_counts_as_none(tmp_path, text):
    (tmp_path / "trackers.json").write_text(text)
    assert read_record(tmp_path, "memory") == {}
    write_record(tmp_path, "memory", {"run": 1})
    assert read_record(tmp_path, "memory") == {"run": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["trackers.json"]


def test_shared_record_is_written_by_the_first(tmp_path):
    for number in range(3):
        with shared_record(tmp_path) as content:
            content.setdefault("parent", number)
    assert json.loads((tmp_path / "trackers.json").read_text()) == {"parent": 0}


def test_groups_are_sweeps_and_cross_validations(tmp_path):
    single, fold, in_sweep = tmp_path / "a", tmp_path / "cv" / "fold-1", tmp_path / "sweep" / "0003"
    for folder in (single, fold, in_sweep):
        folder.mkdir(parents=True)
    (tmp_path / "cv" / "config.yaml").touch()
    (tmp_path / "sweep" / "sweep.json").touch()
    assert find_group(single) is None
    assert find_group(fold) == tmp_path / "cv"
    assert find_group(in_sweep) == tmp_path / "sweep"
    (tmp_path / "cv" / "environment.json").touch()  # a single run, in whose folder somebody made fold-1
    assert find_group(fold) is None


def test_parameters_are_flat_short_and_without_secrets(tmp_path):
    config = {
        "name": "x",
        "data": {"source": "sql", "password": "tiger", "url": "db://ann:tiger@host/x", "x": list(range(999))},
        "model": {"layers": [{"units": 3, "bias": True}]},
        "stop": None,
        "optimizer": {"learning_rate": 0.1},
        "log": [{"name": "mlflow"}],
        "train": {"epochs": 2},
    }
    parameters = TrackedRun("x", "x", tmp_path, config, 0, 2, 0, None, {}).parameters()
    assert len(parameters.pop("data.x")) == 250
    assert parameters == {
        "name": "x",
        "data.source": "sql",
        "data.password": "***",
        "data.url": "***",
        "model.layers.0.units": 3,
        "model.layers.0.bias": True,
        "optimizer.learning_rate": 0.1,
        "train.epochs": 2,
    }
