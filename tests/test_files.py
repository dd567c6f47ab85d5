"""When files are synced to the disk."""

import os
import time

import pytest

from cygd import files
from cygd.files import write_durably


@pytest.fixture
def synced(monkeypatch):
    """The descriptors passed to fsync."""
    descriptors = []
    monkeypatch.setattr(os, "fsync", descriptors.append)
    return descriptors


def test_write_syncs_file_and_folder(synced, tmp_path):
    write_durably(tmp_path / "a", b"1")
    assert len(synced) == 2  # the file and its folder


def test_deferred_fsync_syncs_nothing(synced, tmp_path):
    with files.deferred_fsync():
        write_durably(tmp_path / "a", b"1")
    assert synced == []
    files.sync_filesystem(tmp_path)
    write_durably(tmp_path / "b", b"1")
    assert len(synced) == 2


def test_deferred_fsync_expires(synced, tmp_path, monkeypatch):
    with files.deferred_fsync(seconds=5):
        now = time.monotonic()
        monkeypatch.setattr(files.time, "monotonic", lambda: now + 6)
        write_durably(tmp_path / "a", b"1")
    assert len(synced) == 2


def test_deferred_fsync_ends_with_an_error(synced, tmp_path):
    with pytest.raises(ValueError, match="oops"), files.deferred_fsync():
        raise ValueError("oops")
    write_durably(tmp_path / "a", b"1")
    assert len(synced) == 2


def test_sync_filesystem_needs_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.sync_filesystem(tmp_path / "nowhere")
