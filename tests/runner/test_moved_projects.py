"""Run folders whose project was moved, copied or renamed, or whose data are elsewhere."""

import json
import os
import shutil

import numpy as np
import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import ConfigError, DataError
from tests.helpers.resume_cases import PLUGIN, interrupt_at

EXPERIMENT = """\
name: fit
plugins: [plugin.py]
data: {source: csv, path: ../data/a.csv, targets: [y], split: {validation: 0.25}}
model: {layers: [{units: 3, activation: bent_identity}, 1]}
train: {epochs: 6, batch_size: 4}
checkpoint: {every: 2}
log: []
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.random.default_rng(seed).normal(size=(20, 2)).round(3)
    lines = ["x,y", *(f"{x},{y}" for x, y in rows)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def project(here):
    root = here / "project"
    write_rows(root / "data" / "a.csv", 0)
    write_rows(root / "data" / "b.csv", 1)
    (root / "experiments").mkdir()
    (root / "experiments" / "fit.yaml").write_text(EXPERIMENT)
    (root / "experiments" / "plugin.py").write_text(PLUGIN)
    return root


def run(project, monkeypatch, overrides=()):
    """Run the experiment of a project until it is interrupted after epoch 3, and return its folder."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            cygd.run(project / "experiments" / "fit.yaml", overrides, out=project / "runs" / "mine")
    return project / "runs" / "mine"


def weights(folder):
    return (folder / "weights.npz").read_bytes()


OPTIONS = {
    "one file": [],
    "pattern": ["data.path=../data/?.csv"],
    "other files": [
        "data.split=null",
        "data.validation={path: ../data/b.csv}",
        "data.test={path: ../data/b.csv}",
    ],
    "absolute": ["data.path=ROOT/data/a.csv"],
}


@pytest.mark.parametrize("every", [2, 0])
@pytest.mark.parametrize("overrides", OPTIONS.values(), ids=OPTIONS)
def test_moved_project_resumes_and_runs_again(project, here, monkeypatch, overrides, every):
    overrides = [text.replace("ROOT", str(project)) for text in overrides] + [f"checkpoint.every={every}"]
    complete = cygd.run(project / "experiments" / "fit.yaml", overrides, out="complete").directory
    run(project, monkeypatch, overrides)
    (here / "deep" / "er").mkdir(parents=True)
    moved = project.rename(here / "deep" / "er" / "renamed [1]")
    monkeypatch.chdir(here / "deep")
    folder = moved / "runs" / "mine"
    assert cygd.resume(folder).status == "completed"
    assert weights(folder) == weights(complete)
    assert cygd.resume(folder, ["train.epochs=8"]).epochs == 8
    moved = moved.rename(here / "moved again")
    assert cygd.resume(moved / "runs" / "mine", ["train.epochs=9"]).epochs == 9
    again = cygd.run(moved / "runs" / "mine" / "config.yaml", ["train.epochs=6"], out=here / "again")
    assert weights(again.directory) == weights(complete)
    assert cygd.load(moved / "runs" / "mine").inputs == ("x",)


def test_run_folder_alone_may_be_moved(project, here, monkeypatch):
    folder = run(project, monkeypatch)
    moved = shutil.move(folder, here / "elsewhere")
    assert cygd.resume(moved).status == "completed"
    assert cygd.run(here / "elsewhere" / "config.yaml", out="again").status == "completed"


def test_copied_project_uses_the_data_with_the_recorded_content(project, here, monkeypatch, caplog):
    run(project, monkeypatch)
    shutil.copytree(project, here / "copy")
    write_rows(project / "data" / "a.csv", 7)  # the original is changed, the copy is not
    assert cygd.resume(here / "copy" / "runs" / "mine").status == "completed"
    assert not caplog.messages
    with pytest.raises(
        ConfigError, match=r"data file .*/project/data/a\.csv has changed since the run began"
    ):
        cygd.resume(project / "runs" / "mine")


def test_moved_data_with_other_content_are_rejected(project, here, monkeypatch, caplog):
    run(project, monkeypatch)
    moved = project.rename(here / "moved")
    data = moved / "data" / "a.csv"
    before = data.stat()
    text = data.read_text()
    data.write_text(text.replace("1", "2"))  # the same size
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data.stat().st_size == before.st_size
    with pytest.raises(ConfigError) as caught:
        cygd.resume(moved / "runs" / "mine")
    expected = f"data file {data} has other content than {project / 'data' / 'a.csv'} had when the run began"
    assert [problem.message for problem in caught.value.problems] == [expected]
    cygd.run(moved / "runs" / "mine" / "config.yaml", out="again")
    earlier = f"{project / 'data' / 'a.csv'} had during the run in {moved / 'runs' / 'mine'}"
    warning = f"data file {data} has other content than {earlier}: the result will not be the same"
    assert warning in caplog.messages


