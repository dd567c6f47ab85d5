"""Sweeps that continue after their project was moved, copied or renamed."""

import shutil

import pytest

from cygd.errors import ConfigError
from cygd.sweep import resume, sweep

EXPERIMENT = """\
name: line
plugins: [plugins/double.py]
data: {source: csv, path: PATH, targets: [y]}
model: {layers: [{units: 2, activation: double}, 1]}
train: {epochs: 3}
checkpoint: {every: 1}
log: []
sweep: {grid: {optimizer.learning_rate: [0.001, 0.01]}}
"""
PLUGIN = """\
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    yield Activation("double", function=lambda h: 2 * h, derivative=lambda h: 2 + 0 * h)
"""
LISTENER = """\
from cygd import hookimpl

@hookimpl
def cygd_run_start(run):
    pass
"""


@pytest.fixture
def project(tmp_path, request):
    root = tmp_path / "project"
    for folder in ("data", "experiments/plugins"):
        (root / folder).mkdir(parents=True)
    (root / "data" / "d.csv").write_text("x,y\n1,2\n2,4\n3,6\n")
    (root / "experiments" / "plugins" / "double.py").write_text(PLUGIN)
    (root / "listener.py").write_text(LISTENER)
    path = getattr(request, "param", "../data/d.csv").replace("ROOT", str(root))
    (root / "experiments" / "line.yaml").write_text(EXPERIMENT.replace("PATH", path))
    return root


def start(project):
    """Run a sweep, forget its last run and the result of the one before, and return the weights of all."""
    plugin = str(project / "listener.py")
    folder = project / "runs" / "s"
    sweep(project / "experiments" / "line.yaml", ["seed=0,1"], [plugin], out=folder, workers=1)
    weights = {run: (folder / run / "weights.npz").read_bytes() for run in ("0000", "0001", "0002", "0003")}
    lines = (folder / "runs.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "runs.jsonl").write_bytes(b"".join(lines[:2]))
    shutil.rmtree(folder / "0003")
    (folder / "0002" / "result.json").unlink()
    return weights


def check(found, weights):
    assert len(found.records) == found.total == 4
    for run, expected in weights.items():
        assert (found.directory / run / "weights.npz").read_bytes() == expected
    assert not list(found.directory.glob("*.unfinished*"))


@pytest.mark.parametrize("project", ["../data/d.csv", "ROOT/data/d.csv"], indirect=True)
def test_moved_sweep_continues(project, tmp_path):
    weights = start(project)
    moved = project.rename(tmp_path / "moved")
    check(resume(moved / "runs" / "s", workers=1), weights)


def test_moved_sweep_continues_from_its_file(project, tmp_path, monkeypatch):
    weights = start(project)
    moved = project.rename(tmp_path / "moved")
    monkeypatch.chdir(moved / "data")
    plugin = "../listener.py"
    check(resume("../runs/s", "../experiments/line.yaml", ["seed=0,1"], [plugin], workers=1), weights)


def test_copied_sweep_continues_with_the_recorded_content(project, tmp_path):
    weights = start(project)
    copy = shutil.copytree(project, tmp_path / "copy")
    (project / "data" / "d.csv").write_text("x,y\n1,1\n2,1\n3,1\n")
    check(resume(copy / "runs" / "s", workers=1), weights)
    with pytest.raises(ConfigError, match=r"the data file .*d\.csv has changed since the sweep in"):
        resume(project / "runs" / "s", workers=1)


def test_moved_sweep_rejects_other_data(project, tmp_path):
    start(project)
    moved = project.rename(tmp_path / "moved")
    (moved / "data" / "d.csv").write_text("x,y\n1,1\n2,1\n3,1\n")
    with pytest.raises(
        ConfigError, match=r"moved/data/d\.csv has other content than .*project/data/d\.csv had"
    ):
        resume(moved / "runs" / "s", workers=1)


def test_sweep_without_its_data_says_how_to_continue(project):
    start(project)
    shutil.rmtree(project / "data")
    with pytest.raises(ConfigError, match=r"the data file .*d\.csv is missing since the sweep") as caught:
        resume(project / "runs" / "s", workers=1)
    assert str(caught.value).endswith(
        f"name the experiment beside the moved data: cygd sweep FILE --resume {project / 'runs' / 's'}"
    )
