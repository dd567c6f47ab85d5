"""Runs that were stopped and go on: the same bits, with plugins, in folds and from the command line."""

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
from tests.helpers.resume_cases import EXPERIMENTS, PLUGIN, assert_same, interrupt_at

here, moons = resume_cases.here, resume_cases.moons  # fixtures


def untimed(history):
    return {name: history[name] for name in history if name != "seconds"}


# -- the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [True, False], ids=["row told", "row not told"])
@pytest.mark.parametrize("epoch", range(13))
def test_an_interrupt_at_any_epoch_changes_no_bit(moons, monkeypatch, here, epoch, after):
    whole = cygd.run(moons, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, epoch, after=after)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    result = cygd.resume("mine", threads=2)
    assert_same(result.directory, whole.directory)
    assert (result.status, result.epochs, result.best_epoch) == (
        *(whole.status, whole.epochs, whole.best_epoch),
    )
    assert result.metrics == whole.metrics
    assert untimed(result.history) == untimed(whole.history)


def test_one_that_is_interrupted_again_and_again(moons, monkeypatch):
    moons["checkpoint"] = {"every": 0}
    whole = cygd.run(moons, out="whole")
    for epoch in (0, 3, 3, 4, 9):
        with monkeypatch.context() as patch:
            interrupt_at(patch, epoch)
            with pytest.raises(KeyboardInterrupt):
                cygd.resume("mine") if Path("mine").exists() else cygd.run(moons, out="mine")
    assert_same(cygd.resume("mine").directory, whole.directory)


def test_a_run_that_failed_goes_on_when_the_cause_is_gone(moons, monkeypatch, here):
    whole = cygd.run(moons, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7, error=LookupError("no more"))
        with pytest.raises(RunError, match="no more"):
            cygd.run(moons, out="mine")
    assert json.loads((here / "mine" / "result.json").read_text())["status"] == "failed"
    assert_same(cygd.resume("mine").directory, whole.directory)


def test_without_a_checkpoint_training_starts_over(moons, here, capsys):
    moons["checkpoint"] = {"every": 0}
    whole = cygd.run(moons, out="whole")
    cygd.run(moons, out="mine")
    (here / "mine" / "result.json").unlink()
    (here / "mine" / "weights.npz").unlink()
    table = here / "mine" / "metrics.csv"
    table.write_bytes(table.read_bytes()[:-40])
    assert_same(cygd.resume("mine", quiet=False).directory, whole.directory)
    assert "no checkpoint found: training starts from the beginning" in capsys.readouterr().err


