"""Runs that were stopped and go on: the same bits, or a refusal that names what is different."""

import csv
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
from cygd import cli
from cygd.errors import CheckpointError, ConfigError, DataError, RunError
from cygd.plugins import Plugins
from cygd.resumption import fingerprint

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

PLUGIN = """\
import numpy as np
from cygd import Activation, DataSource, Dataset, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

def load(folder, file="numbers.txt"):
    x = np.loadtxt(folder / file).reshape(-1, 1)
    return Dataset(x=x, y=x * x)

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)

@hookimpl
def cygd_data_sources():
    yield DataSource("numbers", load)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CYGD_") and name != "CYGD_CPU"]:
        monkeypatch.delenv(name)
    (tmp_path / "bent.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def moons():
    """An experiment in which everything has a state: optimizer, schedule, patience, dropout, shuffles."""
    return {
        "name": "moons",
        "data": {
            "source": "synthetic",
            "kind": "moons",
            "samples": 80,
            "scale": "standard",
            "split": {"validation": 0.25, "test": 0.25},
        },
        "model": {
            "layers": [{"units": 6, "dropout": 0.2, "l2": 1e-4}, {"units": 1, "activation": "sigmoid"}]
        },
        "loss": "binary_cross_entropy",
        "optimizer": {"name": "nadam", "learning_rate": 0.05},
        "schedule": {"name": "reduce_on_plateau", "patience": 1, "threshold": 0.05, "warmup": 2},
        "train": {"epochs": 12, "batch_size": 8, "evaluate_every": 2},
        "metrics": ["accuracy"],
        "stop": {"patience": 4, "min_delta": 0.001},
        "log": ["jsonl"],
        "checkpoint": {"every": 3},
    }


def interrupt_at(monkeypatch, epoch, *, after=True, error=KeyboardInterrupt):
    """Have the run that comes next interrupted at an epoch, before or after its row is told."""
    tell = Plugins.epoch_end

    def told(self, run, now, metrics):
        if now == epoch and not after:
            raise error
        answer = tell(self, run, now, metrics)
        if now == epoch:
            raise error
        return answer

    monkeypatch.setattr(Plugins, "epoch_end", told)


def timeless(directory):
    """Return all that a run has left, without times."""
    with (directory / "metrics.csv").open(newline="") as file:
        rows = [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(file)]
    with (directory / "weights.npz").open("rb") as file:
        weights = file.read()
    result = json.loads((directory / "result.json").read_text())
    result.pop("seconds")
    preprocessing = (directory / "preprocessing.json").read_bytes()
    lines = []
    if (directory / "metrics.jsonl").is_file():
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        lines = [{name: line[name] for name in line if name != "seconds"} for line in lines]
    return {
        "weights": weights,
        "rows": rows,
        "result": result,
        "preprocessing": preprocessing,
        "lines": lines,
        "config": (directory / "config.yaml").read_text(),
        "hashes": (directory / "hashes.csv").read_text(),
    }


def assert_same(directory, other):
    here, there = timeless(directory), timeless(other)
    for name in here:
        assert here[name] == there[name], name
    assert not list(directory.rglob(".*.part"))


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
    assert "there is no checkpoint yet: training starts over" in capsys.readouterr().err


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
    assert "goes on from epoch 6" in (here / "mine" / "log.txt").read_text()


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
        "a checkpoint cannot hold the optimizer's state 'seen': it is no array of numbers"
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
        with pytest.raises(ConfigError, match=f"did not begin with the plugin '{name}' as it is"):
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


# -- refusals ---------------------------------------------------------------------------------------


def test_everything_that_differs_is_named(moons):
    cygd.run(moons, out="mine")
    with pytest.raises(ConfigError) as caught:
        cygd.resume("mine", ["seed=3", "model.layers.0.units=7", "train.epochs=5", "log=[]"])
    told = [(problem.where, problem.key, problem.message) for problem in caught.value.problems]
    assert told == [
        ("command line", "seed", "the run has 0, found 3"),
        ("command line", "model.layers[0].units", "the run has 6, found 7"),
        ("command line", "train.epochs", "can only be raised: the run has 12, found 5"),
        ("command line", "log", 'the run has [{"name": "jsonl", "file": "metrics.jsonl"}], found []'),
    ]
    assert caught.value.problems[-1].hint.startswith("a run goes on as it began, only train.epochs may")


def test_the_same_value_is_no_difference(moons):
    cygd.run(moons, out="mine")
    assert cygd.resume("mine", ["seed=0", "train.epochs=12", "optimizer.learning_rate=5e-2"]).status


@pytest.mark.parametrize("every", [3, 0])
def test_an_edited_configuration_is_refused(moons, here, every):
    moons["checkpoint"] = {"every": every}
    cygd.run(moons, out="mine")
    path = here / "mine" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 4", 1))
    words = rf"{path}:2:7 seed: the run has 0, found 4" if every else "is no longer what the run began with"
    with pytest.raises(ConfigError, match=words):
        cygd.resume("mine")


def test_edited_plugins_and_data_are_refused_together(moons, here):
    np.savez(here / "a.npz", x=np.eye(3), y=np.arange(3.0))
    moons["data"] = {"source": "npz", "path": "a.npz"}
    moons["stop"] = None
    moons["loss"] = "sse"
    cygd.run(moons, out="mine", plugins=["bent.py"])
    np.savez(here / "a.npz", x=np.eye(3), y=np.ones(3))
    (here / "mine" / "plugins" / "bent.py").write_text(PLUGIN + "# edited\n")
    with pytest.raises(ConfigError) as caught:
        cygd.resume("mine")
    assert [problem.message for problem in caught.value.problems] == [
        "plugin file plugins/bent.py has changed since the run began",
        f"data file {here / 'a.npz'} has changed since the run began",
    ]
    (here / "a.npz").unlink()
    with pytest.raises(DataError, match="no such file"):
        cygd.resume("mine")


def test_the_data_of_a_plugin_are_compared_themselves(moons, here):
    (here / "numbers.txt").write_text("1\n2\n3\n")
    moons.update(data={"source": "numbers"}, loss="sse", stop=None)
    moons["data"]["file"] = "numbers.txt"
    cygd.run(moons, out="mine", plugins=["bent.py"])
    assert cygd.resume("mine").status == "completed"
    (here / "numbers.txt").write_text("1\n2\n4\n")
    with pytest.raises(ConfigError, match=r"has changed since the run began|no longer gives the data"):
        cygd.resume("mine")


def test_a_run_that_somebody_else_has_is_refused(moons, monkeypatch, here):
    seen = []

    def told(self, run, epoch, metrics):
        try:
            cygd.resume(run.directory)
        except ConfigError as error:
            seen.append(error.problems[0].message)

    monkeypatch.setattr(Plugins, "epoch_end", told)
    cygd.run(moons, out="mine", overrides=["train.epochs=1", "stop=null"])
    assert len(seen) == 2
    assert seen[0].startswith(f"the run folder '{here / 'mine'}' is in use by ")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "'mine' is not a folder"),
        ([], "'mine' is not a run folder: it has no config.yaml"),
        (["log.txt"], "was stopped before it had written its config.yaml"),
        (["config.yaml"], "environment.json is missing, damaged or of an older cygd"),
    ],
)
def test_what_is_no_run_folder_is_refused(here, files, message):
    if files is not None:
        (here / "mine").mkdir()
        for name in files:
            text = "data: {source: inline, x: [[0]], y: [0]}\nmodel: {layers: [1]}\n"
            (here / "mine" / name).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        cygd.resume("mine")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"status": 1}'])
def test_a_damaged_result_is_refused(moons, here, content):
    cygd.run(moons, out="mine")
    (here / "mine" / "result.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"result\.json is damaged"):
        cygd.resume("mine")


# -- a run that has ended ---------------------------------------------------------------------------


def test_a_run_that_has_ended_gives_its_result_again(moons, here, capsys):
    result = cygd.run(moons, out="mine")
    before = {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()}
    again = cygd.resume("mine", quiet=False)
    assert {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()} == before
    assert (again.status, again.metrics, again.epochs) == (result.status, result.metrics, result.epochs)
    assert again.history["validation_loss"] == result.history["validation_loss"]
    x = np.array([[0.1, 0.2]])
    assert again.model.predict(x) == result.model.predict(x)
    assert f"the run has ended, {result.status} after" in capsys.readouterr().err


def test_early_stopping_and_divergence_are_ends(moons):
    moons["optimizer"] = {"name": "sgd", "learning_rate": 1e300}
    moons["schedule"] = None
    result = cygd.run(moons, out="mine", overrides=["model.layers=[1]", "loss=sse", "stop=null"])
    assert result.status == "diverged"
    assert cygd.resume("mine", ["train.epochs=100"]).status == "diverged"
    assert cli.main(["run", "--resume", "mine"]) == 1


def test_a_schedule_that_depends_on_the_number_of_epochs_is_warned_of(moons, caplog):
    moons.update(schedule="cosine", stop=None)
    cygd.run(moons, out="mine")
    cygd.resume("mine", ["train.epochs=14"])
    [message] = caplog.messages
    assert message.startswith("the schedule cosine depends on train.epochs: the first 12 epochs had the")
    caplog.clear()
    moons.update(schedule={"name": "exponential"})
    cygd.run(moons, out="yours")
    cygd.resume("yours", ["train.epochs=14"])
    assert not caplog.messages


def test_another_version_is_warned_of(moons, monkeypatch, here, caplog):
    cygd.run(moons, out="mine")
    path = here / "mine" / "environment.json"
    content = json.loads(path.read_text())
    content["versions"]["cygd"] = "0.0.1"
    path.write_text(json.dumps(content))
    cygd.resume("mine", ["train.epochs=13"])
    assert caplog.messages[0].startswith(f"the run began with cygd 0.0.1, this is {cygd.__version__}")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_a_run_began_with_is_what_its_folder_says(path):
    from cygd.assembly import read, resolved

    directory = cygd.run(path, overrides=["train.epochs=0"], out="mine").directory
    stored = json.loads((directory / "environment.json").read_text())["config_sha256"]
    names = {directory / "plugins" / file.name: f"plugins/{file.name}" for file in directory.rglob("*.py")}
    content = resolved(read(directory / "config.yaml"), lambda file: names[file])
    assert fingerprint(content) == stored


def test_missing_numbers_are_no_difference(here):
    experiment = {
        "data": {"source": "inline", "x": [[1.0], [float("nan")], [2.0]], "y": [1, 2, 3], "missing": "mean"},
        "model": {"layers": [1]},
        "checkpoint": {"every": 1},
        "train": {"epochs": 2},
    }
    cygd.run(experiment, out="mine")
    assert cygd.resume("mine", ["train.epochs=3"]).epochs == 3


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
    assert caught.value.__notes__ == [f"kept: {here / 'mine'}"]
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
    with pytest.raises(ConfigError, match="seed: the run has 0, found 1"):
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
        (["a.yaml"], "'a.yaml' has no meaning there"),
        (["--out", "b"], "'--out' has no meaning there"),
        (["--dry-run"], "'--dry-run' has no meaning there"),
    ],
)
def test_what_has_no_meaning_beside_resume(arguments, message, capsys):
    assert cli.main(["run", "--resume", "mine", *arguments]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.endswith(message)
    assert hint == "hint: cygd run --resume DIR [KEY=VALUE ...] [--threads N] [--quiet]"


def test_resume_prints_the_folder_alone(moons, monkeypatch, here, capsys):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            cygd.run({**moons, "log": ["console"]}, out="mine")
    assert cli.main(["run", "--resume", "mine"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{here / 'mine'}\n"
    assert "moons: 12 epochs, going on from epoch 4, in " in err
    assert cli.main(["run", "--resume", "mine", "seed=1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "error: command line seed: the run has 0, found 1")


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
