"""Cross-validation: one run per fold, and their summary."""

import csv
import json
import statistics

import pytest

import cygd
from cygd.errors import CheckpointError, ConfigError, RunError

EXPERIMENT = {
    "name": "folded",
    "data": {"source": "synthetic", "kind": "moons", "samples": 60, "split": {"folds": 3, "test": 0.1}},
    "model": {"layers": [4, {"units": 1, "activation": "sigmoid"}]},
    "train": {"epochs": 3},
    "metrics": ["accuracy"],
}


@pytest.fixture
def completed(tmp_path):
    return cygd.run(EXPERIMENT, out=tmp_path / "folds")


def test_folder_has_one_run_per_fold_and_a_summary(completed):
    names = {path.name for path in completed.directory.iterdir()}
    assert names == {
        *("fold-1", "fold-2", "fold-3"),
        *("summary.csv", "config.yaml", "result.json", "log.txt"),
    }
    assert (completed.status, completed.epochs) == ("completed", 3)


def test_summary_has_each_fold_mean_and_std(completed):
    with (completed.directory / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["fold"] for row in rows] == ["1", "2", "3", "mean", "deviation"]
    for name, value in completed.metrics.items():
        single = [
            json.loads((completed.directory / f"fold-{k}" / "result.json").read_text())["metrics"][name]
            for k in (1, 2, 3)
        ]
        assert [float(row[name]) for row in rows[:3]] == single
        assert value == float(rows[3][name]) == pytest.approx(statistics.mean(single))
        assert float(rows[4][name]) == pytest.approx(statistics.stdev(single))
    result = json.loads((completed.directory / "result.json").read_text())
    assert (result["status"], result["folds"], result["metrics"]) == ("completed", 3, completed.metrics)


def test_single_fold_equals_the_fold_of_a_cross_validation(completed, tmp_path):
    alone = cygd.run(EXPERIMENT, ["data.split.fold=2"], out=tmp_path / "alone")
    for name in ("weights.npz", "config.yaml"):
        assert (alone.directory / name).read_bytes() == (completed.directory / "fold-2" / name).read_bytes()
    assert "fold-1" not in {path.name for path in alone.directory.iterdir()}


def test_folds_rerun_from_their_config(completed, tmp_path):
    again = cygd.run(completed.directory / "config.yaml", out=tmp_path / "again")
    assert again.metrics == completed.metrics
    again = cygd.run(completed.directory / "fold-3" / "config.yaml", out=tmp_path / "third")
    assert (again.directory / "weights.npz").is_file()


def test_model_is_that_of_the_best_fold(completed):
    assert completed.model.predict({"x0": [0.0], "x1": [0.0]}).shape == (1, 1)
    with pytest.raises(CheckpointError, match=r"which holds one run per fold.*\nhint: .*fold-1"):
        cygd.load(completed.directory)


def test_early_stopping_monitors_the_validation_rows_of_the_fold(tmp_path):
    result = cygd.run(EXPERIMENT, ["stop.patience=1"], out=tmp_path / "run")
    assert "monitor: validation_loss" in (result.directory / "fold-1" / "config.yaml").read_text()


def test_failed_fold_keeps_the_finished_ones(tmp_path):
    plugin = tmp_path / "failing.py"
    plugin.write_text(
        "from cygd import hookimpl\n"
        "from cygd import Metric\n"
        "from pathlib import Path\n"
        "def measure(y, y_hat):\n"
        f"    if Path({str(tmp_path / 'run' / 'fold-2')!r}).exists(): raise OSError('gone')\n"
        "    return 0.0\n"
        "@hookimpl\n"
        "def cygd_metrics():\n"
        "    yield Metric('fickle', measure, False)\n"
    )
    experiment = {**EXPERIMENT, "metrics": ["fickle"], "plugins": [str(plugin)]}
    with pytest.raises(RunError):
        cygd.run(experiment, out=tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["status"], result["folds"]) == ("failed", 1)
    assert (tmp_path / "run" / "fold-2" / "result.json").is_file()


EDITS_ITSELF = """\
from pathlib import Path
from cygd import hookimpl

@hookimpl
def cygd_run_start(run):
    with Path({path!r}).open("a") as file:
        file.write("# edited\\n")
"""


def test_folds_record_the_plugin_that_was_loaded(tmp_path):
    plugin = tmp_path / "edited.py"
    plugin.write_text(EDITS_ITSELF.format(path=str(plugin)))
    loaded = plugin.read_text()
    folder = cygd.run(EXPERIMENT, out=tmp_path / "run", plugins=[str(plugin)]).directory
    assert plugin.read_text() == loaded + "# edited\n" * 3
    for copy in ("plugins", "fold-1/plugins", "fold-2/plugins", "fold-3/plugins"):
        assert (folder / copy / "edited.py").read_text() == loaded


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("data.split.fold=4", "data.split.fold: expected a whole number from 1 to 3, got 4"),
        ("data.split.fold=0", "data.split.fold: expected a whole number of at least 1, got 0"),
        ("data.split.folds=1", "data.split.folds: expected a whole number of at least 2, got 1"),
        ("data.split.validation=0.1", "data.split.validation: cannot be combined with data.split.folds"),
        ("data.split={fold: 2}", "data.split.fold: there are no folds"),
        (
            "data.split={time: true, stratify: true}",
            "data.split.stratify: stratify cannot be combined with data.split.time",
        ),
        ("data.split.time=[a]", "data.split.time: expected true, or the name of a column, got a list"),
        ("data.validation={seed: 2}", "data.validation: cannot be combined with data.split.folds"),
        (
            "data.class_weight=balance",
            "data.class_weight: expected balanced, or .*\n.*did you mean",
        ),
        ("data.class_weight={}", "data.class_weight: expected balanced, or a mapping of labels to weights"),
        (
            "data.class_weight={a: -1}",
            "data.class_weight.a: expected a finite number of at least 0",
        ),
    ],
)
def test_conflicting_options_are_rejected(overrides, message):
    with pytest.raises(ConfigError, match=message):
        cygd.run(EXPERIMENT, [overrides])


def test_command_prints_the_folder(tmp_path, capsys):
    from cygd.cli.main import main

    text = "data: {source: synthetic, kind: moons, split: {folds: 2}}\nmodel: {layers: [1]}\n"
    (tmp_path / "e.yaml").write_text(text + "train: {epochs: 1}\n")
    assert main(["run", str(tmp_path / "e.yaml"), "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'run'}\n"
    assert "2 folds: loss " in err
    assert "(std " in err