@pytest.mark.parametrize("torn", ["5,0.25,0.", "", "5,0.25,0.1,0.2,0.3,0.4,0.05,0.1\n6,0"])
def test_rows_behind_the_checkpoint_are_written_again(moons, monkeypatch, here, torn):
    whole = cygd.run(moons, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    with (here / "mine" / "metrics.csv").open("a") as file:
        file.write(torn)
    with (here / "mine" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "lo')
    assert_same(cygd.resume("mine").directory, whole.directory)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(moons, monkeypatch, here, caplog):
    whole = cygd.run(moons, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    path = here / "mine" / "checkpoints" / "000008.npz"
    path.write_bytes(path.read_bytes()[:-1000])
    assert_same(cygd.resume("mine").directory, whole.directory)
    assert "000008.npz is damaged" in caplog.messages[0]
    assert "resumes from epoch 6" in (here / "mine" / "log.txt").read_text()


@pytest.mark.parametrize("every", [0, 1, 5])
def test_raised_epochs_give_what_they_would_have_given_at_once(moons, here, every):
    moons["train"] = {"epochs": 7, "batch_size": 8, "evaluate_every": every}
    if not every:
        del moons["stop"], moons["schedule"]
    moons["checkpoint"] = {"every": 1000}
    whole = cygd.run(moons, overrides=["train.epochs=11"], out="whole")
    first = cygd.run(moons, out="mine")
    assert first.epochs == 7
    result = cygd.resume("mine", ["train.epochs=11"])
    assert_same(result.directory, whole.directory)
    assert "epochs: 11" in (here / "mine" / "config.yaml").read_text()


def test_epochs_are_raised_step_by_step(moons):
    del moons["stop"]
    moons["checkpoint"] = {"every": 1000}
    whole = cygd.run(moons, overrides=["train.epochs=9"], out="whole")
    cygd.run(moons, overrides=["train.epochs=1"], out="mine")
    for epochs in (3, 4, 9):
        result = cygd.resume("mine", [f"train.epochs={epochs}"])
        assert result.epochs == epochs
    assert_same(result.directory, whole.directory)


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_goes_on(path, monkeypatch):
    shorter = ["train.epochs=4", "train.evaluate_every=1"]
    whole = cygd.run(path, overrides=shorter, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, min(2, whole.epochs))
        with pytest.raises(KeyboardInterrupt):
            cygd.run(path, overrides=shorter, out="mine")
    assert_same(cygd.resume("mine").directory, whole.directory)


ODD = """\
import numpy as np
from cygd import Optimizer, hookimpl

def update(w, g, state, learning_rate, step):
    state["seen"] = {"step": step}
    w -= learning_rate * g

@hookimpl
def cygd_optimizers():
    yield Optimizer("odd", update)
"""


def test_an_optimizer_that_no_checkpoint_can_hold_trains_all_the_same(moons, here, caplog):
    (here / "odd.py").write_text(ODD)
    moons.update(optimizer="odd", plugins=["odd.py"], stop=None)
    result = cygd.run(moons, out="mine")
    assert result.status == "completed"
    assert [message for message in caplog.messages if "checkpoint" in message] == [
        "a checkpoint cannot hold the optimizer's state 'seen': expected a numeric array, got dict"
    ]
    assert not (here / "mine" / "checkpoints").exists()


def test_one_that_is_stopped_before_it_goes_on_keeps_its_weights(moons, monkeypatch, here):
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
    whole = cygd.run(moons, out="whole", overrides=["train.epochs=14"])
    assert_same(cygd.resume("mine").directory, whole.directory)


# -- plugins and places -----------------------------------------------------------------------------


def test_the_plugins_of_the_folder_are_enough(moons, monkeypatch, here):
    moons["model"]["activation"] = "bent_identity"
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py")
    whole = cygd.run(moons, out="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(moons, out="mine")
    # in the same shell, with the plugin named once more, and from a folder that has moved
    (here / "mine").rename(here / "moved")
    result = cygd.resume(here / "moved", plugins=["bent.py"])
    assert_same(result.directory, whole.directory)
    assert cygd.resume("moved").status == whole.status


def test_a_plugin_that_the_run_did_not_have_is_refused(moons, monkeypatch, here):
    cygd.run(moons, out="mine", plugins=["bent.py"])
    (here / "bent.py").write_text(PLUGIN + "# edited\n")
    for name in ("bent.py", "json", "no:bent"):
        with pytest.raises(ConfigError, match=f"did not begin with the plugin '{name}' in its current form"):
            cygd.resume("mine", plugins=[name])


def test_a_module_that_gives_what_is_used_is_watched(moons, monkeypatch, here):
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
def test_folds_go_on_with_what_is_missing(folded, monkeypatch, here, fold, begun):
    whole = cygd.run(folded, out="whole", plugins=["bent.py"])
    tell, monitored = Plugins.epoch_end, f"fold-{fold}"

    def told(self, run, epoch, metrics):
        if run.directory.name == monitored and epoch == 2:
            raise KeyboardInterrupt
        return tell(self, run, epoch, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(Plugins, "epoch_end", told)
        with pytest.raises(KeyboardInterrupt) as caught:
            cygd.run(folded, out="mine", plugins=["bent.py"])
    assert caught.value.directory == here / "mine"
    if not begun:
        for path in (here / "mine" / monitored).rglob("*.*"):
            if path.is_file() and path.name != "log.txt":
                path.unlink()
    monkeypatch.setenv("CYGD_PLUGINS", "bent.py")
    result = cygd.resume("mine")
    assert (result.status, result.metrics) == (whole.status, whole.metrics)
    for number in (1, 2, 3):
        assert_same(here / "mine" / f"fold-{number}", here / "whole" / f"fold-{number}")
    for name in ("summary.csv", "config.yaml"):
        assert (here / "mine" / name).read_bytes() == (here / "whole" / name).read_bytes()


def test_folds_take_more_epochs_and_nothing_else(folded, here):
    whole = cygd.run(folded, overrides=["train.epochs=6"], out="whole")
    cygd.run(folded, out="mine")
    with pytest.raises(ConfigError, match="seed: the run has 0, got 1"):
        cygd.resume("mine", ["seed=1"])
    result = cygd.resume("mine", ["train.epochs=6"])
    assert result.metrics == whole.metrics
    assert (here / "mine" / "config.yaml").read_text() == (here / "whole" / "config.yaml").read_text()
    for number in (1, 2, 3):
        assert_same(here / "mine" / f"fold-{number}", here / "whole" / f"fold-{number}")


# -- the command line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml"], "--resume cannot be combined with 'a.yaml'"),
        (["--out", "b"], "--resume cannot be combined with '--out'"),
        (["--dry-run"], "--resume cannot be combined with '--dry-run'"),
    ],
)
def test_what_has_no_meaning_beside_resume(arguments, message, capsys):
    assert main(["run", "--resume", "mine", *arguments]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.endswith(message)
    assert hint == "hint: cygd run --resume DIR [KEY=VALUE ...] [--threads N] [--quiet]"


def test_resume_prints_the_folder_alone(moons, monkeypatch, here, capsys):
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
        preexec_fn=heed_signals,
    )


def heed_signals():
    """Undo what nohup, or a shell in the background, has the processes below it ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_run_in_good_order(here, number):
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
    # a signal may come between the updates of an epoch and its row, which is measured again
    assert int(checkpoint.stem) - written["epochs"] in (0, 1)
