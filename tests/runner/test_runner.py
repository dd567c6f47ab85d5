"""Complete runs: their folders and results."""

import csv
import json
import logging

import numpy as np
import pytest

import cygd

FILES = {
    "config.yaml",
    "environment.json",
    "metrics.csv",
    "hashes.csv",
    "weights.npz",
    "preprocessing.json",
    "result.json",
    "log.txt",
}

PLUGIN = """\
import numpy as np
from cygd import Activation, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""

LISTENER = """\
from cygd import hookimpl, Logger

class Listener:
    def cygd_run_start(self, run):
        self.lines = [f"start {run.name} {run.seed} {run.config['train']['epochs']} {len(run.dataset.train)}"]

    def cygd_epoch_end(self, run, epoch, metrics):
        self.lines.append(f"epoch {epoch} {sorted(metrics)}")
        return "stop" if epoch == 2 else None

    def cygd_run_end(self, run, result):
        self.lines.append(f"end {result.status}")
        (run.directory / "heard.txt").write_text("\\n".join(self.lines))

@hookimpl
def cygd_loggers():
    yield Logger("listener", Listener)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def xor():
    return {
        "name": "xor",
        "data": {"source": "inline", "x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [0, 1, 1, 0]},
        "model": {"layers": [3, {"units": 1, "activation": "sigmoid"}]},
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "train": {"epochs": 4, "batch_size": 2},
    }


@pytest.fixture
def moons(xor):
    return {
        **xor,
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 60,
            "scale": "standard",
            "split": {"validation": 0.25, "test": 0.25},
        },
        "metrics": ["accuracy"],
    }


