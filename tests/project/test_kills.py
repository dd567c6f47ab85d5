"""The tool that kills runs and sweeps: it ends, counts and finds what is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cygd
from tools import kills

ENVIRONMENT = {"PYTHONPATH": str(Path(cygd.__file__).parents[1]), "PATH": "/usr/bin:/bin"}


def run_tool(folder, *arguments):
    command = [sys.executable, "-P", kills.__file__, "--state", "state.json", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def test_killed_runs_end_with_the_same_bits(tmp_path):
    for n_kills in (2, 4):  # the second start goes on
        done = run_tool(tmp_path, "--kills", str(n_kills))
        assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads((tmp_path / "state.json").read_text())
    assert counts["kills"] >= 4
    assert counts["lost"] == 0
    assert counts["starts"] > counts["ended"] > 0


@pytest.mark.exhaustive
def test_killed_sweeps_end_with_the_same_bits(tmp_path):
    done = run_tool(tmp_path, "--sweeps", "--kills", "2")
    assert done.returncode == 0, done.stdout + done.stderr


def test_damaged_file_is_lost(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "000001.npz").write_bytes(b"half")
    with pytest.raises(cygd.CheckpointError, match="is damaged"):
        kills.check_complete(tmp_path)


def test_times_are_not_compared():
    assert kills.without_times([{"loss": 1, "seconds": 2, "attempts": 1}]) == [{"loss": 1}]
