"""Stopped runs resume to the same bits: alone, with plugins, in folds and from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import ConfigError, RunError
from cygd.plugins.manager import Plugins
from tests.helpers import resume_cases
from tests.helpers.resume_cases import EXPERIMENTS, PLUGIN, assert_same, at_each_epoch, interrupt_at

here, moons = resume_cases.here, resume_cases.moons  # fixtures


def untimed(history):
    return {name: history[name] for name in history if name != "seconds"}


# -- the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [True, False], ids=["after the hooks", "before the hooks"])
@pytest.mark.parametrize("epoch", range(13))
def test_interrupt_at_any_epoch_changes_no_bit(moons, monkeypatch, here, epoch, after):
    uninterrupted = cygd.run(moons, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, epoch, after=after)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    result = cygd.resume("mine", threads=2)
    assert_same(result.directory, uninterrupted.directory)
    assert (result.status, result.epochs, result.best_epoch) == (
        *(uninterrupted.status, uninterrupted.epochs, uninterrupted.best_epoch),
    )
    assert result.metrics == uninterrupted.metrics
    assert untimed(result.history) == untimed(uninterrupted.history)


@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize(
    "weights",
    [
        {"sample_weight": "w"},
        {"class_weight": "balanced"},
        {"sample_weight": "w", "class_weight": {"yes": 3.5, "no": 0.25}},
    ],
    ids=["column", "balanced", "both"],
)
def test_weights_of_rows_change_no_bit(monkeypatch, here, weights, batch_size):
    rng = np.random.default_rng(3)
    a, w = rng.normal(size=(70, 2)), rng.integers(0, 5, 70)
    labels = np.where(a.prod(axis=1) > 0.2, "yes", "no")
    rows = [f"{x[0]:.3f},{x[1]:.3f},{k},{label}\n" for x, k, label in zip(a, w, labels, strict=True)]
    (here / "weighted.csv").write_text("a,b,w,y\n" + "".join(rows))
    experiment = {
        "data": {"source": "csv", "path": "weighted.csv", "inputs": ["a", "b"], "targets": ["y"], **weights},
        "model": {
            "layers": [{"units": 4, "dropout": 0.2}, {"units": 1, "activation": "sigmoid"}],
            "dtype": "float32" if batch_size == 7 else "float64",
        },
        "loss": "binary_cross_entropy",
        "optimizer": {"name": "adam", "learning_rate": 0.05},
        "train": {"epochs": 6, "batch_size": batch_size},
        "checkpoint": {"every": 2},
    }
    uninterrupted = cygd.run(experiment, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(experiment, out="mine")
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


def test_repeated_interrupts_change_no_bit(moons, monkeypatch):
    moons["checkpoint"] = {"every": 0}
    uninterrupted = cygd.run(moons, out="uninterrupted")
    for epoch in (0, 3, 3, 4, 9):
        with monkeypatch.context() as patch:
            interrupt_at(patch, epoch)
            with pytest.raises(KeyboardInterrupt):
                cygd.resume("mine") if Path("mine").exists() else cygd.run(moons, out="mine")
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


def test_failed_run_resumes_after_the_cause_is_fixed(moons, monkeypatch, here):
    uninterrupted = cygd.run(moons, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7, error=LookupError("no more"))
        with pytest.raises(RunError, match="no more"):
            cygd.run(moons, out="mine")
    assert json.loads((here / "mine" / "result.json").read_text())["status"] == "failed"
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


def test_resume_without_a_checkpoint_starts_from_the_beginning(moons, here, capsys):
    moons["checkpoint"] = {"every": 0}
    uninterrupted = cygd.run(moons, out="uninterrupted")
    cygd.run(moons, out="mine")
    (here / "mine" / "result.json").unlink()
    (here / "mine" / "weights.npz").unlink()
    table = here / "mine" / "metrics.csv"
    table.write_bytes(table.read_bytes()[:-40])
    assert_same(cygd.resume("mine", quiet=False).directory, uninterrupted.directory)
    assert "no checkpoint found: training starts from the beginning" in capsys.readouterr().err


@pytest.mark.parametrize("torn", ["5,0.25,0.", "", "5,0.25,0.1,0.2,0.3,0.4,0.05,0.1\n6,0"])
def test_rows_after_the_checkpoint_are_rewritten(moons, monkeypatch, here, torn):
    uninterrupted = cygd.run(moons, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    with (here / "mine" / "metrics.csv").open("a") as file:
        file.write(torn)
    with (here / "mine" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "lo')
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


def test_damaged_checkpoint_falls_back_to_the_previous_one(moons, monkeypatch, here, caplog):
    uninterrupted = cygd.run(moons, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    path = here / "mine" / "checkpoints" / "000008.npz"
    path.write_bytes(path.read_bytes()[:-1000])
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)
    assert "000008.npz is damaged" in caplog.messages[0]
    assert "resumes from epoch 6" in (here / "mine" / "log.txt").read_text()


@pytest.mark.parametrize("every", [0, 1, 5])
def test_raised_epochs_equal_a_single_longer_run(moons, here, every):
    moons["train"] = {"epochs": 7, "batch_size": 8, "evaluate_every": every}
    if not every:
        del moons["stop"], moons["schedule"]
    moons["checkpoint"] = {"every": 1000}
    uninterrupted = cygd.run(moons, overrides=["train.epochs=11"], out="uninterrupted")
    first = cygd.run(moons, out="mine")
    assert first.epochs == 7
    result = cygd.resume("mine", ["train.epochs=11"])
    assert_same(result.directory, uninterrupted.directory)
    assert "epochs: 11" in (here / "mine" / "config.yaml").read_text()


def test_epochs_can_be_raised_repeatedly(moons):
    del moons["stop"]
    moons["checkpoint"] = {"every": 1000}
    uninterrupted = cygd.run(moons, overrides=["train.epochs=9"], out="uninterrupted")
    cygd.run(moons, overrides=["train.epochs=1"], out="mine")
    for epochs in (3, 4, 9):
        result = cygd.resume("mine", [f"train.epochs={epochs}"])
        assert result.epochs == epochs
    assert_same(result.directory, uninterrupted.directory)


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_resumes(path, monkeypatch):
    shorter = ["train.epochs=4", "train.evaluate_every=1"]
    uninterrupted = cygd.run(path, overrides=shorter, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, min(2, uninterrupted.epochs))
        with pytest.raises(KeyboardInterrupt):
            cygd.run(path, overrides=shorter, out="mine")
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


ODD = """\
import numpy as np
from cygd import Optimizer, hookimpl