def rows(directory):
    with (directory / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def result_of(directory):
    return json.loads((directory / "result.json").read_text())


# -- completed runs ---------------------------------------------------------------------------------


def test_run_writes_a_complete_folder(xor, here):
    result = cygd.run(xor)
    assert result.status == "completed"
    assert result.directory.parent == here / "runs" / "xor"
    assert {path.name for path in result.directory.iterdir()} == FILES
    assert result_of(result.directory) == {
        "status": "completed",
        "metrics": result.metrics,
        "epochs": 4,
        "best_epoch": None,
        "seconds": result.seconds,
    }


def test_metrics_csv_equals_the_history(moons):
    result = cygd.run(moons)
    table = rows(result.directory)
    assert list(table[0]) == [
        *("epoch", "loss", "validation_loss", "accuracy", "validation_accuracy"),
        *("running_loss", "learning_rate", "seconds"),
    ]
    assert [row["epoch"] for row in table] == ["0", "1", "2", "3", "4"]
    assert [float(row["loss"]) for row in table] == list(result.history["loss"])
    assert table[0]["running_loss"] == ""
    assert [float(row["running_loss"]) for row in table[1:]] == list(result.history["running_loss"])


def test_metrics_are_those_of_the_final_weights(moons):
    result = cygd.run(moons)
    assert list(result.metrics) == [
        *("loss", "accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
    ]
    last = rows(result.directory)[-1]
    for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
        assert result.metrics[name] == float(last[name])


def test_restore_best_keeps_the_best_weights(moons):
    moons["stop"] = {"monitor": "validation_loss", "patience": 2, "restore_best": True}
    moons["optimizer"]["learning_rate"] = 5.0
    moons["train"]["epochs"] = 50
    result = cygd.run(moons)
    losses = [float(row["validation_loss"]) for row in rows(result.directory)]
    assert result.status == "stopped"
    assert result.best_epoch == int(np.argmin(losses))
    assert result.metrics["validation_loss"] == min(losses)
    assert result_of(result.directory)["best_epoch"] == result.best_epoch


def test_penalty_has_a_column(xor):
    xor["model"]["layers"][0] = {"units": 3, "l2": 0.1}
    result = cygd.run(xor)
    assert float(rows(result.directory)[-1]["penalty"]) > 0
    assert result.metrics["loss"] == float(rows(result.directory)[-1]["loss"])


def test_rerun_from_the_folder_gives_the_same_bits(moons, here):
    (here / "bent.py").write_text(PLUGIN)
    moons["model"]["layers"][0] = {"units": 3, "activation": "bent_identity"}
    first = cygd.run(moons, overrides=["seed=3"], plugins=["bent.py"])
    (here / "bent.py").unlink()
    second = cygd.run(first.directory / "config.yaml", threads=3)
    for name in ("weights.npz", "preprocessing.json"):
        assert (first.directory / name).read_bytes() == (second.directory / name).read_bytes()
    assert first.metrics == second.metrics
    assert (second.directory / "plugins" / "bent.py").read_text() == PLUGIN


def test_plugins_of_the_environment_are_recorded(xor, here, monkeypatch):
    (here / "bent.py").write_text(PLUGIN)
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py")
    xor["model"]["activation"] = "bent_identity"
    first = cygd.run(xor)
    monkeypatch.delenv("CYGD_PLUGINS")
    assert cygd.run(first.directory / "config.yaml").metrics == first.metrics


def test_data_paths_become_absolute(xor, here):
    (here / "deep").mkdir()
    np.savez(here / "deep" / "a.npz", x=np.eye(3), y=np.arange(3.0))
    (here / "deep" / "e.yaml").write_text("data: {source: npz, path: a.npz}\nmodel: {layers: [1]}\n")
    result = cygd.run("deep/e.yaml", overrides=["train.epochs=1"])
    assert f"path: {here / 'deep' / 'a.npz'}" in (result.directory / "config.yaml").read_text()
    environment = json.loads((result.directory / "environment.json").read_text())
    assert list(environment["sha256"]["data"]) == [str(here / "deep" / "a.npz")]
    assert result.directory.parent == here / "runs" / "e"


def test_rerun_warns_about_changed_data(xor, here, caplog):
    np.savez(here / "a.npz", x=np.eye(3), y=np.arange(3.0))
    (here / "e.yaml").write_text(
        "data: {source: npz, path: a.npz}\nmodel: {layers: [1]}\ntrain: {epochs: 1}\n"
    )
    first = cygd.run("e.yaml")
    cygd.run(first.directory / "config.yaml")
    assert not caplog.records
    np.savez(here / "a.npz", x=np.eye(3), y=np.ones(3))
    again = cygd.run(first.directory / "config.yaml")
    [record] = caplog.records
    assert record.getMessage().startswith(
        f"data file {here / 'a.npz'} has changed since the run in {first.directory}"
    )
    assert "has changed since" in (again.directory / "log.txt").read_text()


def test_rerun_warns_about_a_changed_plugin_copy(xor, here, caplog):
    (here / "bent.py").write_text(PLUGIN)
    first = cygd.run(xor, plugins=["bent.py"])
    (first.directory / "plugins" / "bent.py").write_text(PLUGIN + "# edited\n")
    cygd.run(first.directory / "config.yaml")
    assert caplog.messages[0].startswith("plugin file plugins/bent.py has changed since")


def test_environment_is_recorded(xor):
    result = cygd.run(xor, threads=2)
    environment = json.loads((result.directory / "environment.json").read_text())
    assert environment["versions"]["cygd"] == cygd.__version__
    assert environment["threads"] == 2
    assert environment["cpu"]["level"] == cygd.core.info()["level"]
    assert environment["sha256"] == {"data": {}, "plugins": {}}


def test_weights_npz_has_the_documented_names(xor):
    xor["model"]["layers"][0] = {"units": 3, "bias": False}
    result = cygd.run(xor)
    with np.load(result.directory / "weights.npz", allow_pickle=False) as archive:
        assert {name: archive[name].shape for name in archive.files} == {
            "w0": (2, 3),
            "w1": (3, 1),
            "b1": (1,),
        }


def test_checkpoints_hold_the_weights_of_their_epoch(xor):
    xor["checkpoint"] = {"every": 2}
    result = cygd.run(xor)
    folder = result.directory / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["000002.npz", "000004.npz"]
    with np.load(folder / "000004.npz") as archive:
        np.testing.assert_array_equal(archive["parameters"], result.model.network.parameters)
    with np.load(folder / "000002.npz") as archive:
        assert not np.array_equal(archive["parameters"], result.model.network.parameters)


@pytest.mark.parametrize(
    ("checkpoint", "kept"),
    [
        ({}, []),
        ({"every": 0}, []),
        ({"every": 100}, [9]),
        ({"every": 2}, [8, 9]),
        ({"every": 2, "keep": 1}, [9]),
        ({"every": 2, "keep": "all"}, [2, 4, 6, 8, 9]),
        ({"seconds": 3600}, []),
        ({"seconds": 1e-9, "keep": 3}, [7, 8, 9]),
        ({"seconds": 3600, "every": 4}, [8, 9]),
    ],
)
def test_kept_checkpoints(xor, checkpoint, kept):
    xor["checkpoint"] = checkpoint
    directory = cygd.run(xor, overrides=["train.epochs=9"]).directory
    names = [path.stem for path in (directory / "checkpoints").glob("*")]
    assert sorted(map(int, names)) == kept


def test_out_sets_the_run_folder(xor, here):
    assert cygd.run(xor, out="mine").directory == here / "mine"
    assert not (here / "runs").exists()


def test_zero_epochs_evaluate_once(xor):
    result = cygd.run(xor, overrides=["train.epochs=0"])
    assert result.epochs == 0
    assert len(rows(result.directory)) == 1


def test_evaluate_every_0_evaluates_only_at_the_end(xor):
    result = cygd.run(xor, overrides=["train.evaluate_every=0"])
    assert [row["loss"] != "" for row in rows(result.directory)] == [False] * 4 + [True]
    assert result.metrics["loss"] == float(rows(result.directory)[-1]["loss"])


# -- listeners --------------------------------------------------------------------------------------


def test_quiet_prints_nothing(xor, capsys):
    cygd.run(xor)
    assert capsys.readouterr() == ("", "")
    cygd.run(xor, quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "completed after 4 epochs" in err


def test_listener_receives_every_hook_and_can_stop_the_run(xor, here):
    (here / "listener.py").write_text(LISTENER)
    xor["log"] = ["listener"]
    result = cygd.run(xor, plugins=["listener.py"])
    assert result.status == "stopped"
    assert (result.directory / "heard.txt").read_text().splitlines() == [
        "start xor 0 4 4",
        "epoch 0 ['loss', 'seconds']",
        "epoch 1 ['learning_rate', 'loss', 'running_loss', 'seconds']",
        "epoch 2 ['learning_rate', 'loss', 'running_loss', 'seconds']",
        "end stopped",
    ]


def test_failing_listener_is_disabled_and_its_traceback_logged(xor, here, caplog):
    (here / "listener.py").write_text(LISTENER.replace("return ", "return 1 / 0 #"))
    xor["log"] = ["listener"]
    with caplog.at_level(logging.WARNING, "cygd"):
        result = cygd.run(xor, plugins=["listener.py"])
    assert result.status == "completed"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "ZeroDivisionError" in caplog.messages[0]
    text = (result.directory / "log.txt").read_text()
    assert "Traceback (most recent call last)" in text
    assert len(rows(result.directory)) == 5


def test_explicit_csv_logger_writes_each_row_once(xor):
    xor["log"] = ["csv"]
    assert len(rows(cygd.run(xor).directory)) == 5
