"""Runs that cannot be resumed: an error names the differences, or the result of a finished run returns."""

import json
from dataclasses import replace

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import CheckpointError, ConfigError, CygdError, DataError
from cygd.runner.provenance import config_hash
from cygd.tracking import checkpoints
from cygd.tracking.loggers.console import format_epochs
from tests.helpers import resume_cases
from tests.helpers.resume_cases import EXPERIMENTS, PLUGIN, at_each_epoch

here, moons = resume_cases.here, resume_cases.moons  # fixtures


# -- differences ------------------------------------------------------------------------------------


def test_error_names_every_difference(moons):
    cygd.run(moons, out="mine")
    with pytest.raises(ConfigError) as caught:
        cygd.resume("mine", ["seed=3", "model.layers.0.units=7", "train.epochs=5", "log=[]"])
    problems = [(problem.where, problem.key, problem.message) for problem in caught.value.problems]
    assert problems == [
        ("command line", "seed", "the run has 0, got 3"),
        ("command line", "model.layers[0].units", "the run has 6, got 7"),
        ("command line", "train.epochs", "can only be raised: the run has 12, got 5"),
        ("command line", "log", 'the run has [{"name": "jsonl", "file": "metrics.jsonl"}], got []'),
    ]
    assert caught.value.problems[-1].hint.startswith("only train.epochs may be raised when resuming")


def test_equal_overrides_are_accepted(moons):
    cygd.run(moons, out="mine")
    assert cygd.resume("mine", ["seed=0", "train.epochs=12", "optimizer.learning_rate=5e-2"]).status


@pytest.mark.parametrize("every", [3, 0])
def test_edited_config_is_rejected(moons, here, every):
    moons["checkpoint"] = {"every": every}
    cygd.run(moons, out="mine")
    path = here / "mine" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 4", 1))
    words = rf"{path}:2:7 seed: the run has 0, got 4" if every else "has changed since the run began"
    with pytest.raises(ConfigError, match=words):
        cygd.resume("mine")


def test_edited_plugins_and_data_are_rejected_together(moons, here):
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


def test_data_of_a_plugin_source_are_compared(moons, here):
    (here / "numbers.txt").write_text("1\n2\n3\n")
    moons.update(data={"source": "numbers"}, loss="sse", stop=None)
    moons["data"]["file"] = "numbers.txt"
    cygd.run(moons, out="mine", plugins=["bent.py"])
    assert cygd.resume("mine").status == "completed"
    (here / "numbers.txt").write_text("1\n2\n4\n")
    with pytest.raises(ConfigError, match=r"has changed since the run began|returns other data"):
        cygd.resume("mine")


def test_folder_in_use_is_rejected(moons, monkeypatch, here):
    messages = []

    def resume(run, epoch, call_hooks):
        try:
            cygd.resume(run.directory)
        except ConfigError as error:
            messages.append(error.problems[0].message)

    at_each_epoch(monkeypatch, resume)
    cygd.run(moons, out="mine", overrides=["train.epochs=1", "stop=null"])
    assert len(messages) == 2
    assert messages[0].startswith(f"the run folder '{here / 'mine'}' is in use by ")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "'mine' is not a folder"),
        ([], "'mine' is not a run folder: it has no config.yaml"),
        (["log.txt"], "was stopped before it wrote its config.yaml"),
        (["config.yaml"], "environment.json is missing, damaged or of an older cygd"),
    ],
)
def test_invalid_run_folder_is_rejected(here, files, message):
    if files is not None:
        (here / "mine").mkdir()
        for name in files:
            text = "data: {source: inline, x: [[0]], y: [0]}\nmodel: {layers: [1]}\n"
            (here / "mine" / name).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        cygd.resume("mine")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"status": 1}'])
def test_damaged_result_is_rejected(moons, here, content):
    cygd.run(moons, out="mine")
    (here / "mine" / "result.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"result\.json is damaged"):
        cygd.resume("mine")


# -- finished runs ----------------------------------------------------------------------------------


def test_finished_run_returns_its_result(moons, here, capsys):
    result = cygd.run(moons, out="mine")
    before = {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()}
    again = cygd.resume("mine", quiet=False)
    assert {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()} == before
    assert (again.status, again.metrics, again.epochs) == (result.status, result.metrics, result.epochs)
    assert again.history["validation_loss"] == result.history["validation_loss"]
    x = np.array([[0.1, 0.2]])
    assert again.model.predict(x) == result.model.predict(x)
    assert f"the run is finished, {result.status} after" in capsys.readouterr().err


def test_stopped_and_diverged_runs_are_finished(moons):
    moons["optimizer"] = {"name": "sgd", "learning_rate": 1e300}
    moons["schedule"] = None
    result = cygd.run(moons, out="mine", overrides=["model.layers=[1]", "loss=sse", "stop=null"])
    assert result.status == "diverged"
    assert cygd.resume("mine", ["train.epochs=100"]).status == "diverged"
    assert main(["run", "--resume", "mine"]) == 1


STEEP = [
    "model.layers=[1]",
    "loss=sse",
    "stop=null",
    "schedule=null",
    "optimizer={name: sgd, learning_rate: 1e300}",
]
FINISHED = {
    "early stopping": (
        ["stop.patience=1", "stop.min_delta=1"],
        "stopped",
        "early stopping ended it",
        "stop=null",
    ),
    "loss below": (["stop={loss_below: 100}"], "stopped", "early stopping ended it", "stop=null"),
    "diverged": (
        STEEP,
        "diverged",
        "loss or weights were no longer finite",
        "optimizer.learning_rate=1e+299",
    ),
}


@pytest.mark.parametrize(("overrides", "status", "cause", "remedy"), FINISHED.values(), ids=FINISHED)
@pytest.mark.parametrize("quiet", [True, False])
def test_more_epochs_for_a_run_that_ended_itself_warn(
    moons, here, caplog, overrides, status, cause, remedy, quiet
):
    result = cygd.run(moons, out="mine", overrides=overrides)
    assert result.status == status
    assert cygd.resume("mine", quiet=quiet).epochs == result.epochs
    assert not caplog.records
    again = cygd.resume("mine", ["train.epochs=40"], quiet=quiet)
    assert (again.status, again.epochs) == (status, result.epochs)
    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        f"the run in {here / 'mine'} {status} after {format_epochs(result.epochs)}, "
        f"and more epochs do not continue it: {cause}",
    )
    command = f"cygd run {here / 'mine' / 'config.yaml'} train.epochs=40 {remedy}"
    assert record.hint == f"start a new run: {command}"
    assert main([*command.split()[1:], "--quiet", "--out", "new"]) in (0, 1)  # a valid command line


