"""When files are synced to the disk."""

import errno
import os
import time
from pathlib import Path

import pytest

from cygd import files
from cygd.files import open_durably, write_durably, write_user_file


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


# -- files of users ---------------------------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", [write_durably, write_user_file])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch, write, step):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else type(path), step, fail)
        with pytest.raises(OSError, match="No space left on device") as caught:
            write(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "secret").write_bytes(b"old")
    (tmp_path / "secret").chmod(0o600)
    write_user_file(tmp_path / "secret", b"new")
    assert (tmp_path / "secret").read_bytes() == b"new"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("mask", "permissions"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_new_file_respects_the_umask(tmp_path, mask, permissions):
    before = os.umask(mask)
    try:
        for path, options in (("a", {}), ("b", {"new": True})):
            write_durably(tmp_path / path, b"1", **options)
        write_user_file(tmp_path / "c", b"1")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {permissions}


def test_link_of_a_user_is_followed_and_one_in_a_run_folder_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_user_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
    write_durably(tmp_path / "link", b"newer")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_device_is_written_to_and_stays(tmp_path):
    write_user_file(tmp_path / "gone", b"1")  # the usual case, for comparison
    (tmp_path / "null").symlink_to(os.devnull)
    write_user_file(tmp_path / "null", b"text")
    assert Path(os.devnull).is_char_device()


def test_new_file_does_not_replace_another(tmp_path, monkeypatch):
    def no_links(*arguments):
        raise OSError(errno.EPERM, "Operation not permitted")

    for link in (os.link, no_links):
        monkeypatch.setattr(os, "link", link)
        (tmp_path / "taken").write_bytes(b"old")
        with pytest.raises(FileExistsError):
            write_durably(tmp_path / "taken", b"new", new=True)
        (tmp_path / "free").unlink(missing_ok=True)
        write_durably(tmp_path / "free", b"new", new=True)
        assert (tmp_path / "free").read_bytes() == b"new"
        assert (tmp_path / "taken").read_bytes() == b"old"
        assert names(tmp_path) == ["free", "taken"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a.b" * 85])
def test_longest_file_names_can_be_written(tmp_path, name):
    write_durably(tmp_path / name, b"1")
    assert names(tmp_path) == [name]


def test_a_file_that_is_written_in_blocks_appears_when_it_is_complete(tmp_path):
    with open_durably(tmp_path / "a") as file:
        file.write(b"1")
        assert not (tmp_path / "a").exists()
        file.write(b"2")
    assert (tmp_path / "a").read_bytes() == b"12"
    with pytest.raises(TypeError), open_durably(tmp_path / "a") as file:
        file.writelines([b"3", "text"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"12")]
    with pytest.raises(FileNotFoundError), open_durably(tmp_path / "missing" / "a"):
        pass