def update(w, g, state, learning_rate, step):
    state["info"] = {"step": step}
    w -= learning_rate * g

@hookimpl
def cygd_optimizers():
    yield Optimizer("odd", update)
"""


def test_optimizer_with_unsupported_state_trains_without_checkpoints(moons, here, caplog):
    (here / "odd.py").write_text(ODD)
    moons.update(optimizer="odd", plugins=["odd.py"], stop=None)
    result = cygd.run(moons, out="mine")
    assert result.status == "completed"
    assert [message for message in caplog.messages if "checkpoint" in message] == [
        "a checkpoint cannot hold the optimizer's state 'info': expected a numeric array, got dict"
    ]
    assert not (here / "mine" / "checkpoints").exists()


def test_resume_interrupted_at_its_start_keeps_the_weights(moons, monkeypatch, here):
    moons["stop"] = None
    first = cygd.run(moons, out="mine")
    before = first.model.network.parameters.copy()

    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Plugins, "run_start", stopped)
        with pytest.raises(KeyboardInterrupt):
            cygd.resume("mine", ["train.epochs=14"])
    assert np.array_equal(cygd.load("mine").network.parameters, before)
    uninterrupted = cygd.run(moons, out="uninterrupted", overrides=["train.epochs=14"])
    assert_same(cygd.resume("mine").directory, uninterrupted.directory)


# -- plugins and moved folders ----------------------------------------------------------------------


def test_moved_folder_resumes_with_its_plugin_copies(moons, monkeypatch, here):
    moons["model"]["activation"] = "bent_identity"
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py")
    uninterrupted = cygd.run(moons, out="uninterrupted")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    # CYGD_PLUGINS is still set, -p names the plugin again, and the folder has moved
    (here / "mine").rename(here / "moved")
    result = cygd.resume(here / "moved", plugins=["bent.py"])
    assert_same(result.directory, uninterrupted.directory)
    assert cygd.resume("moved").status == uninterrupted.status


def test_resume_rejects_a_plugin_the_run_did_not_have(moons, monkeypatch, here):
    cygd.run(moons, out="mine", plugins=["bent.py"])
    (here / "bent.py").write_text(PLUGIN + "# edited\n")
    for name in ("bent.py", "json", "no:bent"):
        with pytest.raises(ConfigError, match=f"did not begin with the plugin '{name}' in its current form"):
            cygd.resume("mine", plugins=[name])


def test_resume_warns_about_a_plugin_of_the_environment_that_it_does_not_load(moons, monkeypatch, caplog):
    cygd.run(moons, out="mine")
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py, no:nothing")
    cygd.resume("mine", ["train.epochs=13"])
    [message] = [message for message in caplog.messages if "CYGD_PLUGINS" in message]
    assert message.startswith("CYGD_PLUGINS: the run in ")
    assert message.endswith("did not begin with the plugin 'bent.py' in its current form; it is not loaded")


def test_resume_rejects_a_changed_plugin_module(moons, monkeypatch, here):
    (here / "site").mkdir()
    (here / "site" / "bent_module.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(here / "site")
    moons["model"]["activation"] = "bent_identity"
    cygd.run(moons, out="mine", plugins=["bent_module"])
    assert cygd.resume("mine", plugins=["bent_module"]).status
    (here / "site" / "bent_module.py").write_text(PLUGIN + "# edited\n")
    with pytest.raises(ConfigError, match="plugin file bent_module has changed since the run began"):
        cygd.resume("mine")


# -- folds ------------------------------------------------------------------------------------------


@pytest.fixture
def folded(moons):
    moons["data"]["split"] = {"folds": 3, "test": 0.2}
    moons["train"]["epochs"] = 4
    return moons


@pytest.mark.parametrize(("fold", "begun"), [(1, True), (2, True), (2, False), (3, True)])
def test_interrupted_cross_validation_resumes(folded, monkeypatch, here, fold, begun):
    uninterrupted = cygd.run(folded, out="uninterrupted", plugins=["bent.py"])
    interrupted_fold = f"fold-{fold}"

    def interrupt(run, epoch, call_hooks):
        if run.directory.name == interrupted_fold and epoch == 2:
            raise KeyboardInterrupt
        return call_hooks()

    with monkeypatch.context() as patch:
        at_each_epoch(patch, interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            cygd.run(folded, out="mine", plugins=["bent.py"])
    assert caught.value.directory == here / "mine"
    if not begun:
        for path in (here / "mine" / interrupted_fold).rglob("*.*"):
            if path.is_file() and path.name != "log.txt":
                path.unlink()
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py")
    result = cygd.resume("mine")
    assert (result.status, result.metrics) == (uninterrupted.status, uninterrupted.metrics)
    for number in (1, 2, 3):
        assert_same(here / "mine" / f"fold-{number}", here / "uninterrupted" / f"fold-{number}")
    for name in ("summary.csv", "config.yaml"):
        assert (here / "mine" / name).read_bytes() == (here / "uninterrupted" / name).read_bytes()


def test_cross_validation_accepts_only_more_epochs(folded, here):
    uninterrupted = cygd.run(folded, overrides=["train.epochs=6"], out="uninterrupted")
    cygd.run(folded, out="mine")
    with pytest.raises(ConfigError, match="seed: the run has 0, got 1"):
        cygd.resume("mine", ["seed=1"])
    result = cygd.resume("mine", ["train.epochs=6"])
    assert result.metrics == uninterrupted.metrics
    assert (here / "mine" / "config.yaml").read_text() == (here / "uninterrupted" / "config.yaml").read_text()
    for number in (1, 2, 3):
        assert_same(here / "mine" / f"fold-{number}", here / "uninterrupted" / f"fold-{number}")


# -- the command line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml"], "--resume cannot be combined with 'a.yaml'"),
        (["--out", "b"], "--resume cannot be combined with '--out'"),
        (["--dry-run"], "--resume cannot be combined with '--dry-run'"),
    ],
)
def test_resume_rejects_conflicting_options(arguments, message, capsys):
    assert main(["run", "--resume", "mine", *arguments]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.endswith(message)
    assert hint == "hint: cygd run --resume DIR [KEY=VALUE ...] [--threads N] [--quiet]"


def test_resume_prints_only_the_folder(moons, monkeypatch, here, capsys):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            cygd.run({**moons, "log": ["console"]}, out="mine")
    assert main(["run", "--resume", "mine"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{here / 'mine'}\n"
    assert "moons: 12 epochs, resuming from epoch 4, in " in err
    assert main(["run", "--resume", "mine", "seed=1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "error: command line seed: the run has 0, got 1")


def started(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(cygd.__file__).parents[1])}
    command = [sys.executable, "-P", "-m", "cygd", "run", *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=reset_signals,
    )


def reset_signals():
    """Restore the default handlers, which nohup and background shells replace in their child processes."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_stops_a_run_with_a_complete_folder(here, number):
    (here / "xor.yaml").write_text(
        "data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}\n"
        "model: {layers: [3, {units: 1, activation: sigmoid}]}\n"
        "train: {epochs: 100000000}\n"
    )
    process = started("xor.yaml", "--out", "mine", "--quiet")
    deadline = time.monotonic() + 60
    while not (here / "mine" / "metrics.csv").exists() or not (here / "mine" / "metrics.csv").stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == f"{here / 'mine'}\n"
    assert err == f"interrupted, kept: {here / 'mine'}\nhint: cygd run --resume {here / 'mine'}\n"
    written = json.loads((here / "mine" / "result.json").read_text())
    assert written["status"] == "interrupted"
    [checkpoint] = (here / "mine" / "checkpoints").iterdir()
    # the signal may arrive between the updates of an epoch and its row
    assert int(checkpoint.stem) - written["epochs"] in (0, 1)