def test_run_from_config_warns_about_files_that_are_new_or_missing(project, here, caplog):
    overrides = ["data.path=../data/?.csv"]
    folder = cygd.run(project / "experiments" / "fit.yaml", overrides, out="mine").directory
    write_rows(project / "data" / "c.csv", 2)
    cygd.run(folder / "config.yaml", out="more")
    (project / "data" / "b.csv").unlink()
    (project / "data" / "c.csv").unlink()
    cygd.run(folder / "config.yaml", out="fewer")
    data = project / "data"
    assert [message for message in caplog.messages if "data file" in message] == [
        f"data file {data / 'c.csv'} is new since the run in {folder}: the result will not be the same",
        f"data file {data / 'b.csv'} is missing since the run in {folder}: the result will not be the same",
    ]
    with pytest.raises(ConfigError, match=r"data file .*b\.csv is missing since the run began"):
        cygd.resume(folder)


def test_missing_data_error_names_data_path(project, here, monkeypatch, capsys):
    folder = run(project, monkeypatch)
    shutil.move(project / "data", here / "archive")
    for arguments in (["run", "--resume", str(folder)], ["run", str(folder / "config.yaml")]):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert "a.csv: no such file" in error
        assert "if the data were moved, name their new place: data.path=PATH" in error
    assert main(["run", "--resume", str(folder), "data.path=archive/a.csv", "--quiet"]) == 0
    assert main(["run", "--resume", str(folder), "train.epochs=7", "--quiet"]) == 0  # it is remembered
    assert main(["run", str(folder / "config.yaml"), "--quiet"]) == 0


@pytest.mark.parametrize("every", [2, 0])
def test_data_path_with_the_same_content_is_accepted(project, here, monkeypatch, every):
    overrides = [f"checkpoint.every={every}"]
    complete = cygd.run(project / "experiments" / "fit.yaml", overrides, out="complete").directory
    folder = run(project, monkeypatch, overrides)
    (here / "link.csv").symlink_to(project / "data" / "a.csv")
    with pytest.raises(
        ConfigError, match=r"data file .*/b\.csv has other content than .*/a\.csv had when the"
    ):
        cygd.resume(folder, [f"data.path={project / 'data' / 'b.csv'}"])
    assert cygd.resume(folder, [f"data.path={here / 'link.csv'}"]).status == "completed"
    assert weights(folder) == weights(complete)


def test_moved_data_of_a_plugin_source(project, here, monkeypatch):
    (project / "data" / "numbers.txt").write_text("0.1\n0.2\n0.3\n")
    (project / "experiments" / "fit.yaml").write_text(
        EXPERIMENT.replace(
            "data: {source: csv, path: ../data/a.csv, targets: [y], split: {validation: 0.25}}",
            "data: {source: numbers, file: ../data/numbers.txt}",
        )
    )
    run(project, monkeypatch)
    moved = project.rename(here / "moved")
    assert cygd.resume(moved / "runs" / "mine").status == "completed"


def test_moved_folds_resume(project, here, monkeypatch):
    overrides = ["data.split={folds: 3}"]
    complete = cygd.run(project / "experiments" / "fit.yaml", overrides, out="complete").directory
    run(project, monkeypatch, overrides)  # in fold 1
    moved = project.rename(here / "moved")
    assert cygd.resume(moved / "runs" / "mine").status == "completed"
    for fold in ("fold-1", "fold-2", "fold-3"):
        assert weights(moved / "runs" / "mine" / fold) == weights(complete / fold)
    again = cygd.run(moved / "runs" / "mine" / "config.yaml", out="again")
    assert weights(again.directory / "fold-2") == weights(complete / "fold-2")


def test_folds_refuse_other_data(project, monkeypatch):
    folder = run(project, monkeypatch, ["data.split={folds: 3}"])
    with pytest.raises(ConfigError, match=r"has other content than .*/a\.csv had when the run began"):
        cygd.resume(folder, [f"data.path={project / 'data' / 'b.csv'}"])


def test_folder_of_an_earlier_version_resumes_with_data_path(project, here, monkeypatch):
    folder = run(project, monkeypatch)
    file = folder / "environment.json"
    content = json.loads(file.read_text())
    del content["directory"]
    file.write_text(json.dumps(content))
    moved = project.rename(here / "moved")
    with pytest.raises(DataError, match="no such file"):
        cygd.resume(moved / "runs" / "mine")
    data = moved / "data" / "a.csv"
    assert cygd.resume(moved / "runs" / "mine", [f"data.path={data}"]).status == "completed"


@pytest.mark.parametrize("directory", ["/a\0b", "/" + "x" * 5000, ""], ids=["null", "long", "empty"])
def test_recorded_folder_that_cannot_exist(project, monkeypatch, directory):
    folder = run(project, monkeypatch)
    path = folder / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "directory": directory}))
    assert cygd.resume(folder).status == "completed"
