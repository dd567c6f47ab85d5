"""Commands that read their data from a pipe."""

import hashlib
import io
import json
import sys

import pytest
import yaml

ROWS = "a,b,y\n" + "".join(f"{i},{i * i % 7},{2 * i}\n" for i in range(30))
EXPERIMENT = """
data: {source: csv, path: train.csv, targets: [y], scale: {inputs: standard, targets: standard}}
model: {layers: [4, 1]}
loss: mse
train: {epochs: 3}
log: []
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    (tmp_path / "train.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture
def piped(command, monkeypatch):
    """Return a function that calls the command line with a text on standard input."""

    def call(*arguments, text=ROWS):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return command(*arguments)

    return call


@pytest.fixture
def trained(piped, here):
    assert piped("run", "e.yaml", "data.path=-", "--quiet", "--out", "trained")[0] == 0
    return here / "trained"


def test_run_is_that_of_the_file(command, trained, here):
    assert command("run", "e.yaml", "--quiet", "--out", "other")[0] == 0
    assert "\nresult: identical\n" in command("compare", "trained", "other")[1]
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["data"]["path"] == "/dev/stdin"
    hashes = json.loads((trained / "environment.json").read_text())["sha256"]["data"]
    assert hashes == {"/dev/stdin": hashlib.sha256(ROWS.encode()).hexdigest()}


def test_other_commands_read_stdin(piped, trained):
    assert piped("check", "e.yaml", "data.path=-")[:2] == (0, "e.yaml: ok\n")
    assert piped("data", "e.yaml", "data.path=-")[1].startswith("/dev/stdin: 30 rows, 3 columns\n")
    code, out, _ = piped("predict", trained, "-")
    assert (code, len(out.splitlines())) == (0, 31)
    assert piped("new", "experiment", "mine", "--data", "-")[0] == 0
    assert piped("run", "mine.yaml", "--quiet", "train.epochs=1")[0] == 0


def test_rerun_says_that_the_data_differ(piped, trained):
    config = trained / "config.yaml"
    code, _, err = piped("run", config, "--quiet", "--out", "same")
    assert (code, err) == (0, "")
    code, _, err = piped("run", config, "--quiet", "--out", "changed", text=ROWS + "9,9,9\n")
    assert (code, err.startswith("warning: data file /dev/stdin has changed since the run in ")) == (0, True)
    code, _, err = piped("run", config, "--quiet", "--out", "none", text="")
    assert (code, err.splitlines()[0]) == (2, "error: /dev/stdin is empty")
    assert "data.path=FILE" in err


def test_resuming_needs_the_same_data(piped, trained):
    assert piped("run", "--resume", trained, "train.epochs=4", "--quiet")[0] == 0
    code, _, err = piped("run", "--resume", trained, "train.epochs=5", "--quiet", text=ROWS + "9,9,9\n")
    assert (code, err.splitlines()[0]) == (2, "error: data file /dev/stdin has changed since the run began")


def test_sweep_refuses_a_pipe(piped):
    code, _, err = piped("sweep", "e.yaml", "data.path=-", "seed=1,2")
    assert code == 2
    assert err.splitlines() == [
        "error: /dev/stdin: a pipe can be read only once, but every process of a sweep reads the data",
        "hint: save the data to a file, and name it: data.path=FILE",
    ]
