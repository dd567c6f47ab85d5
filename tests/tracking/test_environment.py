import hashlib
import json
import logging
import shutil
import subprocess
from pathlib import Path

import pytest

import cygd
from cygd.tracking.environment import describe_environment, file_hashes, versions, warn_if_changed


def test_versions_of_required_packages():
    found = versions()
    assert list(found) == ["python", "cygd", "numpy", "pyyaml", "pluggy"]
    assert all(found.values())


def test_file_hashes_are_named_relative_to_the_base(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "a.py").write_bytes(b"x")
    path = tmp_path / "plugins" / "a.py"
    digest = hashlib.sha256(b"x").hexdigest()
    assert file_hashes([path], tmp_path) == {"plugins/a.py": digest}
    assert file_hashes([path]) == {str(path): digest}


def test_warns_about_changed_files(tmp_path, caplog):
    then = {"sha256": {"data": {"/a.csv": "1", "/b.csv": "1"}, "plugins": {"plugins/a.py": "1"}}}
    (tmp_path / "environment.json").write_text(json.dumps(then))
    with caplog.at_level(logging.WARNING, "cygd"):
        warn_if_changed(tmp_path, {"/a.csv": "2", "/b.csv": "1", "/new.csv": "1"}, {"plugins/a.py": "2"})
    assert [record.getMessage() for record in caplog.records] == [
        f"data file /a.csv has changed since the run in {tmp_path}: the result will not be the same",
        f"data file /new.csv is new since the run in {tmp_path}: the result will not be the same",
        f"plugin file plugins/a.py has changed since the run in {tmp_path}: the result will not be the same",
    ]


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"sha256": {"data": {}}}'])
def test_no_warning_without_an_earlier_run(tmp_path, caplog, content):
    if content is not None:
        (tmp_path / "environment.json").write_text(content)
    warn_if_changed(tmp_path, {"/a.csv": "2"}, {})
    assert not caplog.records


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Return a function that calls git in a new repository."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@example.org")

    def call(*arguments, folder=tmp_path / "repository"):
        command = ["git", "-c", "init.defaultBranch=trunk", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "repository" / "deep").mkdir(parents=True)
    call("init")
    return call


def test_commit_is_the_one_checked_out(git, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "repository" / "deep")
    assert commit() is None
    git("commit", "--allow-empty", "-m", "first")
    assert commit() == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert commit() == git("rev-parse", "HEAD")
    git("checkout", "--detach")
    assert commit() == git("rev-parse", "HEAD")


def test_commit_of_a_worktree(git, tmp_path, monkeypatch):
    git("commit", "--allow-empty", "-m", "first")
    git("worktree", "add", str(tmp_path / "other"))
    git("commit", "--allow-empty", "-m", "second")
    monkeypatch.chdir(tmp_path / "other")
    assert commit() == git("rev-parse", "HEAD", folder=tmp_path / "other")
    assert commit() != git("rev-parse", "HEAD")


def commit():
    return describe_environment(1, {})["git_commit"]


def test_environment_variables_and_the_command_line_are_not_recorded(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_PASSWORD", "hunter-in-the-environment")
    monkeypatch.setattr("sys.argv", ["cygd", "run", "hunter-in-the-arguments"])
    experiment = {
        "data": {"source": "inline", "x": [0, 1], "y": [0, 1]},
        "model": {"layers": [1]},
        "train": {"epochs": 1},
    }
    folder = cygd.run(experiment, out="run").directory
    with pytest.raises(cygd.CygdError):
        cygd.run(experiment, ["train.password=hunter-in-an-override"], out="refused")
    assert not Path("refused").exists()
    for file in folder.rglob("*"):
        assert not file.is_file() or b"hunter" not in file.read_bytes(), file
