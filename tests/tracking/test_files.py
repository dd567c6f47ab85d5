"""When what is written is brought to the disk."""

import os
import time

import pytest

from cygd.tracking import files
from cygd.tracking.files import write_durably


@pytest.fixture
def flushed(monkeypatch):
    """The descriptors that are flushed one by one."""
    seen = []
    monkeypatch.setattr(os, "fsync", seen.append)
    return seen


def test_a_file_is_flushed_by_itself(flushed, tmp_path):
    write_durably(tmp_path / "a", b"1")
    assert len(flushed) == 2  # the file and its folder


def test_what_is_deferred_is_left_to_a_barrier(flushed, tmp_path):
    with files.deferred_fsync():
        write_durably(tmp_path / "a", b"1")
    assert flushed == []
    files.sync_filesystem(tmp_path)
    write_durably(tmp_path / "b", b"1")
    assert len(flushed) == 2


def test_a_long_run_flushes_by_itself(flushed, tmp_path, monkeypatch):
    with files.deferred_fsync(seconds=5):
        now = time.monotonic()
        monkeypatch.setattr(files.time, "monotonic", lambda: now + 6)
        write_durably(tmp_path / "a", b"1")
    assert len(flushed) == 2


def test_what_fails_within_does_not_last(flushed, tmp_path):
    with pytest.raises(ValueError, match="oops"), files.deferred_fsync():
        raise ValueError("oops")
    write_durably(tmp_path / "a", b"1")
    assert len(flushed) == 2


def test_a_barrier_where_there_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.sync_filesystem(tmp_path / "nowhere")