def test_warns_if_the_schedule_depends_on_the_number_of_epochs(moons, caplog):
    moons.update(schedule="cosine", stop=None)
    cygd.run(moons, out="mine")
    cygd.resume("mine", ["train.epochs=14"])
    [message] = caplog.messages
    assert message.startswith("the schedule cosine depends on train.epochs: the first 12 epochs used the")
    caplog.clear()
    moons.update(schedule={"name": "exponential"})
    cygd.run(moons, out="yours")
    cygd.resume("yours", ["train.epochs=14"])
    assert not caplog.messages


def test_warns_about_another_version(moons, monkeypatch, here, caplog):
    cygd.run(moons, out="mine")
    path = here / "mine" / "environment.json"
    content = json.loads(path.read_text())
    content["versions"]["cygd"] = "0.0.1"
    path.write_text(json.dumps(content))
    cygd.resume("mine", ["train.epochs=13"])
    assert caplog.messages[0].startswith(f"the run began with cygd 0.0.1, this is {cygd.__version__}")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_recorded_config_hash_matches_config_yaml(path):
    from cygd.runner.assembly import read

    directory = cygd.run(path, overrides=["train.epochs=0"], out="mine").directory
    stored = json.loads((directory / "environment.json").read_text())["config_sha256"]
    names = {directory / "plugins" / file.name: f"plugins/{file.name}" for file in directory.rglob("*.py")}
    content = read(directory / "config.yaml").resolved(lambda file: names[file])
    assert config_hash(content) == stored


def test_missing_values_compare_equal(here):
    experiment = {
        "data": {"source": "inline", "x": [[1.0], [float("nan")], [2.0]], "y": [1, 2, 3], "missing": "mean"},
        "model": {"layers": [1]},
        "checkpoint": {"every": 1},
        "train": {"epochs": 2},
    }
    cygd.run(experiment, out="mine")
    assert cygd.resume("mine", ["train.epochs=3"]).epochs == 3


# -- a checkpoint with a right SHA-256 that is not of this run ----------------------------------------------


def forge(folder, change):
    """Write the last checkpoint again with another state, and remove the others."""
    *others, file = sorted((folder / "checkpoints").glob("*.npz"))
    for other in others:
        other.unlink()
    checkpoint = checkpoints.read(file)
    file.write_bytes(replace(checkpoint, state=change(checkpoint.state)).to_bytes())


def as_float32(state):
    best = state.early_stopping._replace(best_parameters=state.parameters.astype(np.float32))
    optimizer = {name: array.astype(np.float32) for name, array in state.optimizer.items()}
    return replace(state, parameters=best.best_parameters, optimizer=optimizer, early_stopping=best)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: replace(state, updates=state.updates + 1), "updates: expected 60, got 61"),
        (lambda state: replace(state, step=1), "updates of the optimizer: expected 60, got 1"),
        (
            lambda state: replace(state, early_stopping=None),
            "state of early stopping: expected true, got false",
        ),
        (
            lambda state: replace(state, early_stopping=state.early_stopping._replace(best_parameters=None)),
            "best weights: expected true, got false",
        ),
        (as_float32, "does not fit the experiment: parameters"),
        (lambda state: replace(state, scalars=[1.0]), "does not fit the experiment: scalars"),
        (lambda state: replace(state, scalars=[1.0] * 9), "does not fit the experiment: scalars"),
        (lambda state: replace(state, optimizer={}), "does not fit the experiment: m"),
        (
            lambda state: replace(
                state, optimizer={name: a.astype(np.float32) for name, a in state.optimizer.items()}
            ),
            "does not fit the experiment: m",
        ),
    ],
)
def test_checkpoint_of_another_state_is_refused(moons, here, change, message):
    cygd.run(moons, ["train.epochs=12", "stop.patience=9"], out="mine")
    forge(here / "mine", change)
    with pytest.raises(CygdError, match=message):
        cygd.resume("mine", ["train.epochs=13"])
