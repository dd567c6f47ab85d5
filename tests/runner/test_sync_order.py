"""In which order a run makes its files durable: what a crash of the machine may leave behind."""

import os
from pathlib import Path

import pytest

import cygd

XOR = {
    "name": "xor",
    "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[1.0], [3.0]]},
    "model": {"layers": [1]},
    "train": {"epochs": 2},
}


@pytest.fixture
def events(monkeypatch, tmp_path):
    """The syncs ("sync", path) and renames ("rename", path) below a folder, in order."""
    found = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        fsync(descriptor)
        found.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def record_replace(source, target):
        replace(source, target)
        found.append(("rename", str(target), str(source)))

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_a_file_that_says_more_follows_the_durable_files_before_it(events, tmp_path):
    folder = cygd.run(XOR, out=tmp_path / "run").directory
    renamed = [Path(event[1]).name for event in events if event[0] == "rename"]
    assert renamed == ["preprocessing.json", "environment.json", "config.yaml", "weights.npz", "result.json"]
    for index, event in enumerate(events):
        if event[0] == "rename":  # the content first, then the name
            assert ("sync", event[2]) in events[:index]
    kinds = [Path(event[1]).name if event[0] == "rename" else event for event in events]
    sync_folder = ("sync", str(folder))
    for before, after in (("environment.json", "config.yaml"), ("weights.npz", "result.json")):
        assert sync_folder in kinds[kinds.index(before) : kinds.index(after)]
    assert sync_folder in kinds[kinds.index("config.yaml") : kinds.index("weights.npz")]
    assert sync_folder in kinds[kinds.index("result.json") :]
    assert ("sync", str(folder / "metrics.csv")) in kinds[: kinds.index("weights.npz")]
    assert ("sync", str(folder.parent)) in kinds[: kinds.index("preprocessing.json")]
    assert len([event for event in events if event[0] == "sync"]) == 12
