"""Files that commands write are whole: an error of the disk leaves the old file, or none."""

import errno
import os
from pathlib import Path

import pytest

from cygd.cli.main import main

EXPERIMENT = """\
name: line
data: {source: inline, x: [0, 1, 2], y: [1, 3, 5]}
model: {layers: [1]}
train: {epochs: 2}
"""
COMMANDS = {
    "schema": (["schema", "-o", "schema.json"], "schema.json"),
    "new experiment": (["new", "experiment", "mine"], "mine.yaml"),
    "new plugin": (["new", "plugin", "mine"], "mine.py"),
    "predict": (["predict", "run", "data.csv", "-o", "out.csv"], "out.csv"),
    "bowl": (["bowl", "line.yaml", "-w", "w0[0,0]", "-o", "bowl.svg"], "bowl.svg"),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    Path("line.yaml").write_text(EXPERIMENT)
    Path("data.csv").write_text("x0\n1\n2\n")
    assert main(["run", "line.yaml", "--out", "run", "--quiet"]) == 0
    return tmp_path


def arguments_of(command):
    if command == "bowl":
        pytest.importorskip("matplotlib")
    return COMMANDS[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_writes_its_file(command):
    arguments, name = arguments_of(command)
    assert main(arguments) == 0
    assert Path(name).stat().st_size > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_full_disk_leaves_nothing_behind(command, monkeypatch, capsys):
    arguments, name = arguments_of(command)
    before = sorted(Path.cwd().iterdir())

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(arguments) != 0
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert name in err
    assert "unexpected" not in err
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize("command", ["schema", "bowl"])
def test_full_disk_keeps_the_old_file(command, monkeypatch, capsys):
    arguments, name = arguments_of(command)
    Path(name).write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(arguments) == 2
    assert Path(name).read_text() == "old"
